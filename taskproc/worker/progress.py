"""What handlers tell of their progress, on its way to Redis: at most four times a second a task, the last counts."""

from __future__ import annotations

import asyncio
import logging

from taskproc.context import TaskContext
from taskproc.errors import TaskprocError
from taskproc.model import Progress
from taskproc.store.tasks import Tasks
from taskproc.worker.execution import Execution

logger = logging.getLogger("taskproc")

EVERY_SECONDS = 0.25


class Progresses:
    """The tasks of a worker that have told of their progress, while they run."""

    def __init__(self, tasks: Tasks, held: dict[str, Execution]) -> None:
        self._tasks = tasks
        self._held = held
        self._latest: dict[str, Progress] = {}
        self.writers: dict[TaskContext, tuple[str, asyncio.Task[None]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def tell(self, context: TaskContext, progress: Progress) -> None:
        """Take over what a handler tells."""
        member, writer = self.writers.get(context, ("", None))
        if writer is None:
            member = next((m for m, execution in self._held.items() if execution.context is context), "")
            if not member:
                return  # it has ended; a thread of its own may go on
        self._latest[member] = progress
        if writer is None or writer.done():
            writer = asyncio.create_task(self._write(member), name="taskproc-progress")
            self.writers[context] = member, writer
            self._running.add(writer)
            writer.add_done_callback(self._running.discard)

    async def _write(self, member: str) -> None:
        while (progress := self._latest.pop(member, None)) is not None:
            try:
                if not await self._tasks.tell_progress(member, progress):
                    return
            except TaskprocError as error:
                logger.debug("task %s: its progress could not be stored: %s", member[:32], type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    def end(self, context: TaskContext | None) -> None:
        """A task has ended: what it has told and isn't stored is dropped. A call on its way finds no lease any more."""
        member, _ = self.writers.pop(context, ("", None)) if context is not None else ("", None)
        self._latest.pop(member, None)

    async def close(self) -> None:
        """Write no more."""
        self._latest.clear()
        self.writers.clear()
        for writer in self._running:
            writer.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
