"""Dead letters in Redis: listing them oldest first over batches and queues, retrying, discarding."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from taskproc.model import TaskInfo, TaskState
from taskproc.sealing import Sealer
from taskproc.store.ledger import Ledger
from taskproc.store.reading import whole
from taskproc.store.scripts import Scripts, to_json
from taskproc.store.tasks import Payloads, opened, task_info, with_large
from taskproc.values import from_ms

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: where it lies and what it was."""

    died: float
    local: str
    batch: str
    queue: str
    info: TaskInfo


@dataclass(frozen=True, slots=True)
class Pile:
    """A batch's dead letters of one queue, known by the time of the first."""

    first: float
    batch: str
    queue: str


class DeadLetters:
    """Everything that is done to dead letters."""

    def __init__(self, scripts: Scripts, ledger: Ledger, payloads: Payloads, sealer: Sealer | None) -> None:
        self._sealer = sealer
        self._scripts = scripts
        self._ledger = ledger
        self._payloads = payloads

    async def walk(self, queues: Sequence[str], tenant: str | None, batch: str | None) -> AsyncIterator[Letter]:
        """The dead letters of some queues, the one that died first at the head."""
        heap: list[tuple[float, str, int, Letter, AsyncIterator[Letter]]] = []
        order = count()

        async def draw(pile: AsyncIterator[Letter]) -> None:
            letter = await anext(pile, None)
            if letter is not None:
                heapq.heappush(heap, (letter.died, letter.local, next(order), letter, pile))

        async for pile in self._piles(queues, tenant, batch):
            while heap and heap[0][0] < pile.first:
                *_, letter, rest = heapq.heappop(heap)
                yield letter
                await draw(rest)
            await draw(self._letters(pile))
        while heap:
            *_, letter, rest = heapq.heappop(heap)
            yield letter
            await draw(rest)

    async def _piles(self, queues: Sequence[str], tenant: str | None, batch: str | None) -> AsyncIterator[Pile]:
        if batch is not None:
            for queue in queues:
                yield Pile(0.0, batch, queue)
            return
        streams = [self._piles_of(queue, tenant) for queue in queues]
        heads = [await anext(stream, None) for stream in streams]
        while any(heads):
            at = min((n for n, head in enumerate(heads) if head), key=lambda n: heads[n].first)  # type: ignore[union-attr]
            head = heads[at]
            assert head is not None
            yield head
            heads[at] = await anext(streams[at], None)

    async def _piles_of(self, queue: str, tenant: str | None) -> AsyncIterator[Pile]:
        skip = 0
        while page := await self._scripts.dead_batches(queue, skip, AT_ONCE):
            for batch, owner, first, _ in page:
                if tenant is None or owner == tenant.encode():
                    yield Pile(float(first), batch.decode("utf-8", "replace"), queue)
            skip += len(page)

    async def _letters(self, pile: Pile) -> AsyncIterator[Letter]:
        skip = 0
        while True:
            reply = await self._scripts.dead_tasks(pile.batch, pile.queue, skip, AT_ONCE)
            owner, created, state, *page = reply
            for local, died, stored, errors in page:
                info = task_info(
                    pile.batch, stored, TaskState.FAILED, pile.queue, owner.decode("utf-8", "replace"),
                    None if state == b"open" else pile.batch, whole(created), None, errors, local,
                )  # fmt: skip
                info = await with_large(info, pile.batch, stored, self._payloads)
                info = opened(info, pile.batch, stored, self._sealer)
                info = replace(info, ended_at=from_ms(float(died)))
                yield Letter(float(died), local.decode("utf-8", "replace"), pile.batch, pile.queue, info)
            skip += len(page)
            if len(page) < AT_ONCE:
                return

    async def retry(self, letters: Sequence[Letter], max_attempts: int | None, entry: str) -> int:
        """Make dead letters ready again, 100 at most; how many were still there."""
        tasks = to_json([(letter.batch, letter.queue, letter.local) for letter in letters])
        reply = await self._ledger.call(lambda call: self._scripts.dead_retry(call, tasks, max_attempts or 0, entry))
        return int(reply[1])

    async def discard(self, letters: Sequence[Letter], entry: str) -> int:
        """Drop dead letters, 100 at most; how many were still there."""
        tasks = to_json([(letter.batch, letter.queue, letter.local) for letter in letters])
        reply = await self._ledger.call(lambda call: self._scripts.dead_discard(call, tasks, entry))
        return int(reply[1])
