"""Waiting for batches to settle and for tasks to end, by messages instead of polling.

Each look at what is stored asks, in the same script, for a message of what comes next; and nobody looks before this process
listens. So nothing is missed between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from taskproc.errors import CorruptTask, KeyMissing, NotFound, NotReady, ResultNotKept, TaskFailed, WaitCancelled
from taskproc.ids import is_batch_id, is_task_id
from taskproc.model import BatchInfo, BatchState, TaskInfo, TaskState
from taskproc.registry import Registry
from taskproc.results import load_plain
from taskproc.sealing import Sealer
from taskproc.store import Store
from taskproc.store.tasks import Found

T = TypeVar("T")

RECHECK_SECONDS = 30.0
"""A message may be lost for good, as in a failover: how often the stored state is looked at all the same."""

PAUSE_SECONDS = 0.25
"""Between two looks at a task that has no record, whose batch tells of every change."""

LOOKS = 1_000_000
"""A ready task is looked for to the end of its list: one that isn't found must be gone."""


class Waits:
    """Everything in this process that waits for a batch or a task. It listens from the first wait on."""

    def __init__(self, store: Store, registry: Registry, sealer: Sealer | None) -> None:
        self.store = store
        self._registry = registry
        self._sealer = sealer
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()

    async def wait(self, batch_id: str, tenant: str | None, seconds: float) -> BatchInfo:
        """The batch once it has settled. Raises NotFound, or NotReady when the time is over."""
        if not is_batch_id(batch_id):
            raise NotFound(f"there is no batch {batch_id[:64]}")

        async def look() -> BatchInfo | None:
            info = await self.batch(batch_id, tenant)
            return info if info.state is not BatchState.RUNNING else None

        return await self._until(look, (batch_id,), seconds, f"batch {batch_id} had not settled")

    async def batch(self, batch_id: str, tenant: str | None, level: int = 1) -> BatchInfo:
        """A batch, and a message of what comes next. Raises NotFound."""
        await self.own(batch_id, tenant)
        info = await self.store.batches.get(batch_id, watch=level)
        if info is None or (tenant is not None and info.tenant != tenant):
            raise NotFound(f"there is no batch {batch_id[:64]}")
        return info

    async def own(self, id: str, tenant: str | None) -> None:
        """See that a batch or a task is a tenant's, before it is noted that somebody waits for it. Raises NotFound."""
        if tenant is not None and await self.store.batches.owner(id[:22]) != tenant:
            raise NotFound(f"there is no {'batch' if len(id) == 22 else 'task'} {id[:64]}")

    async def result(self, task_id: str, tenant: str | None, seconds: float) -> object:
        """What a task has returned, once it is done. Raises as ``wait_result`` does."""
        if not is_task_id(task_id):
            raise NotFound(f"there is no task {task_id[:64]}")
        seen = plain = False

        async def look() -> tuple[Found] | None:
            nonlocal seen, plain
            if plain:
                await asyncio.sleep(PAUSE_SECONDS)
            if not seen:
                await self.own(task_id, tenant)
            found = await self.store.tasks.find(task_id, watch=1, looks=LOOKS)
            info, seen = found.info, seen or found.info is not None
            if (not found.tenant and not seen) or (tenant is not None and found.tenant not in ("", tenant)):
                raise NotFound(f"there is no task {task_id[:64]}")
            plain = info is not None and not info.kept
            if info is None:
                raise ResultNotKept(f"task {task_id}: there is none by that id any more; only keep='all' keeps results")
            return (found,) if info.ended else None

        ids = task_id, task_id[:22]
        return self._value((await self._until(look, ids, seconds, f"task {task_id} had not ended"))[0])

    def _value(self, found: Found) -> object:
        info = found.info
        assert info is not None
        if info.state is TaskState.FAILED:
            raise TaskFailed(info.id, info.errors)
        if info.state is TaskState.CANCELLED:
            raise WaitCancelled(f"task {info.id} was cancelled")
        result, problem = found.result(self._sealer)
        if problem:
            raise ResultNotKept(f"task {info.id} is done, but its result is not kept: {problem}")
        return self._typed(info, result)

    def _typed(self, info: TaskInfo, result: bytes) -> object:
        handler = self._registry.named(info.name)
        if not result:
            return None
        return load_plain(result) if handler is None else handler.results.load(result)

    def shown(self, found: Found) -> TaskInfo | None:
        """A task with its result, or why that isn't there."""
        if found.info is None or found.info.state is not TaskState.DONE:
            return found.info
        try:
            result, problem = found.result(self._sealer)
            return replace(found.info, result=self._typed(found.info, result), result_problem=problem or None)
        except (CorruptTask, KeyMissing) as error:
            return replace(found.info, result_problem=str(error))

    async def _until(self, look: Callable[[], Awaitable[T | None]], ids: tuple[str, ...], seconds: float, late: str) -> T:
        """What a look finds that is not None; it looks again when there is news of any of some ids."""
        with self.news(*ids) as news:
            try:
                async with asyncio.timeout(seconds):
                    await self._subscribed.wait()
                    while True:
                        news.clear()
                        found = await look()
                        if found is not None:
                            return found
                        with suppress(TimeoutError):
                            await asyncio.wait_for(news.wait(), RECHECK_SECONDS)
            except TimeoutError as error:
                if isinstance(error, NotReady):
                    raise
                raise NotReady(f"{late} after {seconds:g} s") from None

    @contextmanager
    def news(self, *ids: str) -> Iterator[asyncio.Event]:
        """An event that is set when there is news of any of some batches and tasks, and when this process listens again."""
        self._listen()
        news, names = asyncio.Event(), set(ids)
        for id in names:
            self._waiters.setdefault(id, set()).add(news)
        try:
            yield news
        finally:
            for id in names:
                self._waiters[id].discard(news)
                if not self._waiters[id]:
                    del self._waiters[id]

    async def listening(self) -> None:
        """Wait until messages are received."""
        await self._subscribed.wait()

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            events = self.store.events(("settled", "changed"), self._on_message, self._on_subscribed)
            self._listener = asyncio.create_task(events.run(), name="taskproc-waits")

    def _on_message(self, channel: str, id: str) -> None:
        for news in self._waiters.get(id, ()):
            news.set()

    def _on_subscribed(self) -> None:
        self._subscribed.set()
        for waiters in self._waiters.values():
            for news in waiters:
                news.set()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
