"""An instance with some of everything in it, and every kind of damage that an audit knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskproc import Batch, TaskProcessor
from taskproc.keys import SCHEMA
from taskproc.store.scripts import to_json
from tests import handlers
from tests.building import noops
from tests.harness import Instance, until
from tests.sweep import Sweep

BODY = b'.["tests.handlers.noop",[]]'
HOLDER = "holderholderholder0000"
"""A worker that took a task and does nothing."""

TOTAL = 7
"""Tasks of the scene's main batch."""


class Scene:
    """A tenant ``acme`` with a batch ``a`` of ready, delayed and running tasks, and a single one; a tenant ``beta`` with a
    batch that has failed and one that was cancelled."""

    def __init__(self, instance: Instance, proc: TaskProcessor) -> None:
        self.instance = instance
        self.proc = proc
        self.r = instance.client
        self.sweep = Sweep(instance.client, instance.name)

    async def fill(self, mode: Any = "fair") -> Scene:
        """Enqueue it all."""
        await self.proc.set_queue_mode("default", mode)
        self.failed = await self.proc.enqueue_batch(
            "default", "beta", lambda b: b.options(max_attempts=1).enqueue(handlers.fail)
        )
        await self.proc.run_until_idle()
        self.cancelled = await self.proc.enqueue_batch("default", "beta", noops(2))
        assert await self.proc.cancel_batch(self.cancelled)
        self.a = await self.proc.enqueue_batch("default", "acme", self._build)
        self.sweep.call("step", SCHEMA, HOLDER, 1, 600_000, 1, to_json(["default"]), to_json([]), 1)
        self.held = f"{self.a}{self.first[22:]}"
        self.lease = f"{self.held}{HOLDER}1"
        assert self.r.zscore(self.k("leases"), self.lease)
        self.single = await self.proc.options(unique=True).enqueue_task("mail", "acme", handlers.noop)
        self.home = self.single[:22]
        return self

    def _build(self, batch: Batch) -> None:
        self.first = batch.enqueue(handlers.noop)
        self.ready = [batch.enqueue(handlers.noop) for _ in range(3)]
        batch.options(queue="mail").enqueue(handlers.noop)
        self.delayed = [batch.options(delay=0.5).enqueue(handlers.noop) for _ in range(2)]
        batch.options(queue="mail").continue_with(handlers.after, "end")

    def k(self, *parts: str) -> str:
        """A key."""
        return self.sweep.key(*parts)

    def list(self, kind: str, batch: str | None = None, queue: str = "default") -> str:
        """The key of one of a batch's lists."""
        return self.k("b", batch or self.a, kind, queue)

    def record(self, batch: str | None = None) -> str:
        """The key of a batch's record."""
        return self.k("b", batch or self.a)

    def stage(self, staged_ms: float | None) -> None:
        """Stage a chunk that is never committed; ``staged_ms``: when, as pruning knows it, or that it doesn't."""
        seg = "stagedstagedstaged0000"
        self.sweep.call("batch_stage", seg, 0, 0, to_json([["r", "default", 1, 0]]), b"0" * 10 + BODY)
        if staged_ms is None:
            self.r.zrem(self.k("staging"), seg)
        else:
            self.r.zadd(self.k("staging"), {seg: staged_ms})

    def lock(self, value: str) -> None:
        """Note a unique lock that nobody has taken."""
        self.r.hset(self.k("uniq"), "x" * 22, value)

    async def drain(self) -> None:
        """Let workers run all that is left; what was held comes back."""
        if self.r.zscore(self.k("leases"), self.lease):
            self.r.zadd(self.k("leases"), {self.lease: 0})
        async with self.instance.worker(queues=["default", "mail"], poll_interval=0.1):

            async def empty() -> bool:
                return all((t.remaining, t.ready, t.running) == (0, 0, 0) for t in await self.proc.get_tenants())

            await until(empty, 8)


@dataclass(frozen=True)
class Damage:
    """Something that is broken by hand: what an audit calls it and says of it, and what is left to count of ``a`` after."""

    kind: str
    do: Callable[[Scene], Any]
    told: str
    repairable: bool = True
    total: int = TOTAL
    failed: int = 0
    mode: str = "fair"
    fires: int = 1


DAMAGES = [
    Damage("tombs", lambda s: s.r.hset(s.record(), f"tombs:{s.a}:default", 1), "counts 1 cancelled task"),
    Damage("remaining", lambda s: s.r.hincrby(s.record(), "remaining", 2), "counts 9 tasks as remaining, 7 are there"),
    Damage("remaining", lambda s: s.r.hincrby(s.record(), "remaining", -2), "counts 5 tasks as remaining, 7 are there"),
    Damage("remaining", lambda s: s.r.lpop(s.list("r")), "counts 7 tasks as remaining, 6 are there", failed=1),
    Damage("remaining", lambda s: s.r.delete(s.list("r")), "counts 7 tasks as remaining, 4 are there", failed=3),
    Damage("remaining", lambda s: s.r.rpush(s.list("r"), b"z" * 10 + BODY), "counts 7 tasks as remaining, 8", total=8),
    Damage("asleep", lambda s: s.r.hset(s.record(), "state", "done"), "is done, but 7 tasks of it wait or run"),
    Damage("undropped", lambda s: s.r.rpush(s.list("r", s.cancelled), b"0" * 10 + BODY), "is cancelled, but 1 task of"),
    Damage("zombies", lambda s: s.r.hset(s.record(s.cancelled), "zombies", 3), "until 3 cancelled tasks have ended, 0 run"),
    Damage("sum", lambda s: s.r.hincrby(s.record(s.failed), "cancelled", 5), "has 1 task in all, but counts 6", False),
    Damage("failed", lambda s: s.r.hset(s.record(s.failed), "failed", 0), "counts 0 failed tasks, but keeps 1", False),
    Damage("unkept", lambda s: s.r.zrem(s.k("settled"), s.failed), "is failed, but isn't listed for pruning"),
    Damage("kept", lambda s: s.r.zadd(s.k("settled"), {s.a: 10**13}), "is running, but listed for pruning"),
    Damage("unlisted", lambda s: s.r.zrem(s.k("tb", "acme"), s.a), "isn't among the batches of tenant acme"),
    Damage(
        "unfired",
        lambda s: s.r.rpush(s.k("b", s.failed, "c"), b'settled mail 0\n0000000000+{"p":"0"}\n' + BODY[1:]),
        "is failed, but 1 continuation of it was not enqueued",
    ),
    Damage("muted", lambda s: s.r.hset(s.record(), "continuations", 0), "has 1 continuation, but would enqueue none"),
    Damage("unwritten", lambda s: s.r.delete(s.k("b", s.a, "c")), "had continuations, which are gone", fires=0),
    Damage("strayed", lambda s: s.r.hdel(s.k("t", "acme"), "hidden"), "isn't known to tenant acme: a cancel would miss"),
    Damage("emptied", lambda s: s.r.sadd(s.k("b", s.a, "segs"), f"{s.a}+0123456789:r:default"), "which holds nothing"),
    Damage("bodies", lambda s: s.r.hset(s.k("b", s.a, "w"), "0" * 10, "default\n"), "keeps 3 bodies for 2 delayed"),
    Damage("bodiless", lambda s: s.r.hdel(s.k("b", s.a, "w"), s.delayed[0][22:]), "has 2 delayed and dead", False, failed=1),
    Damage("unstaged", lambda s: s.stage(None), "has staged tasks that pruning doesn't know of"),
    Damage("staged", lambda s: s.stage(1_000), "are left over: they were never committed"),
    Damage("unnamed", lambda s: s.r.hset(s.record(), "queues", "mail"), "doesn't know of its tasks in queue default"),
    Damage("unlined", lambda s: s.r.delete(s.k("lane", "default", "acme")), "3 ready tasks of batch"),
    Damage("unlined", lambda s: s.r.delete(s.k("fifo", "default")), "3 ready tasks of batch", mode="fifo"),
    Damage("unlined", lambda s: s.r.hset(s.k("q", "default"), "mode", "fifo"), "not in its line: nobody takes them"),
    Damage("unlined", lambda s: s.r.hdel(s.k("q", "default"), "mode"), "not in its line: nobody takes them", mode="fifo"),
    Damage("undue", lambda s: s.r.delete(s.k("delayed")), "2 delayed tasks of batch"),
    Damage("undue", lambda s: s.r.zadd(s.k("delayed"), {f"{s.a}:default": 10**13}), "are not known to be due"),
    Damage("unfound", lambda s: s.r.zrem(s.k("dead", "default"), s.failed), "1 dead letter of batch"),
    Damage("unleased", lambda s: s.r.zrem(s.k("leases"), s.lease), "is noted as running, but nobody has leased it"),
    Damage("ready", lambda s: s.r.hincrby(s.k("tq", "default", "acme"), "pushed", 5), "counts 8 ready tasks in queue"),
    Damage("ready", lambda s: s.r.hincrby(s.k("tq", "default", "acme"), "pushed", -3), "counts 0 ready tasks", mode="fifo"),
    Damage("running", lambda s: s.r.hincrby(s.k("tq", "default", "acme"), "settled", -2), "counts 3 running tasks of queue"),
    Damage("delayed", lambda s: s.r.hincrby(s.k("tq", "default", "acme"), "delayed", 4), "counts 6 delayed tasks in queue"),
    Damage("delayed", lambda s: s.r.hset(s.k("tq", "default", "acme"), "delayed", "x"), "counts -1 delayed tasks in queue"),
    Damage("dead", lambda s: s.r.hdel(s.k("tq", "default", "beta"), "dead"), "tenant beta counts 0 dead letters in queue"),
    Damage("unenrolled", lambda s: s.r.srem(s.k("tqs", "acme"), "default"), "tenant acme uses queue default, but isn't"),
    Damage("unnoted", lambda s: s.r.srem(s.k("queues"), "mail"), "isn't among the queues"),
    Damage("unringed", lambda s: s.r.delete(s.k("ring", "default")), "has 3 ready tasks in queue default, but no place"),
    Damage("workless", lambda s: s.r.zadd(s.k("ring", "default"), {"beta": 5}), "tenant beta is in line in queue default"),
    Damage("leftover", lambda s: s.r.rpush(s.k("lane", "default", "beta"), s.cancelled), "but nothing ready"),
    Damage("misled", lambda s: s.r.rpush(s.k("fifo", "default"), f"{s.cancelled}:2"), "is fair, but has a strict line of 1"),
    Damage("queue_tenants", lambda s: s.r.hset(s.k("q", "default"), "tenants", 7), "counts 7 tenants, 2 use it"),
    Damage("queue_tenants", lambda s: s.r.delete(s.k("q", "default")), "counts 0 tenants, 2 use it"),
    Damage("queue_ready", lambda s: s.r.hincrby(s.k("q", "default"), "pushed", 4), "counts 7 ready tasks, its tenants"),
    Damage("queue_running", lambda s: s.r.hincrby(s.k("q", "default"), "settled", 1), "counts 0 running tasks"),
    Damage("queue_delayed", lambda s: s.r.hset(s.k("q", "default"), "delayed", 9), "counts 9 delayed tasks, there are 2"),
    Damage("queue_dead", lambda s: s.r.hset(s.k("q", "default"), "dead", 0), "counts 0 dead letters, there is 1"),
    Damage("tenant_remaining", lambda s: s.r.hincrby(s.k("t", "acme"), "remaining", 3), "counts 11 tasks as remaining"),
    Damage("tenant_batches", lambda s: s.r.hset(s.k("t", "beta"), "batches", 0), "counts 0 batches, 2 are kept"),
    Damage("tenant_sum", lambda s: s.r.hincrby(s.k("t", "beta"), "cancelled", 9), "counts 12 as ended or left", False),
    Damage("tenant_unlisted", lambda s: s.r.zrem(s.k("tenants"), "acme"), "tenant acme isn't among the tenants"),
    Damage("unidle", lambda s: s.r.zrem(s.k("idle"), "beta"), "has nothing to run, but isn't listed for pruning"),
    *(
        Damage("stale", lambda s, index=index, member=member: s.r.zadd(s.k(*index.split(":")), {member: 10**13}), member)  # type: ignore[misc]
        for index, member in {
            "settled": "0" * 22, "delayed": "0" * 22 + ":default", "dead:default": "0" * 22, "staging": "0" * 22,
            "cx": "0" * 32, "tb:acme": "0" * 22, "idle": "nobody", "tenants": "nobody",
        }.items()
    ),
    Damage("garbled", lambda s: s.lock("single"), "can't be read"),
    Damage("garbled", lambda s: s.lock(f"{s.a}+{s.single}"), "can't be read"),
    Damage("unlocked", lambda s: s.lock("0" * 32), "is held by task 00000000000000000000000000000000, which isn't there"),
    Damage("unlocked", lambda s: s.lock(f"{s.a}zzzzzzzzzz"), "which isn't there"),
    Damage("unlocked", lambda s: s.lock(f"{s.home}zzzzzzzzzz"), "which isn't there"),
    Damage("unlocked", lambda s: s.lock(f"{s.failed}0000000000"), "which isn't there"),
    Damage("unlocked", lambda s: s.lock(f"{s.single}!:1000"), "which isn't there"),
    Damage("timeless", lambda s: s.lock(f"{s.single}!:9999999999999"), "is to end at a time that nobody watches"),
    Damage("undrained", lambda s: s.r.sadd(s.k("b", s.cancelled, "u"), "x" * 22), "but nobody takes away the unique locks"),
    Damage("unmarked", lambda s: s.r.sadd(s.k("b", s.a, "u"), "x" * 22), "a cancel would miss them"),
    Damage("unmarked", lambda s: s.r.sadd(s.k("b", f"{s.a}+0123456789", "u"), "x" * 22), "a cancel would miss them"),
    Damage("stale", lambda s: s.r.zadd(s.k("settled"), {f"{s.home}:mail": 10**13}), "the index settled has an entry"),
    Damage("stale", lambda s: s.r.zadd(s.k("settled"), {f"{s.home}:+": 10**13}), "the index settled has an entry"),
    Damage("unowned", lambda s: s.r.hset(s.k("b", "0" * 22, "rec"), "0" * 10, "q"), "1 record of batch 0000"),
    Damage("unlinked", lambda s: s.r.hset(s.k("b", f"{s.a}+0123456789", "rec"), "0" * 10, "q"), "1 record of its part"),
    Damage("unaged", lambda s: s.r.zadd(s.k("b", s.home, "kept"), {"0" * 10: 1}), "is not listed for pruning"),
]  # fmt: skip
"""Every kind of damage but those that take more than a line."""
