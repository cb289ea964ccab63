"""What a running task asks for, and how it says that it ends, with values that make no sense."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from taskproc import Batch, Bury, Cancel, Retry, Snooze, TaskContext
from tests.fuzz import handlers
from tests.fuzz.callables import uncallable
from tests.fuzz.calls import LONGEST_ERROR, sums
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY, odd, payload
from tests.fuzz.world import World, each_once, tried

Ask = Callable[[TaskContext, random.Random], Awaitable[Any]]


async def sync_renew(ctx: TaskContext, rng: random.Random) -> None:
    """The same from a thread."""
    await asyncio.to_thread(ctx.sync.renew, odd(rng))


async def sync_append(ctx: TaskContext, rng: random.Random) -> None:
    """The same from a thread."""
    await asyncio.to_thread(ctx.sync.append, uncallable(rng))


def spoiled(rng: random.Random) -> Callable[[Batch], None]:
    """A build with something odd after something good."""

    def build(batch: Batch) -> None:
        batch.enqueue(handlers.take, "appended", CANARY)
        rng.choice([
            lambda: batch.enqueue(odd(rng)), lambda: batch.enqueue(handlers.strict, payload(rng), payload(rng)),
            lambda: batch.options(delay=odd(rng)), lambda: batch.options(queue=odd(rng)),
            lambda: batch.enqueue_raw(odd(rng), b""),
            lambda: batch.continue_with(handlers.take, "t", CANARY),
        ])()  # fmt: skip

    return build


ASKS: list[Ask] = [
    lambda ctx, rng: ctx.renew(odd(rng)),
    sync_renew,
    lambda ctx, rng: ctx.append(uncallable(rng)),
    sync_append,
    lambda ctx, rng: ctx.append(spoiled(rng)),
    lambda ctx, rng: ctx.batch(),
]
SIGNALS: list[Callable[[random.Random], BaseException]] = [
    lambda rng: Retry(odd(rng)), lambda rng: Snooze(odd(rng)), lambda rng: Bury(odd(rng)), lambda rng: Cancel(odd(rng)),
    lambda rng: ValueError(odd(rng)), lambda rng: Retry(), lambda rng: BaseException(odd(rng)),
]  # fmt: skip


class Asked:
    """An input: what a task asks for, then how it ends."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._rng = world.chance(number)
        self._signals = self._rng.randrange(3) == 0
        self.broken: Broken | None = None
        self.asked = False

    async def __call__(self, ctx: TaskContext) -> None:
        """Called by the handler, perhaps more than once: the second time it only ends."""
        if self.asked:
            return
        self.asked = True
        if self._signals:
            raise self._rng.choice(SIGNALS)(self._rng)
        try:
            ask = self._rng.choice(ASKS)
            error = await tried(lambda: ask(ctx, self._rng), "a call of the context")
            self._world.tally.note("contexts", "taken" if error is None else "refused")
            if error is not None and len(str(error)) > LONGEST_ERROR:
                raise Broken(f"an error of {len(str(error))} characters")
        except Broken as broken:
            self.broken = broken


async def group(world: World, numbers: Sequence[int]) -> None:
    """Run a task for each beside healthy ones, then look at the sums and at what the dead letters say."""
    async with world.fresh():
        asked = {number: Asked(world, number) for number in numbers}
        handlers.asks.clear()
        handlers.asks.update(asked)
        async with world.worker() as watched:
            healthy: list[str] = []

            def build(batch: Batch) -> None:
                for number in numbers:
                    batch.enqueue(handlers.ask, number, CANARY)
                    if number % 4 == 0:
                        healthy.append(batch.enqueue(handlers.take, "n", CANARY))

            batch_id = await watched.proc.enqueue_batch("default", "acme", build)

            async def rest() -> str:
                queue = await watched.proc.get_queue("default")
                return f"{queue}" if queue.ready or queue.running else ""

            await watched.until(rest, "the queue is not done")
            await watched.proc.cancel_batch(batch_id)  # what has snoozed for years
            info = await watched.proc.get_batch(batch_id)
            if info is None or info.remaining or info.total != info.done + info.failed + info.cancelled:
                raise Broken(f"the batch is {info}")
            each_once(healthy, "contexts")
            for number, one in asked.items():
                if one.broken is not None:
                    raise Broken(str(one.broken))
                if not one.asked:
                    raise Broken(f"the task of input {number} never ran")
            await sums(watched.proc)
            world.tally.note("contexts", "ended by a signal", sum(one._signals for one in asked.values()))
