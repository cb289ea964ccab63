"""Commands that look: batches, batch, task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import click

from taskproc.cli.connect import as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table, json_of, span
from taskproc.errors import NotFound
from taskproc.model import BatchInfo, TaskState
from taskproc.processor import TaskProcessor


@click.command()
@click.argument("tenant")
@click.option("--skip", default=0, show_default=True)
@click.option("--take", default=50, show_default=True)
@as_json
@instance
def batches(tenant: str, skip: int, take: int, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """List a tenant's batches, newest first."""
    found = call(app_, prefix, url, lambda proc: proc.get_batches(tenant, skip, take))
    if json_:
        emit_json(found)
        return
    emit_table("", ["id=", "label", "state", "total#", "done#", "failed#", "cancelled#", "left#", "created"], [
        (b.id, b.label, b.state.value, b.total, b.done, b.failed, b.cancelled, b.remaining, b.created_at) for b in found
    ])  # fmt: skip


@click.command()
@click.argument("batch_id", metavar="ID")
@click.option("--watch", is_flag=True, help="Follow it until it settles.")
@as_json
@instance
def batch(batch_id: str, watch: bool, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Show a batch; with --watch follow it with a progress bar (with --json a line for each change)."""

    async def follow(proc: TaskProcessor) -> BatchInfo | None:
        if not watch:
            return await proc.get_batch(batch_id)
        return await (_lines(proc, batch_id) if json_ else _bar(proc, batch_id))

    info = call(app_, prefix, url, follow)
    if info is None:
        raise click.ClickException(f"there is no batch {batch_id}")
    if json_:
        if not watch:
            emit_json(info)
        return
    title = f"{info.label or info.id} of {info.tenant}"
    counters = (info.total, info.done, info.failed, info.cancelled, info.remaining)
    emit_table(title, ["state", "total#", "done#", "failed#", "cancelled#", "left#", "run time#"], [
        (info.state.value, *counters, span(info.run_seconds))
    ])  # fmt: skip


async def _lines(proc: TaskProcessor, batch_id: str) -> BatchInfo | None:
    last: BatchInfo | None = None
    async for info in _changes(proc, batch_id):
        emit_json(info)
        last = info
    return last


async def _changes(proc: TaskProcessor, batch_id: str) -> AsyncIterator[BatchInfo]:
    """A batch as it is now, and whenever it has changed, until it settles; nothing where there is none."""
    with suppress(NotFound):
        async for _ in proc.watch(batch_id):
            info = await proc.get_batch(batch_id)
            if info is not None:
                yield info


async def _bar(proc: TaskProcessor, batch_id: str) -> BatchInfo | None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    last = await proc.get_batch(batch_id)
    if last is None:
        return None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        shown = progress.add_task(last.label or last.id, total=last.total, note="")
        async for info in _changes(proc, batch_id):
            note = f"{info.failed:,} failed" if info.failed else ""
            progress.update(shown, completed=info.total - info.remaining, total=info.total, note=note)
            last = info
    return last


@click.command()
@click.argument("task_id", metavar="ID")
@as_json
@instance
def task(task_id: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Show a task: where it stands, how its attempts ended, its result where that is kept."""
    info = call(app_, prefix, url, lambda proc: proc.get_task(task_id))
    if info is None:
        raise click.ClickException(f"there is no task {task_id}, or nothing is kept of it")
    if json_:
        emit_json(info)
        return
    emit_table(f"{info.name} of {info.tenant}", ["state", "queue", "attempt#", "created", "started", "ended"], [
        (info.state.value, info.queue, info.attempt, info.created_at, info.started_at, info.ended_at)
    ])  # fmt: skip
    for error in info.errors:
        click.echo(f"attempt {error.attempt}: {error.type}: {error.message}")
    if info.progress is not None:
        total = "" if info.progress.total is None else f" of {info.progress.total:g}"
        click.echo(f"progress: {info.progress.done:g}{total} {info.progress.note}".rstrip())
    if info.result_problem:
        click.echo(f"its result is not kept: {info.result_problem}")
    elif info.kept and info.state is TaskState.DONE:
        click.echo(f"result: {json_of(info.result)}")
