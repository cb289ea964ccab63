"""Promotes due tasks, rescues expired leases, sums up, prunes: bounded steps, repeated until there is nothing to do."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

from taskproc.errors import SchemaMismatch, TaskprocError
from taskproc.store.work import PROMOTE, RESCUE, Work
from taskproc.worker.sums import Sums

JITTER = 0.01
"""Idle workers wait for the same due task; the first that wakes promotes it, the others find nothing."""

PRUNE_SECONDS = 60.0


class Upkeep:
    """When something is due, do it; ``step`` returns how long there is nothing to do."""

    def __init__(
        self,
        work: Work,
        limits: Callable[[], Awaitable[None]],
        sums: Sums,
        retention_ms: int,
        poll_ms: int,
        lease_ms: int,
    ) -> None:
        """``limits`` sees that limits hold as the code says, and that what waits for them and for tenants' rules goes on."""
        self._work = work
        self._limits = limits
        self._sums = sums
        self._connected = False
        self._retention_ms = retention_ms
        self._longest = min(poll_ms, lease_ms) / 1000
        self._prune_every = min(PRUNE_SECONDS, max(0.2, retention_ms / 10_000))
        self._prune_at = time.monotonic() + random.uniform(0, self._prune_every)

    async def step(self) -> float:
        """One round; the seconds until the next. Raises the first error of its parts, once all have had their turn."""
        horizon, problem = self._work.horizon, None
        for part in (self._look_at_limits, self._promote, self._rescue, self._sum_up, self._prune):
            try:
                await part()
            except SchemaMismatch:
                raise
            except TaskprocError as error:  # such as a stored task that can't be read: the other parts go on
                problem = problem or error
        if problem is not None:
            raise problem
        nearest = min(at for at in (horizon.due, horizon.ends, horizon.sums, self._prune_at) if at is not None)
        return min(max(0.0, nearest - time.monotonic()) + random.uniform(0, JITTER), self._longest)

    def connected(self) -> None:
        """Redis is reached anew: it may be another, which has missed something and has another clock."""
        self._connected = True

    async def _look_at_limits(self) -> None:
        if self._connected:
            await self._limits()
            self._connected = False

    async def _promote(self) -> None:
        if self._reached(self._work.horizon.due):
            while await self._work.promote() >= PROMOTE:
                pass

    async def _rescue(self) -> None:
        if self._reached(self._work.horizon.ends):
            while await self._work.rescue() >= RESCUE:
                pass

    async def _sum_up(self) -> None:
        if self._reached(self._work.horizon.sums):
            self._work.horizon.sums = None
            await self._sums.sum_up()

    async def _prune(self) -> None:
        if self._reached(self._prune_at):
            self._prune_at = time.monotonic() + self._prune_every * random.uniform(0.8, 1.2)
            while await self._work.prune(self._retention_ms):
                pass
            await self._limits()  # whatever a crash, or a clock that was set back, has left waiting
            await self._sums.prune()

    @staticmethod
    def _reached(at: float | None) -> bool:
        return at is not None and at <= time.monotonic()
