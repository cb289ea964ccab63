"""Records, indexes, lists and leases of victims, damaged while their neighbours work on the same queues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from taskproc import Batch, BatchState, TaskProcessor
from taskproc.store import WorkerStore
from tests.fuzz import handlers
from tests.fuzz.damage import clutter, damage
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY
from tests.fuzz.world import OPTIONS, Watched, World, each_once, prune, tried
from tests.harness import Instance

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 12, 1, tzinfo=UTC)
NEIGHBOURS = ("good0.", "good1.", "good2.")
TAKES, FAILS, SINGLES = 10, 4, 3


class Victim:
    """A tenant with something of every kind, of which one key will be damaged."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tenant, self.queue = f"ten{number}.", f"que{number}."
        self.batches: list[str] = []
        self.tasks: list[str] = []

    def build(self, batch: Batch) -> None:
        """Ready, delayed and large tasks, and a continuation."""
        self.tasks += [batch.enqueue(handlers.take, "v", CANARY) for _ in range(3)]
        self.tasks.append(batch.enqueue(handlers.fail_first, "v", CANARY * 2_000))
        batch.options(delay=0.05).enqueue(handlers.take, "v", CANARY)
        batch.options(delay=3_600).enqueue(handlers.take, "v", CANARY)
        self.tasks += [batch.options(keep="all").enqueue(handlers.take, "v", CANARY * n) for n in (1, 2_000)]
        batch.options(on="settled").continue_with(handlers.take, "v", CANARY)

    async def before(self, proc: TaskProcessor) -> None:
        """What will have ended, or run on a worker that is gone."""
        self.batches.append(await proc.enqueue_batch(
            self.queue, self.tenant,
            lambda batch: [
                batch.options(keep=keep).enqueue(handler, "v", CANARY)
                for handler in (handlers.bury_first, handlers.take) for keep in ("failed", "all")
            ],
        ))  # fmt: skip

    async def fill(self, proc: TaskProcessor) -> None:
        """What will be there when the worker comes."""
        for queue, key in ((self.queue, None), ("default", "key")):
            self.batches.append(await proc.enqueue_batch(queue, self.tenant, self.build, idempotency_key=key))
        self.tasks.append(await proc.enqueue_task("default", self.tenant, handlers.take, "v", CANARY))
        self.tasks.append(await proc.options(keep="all").enqueue_task("default", self.tenant, handlers.take, "v", CANARY))
        await proc.set_tenant_limits(self.tenant, max_running=2, rate_limit="200/s")
        staged = proc._store.batches.new()
        staged.add((self.queue, None, None), b"0000000000", {}, b"[]")
        await staged.flush(everything=True)
        self.batches.append(staged.seg)

    def owns(self, name: str) -> bool:
        """Whether a key is of this victim alone."""
        return any(part in name for part in (self.tenant, self.queue, *self.batches))

    def calls(self, proc: TaskProcessor) -> list[tuple[str, Callable[[], Awaitable[Any]]]]:
        """What may be asked about it, and what may be done to it."""
        batch, task = self.batches[self.number % len(self.batches)], self.tasks[self.number % len(self.tasks)]
        acme = proc.tenant(self.tenant)
        return [
            ("get_batch", lambda: proc.get_batch(batch)), ("get_task", lambda: proc.get_task(task)),
            ("get_batches", acme.get_batches), ("count_batches", acme.count_batches), ("get_tenant", acme.get_tenant),
            ("get_queues", acme.get_queues), ("get_usage", lambda: acme.get_usage(EARLY, LATE)),
            ("get_signals", lambda: proc.get_signals(queue=self.queue)),
            ("get_queue", lambda: proc.get_queue(self.queue)), ("get_tasks_in_queue",
            lambda: proc.get_tasks_in_queue(self.queue)),
            ("get_dead_tasks", lambda: acme.get_dead_tasks(self.queue)), ("retry_dead_tasks",
            lambda: acme.retry_dead_tasks(self.queue)),
            ("discard_dead_tasks", lambda: acme.discard_dead_tasks(self.queue)),
            ("append_batch", lambda: acme.append_batch(batch, lambda b: b.enqueue(handlers.take, "v", CANARY),
            queue=self.queue)),
            ("enqueue", lambda: acme.options(queue=self.queue).enqueue(handlers.take, "v", CANARY)),
            ("enqueue_batch", lambda: acme.enqueue_batch(self.build, queue=self.queue, idempotency_key="key")),
            ("set_queue_mode", lambda: proc.set_queue_mode(self.queue, "fifo")),
            ("set_queue_limit", lambda: proc.set_queue_limit(self.queue, 1_000)),
            ("cancel_task", lambda: acme.cancel_task(task)), ("cancel_batch", lambda: acme.cancel_batch(batch)),
        ]  # fmt: skip


class Neighbours:
    """Tenants that nothing may happen to."""

    def __init__(self) -> None:
        self.batches: dict[str, str] = {}
        self.ids: list[str] = []

    def build(self, batch: Batch) -> None:
        """Ready, delayed and failing tasks, and a continuation in another queue."""
        self.ids += [batch.enqueue(handlers.take, "n", CANARY) for _ in range(TAKES)]
        self.ids += [batch.enqueue(handlers.fail_first, "n", CANARY) for _ in range(FAILS)]
        self.ids.append(batch.options(delay=0.05).enqueue(handlers.take, "n", CANARY))
        batch.options(queue="good").continue_with(handlers.take, "n", CANARY)

    async def fill(self, proc: TaskProcessor) -> None:
        """Their batches and single tasks."""
        for tenant in NEIGHBOURS:
            self.batches[tenant] = await proc.enqueue_batch("default", tenant, self.build)
            self.ids += [await proc.enqueue_task("default", tenant, handlers.take, "n", CANARY) for _ in range(SINGLES)]

    async def check(self, watched: Watched) -> None:
        """Raises Broken where they don't come to their end, or aren't counted exactly."""
        want = TAKES + FAILS + 1

        async def done() -> str:
            for tenant, batch_id in self.batches.items():
                info, totals = await watched.proc.get_batch(batch_id), await watched.proc.get_tenant(tenant)
                if info is None or (info.state, info.total, info.done) != (BatchState.DONE, want, want):
                    return f"{info}"
                if totals is None or (totals.total, totals.done) != (want + SINGLES + 1, want + SINGLES + 1):
                    return f"{totals}"
            return ""

        await watched.until(done, "neighbours are not done")
        each_once(self.ids, "neighbours")
        queue = await watched.proc.get_queue("good")
        if queue.ready or queue.running:
            raise Broken(f"the neighbours' own queue is {queue}")


async def group(world: World, numbers: Sequence[int]) -> None:
    """Fill, damage, run, ask, and see that neighbours are done, the worker rests and stops, and pruning goes on."""
    victims, neighbours = [Victim(number) for number in numbers], Neighbours()
    queues = ["default", "good", *(victim.queue for victim in victims)]
    async with world.fresh() as instance, instance.processor(**OPTIONS) as proc:
        for victim in victims:
            await victim.before(proc)
        async with instance.processor(**OPTIONS, queues=queues) as other:
            await other.run_until_idle()
        handlers.ran.clear()
        for victim in victims:
            await victim.fill(proc)
        await neighbours.fill(proc)
        await _crash(instance, proc, queues)
        _spoil(world, instance, victims)
        async with world.worker(queues=queues) as watched:
            for victim in victims:
                await _ask(world, victim, proc)
            await neighbours.check(watched)
            await watched.quiet()
        await _prune(instance, proc)


async def _crash(instance: Instance, proc: TaskProcessor, queues: list[str]) -> None:
    """Let a worker claim something of everybody's and be gone."""
    store = WorkerStore(proc._store.target, instance.name, queues, 50)
    await store.work.step(20, [])
    await store.close()
    leases = f"{{{instance.name}}}:leases"
    instance.client.zadd(leases, dict.fromkeys(instance.client.zrange(leases, 0, -1), 1))


def _spoil(world: World, instance: Instance, victims: Sequence[Victim]) -> None:
    prefix, stored = f"{{{instance.name}}}:", instance.keys()
    names = [name.decode("utf-8", "replace") for name in stored]
    for victim in victims:
        rng = world.chance(victim.number)
        if rng.randrange(5) == 0:
            world.tally.note("records", f"clutter in {clutter(rng, instance.client, prefix)}")
            continue
        own = sorted((name for name in names if victim.owns(name)), key=_kind)
        how = damage(rng, instance.client, rng.choice(own))
        world.tally.note("records", how)


def _kind(name: str) -> str:
    """A key's name less its ids, so that an input means the same kind of key when it is repeated."""
    return "".join("#" if len(part) >= 22 else part for part in name.split(":")[1:]) + name[-20:]


async def _ask(world: World, victim: Victim, proc: TaskProcessor) -> None:
    for name, call in victim.calls(proc):
        error = await tried(call, f"{name} of a victim")
        world.tally.note("records", "answers" if error is None else "errors of ours")
        known = (victim.tenant, victim.queue, *victim.batches, *victim.tasks)
        if error is not None and not any(part in str(error) for part in known):
            raise Broken(f"{name}: the error names nothing of the victim's: {error}"[:500])


async def _prune(instance: Instance, proc: TaskProcessor) -> None:
    """Raises Broken where what neighbours have left isn't deleted when its time has come."""
    await prune(instance, proc)
    stored = instance.keys()
    left = [name for name in stored if any(tenant.encode() in name for tenant in NEIGHBOURS)]
    if left:
        raise Broken(f"neighbours' keys are never pruned: {left[:5]}")
