"""The command that shows the journal."""

from __future__ import annotations

import click

from taskproc.cli.connect import as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table


@click.command()
@click.option("--tenant", help="Only what concerns this tenant.")
@click.option("--skip", default=0, show_default=True)
@click.option("--take", default=50, show_default=True)
@as_json
@instance
def journal(
    tenant: str | None, skip: int, take: int, app_: str | None, prefix: str, url: str | None, json_: bool
) -> None:  # fmt: skip
    """Show who has changed what, newest first."""
    found = call(app_, prefix, url, lambda proc: proc.get_journal(tenant, skip=skip, take=take))
    if json_:
        emit_json(found)
        return
    emit_table("", ["at", "actor", "what", "tenant", "subject", "tasks#", "more"], [
        (
            f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, e.what, e.tenant, e.subject, e.count,
            " ".join(f"{name}={value}" for name, value in e.detail.items()),
        )
        for e in found
    ])  # fmt: skip
