"""Commands for the limits of handlers: list, set, clear."""

from __future__ import annotations

import click

from taskproc.cli.connect import acting, as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table
from taskproc.limits import Amount, RateGiven

NONE = "none"


@click.group()
def limits() -> None:
    """List, set or clear the limits of handlers."""


@limits.command("list")
@as_json
@instance
def list_(app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """List all limits, with what runs and waits under them."""
    found = call(app_, prefix, url, lambda proc: proc.get_limits())
    if json_:
        emit_json(found)
        return
    emit_table("", ["handler", "at once#", "rate", "per", "set by", "running#", "waiting#", "keys#"], [
        (
            i.name, i.max_concurrency, i.rate_limit, "key" if i.keyed else "handler", "operator" if i.is_set else "code",
            i.running, i.waiting, i.keys if i.keyed else None,
        )
        for i in found
    ])  # fmt: skip


@limits.command("set")
@click.argument("handler")
@click.option("--max-concurrency", help="So many at once; 0 stops it, 'none' lifts the limit.")
@click.option("--rate-limit", help="Such as 100/s, 10/min, '100/s burst 20'; 'none' lifts it.")
@acting
@instance
def set_(
    handler: str, max_concurrency: str | None, rate_limit: str | None, actor: str, app_: str | None, prefix: str,
    url: str | None,
) -> None:  # fmt: skip
    """Set the limit of a handler, by its name, in all processes and at once. It goes before the code's."""
    most: Amount = ...
    rate: RateGiven = ...
    if max_concurrency is not None:
        if not max_concurrency.isdigit() and max_concurrency != NONE:
            raise click.UsageError(f"--max-concurrency {max_concurrency}: use a whole number, or none")
        most = None if max_concurrency == NONE else int(max_concurrency)
    if rate_limit is not None:
        rate = None if rate_limit == NONE else rate_limit
    if most is ... and rate is ...:
        raise click.UsageError("give --max-concurrency or --rate-limit")
    call(app_, prefix, url, lambda proc: proc.set_limit(handler, max_concurrency=most, rate_limit=rate, actor=actor))
    click.echo(f"set {handler}")


@limits.command()
@click.argument("handler")
@acting
@instance
def clear(handler: str, actor: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Let what the code says of a handler hold again."""
    if not call(app_, prefix, url, lambda proc: proc.clear_limit(handler, actor=actor)):
        raise click.ClickException(f"nothing to clear: no operator has set a limit of {handler}")
    click.echo(f"cleared {handler}")
