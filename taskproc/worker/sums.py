"""A worker's part in statistics: sums up what was settled, and drops what is past its time."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from taskproc.errors import SchemaMismatch, TaskprocError
from taskproc.store.statistics import Statistics

logger = logging.getLogger("taskproc")


@dataclass(frozen=True, slots=True)
class Kept:
    """How long sums of minutes and of hours are kept, in ms, and how many there may be in all."""

    minutes_ms: int
    hours_ms: int
    entries: int


class Sums:
    """Statistics are never worth a task: what goes wrong with them is logged, and tried again later."""

    def __init__(self, statistics: Statistics, kept: Kept) -> None:
        self._statistics = statistics
        self._kept = kept

    async def sum_up(self, hurry: bool = False) -> None:
        """Sum up what there is."""
        try:
            while await self._statistics.sum_up(hurry):
                pass
        except SchemaMismatch:
            raise
        except TaskprocError as error:
            logger.error("statistics: %s", error)

    async def prune(self) -> None:
        """Sum up what is left over, and drop what is past its time."""
        await self.sum_up(hurry=True)
        while await self._statistics.prune(self._kept.minutes_ms, self._kept.hours_ms, self._kept.entries):
            pass
