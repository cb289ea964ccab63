"""A tenant's calls for statistics."""

from __future__ import annotations

from datetime import datetime

from taskproc.history import HistoryPoint, TenantQueueInfo
from taskproc.processor.calls import Calls
from taskproc.store.statistics import MINUTE
from taskproc.values import Duration


class TenantStatistics:
    """What a tenant has done, and what it has in its queues."""

    _calls: Calls
    name: str

    async def get_history(
        self, start: datetime, end: datetime, step: Duration = MINUTE, *, queue: str | None = None
    ) -> list[HistoryPoint]:
        """What the tenant's tasks did from ``start`` until before ``end``, a point for each ``step``."""
        return await self._calls.get_history(self.name, start, end, step, queue=queue)

    async def get_usage(self, start: datetime, end: datetime, *, queue: str | None = None) -> HistoryPoint:
        """What the tenant's tasks did in the hours from ``start`` until before ``end``, in one sum."""
        return await self._calls.get_usage(self.name, start, end, queue=queue)

    async def get_queues(self) -> list[TenantQueueInfo]:
        """What the tenant has in each queue that it uses, now."""
        return await self._calls.get_tenant_queues(self.name)
