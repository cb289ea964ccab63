"""Commands for the schedules of a tenant: list, show, trigger, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from taskproc.cli.connect import acting, as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table, span
from taskproc.processor import TaskProcessor
from taskproc.scheduled import ScheduleInfo

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def schedules() -> None:
    """List, show, trigger, pause, resume or cancel schedules."""


def of_tenant(command: F) -> F:
    """The option that says whose schedules are meant, and those that all commands have."""
    return click.option("--tenant", required=True, help="Whose schedules.")(as_json(instance(command)))


@schedules.command("list")
@click.option("--skip", default=0, show_default=True)
@click.option("--take", default=50, show_default=True)
@of_tenant
def list_(skip: int, take: int, tenant: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """List a tenant's schedules by id, in words, with their next and last occurrence."""
    found = call(app_, prefix, url, lambda proc: proc.get_schedules(tenant, skip, take))
    if json_:
        emit_json([document(info) for info in found])
        return
    emit_table("", ["id", "label", "when", "handler", "state", "next", "last", "runs#", "left out#"], [
        (i.id, i.label, i.words, i.handler, state_of(i), ahead(i.next_at), i.last_at, i.runs, i.skipped) for i in found
    ])  # fmt: skip


@schedules.command()
@click.argument("id_", metavar="ID")
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(0, 1_000), help="So many next occurrences.")
@of_tenant
def show(id_: str, count: int, tenant: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Show a schedule: when it runs, its next occurrences, and how its last runs went."""
    info = call(app_, prefix, url, lambda proc: proc.get_schedule(id_, tenant))
    if info is None:
        raise click.ClickException(f"there is no schedule {id_} of {tenant}")
    upcoming = info.upcoming(count)
    if json_:
        emit_json({**document(info), "upcoming": upcoming})
        return
    click.echo(f"{info.id} of {info.tenant}: {state_of(info)}")
    click.echo(info.words)
    for name, told in about(info):
        click.echo(f"{name}: {told}")
    emit_table("Next", ["at", "in"], [(exact(at), ahead(at)) for at in upcoming])
    emit_table("Last", ["due", "state", "drift#", "took#", "task="], [
        (exact(run.due_at), run.state.value, span(run.drift), span(run.seconds), run.task_id) for run in info.history
    ])  # fmt: skip


@schedules.command()
@click.argument("id_", metavar="ID")
@of_tenant
@acting
def trigger(id_: str, tenant: str, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Enqueue a schedule's task now; its next occurrence stays."""

    async def run(proc: TaskProcessor) -> bool:
        if await proc.trigger_schedule(id_, tenant, actor=actor):
            return True
        if await proc.get_schedule(id_, tenant) is None:
            return False
        raise click.ClickException(f"not triggered: a task of schedule {id_} of {tenant} is there, and it is unique")

    _do("triggered", run, id_, tenant, app_, prefix, url, json_)


@schedules.command()
@click.argument("id_", metavar="ID")
@of_tenant
@acting
def pause(id_: str, tenant: str, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Let a schedule rest; what comes meanwhile is left out."""
    _do("paused", lambda proc: proc.pause_schedule(id_, tenant, actor=actor), id_, tenant, app_, prefix, url, json_)


@schedules.command()
@click.argument("id_", metavar="ID")
@of_tenant
@acting
def resume(id_: str, tenant: str, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Let a paused schedule go on from now; one with a function of its own needs --app."""
    _do("resumed", lambda proc: proc.resume_schedule(id_, tenant, actor=actor), id_, tenant, app_, prefix, url, json_)


@schedules.command()
@click.argument("id_", metavar="ID")
@of_tenant
@acting
def cancel(id_: str, tenant: str, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Delete a schedule; a task of it that is there goes on. What code declares comes back with the next worker."""
    _do("cancelled", lambda proc: proc.cancel_schedule(id_, tenant, actor=actor), id_, tenant, app_, prefix, url, json_)


def _do(
    done: str, work: Callable[[TaskProcessor], Awaitable[bool]], id_: str, tenant: str,
    app_: str | None, prefix: str, url: str | None, json_: bool,
) -> None:  # fmt: skip
    if not call(app_, prefix, url, work):
        raise click.ClickException(f"there is no schedule {id_} of {tenant}")
    if json_:
        emit_json({"id": id_, "tenant": tenant, "done": done})
    else:
        click.echo(f"{done} {id_}")


def state_of(info: ScheduleInfo) -> str:
    """A schedule's state in a word."""
    if info.paused:
        return "paused"
    if info.orphan:
        return "orphan"
    return "over" if info.next_at is None else "on"


def about(info: ScheduleInfo) -> list[tuple[str, object]]:
    """What else is to be said of a schedule, where it is said."""
    most, left_out = (
        f" of {info.max_runs:,}" if info.max_runs else "",
        f", {info.skipped:,} left out" if info.skipped else "",
    )
    said: list[tuple[str, object]] = [
        ("label", info.label),
        ("handler", info.handler + (", declared by code" if info.coded else "")),
        ("cron", f"{info.cron} ({info.timezone})" if info.cron else ""),
        ("from", info.start and exact(info.start)),
        ("until", info.end and exact(info.end)),
        ("jitter", _length(info.jitter)),
        ("expires after", _length(info.expire)),
        ("unique", "yes" if info.unique else ""),
        ("misfire", info.misfire),
        ("runs", f"{info.runs:,}{most}{left_out}"),
        ("last held up by", info.skip_reason),
    ]
    return [(name, told) for name, told in said if told]


def _length(duration: object) -> str:
    return span(duration.total_seconds()) if isinstance(duration, timedelta) else ""


def exact(time: datetime) -> str:
    """A time in UTC, whole milliseconds where it has them."""
    return time.astimezone(UTC).isoformat(" ", "milliseconds" if time.microsecond else "seconds").replace("+00:00", " UTC")


def ahead(time: datetime | None) -> str:
    """How far away a time is that is to come."""
    if time is None:
        return "–"
    seconds = (time - datetime.now(UTC)).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else "due"


def document(info: ScheduleInfo) -> dict[str, object]:
    """A schedule as a script reads it: durations in seconds, and with what is worked out."""
    found = {f.name: _plain(getattr(info, f.name)) for f in fields(info) if f.name != "anchor_ms"}
    history = [
        {**{f.name: getattr(run, f.name) for f in fields(run)}, "drift": run.drift, "seconds": run.seconds}
        for run in info.history
    ]
    return {**found, "words": info.words, "history": history}


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value
