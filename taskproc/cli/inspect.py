"""Commands that look whether all is well: check, audit."""

from __future__ import annotations

import asyncio
import sys

import click

from taskproc.cli.connect import as_json, call, instance, processor_of
from taskproc.cli.tables import emit_json
from taskproc.findings import AuditReport, BatchExplanation, CheckLevel

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
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--batch", "batch_id", metavar="ID", help="Only tell why this batch hasn't settled.")
@as_json
@instance
def audit(repair: bool, batch_id: str | None, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Hold all counters against what is stored, while workers run. Exits with 1 when something is (still) wrong.

    With --batch tell instead where that batch's tasks are and what holds them.
    """
    if batch_id is not None:
        if repair:
            raise click.UsageError("--repair mends the whole instance: leave --batch away")
        _explain(batch_id, call(app_, prefix, url, lambda proc: proc.explain_batch(batch_id)), json_)
        return
    report = call(app_, prefix, url, lambda proc: proc.audit(repair))
    if json_:
        emit_json(report)
    else:
        _tell(report)
    sys.exit(int(bool(report.wrong)))


def _explain(batch_id: str, told: BatchExplanation | None, json_: bool) -> None:
    if told is None:
        raise click.ClickException(f"there is no batch {batch_id}")
    if json_:
        emit_json(told)
    for reason in () if json_ else told.reasons:
        click.echo(reason)


def _tell(report: AuditReport) -> None:
    for one in report.differences:
        click.echo(f"{one.found}")
        cure = "repaired" if one.repaired else "--repair" if one.repairable else "can't be repaired"
        colour = "green" if one.repaired else "yellow" if one.repairable else "red"
        click.echo(f"  → {click.style(cure, fg=colour)}: {one.cure}")
    for what in report.unsure:
        click.echo(f"not looked at: {what}")
    count = len(report.differences)
    wrong = f"{count or 'no'} difference{'s' * (count > 1)}"
    parts = (
        f"{report.batches:,} batches, {report.queues:,} queues, {report.tenants:,} tenants, {report.running:,} running tasks"
    )
    click.echo(f"{parts}: {wrong}")
