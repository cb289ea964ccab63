"""Commands that look whether all is well: check, audit."""

from __future__ import annotations

import asyncio
import sys

import click

from taskproc.cli.connect import as_json, call, instance, processor_of
from taskproc.cli.tables import emit_json
from taskproc.model import CheckLevel

COLOURS = {CheckLevel.OK: "green", CheckLevel.WARNING: "yellow", CheckLevel.DANGER: "red", CheckLevel.UNKNOWN: "cyan"}


@click.command()
@as_json
@instance
def check(app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Check the server's set-up: what would lose work, and how to set it. Exits with 1 when something is a danger."""
    found = asyncio.run(processor_of(app_, prefix, url).check_server())
    if json_:
        emit_json(found)
    for one in () if json_ else found:
        click.echo(f"{click.style(f'{one.level.value:<8}', fg=COLOURS[one.level])} {one.name}: {one.found}")
        if one.advice:
            click.echo(f"{'':8} → {one.advice}")
    sys.exit(int(any(one.level is CheckLevel.DANGER for one in found)))


@click.command()
@click.option("--batch", "batch_id", metavar="ID", required=True, help="Tell why this batch hasn't settled.")
@as_json
@instance
def audit(batch_id: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Tell why a batch hasn't settled."""
    told = call(app_, prefix, url, lambda proc: proc.explain_batch(batch_id))
    if told is None:
        raise click.ClickException(f"there is no batch {batch_id}")
    if json_:
        emit_json(told)
    for reason in () if json_ else told.reasons:
        click.echo(reason)
