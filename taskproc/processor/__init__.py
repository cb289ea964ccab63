"""The processor: what a service enqueues through, and what its workers run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import Any, Self, Unpack

import anyio
from anyio.abc import TaskStatus

from taskproc.context import current
from taskproc.errors import TaskprocError
from taskproc.model import HandlerInfo
from taskproc.options import ProcessorOptions, check_options, module_of, worker_count
from taskproc.processor.calls import Calls
from taskproc.processor.catalogue import can_run, described
from taskproc.processor.tenant import Tenant
from taskproc.serving import served
from taskproc.worker import Worker


class TaskProcessor(Calls):
    """A batch processor on one Redis.

    ``redis`` is a URL (``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://``, ``redis+sentinel://``,
    ``embedded://``, ``embedded:///folder``) or a ``redis.asyncio`` client, whose settings are taken over and
    which stays the caller's; by default ``TASKPROC_REDIS_URL``. Raises InvalidValue naming what makes no
    sense. Open it with ``async with`` or ``open`` before its calls.
    """

    def __init__(self, redis: Any = None, **options: Unpack[ProcessorOptions]) -> None:
        super().__init__(redis, check_options(options))
        self._worker: Worker | None = None
        self._by_hand: asyncio.Event | None = None
        self._all_queues = self._options.queues

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def tenant(self, name: str) -> Tenant:
        """A handle that does everything for one tenant."""
        return Tenant(self, name)

    def configure(self, *, queues: Sequence[str] | None = None, max_workers: int | None = None) -> None:
        """Serve other queues or with other slots than at construction; before ``run``. Raises InvalidValue.

        Slots that are reserved for queues which are then not served are free for all.
        """
        if self._worker is not None:
            raise TaskprocError("this processor runs already: configure it before")
        slots = self._options.max_workers if max_workers is None else worker_count(max_workers)
        serving = served(self._options.serving, slots, queues)
        self._options = replace(self._options, serving=serving, max_workers=slots)

    def include(self, *modules: str | ModuleType) -> None:
        """Let workers run the functions and methods that modules define; all modules of a package, however deep.

        They are imported when the processor is opened, or now if it is open. Raises NoSuchModule, and HandlerError where
        two handlers have one name.
        """
        self._registry.include(module_of(module) for module in modules)

    def get_handlers(self) -> list[HandlerInfo]:
        """What workers of this processor may run, by name. Imports what is included."""
        return [described(handler) for handler in self._registry.handlers() if can_run(handler)]

    @property
    def is_running(self) -> bool:
        """Whether this process serves queues now."""
        return self._worker is not None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve the queues until ``stop`` is called or this is cancelled.

        A processor that isn't open is opened for it, waiting for Redis as long as it takes. Raises
        TaskprocError when it runs already, SchemaMismatch where the keys are of another layout.
        """
        opened = not self.is_open
        await self._connect(None)
        worker = self._begin()
        try:
            await worker.run(task_status=task_status)
        finally:
            self._worker = None
            if opened:
                with anyio.CancelScope(shield=True):
                    await self.close()

    async def stop(self) -> None:
        """Stop ``run`` cleanly and wait for it; running tasks end within the grace or are handed back.

        A handler that calls this doesn't wait, since it would wait for itself.
        """
        if self._worker is not None:
            await self._worker.stop()

    async def run_until_idle(self, raise_errors: bool = False) -> int:
        """Run all that is ready, continuations included, and return how many tasks ran.

        ``raise_errors``: at the end an ExceptionGroup of the errors of tasks that died. A call that comes while
        another runs waits for that one's end, and runs what there is then.
        """
        while self._by_hand is not None and current.get(None) is None:  # a handler would wait for itself
            await self._by_hand.wait()
        worker, over = self._begin(), asyncio.Event()
        self._by_hand = over
        try:
            ran, errors = await worker.run_until_idle()
        finally:
            self._worker = self._by_hand = None
            over.set()
        if raise_errors and errors:
            raise ExceptionGroup(f"{len(errors)} of {ran} tasks failed", errors)
        return ran

    def _begin(self) -> Worker:
        if self._worker is not None:
            raise TaskprocError("this processor runs already; another process or another TaskProcessor can run beside it")
        if self._options.strict_queues:
            self._registry.check_queues({*self._all_queues, *self._options.queues})
        self._worker = Worker(self._store, self._options, self._maker, self)
        return self._worker
