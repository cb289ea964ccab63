"""Keys that all share, of a wrong type for a while: everything waits, nothing is lost, and goes on once they are mended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from taskproc import BatchState, Schedule, TaskprocError
from tests.fuzz import handlers
from tests.fuzz.damage import wrong_type
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY
from tests.fuzz.world import OPTIONS, STALLED_SECONDS, Watched, World, each_once, tried
from tests.harness import Instance

KEYS = (
    "m", "run", "leases", "cx", "delayed", "settled", "staging", "idle", "tenants", "queues", "workers", "ring:default",
    "q:default",
    "wake:default", "lane:default:acme", "fifo:default", "w", "worker", "schedules", "coded", "over", "slimits",
    "rules", "tiers", "out", "out:acme", "aside:default:acme", "tr:default:acme", "tr::acme",
)  # fmt: skip
TASKS = 12
FORGOTTEN_SECONDS = OPTIONS["invisibility"] + STALLED_SECONDS
"""After so long even those tasks have come back whose claim was forgotten, with what the worker's last step had answered."""
MOST_LINES = 100


async def group(world: World, numbers: Sequence[int]) -> None:
    """Damage a key under a worker's hands, mend it, and see that all is done."""
    for number in numbers:
        async with world.fresh() as instance, world.worker(poll_interval=0.1) as watched:
            await one(world, instance, watched, number)


async def _listed(watched: Watched) -> str:
    while not (found := await watched.proc.get_workers()):
        watched.alive()
        await asyncio.sleep(0.005)
    return found[0].id


async def one(world: World, instance: Instance, watched: Watched, number: int) -> None:
    """One input."""
    rng, ids = world.chance(number), list[str]()
    name = f"{{{instance.name}}}:" + rng.choice(KEYS)
    if name.endswith((":w", ":worker")):
        name += ":" + await _listed(watched)
    batches = [
        await watched.proc.enqueue_batch(
            "default", "acme", lambda batch: ids.extend(batch.enqueue(handlers.linger, CANARY) for _ in range(TASKS))
        )
    ]
    await watched.proc.set_tenant_limits("acme", max_running=3, rate_limit="500/s")
    regular = Schedule("regular", "acme", every=0.3)
    await watched.proc.upsert_schedule(regular, handlers.take, "s", CANARY)
    before, ttl = instance.client.dump(name), instance.client.pttl(name)
    wrong_type(rng, instance.client, name)
    once = Schedule("once", "acme", at=handlers.BEGIN)
    for what, call in (
        ("get_queues", watched.proc.get_queues), ("get_schedules", lambda: watched.proc.get_schedules("acme")),
        ("upsert_schedule", lambda: watched.proc.upsert_schedule(once, handlers.take, "s", CANARY)),
    ):  # fmt: skip
        error = await tried(call, what)
        world.tally.note("instance", "answers" if error is None else "errors of ours")
    await asyncio.sleep(0.25)
    await watched.quiet()
    watched.alive()
    if len(world.listener.lines) > MOST_LINES:
        raise Broken(f"{name}: {len(world.listener.lines)} lines in the log")
    instance.client.delete(name)
    if before is not None:
        instance.client.restore(name, max(ttl, 0), before, replace=True)
    try:
        batches.append(
            await watched.proc.enqueue_batch(
                "default", "acme", lambda batch: ids.append(batch.enqueue(handlers.take, "n", "x"))
            )
        )
    except TaskprocError as problem:
        raise Broken(f"{name} is mended, and all the same: {problem}") from None

    async def done() -> str:
        infos = [await watched.proc.get_batch(batch_id) for batch_id in batches]
        left = [info for info in infos if info is None or info.state is not BatchState.DONE or info.done != info.total]
        return f"{left}" if left else ""

    await watched.until(done, f"{name} is mended, and the tasks are not done", FORGOTTEN_SECONDS)
    each_once(ids, name)
    runs, places = await _runs(watched), f"{{{instance.name}}}:schedules"
    for sid in instance.client.zrange(places, 0, -1):
        instance.client.zadd(places, {sid: 1}, xx=True)  # as if the minute were over for which it was put off

    async def fires() -> str:
        return "" if await _runs(watched) > runs else "not yet"

    await watched.until(fires, f"{name} is mended, and the schedule doesn't fire")
    await watched.proc.cancel_schedule("regular", "acme")


async def _runs(watched: Watched) -> int:
    info = await watched.proc.get_schedule("regular", "acme")
    if info is None:
        raise Broken("the schedule is gone")
    return info.runs
