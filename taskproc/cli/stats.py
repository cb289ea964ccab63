"""Commands that tell how busy all is: stats, metrics."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click

from taskproc.cli.connect import as_json, call, instance, processor_of
from taskproc.cli.tables import emit_json, emit_table, span
from taskproc.history import HistoryPoint, QueueSignals, TenantQueueInfo
from taskproc.model import QueueInfo, TenantInfo, WorkerInfo
from taskproc.processor import TaskProcessor

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stats:
    """What is told of an instance."""

    paused: bool
    queues: list[QueueInfo]
    workers: list[WorkerInfo]
    tenants: list[TenantInfo]
    signals: list[QueueSignals]


@dataclass(frozen=True, slots=True)
class TenantStats:
    """What is told of a tenant: its totals, its queues, and what was done in this hour and the one before."""

    tenant: TenantInfo
    queues: list[TenantQueueInfo]
    usage: HistoryPoint


@click.command()
@click.option("--tenants", "shown", default=20, show_default=True, help="How many tenants to show.")
@click.option("--queue", metavar="NAME", help="Only this queue.")
@click.option("--tenant", metavar="NAME", help="Only this tenant, with its queues.")
@click.option("--target-wait", default=60.0, show_default=True, help="Seconds that a ready task may wait for a slot.")
@as_json
@instance
def stats(
    app_: str | None, prefix: str, url: str | None, json_: bool, shown: int, queue: str | None, tenant: str | None,
    target_wait: float,
) -> None:  # fmt: skip
    """Show queues, the slots that they need, workers and tenants."""
    if tenant is not None:
        _tell_tenant(call(app_, prefix, url, lambda proc: _tenant(proc, tenant, queue)), tenant, json_)
        return

    async def read(proc: TaskProcessor) -> Stats:
        return Stats(
            await proc.is_paused(),
            await proc.get_queues() if queue is None else [await proc.get_queue(queue)],
            await proc.get_workers(),
            await proc.get_tenants(take=shown),
            await proc.get_signals(target_wait, queue=queue),
        )

    found = call(app_, prefix, url, read)
    if json_:
        emit_json(found)
    else:
        _tell(found)


def _tell(found: Stats) -> None:
    if found.paused:
        click.secho("paused: nothing is claimed (taskproc resume)", fg="yellow")
    emit_table("Queues", ["name", "mode", "ready#", "running#", "delayed#", "dead#", "limit#", "oldest ready#"], [
        (q.name, q.mode, q.ready, q.running, q.delayed, q.dead, q.max_waiting, span(q.oldest_ready_seconds))
        for q in found.queues
    ])  # fmt: skip
    emit_table("Load", ["queue", "tasks/s#", "mean run#", "wait p50#", "wait p95#", "slots needed#"], [
        (s.name, f"{s.executions_per_second:,.1f}", span(s.mean_run_seconds), span(s.wait_p50_seconds),
         span(s.wait_p95_seconds), s.slots_needed) for s in found.signals
    ])  # fmt: skip
    emit_table("Workers", ["name", "queues", "slots#", "running#", "started", "last seen"], [
        (w.name, ", ".join(w.queues), w.slots, w.running, w.started_at, w.last_seen) for w in found.workers
    ])  # fmt: skip
    emit_table("Tenants", ["tenant", "batches#", "tasks#", "done#", "failed#", "cancelled#", "left#", "run time#"], [
        (t.tenant, t.batches, t.total, t.done, t.failed, t.cancelled, t.remaining, span(t.run_seconds))
        for t in found.tenants
    ])  # fmt: skip


async def _tenant(proc: TaskProcessor, tenant: str, queue: str | None) -> TenantStats | None:
    info = await proc.get_tenant(tenant)
    if info is None:
        return None
    now = datetime.now(UTC)
    queues = [one for one in await proc.get_tenant_queues(tenant) if queue is None or one.name == queue]
    return TenantStats(info, queues, await proc.get_usage(tenant, now - HOUR, now + HOUR, queue=queue))


def _tell_tenant(found: TenantStats | None, tenant: str, json_: bool) -> None:
    if found is None:
        raise click.ClickException(f"nothing is known of tenant {tenant}")
    if json_:
        emit_json(found)
        return
    emit_table(tenant, ["queue", "ready#", "running#", "delayed#", "dead#", "oldest ready#", "run time#"], [
        (q.name, q.ready, q.running, q.delayed, q.dead, span(q.oldest_ready_seconds), span(q.run_seconds))
        for q in found.queues
    ])  # fmt: skip
    use = found.usage
    emit_table("Last two hours", ["done#", "failed#", "cancelled#", "retried#", "run time#", "wait p95#", "bytes#"], [
        (use.done, use.failed, use.cancelled, use.retried, span(use.run_seconds), span(use.waits.p(0.95)), use.bytes)
    ])  # fmt: skip


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=9464, show_default=True, help="Where Prometheus asks.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--target-wait", default=60.0, show_default=True, help="Seconds that a ready task may wait for a slot.")
@click.option("--tenant", "tenants", metavar="NAME", multiple=True, help="Tell of this tenant too; may be repeated.")
@instance
def metrics(
    app_: str | None, prefix: str, url: str | None, port: int, host: str, target_wait: float, tenants: tuple[str, ...]
) -> None:
    """Serve metrics for Prometheus until interrupted; needs taskproc[metrics]."""
    try:
        from taskproc.integrations import prometheus
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        raise click.UsageError("prometheus_client is missing: pip install 'taskproc[metrics]'") from None

    async def serve() -> None:
        async with processor_of(app_, prefix, url) as proc, AsyncExitStack() as ended:
            await proc.get_signals(target_wait)  # what is wrong is told now, not to Prometheus
            try:
                at = ended.enter_context(prometheus.serve(proc, host, port, target_wait=target_wait, tenants=tenants))
            except OSError as error:
                raise click.UsageError(f"--host {host} --port {port}: can't listen there ({error})") from None
            click.echo(f"metrics are at http://{host}:{at}/metrics", err=True)
            await asyncio.Event().wait()

    asyncio.run(serve())
