"""Prometheus: ``REGISTRY.register(collector(proc))``; each scrape asks Redis once, however many tasks there are.

Labels are queues, at most 100 of them, the rest summed up as ``other``; and only the tenants that are named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taskproc.errors import InvalidValue, TaskprocError
from taskproc.history import HistoryPoint, QueueSignals
from taskproc.model import TenantInfo
from taskproc.processor import TaskProcessor
from taskproc.values import Duration, milliseconds, shown, tenant_name

MOST_QUEUES = 100
OTHER = "other"
SECONDS = 10.0
"""How long a scrape may take."""

Tenant = tuple[str, TenantInfo | None, HistoryPoint]

SUMMED: dict[str, tuple[str, Callable[[QueueSignals], float]]] = {
    "taskproc_ready": ("Tasks that wait for a slot", lambda q: q.ready),
    "taskproc_running": ("Tasks that run", lambda q: q.running),
    "taskproc_delayed": ("Tasks that are not due yet", lambda q: q.delayed),
    "taskproc_dead": ("Dead letters", lambda q: q.dead),
    "taskproc_executions_per_second": ("Executions a second in the last five minutes", lambda q: q.executions_per_second),
    "taskproc_slots_needed": ("Slots needed for the wait that is aimed at", lambda q: q.slots_needed),
}
LARGEST: dict[str, tuple[str, Callable[[QueueSignals], float | None]]] = {
    "taskproc_oldest_wait_seconds": ("How long the oldest ready task has waited", lambda q: q.oldest_wait_seconds),
    "taskproc_mean_run_seconds": ("How long an execution takes", lambda q: q.mean_run_seconds),
    "taskproc_wait_p50_seconds": ("Half of the waits were no longer", lambda q: q.wait_p50_seconds),
    "taskproc_wait_p95_seconds": ("95 % of the waits were no longer", lambda q: q.wait_p95_seconds),
}
OF_TENANTS: dict[str, tuple[str, Callable[[TenantInfo], float]]] = {
    "taskproc_tenant_ready": ("A tenant's tasks that wait for a slot", lambda t: t.ready),
    "taskproc_tenant_running": ("A tenant's tasks that run", lambda t: t.running),
    "taskproc_tenant_delayed": ("A tenant's tasks that are not due yet", lambda t: t.delayed),
    "taskproc_tenant_dead": ("A tenant's dead letters", lambda t: t.dead),
}


class Metrics(Collector):
    """What Prometheus gets of an instance. It is asked in threads, and asks in the event loop in which it was made."""

    def __init__(self, processor: TaskProcessor, target_wait: Duration, tenants: Sequence[str]) -> None:
        milliseconds("target_wait", target_wait, positive=True)
        if isinstance(tenants, str):
            raise InvalidValue(f"tenants={shown(tenants)}: give a list of names")
        self._processor = processor
        self._target = target_wait
        self._tenants = [tenant_name(name) for name in tenants]
        self._loop = asyncio.get_running_loop()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The metrics without values, so that registering asks nothing."""
        yield from _families([], [])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All metrics now. Raises what calls of a processor do, and TaskprocError in a loop that would wait for itself."""
        if _loop_here() is self._loop:
            raise TaskprocError(
                "metrics of taskproc can't be asked for in the event loop that gets them: serve them from a thread, by"
                " prometheus_client.start_http_server, or by asyncio.to_thread(generate_latest)"
            )
        asked = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        try:
            signals, tenants = asked.result(SECONDS)
        except TimeoutError:
            asked.cancel()
            raise TimeoutError(f"the processor's event loop had no metrics within {SECONDS:.0f} s") from None
        yield from _families(signals, tenants)

    async def _ask(self) -> tuple[list[QueueSignals], list[Tenant]]:
        now, day = datetime.now(UTC), timedelta(days=1)
        tenants = [
            (name, await self._processor.get_tenant(name), await self._processor.get_usage(name, now - day, now))
            for name in self._tenants
        ]
        return await self._processor.get_signals(self._target), tenants


def _loop_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _families(signals: Sequence[QueueSignals], tenants: Sequence[Tenant]) -> Iterator[GaugeMetricFamily]:
    shown, rest = signals[:MOST_QUEUES], signals[MOST_QUEUES:]
    for name, (told, of) in SUMMED.items():
        family = GaugeMetricFamily(name, told, labels=["queue"])
        for one in shown:
            family.add_metric([one.name], of(one))
        if rest:
            family.add_metric([OTHER], sum(of(one) for one in rest))
        yield family
    for name, (told, maybe) in LARGEST.items():
        family = GaugeMetricFamily(name, told, labels=["queue"])
        for label, some in [*((one.name, [one]) for one in shown), (OTHER, rest)]:
            values = [value for one in some if (value := maybe(one)) is not None]
            if values:
                family.add_metric([label], max(values))
        yield family
    for name, (told, count) in OF_TENANTS.items():
        family = GaugeMetricFamily(name, told, labels=["tenant"])
        for tenant, info, _ in tenants:
            family.add_metric([tenant], 0 if info is None else count(info))
        yield family
    family = GaugeMetricFamily("taskproc_tenant_run_seconds_day", "A tenant's handler time of a day", labels=["tenant"])
    for tenant, _, usage in tenants:
        family.add_metric([tenant], usage.run_seconds)
    yield family


def collector(processor: TaskProcessor, *, target_wait: Duration = 60, tenants: Sequence[str] = ()) -> Metrics:
    """A collector for a registry; call it in the event loop of the processor, which is to be open while it is asked.

    It is asked in other threads: an application such as ``make_asgi_app`` in the same loop would wait for itself.
    Raises InvalidValue.
    """
    return Metrics(processor, target_wait, tenants)


@contextmanager
def serve(
    processor: TaskProcessor, host: str, port: int, *, target_wait: Duration = 60, tenants: Sequence[str] = ()
) -> Iterator[int]:
    """Serve metrics over HTTP for a block; the port, which is a free one if 0 is given."""
    registry = CollectorRegistry()
    registry.register(collector(processor, target_wait=target_wait, tenants=tenants))
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
