"""Commands for tenants: list, show, cancel, move, export, purge; taskproc/cli/rules.py has those of their rules."""

from __future__ import annotations

import sys

import click
import orjson

from taskproc.cli.connect import acting, as_json, call, instance
from taskproc.cli.rules import show_rules
from taskproc.cli.tables import emit_json, emit_table, plain, span
from taskproc.errors import NotReady
from taskproc.model import TenantInfo
from taskproc.processor import TaskProcessor
from taskproc.tenants import TenantRules

COLUMNS = ["tenant", "batches#", "tasks#", "done#", "failed#", "cancelled#", "left#", "ready#", "running#", "run time#"]


@click.group()
def tenants() -> None:
    """List and show tenants, cancel, move, export or purge what they have."""


@tenants.command("list")
@click.option("--skip", default=0, show_default=True)
@click.option("--take", default=50, show_default=True)
@as_json
@instance
def list_(skip: int, take: int, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """List tenants by name, with their totals."""
    found = call(app_, prefix, url, lambda proc: proc.get_tenants(skip, take))
    if json_:
        emit_json(found)
    else:
        emit_table("", COLUMNS, [row(info) for info in found])


@tenants.command()
@click.argument("tenant", metavar="NAME")
@as_json
@instance
def show(tenant: str, app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """Show a tenant's totals, and what holds for it."""

    async def look(proc: TaskProcessor) -> tuple[TenantInfo | None, TenantRules]:
        return await proc.get_tenant(tenant), await proc.get_tenant_limits(tenant)

    info, holds = call(app_, prefix, url, look)
    if info is None and holds == TenantRules():
        raise click.ClickException(f"nothing is kept of tenant {tenant}")
    if json_:
        emit_json({**plain(info or {"tenant": tenant}), "rules": plain(holds)})
        return
    if info is not None:
        emit_table("", COLUMNS, [row(info)])
    show_rules({tenant: holds})


def row(info: TenantInfo) -> tuple[object, ...]:
    """A tenant's line in a table."""
    counts = (info.batches, info.total, info.done, info.failed, info.cancelled, info.remaining, info.ready, info.running)
    return (info.tenant, *counts, span(info.run_seconds))


@tenants.command()
@click.argument("tenant", metavar="NAME")
@click.option("--queue", help="Only what is in this queue.")
@acting
@as_json
@instance
def cancel(
    tenant: str, queue: str | None, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool
) -> None:  # fmt: skip
    """Cancel all that a tenant has waiting or running."""
    count = call(app_, prefix, url, lambda proc: proc.cancel_tenant(tenant, queue=queue, actor=actor))
    if json_:
        emit_json({"tenant": tenant, "cancelled": count})
    else:
        click.echo(f"{count} cancelled")


@tenants.command()
@click.argument("tenant", metavar="NAME")
@click.argument("from_queue", metavar="FROM")
@click.argument("to_queue", metavar="TO")
@acting
@as_json
@instance
def move(
    tenant: str, from_queue: str, to_queue: str, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool
) -> None:
    """Move a tenant's waiting tasks and dead letters of a queue to another. Sealed payloads need --app with their keys."""
    moved = call(app_, prefix, url, lambda proc: proc.move_tasks(tenant, from_queue, to_queue, actor=actor))
    if json_:
        emit_json({"tenant": tenant, "moved": int(moved), "stayed": moved.stayed})
        return
    click.echo(f"{int(moved)} moved")
    if moved.stayed:
        ids = ", ".join(moved.stayed[:20])
        click.echo(
            f"{len(moved.stayed)} stayed, since they can't be opened; --app with their keys moves them: {ids}", err=True
        )


@tenants.command()
@click.argument("tenant", metavar="NAME")
@instance
def export(tenant: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Write all that is kept of a tenant, a JSON object a line. Encrypted payloads need --app, which has the keys."""

    async def write(proc: TaskProcessor) -> bool:
        lines = proc.export_tenant(tenant)
        first, second = await anext(lines), await anext(lines)
        if "total" not in orjson.loads(first) and orjson.loads(second)["type"] == "end":
            return False
        sys.stdout.write(first.decode() + second.decode())
        async for line in lines:
            sys.stdout.write(line.decode())
        return True

    if not call(app_, prefix, url, write):
        raise click.ClickException(f"nothing is kept of tenant {tenant}")


@tenants.command()
@click.argument("tenant", metavar="NAME")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for running tasks.")
@acting
@as_json
@instance
def purge(
    tenant: str, yes: bool, timeout: float, actor: str, app_: str | None, prefix: str, url: str | None, json_: bool
) -> None:
    """Delete all of a tenant, and look through all keys for what may be left."""
    if not yes:
        click.confirm(f"Delete all of tenant {tenant}? Nothing brings it back", abort=True, err=True)
    try:
        report = call(app_, prefix, url, lambda proc: proc.purge_tenant(tenant, actor=actor, timeout=timeout))
    except NotReady as error:
        raise click.ClickException(str(error)) from None
    if json_:
        emit_json(report)
    else:
        click.echo(
            f"{report.cancelled} tasks cancelled, {report.batches} batches, {report.schedules} schedules and"
            f" {report.keys} keys deleted; of {report.looked} keys and entries {len(report.left)} are left of {tenant}"
        )
    if report.left:
        raise click.ClickException("left: " + ", ".join(report.left[:20]))
