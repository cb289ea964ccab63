"""Commands for dead letters: list, retry, discard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from taskproc.cli.connect import acting, as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def dead() -> None:
    """List, retry or discard dead letters."""


def chosen(command: F) -> F:
    """Options that say which dead letters are meant."""
    for option in (
        click.option("--batch", "batch_id", help="Only those of this batch."),
        click.option("--tenant", help="Only those of this tenant."),
        click.option("--queue", help="Only those of this queue."),
    ):
        command = option(command)
    return command


@dead.command("list")
@click.option("--skip", default=0, show_default=True)
@click.option("--take", default=50, show_default=True)
@chosen
@as_json
@instance
def list_(
    queue: str | None, tenant: str | None, batch_id: str | None, skip: int, take: int,
    app_: str | None, prefix: str, url: str | None, json_: bool,
) -> None:  # fmt: skip
    """List dead letters, oldest first, with their last error."""
    found = call(
        app_, prefix, url, lambda p: p.get_dead_tasks(queue, tenant=tenant, batch_id=batch_id, skip=skip, take=take)
    )
    if json_:
        emit_json(found)
        return
    rows = [(t.id, t.name, t.tenant, t.queue, t.attempt, t.errors[-1] if t.errors else None) for t in found]
    emit_table("", ["task=", "handler", "tenant", "queue", "attempts#", "last error", "died"], [
        (*row, f"{error.type}: {error.message}"[:120] if error else "", error.at if error else None) for *row, error in rows
    ])  # fmt: skip


@dead.command()
@click.option("--count", default=100, show_default=True, help="At most so many.")
@click.option("--all", "all_", is_flag=True, help="All that there are now.")
@click.option("--max-attempts", type=int, help="Attempts from now on, instead of as many as before.")
@chosen
@acting
@instance
def retry(
    queue: str | None, tenant: str | None, batch_id: str | None, count: int, all_: bool, max_attempts: int | None,
    actor: str, app_: str | None, prefix: str, url: str | None,
) -> None:  # fmt: skip
    """Make dead letters ready again, oldest first."""
    most = None if all_ else count
    done = call(
        app_, prefix, url,
        lambda p: p.retry_dead_tasks(
            queue, tenant=tenant, batch_id=batch_id, count=most, max_attempts=max_attempts, actor=actor
        ),
    )  # fmt: skip
    click.echo(f"{done} retried")


@dead.command()
@click.option("--count", default=100, show_default=True, help="At most so many.")
@click.option("--all", "all_", is_flag=True, help="All that there are now.")
@chosen
@acting
@instance
def discard(
    queue: str | None, tenant: str | None, batch_id: str | None, count: int, all_: bool, actor: str,
    app_: str | None, prefix: str, url: str | None,
) -> None:  # fmt: skip
    """Drop dead letters, oldest first; they stay counted as failed."""
    most = None if all_ else count
    done = call(
        app_, prefix, url,
        lambda p: p.discard_dead_tasks(queue, tenant=tenant, batch_id=batch_id, count=most, actor=actor),
    )  # fmt: skip
    click.echo(f"{done} discarded")
