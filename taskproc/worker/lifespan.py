"""What a program sets up for all its tasks: entered before a worker claims, left after its last task has settled.

It has a task of the event loop of its own, so that what it enters is left where it was entered, whoever stops the worker.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from taskproc.errors import InvalidValue, TaskprocError
from taskproc.options import Lifespan as Factory

logger = logging.getLogger("taskproc")

CANCEL_SECONDS = 0.5


class Lifespan:
    """A worker's lifespan; without a factory there is nothing to do."""

    def __init__(self, factory: Factory | None, processor: object) -> None:
        self._factory = factory
        self._processor = processor
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def enter(self) -> Any:
        """Its value. Raises what it raises."""
        if self._factory is None:
            return None
        entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(self._factory, entered), name="taskproc-lifespan")
        try:
            await asyncio.wait((self._task, entered), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if not entered.done():
            self._raise(self._task, "the lifespan failed, so the worker does not start")
        return entered.result()

    async def _run(self, factory: Factory, entered: asyncio.Future[Any]) -> None:
        manager = factory(self._processor)
        if not hasattr(manager, "__aenter__"):
            raise InvalidValue(f"lifespan gave a {type(manager).__name__}: decorate it with contextlib.asynccontextmanager")
        async with manager as value:
            entered.set_result(value)
            await self._over.wait()

    async def watch(self) -> None:
        """Wait for its end while the worker runs. Raises what has ended it."""
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._over.is_set():
                self._raise(self._task, "the lifespan has ended, so the worker stops")

    async def leave(self, seconds: float) -> None:
        """End it; it is cancelled when it takes too long. Raises what it raises, unless that is known."""
        task = self._task
        if task is None or task.done():
            return
        self._over.set()
        done, _ = await asyncio.wait((task,), timeout=seconds)
        if not done:
            logger.warning("the lifespan did not end within %g s and is cancelled", seconds)
            task.cancel()
            await asyncio.wait((task,), timeout=CANCEL_SECONDS)
        elif not task.cancelled():
            task.result()

    @staticmethod
    def _raise(task: asyncio.Task[None], told: str) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            raise TaskprocError(told)
        error.add_note(told)
        logger.error("%s: %s", told, type(error).__name__)
        raise error
