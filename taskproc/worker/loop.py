"""The one loop behind everything that a worker does from time to time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from taskproc.errors import SchemaMismatch, TaskprocError

logger = logging.getLogger("taskproc")

PAUSE = 1.0


class Loop:
    """Calls a function again and again: ``step`` returns after how many seconds it wants to be called next.

    ``by`` brings the next call forward. An error of Redis is logged and the loop goes on after a pause.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        self._name = name
        self._step = step
        self._poked = asyncio.Event()
        self._until = 0.0
        self._again = False

    def by(self, at: float | None) -> None:
        """See that the function is called by a time of the monotonic clock."""
        if at is not None and at < self._until:
            self._until = at
            self._poked.set()

    def poke(self) -> None:
        """See that the function is called at once, and once more where it is at work just now."""
        self._again = True
        self.by(0)

    async def run(self) -> None:
        """Go on until cancelled. Raises SchemaMismatch, which no pause mends."""
        while True:
            self._again = False
            try:
                seconds = await self._step()
            except SchemaMismatch:
                raise
            except TaskprocError as error:
                logger.error("%s: %s", self._name, error)
                seconds = PAUSE
            self._until = 0.0 if self._again else time.monotonic() + seconds
            while (left := self._until - time.monotonic()) > 0:
                self._poked.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._poked.wait()
