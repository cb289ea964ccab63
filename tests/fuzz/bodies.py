"""Stored tasks, spoiled wherever a task may lie, beside healthy ones of the same batch."""

from __future__ import annotations

import random
from collections.abc import Sequence

from taskproc import BatchState, TaskInfo
from tests.fuzz.places import PLACES, QUEUES, Place
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY, json_value, spoil, spoil_json
from tests.fuzz.world import OPTIONS, Watched, World, each_once

OURS = ("taskproc.errors.", "taskproc.outcome.", "ValueError")
"""How the types of errors begin that a dead letter may have; a healthy handler's ValueError is one."""


async def group(world: World, numbers: Sequence[int]) -> None:
    """Fill batches, spoil a task for each input, run what is left, and count."""
    async with world.fresh() as instance:
        chances = {number: world.chance(number) for number in numbers}
        where: dict[str, list[int]] = {}
        for number, rng in chances.items():
            where.setdefault(rng.choice(sorted(PLACES)), []).append(number)
        async with instance.processor(**OPTIONS) as proc:
            places = [PLACES[name](instance, proc, f"t-{name}", len(where[name])) for name in sorted(where)]
            for place in places:
                await place.fill()
            for place, name in zip(places, sorted(where), strict=True):
                place.spoil([Spoiler(chances[number]) for number in where[name]])
            for place in places:
                await place.release()
        async with world.worker(queues=QUEUES) as watched:
            for place in places:
                await _settle(watched, place)
            for place in places:
                await _check(world, watched, place)
            await watched.quiet()


class Spoiler:
    """Spoils one stored task in a way that follows from chance."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def __call__(self, stored: bytes, others: frozenset[bytes]) -> bytes | None:
        """The stored bytes spoiled; None where they are to be missing. It never gets the id of another task."""
        for _ in range(20):
            found = self._once(stored)
            if found is None or (found != stored and not any(other in found for other in others)):
                return found
        return stored[: len(stored) // 2]

    def _once(self, stored: bytes) -> bytes | None:
        rng, call, kind = self._rng, stored.find(b'["tests'), self._rng.randrange(12)
        if kind == 0:
            return None
        if kind < 3 and call > 0:
            return stored[:call] + spoil_json(rng, stored[call:])
        if kind < 5 and call > 0:
            return stored[:call] + spoil(rng, stored[call:])
        if kind < 9 and call > 0:
            return _extended(rng, stored, call)
        return spoil(rng, stored)


def _extended(rng: random.Random, stored: bytes, call: int) -> bytes:
    """A body whose extension is spoiled in one or two fields, or as a whole."""
    head, _, _ = stored[:call].partition(b".")
    head = head[:-1] if head.endswith(b"+") else head
    head = head.partition(b"+")[0].partition(b"*")[0]
    fields = rng.sample("admkcpngzh", rng.randint(1, 3))
    extension = b"{" + b",".join(b'"%s":%s' % (field.encode(), json_value(rng)) for field in fields) + b"}"
    if rng.randrange(5) == 0:
        extension = json_value(rng)
    return head + rng.choice([b"+", b"+", b"*"]) + extension.replace(b"\n", b"") + b"\n" + stored[call:]


async def _settle(watched: Watched, place: Place) -> None:
    for turn in range(2):
        for batch_id in place.batches:

            async def settled(batch_id: str = batch_id) -> str:
                info = await watched.proc.get_batch(batch_id)
                return "" if info is not None and info.state is not BatchState.RUNNING else f"{info}"

            await watched.until(settled, f"{place.name}: a batch does not settle")

        async def idle() -> str:
            found, queue = await watched.proc.get_tenant(place.tenant), await watched.proc.get_queue(place.queue)
            left = found is None or (found.remaining and not place.lossy)
            return f"{found} {queue}" if left or queue.ready or queue.running else ""

        await watched.until(idle, f"{place.name}: a tenant is not done")
        if turn or not place.retried:
            return
        letters = await watched.proc.get_dead_tasks(tenant=place.tenant, take=10_000)
        if len(letters) != place.total:
            raise Broken(f"{place.name}: {len(letters)} of {place.total} dead letters are listed")
        await watched.proc.retry_dead_tasks(tenant=place.tenant, count=None)


async def _check(world: World, watched: Watched, place: Place) -> None:
    each_once(place.healthy, place.name)
    totals = await watched.proc.get_tenant(place.tenant)
    letters = await watched.proc.get_dead_tasks(tenant=place.tenant, take=10_000)
    left = totals is not None and place.lossy and totals.remaining  # continuations for queues that nobody serves
    if totals is None or totals.total != totals.done + totals.failed + left or totals.running:
        raise Broken(f"{place.name}: the tenant's totals are {totals}")
    if not place.lossy and totals.total != place.total:
        raise Broken(f"{place.name}: {place.total} tasks became {totals.total}")
    if totals.done < len(place.healthy):
        raise Broken(f"{place.name}: {totals.done} are counted as done, {len(place.healthy)} ran")
    if not totals.failed - place.dropped <= len(letters) <= totals.failed:
        raise Broken(
            f"{place.name}: {totals.failed} failed, {place.dropped} of them without a trace, {len(letters)} letters"
        )
    for letter in letters:
        _reason(place, letter)
    world.tally.note("bodies", "dead", len(letters))
    world.tally.note("bodies", "ran or dropped", place.count - len(letters))
    world.tally.note("bodies", "healthy neighbours", len(place.healthy))


def _reason(place: Place, letter: TaskInfo) -> None:
    if not letter.errors:
        raise Broken(f"{place.name}: dead letter {letter.id} tells no reason: {letter.data[:100]!r}")
    for error in letter.errors:
        if not error.message or not error.type.startswith(OURS):
            raise Broken(f"{place.name}: dead letter {letter.id} tells {error.type}: {error.message[:200]!r}")
        if CANARY in error.message or CANARY in error.traceback:
            raise Broken(f"{place.name}: the error of dead letter {letter.id} holds a payload: {error.message[:200]!r}")
