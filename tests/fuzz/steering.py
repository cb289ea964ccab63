"""Calls that steer whole tenants, and the actors that they name."""

from __future__ import annotations

from taskproc import TaskProcessor
from tests.fuzz.callables import BATCH, COUNT, MODE, QUEUE, SKIP, TAKE, TASK, TENANT, Call, Slot, Values, batch_of, fixed
from tests.fuzz.values import odd

ACTOR = Slot("actor", fixed("", "ann"), "actor")
TO = Slot("to", fixed("second", "third"), "queue")
FROM = Slot("from", fixed("default"), "queue")
WAIT = Slot("timeout", fixed(0, 5), "timeout", lambda rng: -1 if isinstance(found := odd(rng), int | float) else found)
GONE = Slot("tenant", fixed("second", "third"), "tenant")
OWNER = Slot("tenant", fixed("third", None), "tenant")


async def exported(p: TaskProcessor, v: Values) -> None:
    """Read all lines of an export."""
    async for _ in p.export_tenant(v["tenant"]):
        pass


STEERING: list[Call] = [
    Call("cancel_tenant", (TENANT, QUEUE, ACTOR),
         lambda p, v: p.cancel_tenant(v["tenant"], queue=v["queue"], actor=v["actor"])),
    Call("tenant.cancel_all", (QUEUE, ACTOR),
         lambda p, v: p.tenant("second").cancel_all(queue=v["queue"], actor=v["actor"])),
    Call("move_tasks", (TENANT, FROM, TO, ACTOR),
         lambda p, v: p.move_tasks(v["tenant"], v["from"], v["to"], actor=v["actor"])),
    Call("tenant.move_tasks", (FROM, TO), lambda p, v: p.tenant("acme").move_tasks(v["from"], v["to"])),
    Call("export_tenant", (TENANT,), exported),
    Call("purge_tenant", (GONE, ACTOR, WAIT),
         lambda p, v: p.purge_tenant(v["tenant"], actor=v["actor"], timeout=v["timeout"])),
    Call("get_journal", (OWNER, SKIP, TAKE), lambda p, v: p.get_journal(v["tenant"], skip=v["skip"], take=v["take"])),
    Call("cancel_batch by", (BATCH, ACTOR), lambda p, v: p.cancel_batch(batch_of(v), actor=v["actor"])),
    Call("cancel_task by", (TASK, ACTOR), lambda p, v: p.cancel_task(v["task"], actor=v["actor"])),
    Call("set_queue_mode by", (QUEUE, MODE, ACTOR),
         lambda p, v: p.set_queue_mode(v["queue"], v["mode"], actor=v["actor"])),
    Call("retry_dead_tasks by", (QUEUE, COUNT, ACTOR),
         lambda p, v: p.retry_dead_tasks(v["queue"], count=v["count"], actor=v["actor"])),
]  # fmt: skip
