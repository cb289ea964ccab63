"""A processor's calls for statistics: what was done in a span of time, and how many slots queues need."""

from __future__ import annotations

from datetime import datetime

from taskproc.errors import InvalidValue
from taskproc.history import HistoryPoint, QueueSignals, Sum, TenantQueueInfo, signals
from taskproc.model import QueueInfo
from taskproc.processor.connected import Connected
from taskproc.store.statistics import HOUR, MINUTE
from taskproc.values import Duration, from_ms, milliseconds, queue_name, shown, tenant_name, timestamp_ms

MOST_POINTS = 10_000
WINDOW = 5
"""Minutes, this one among them, that tell how busy a queue is."""


class StatisticsCalls(Connected):
    """What dashboards, bills and autoscalers ask."""

    async def get_history(
        self, tenant: str | None, start: datetime, end: datetime, step: Duration = MINUTE, *, queue: str | None = None
    ) -> list[HistoryPoint]:
        """What was done from ``start`` until before ``end``, a point for each ``step``; None is all tenants, or all queues.

        Steps of whole hours are made of hours, which are kept for 90 days; others are of whole minutes, which are kept for a
        day. ``start`` is rounded down to one. Raises InvalidValue for other steps, and for more than 10,000 points.
        """
        begin, seconds, count = _steps(start, end, step)
        sums = await self._sums(tenant, queue, begin, seconds, count)
        return [sums.get(at, Sum()).point(from_ms(at * 1000)) for at in range(begin, begin + seconds * count, seconds)]

    async def get_usage(
        self, tenant: str | None, start: datetime, end: datetime, *, queue: str | None = None
    ) -> HistoryPoint:
        """What was done in the hours from ``start`` until before ``end``, in one sum: what a tenant cost.

        ``start`` is rounded down to a whole hour, ``end`` up.
        """
        begin, seconds, count = _steps(start, end, HOUR)
        total = Sum()
        for one in (await self._sums(tenant, queue, begin, seconds, count)).values():
            total.merge(one)
        return total.point(from_ms(begin * 1000))

    async def _sums(self, tenant: str | None, queue: str | None, begin: int, seconds: int, count: int) -> dict[int, Sum]:
        """Sums by the start of their step, over one queue or all."""
        if tenant is not None:
            tenant_name(tenant)
        queues = [queue_name(queue)] if queue is not None else []
        statistics = self._store.statistics
        await statistics.catch_up()
        if queue is None:
            queues = await statistics.queues()
        span, found = "m" if seconds % HOUR else "h", dict[int, Sum]()
        for at, one in (await statistics.read(span, begin, begin + count * seconds, queues, tenant)).items():
            found.setdefault(at - (at - begin) % seconds, Sum()).merge(one)
        return found

    async def set_statistics(self, on: bool) -> None:
        """Take statistics in the whole instance, as from the start, or take none; what was taken stays."""
        if not isinstance(on, bool):
            raise InvalidValue(f"on={shown(on)}: use True or False")
        await self._store.statistics.switch(on)

    async def get_tenant_queues(self, tenant: str) -> list[TenantQueueInfo]:
        """What a tenant has in each queue that it uses, now, by name."""
        return await self._store.queues.tenant_queues(tenant_name(tenant))

    async def get_signals(self, target_wait: Duration = 60, *, queue: str | None = None) -> list[QueueSignals]:
        """How busy queues are, and how many slots each needs so that a ready task waits for no longer than ``target_wait``.

        docs/statistics.md has the formula.
        """
        target = milliseconds("target_wait", target_wait, positive=True) / 1000
        names = await self._store.queues.names() if queue is None else [queue_name(queue)]
        await self._store.statistics.catch_up()
        infos = await self._store.queues.read(names)
        now = await self._store.queues.now_ms() // 1000
        return [await self._signals(info, now, target) for info in infos]

    async def _signals(self, info: QueueInfo, now: int, target: float) -> QueueSignals:
        begin = now // MINUTE * MINUTE - (WINDOW - 1) * MINUTE
        recent = await self._total("m", begin, now + 1, info.name)
        known = recent if recent.runs else await self._total("h", now - 2 * HOUR, now + 1, info.name)
        return signals(info, target, recent.executions / max(1, now - begin), known)

    async def _total(self, span: str, begin: int, end: int, queue: str) -> Sum:
        total = Sum()
        for one in (await self._store.statistics.read(span, begin, end, [queue], None)).values():
            total.merge(one)
        return total


def _steps(start: datetime, end: datetime, step: Duration) -> tuple[int, int, int]:
    """The first step's start in seconds since 1970, a step in seconds, and how many there are. Raises InvalidValue."""
    seconds, rest = divmod(milliseconds("step", step, positive=True), 1000)
    if rest or seconds % MINUTE:
        raise InvalidValue(f"step={shown(step)}: use whole minutes")
    length = HOUR if seconds % HOUR == 0 else MINUTE
    begin = timestamp_ms("start", start) // 1000 // length * length
    count = -(-(timestamp_ms("end", end) - begin * 1000) // (seconds * 1000))
    if count < 1:
        raise InvalidValue(f"end={shown(end)}: it must be later than start")
    if count > MOST_POINTS:
        raise InvalidValue(f"step={shown(step)}: that makes {count:,} points; at most {MOST_POINTS:,}")
    return begin, seconds, count
