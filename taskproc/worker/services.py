"""What a running task may ask of its worker: its batch's counters, a longer lease, more tasks for its batch, and
what it may tell: its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from taskproc.batch import Batch, Build, fill
from taskproc.context import TaskContext
from taskproc.errors import BatchCancelled, NotFound
from taskproc.maker import Maker
from taskproc.model import BatchInfo, Progress
from taskproc.store import Store
from taskproc.store.work import Work
from taskproc.worker.execution import Execution
from taskproc.worker.instances import Making
from taskproc.worker.progress import Progresses


class WorkerServices:
    """The services of one worker. Batches are read and appended to through the client's bounded calls."""

    def __init__(self, store: Store, maker: Maker, work: Work, held: dict[str, Execution], making: Making) -> None:
        self.app: Any = None
        self._making = making
        self._store = store
        self._maker = maker
        self._work = work
        self._held = held
        self._loop = asyncio.get_running_loop()
        self.progresses = Progresses(store.tasks, held)

    async def get(self, context: TaskContext, wanted: Any) -> Any:
        """The task's instance of a class, or what a provider gives."""
        return await self._making.of(context).get(wanted)

    async def batch(self, batch_id: str) -> BatchInfo | None:
        """The batch's counters now."""
        return await self._store.batches.get(batch_id)

    async def renew(self, context: TaskContext, duration_ms: int) -> bool:
        """Prolong the lease; False when it is lost, or the task has ended."""
        member = next((m for m, execution in self._held.items() if execution.context is context), None)
        return member is not None and await self._work.renew(member, duration_ms)

    async def append(self, context: TaskContext, build: Build) -> None:
        """Append to the task's own batch. Raises NotFound where there is none, or BatchCancelled."""
        if context.batch_id is None:
            raise NotFound(f"task {context.id} belongs to no batch")
        await append(self._store, self._maker, context.queue, context.tenant, context.batch_id, build, None)

    async def progress(self, context: TaskContext, progress: Progress) -> None:
        """Note how far a task has come; it goes to Redis by itself."""
        self.progresses.tell(context, progress)

    def call(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Run an async function on the loop and wait for it, from a handler's thread."""
        return asyncio.run_coroutine_threadsafe(function(*args), self._loop).result()


async def append(
    store: Store, maker: Maker, queue: str, tenant: str, batch_id: str, build: Build, idempotency_key: str | None,
    room_ms: int | None = None,
) -> None:  # fmt: skip
    """Build tasks and append them to a batch.

    Raises NotFound, BatchCancelled, or what ``build`` raises; nothing is stored then.
    """
    batch = Batch(store.batches.more(batch_id), maker, queue, tenant, batch_id)
    try:
        await fill(batch, build)
        outcome = await store.batches.append(batch.close(), batch_id, tenant, idempotency_key, room_ms)
    except BaseException:
        await batch.close().drop()
        raise
    if outcome == "unknown":
        raise NotFound(f"tenant {tenant} has no batch {batch_id}")
    if outcome == "cancelled":
        raise BatchCancelled(f"batch {batch_id} is cancelled")
