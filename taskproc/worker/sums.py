"""A worker's part in statistics: sums up what was settled, and drops what is past its time."""

from __future__ import annotations

import logging

from taskproc.errors import SchemaMismatch, TaskprocError
from taskproc.options import Options
from taskproc.store.statistics import Statistics

logger = logging.getLogger("taskproc")


class Sums:
    """Statistics are never worth a task: what goes wrong with them is logged, and tried again later."""

    def __init__(self, statistics: Statistics, options: Options) -> None:
        self._statistics = statistics
        self._options = options

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
        minutes, hours = self._options.minute_history_ms, self._options.hour_history_ms
        while await self._statistics.prune(minutes, hours, self._options.history_entries):
            pass
