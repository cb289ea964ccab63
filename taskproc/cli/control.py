"""Commands that switch: cancel, pause, resume."""

from __future__ import annotations

import click

from taskproc.cli.connect import acting, call, instance
from taskproc.ids import is_batch_id, is_task_id
from taskproc.processor import TaskProcessor


@click.command()
@click.argument("id_", metavar="ID")
@acting
@instance
def cancel(id_: str, actor: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Cancel a batch (an id of 22 characters) or one task (32)."""
    if not is_batch_id(id_) and not is_task_id(id_):
        raise click.UsageError(f"{id_!r} is not an id: a batch's has 22 characters, a task's 32")

    async def stop(proc: TaskProcessor) -> bool:
        return await (proc.cancel_batch(id_, actor=actor) if is_batch_id(id_) else proc.cancel_task(id_, actor=actor))

    if not call(app_, prefix, url, stop):
        raise click.ClickException(f"nothing to cancel: {id_} is unknown or has ended")
    click.echo(f"cancelled {id_}")


@click.command()
@acting
@instance
def pause(actor: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Pause the instance: running tasks finish, nothing else is claimed."""
    call(app_, prefix, url, lambda proc: proc.pause(actor=actor))
    click.echo("paused")


@click.command()
@acting
@instance
def resume(actor: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Let a paused instance go on."""
    call(app_, prefix, url, lambda proc: proc.resume(actor=actor))
    click.echo("resumed")
