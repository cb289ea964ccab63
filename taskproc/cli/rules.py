"""Commands for the rules of tenants: limits, tiers, pause, drain, resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from taskproc.cli.connect import acting, as_json, call, instance
from taskproc.cli.tables import emit_json, emit_table
from taskproc.tenants import TenantRules

NONE = "none"
AMOUNTS = ("max_running", "max_waiting", "max_payload", "max_schedules")
COLUMNS = ["", "weight#", "running#", "rate", "waiting#", "payload#", "schedules#", "tier", "state"]

Function = Callable[..., Any]


def words(function: Function) -> Function:
    """The options that say what is to hold."""
    for option in (
        click.option("--queue", help="What holds in this queue besides: running, rate and waiting."),
        click.option("--weight", help="Its share beside others, from 0.001 to 1000; 1 by default."),
        click.option("--max-running", help="So many tasks at once; 0: none starts."),
        click.option("--rate-limit", help="So many starts in a time, such as 100/s."),
        click.option("--max-waiting", help="So many tasks may be ready or delayed."),
        click.option("--max-payload", help="Bytes of a task."),
        click.option("--max-schedules", help="So many schedules."),
    ):
        function = option(function)
    return function


def given(options: dict[str, str | None]) -> dict[str, Any]:
    """What was given of the options, as the processor takes it; "none" lifts a limit."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if value == NONE:
            found[name] = None
        elif name in AMOUNTS or name == "weight":
            try:
                found[name] = float(value) if name == "weight" else int(value)
            except ValueError:
                kind = "number" if name == "weight" else "whole number"
                raise click.UsageError(f"--{name.replace('_', '-')} {value}: use a {kind}, or none") from None
        else:
            found[name] = value
    return found


def show_rules(named: dict[str, TenantRules]) -> None:
    """A table of what holds; what holds in single queues has lines of its own."""
    lines: list[tuple[object, ...]] = []
    for name, r in named.items():
        lines.append(
            (name, r.weight, r.max_running, r.rate_limit, r.max_waiting, r.max_payload, r.max_schedules, r.tier, r.state)
        )
        lines += [
            (f"{name}, queue {queue}", None, q.max_running, q.rate_limit, q.max_waiting, None, None, None, None)
            for queue, q in sorted(r.queues.items())
        ]
    emit_table("", COLUMNS, lines)


@click.command()
@click.argument("tenant", metavar="[NAME]", required=False)
@click.option("--tier", help="Whose rules hold where nothing is said of it; 'none' for no tier.")
@click.option("--clear", is_flag=True, help="Take back all that was set.")
@words
@acting
@as_json
@instance
def limits(
    tenant: str | None, tier: str | None, clear: bool, actor: str, app_: str | None, prefix: str, url: str | None,
    json_: bool, **options: str | None,
) -> None:  # fmt: skip
    """Show what holds for a tenant, or set it; without a name, for all of which nothing else is said.

    The word none lifts a limit, whatever the tier says.
    """
    said = given({**options, "tier": tier})
    if clear:
        call(app_, prefix, url, lambda proc: proc.clear_tenant_limits(tenant, actor=actor))
    elif said and list(said) != ["queue"]:
        call(app_, prefix, url, lambda proc: proc.set_tenant_limits(tenant, actor=actor, **said))
    found = call(app_, prefix, url, lambda proc: proc.get_tenant_limits(tenant))
    if json_:
        emit_json(found)
    else:
        show_rules({tenant or "all": found})


def _state(verb: str, help: str, done: str) -> click.Command:
    @click.command(verb, help=help)
    @click.argument("tenant", metavar="NAME")
    @acting
    @instance
    def command(tenant: str, actor: str, app_: str | None, prefix: str, url: str | None) -> None:
        call(app_, prefix, url, lambda proc: getattr(proc, f"{verb}_tenant")(tenant, actor=actor))
        click.echo(f"{tenant} {done}")

    return command


STATES = (
    _state("pause", "Claim nothing of a tenant any more; running tasks finish.", "is paused"),
    _state("drain", "Take no new tasks of a tenant; what is there runs.", "is draining"),
    _state("resume", "Let the work of a tenant go on.", "goes on"),
)


@click.group()
def tiers() -> None:
    """List tiers, set what holds for their tenants, or remove them."""


@tiers.command("list")
@as_json
@instance
def list_(app_: str | None, prefix: str, url: str | None, json_: bool) -> None:
    """List all tiers."""
    found = call(app_, prefix, url, lambda proc: proc.get_tiers())
    if json_:
        emit_json(found)
    else:
        show_rules(found)


@tiers.command("set")
@click.argument("tier", metavar="NAME")
@words
@acting
@instance
def set_(tier: str, actor: str, app_: str | None, prefix: str, url: str | None, **options: str | None) -> None:
    """Make a tier, or change what holds for its tenants; the word none lifts a limit."""
    call(app_, prefix, url, lambda proc: proc.set_tier(tier, actor=actor, **given(options)))
    click.echo(f"set {tier}")


@tiers.command()
@click.argument("tier", metavar="NAME")
@acting
@instance
def remove(tier: str, actor: str, app_: str | None, prefix: str, url: str | None) -> None:
    """Remove a tier; for its tenants holds what is set for all."""
    if not call(app_, prefix, url, lambda proc: proc.remove_tier(tier, actor=actor)):
        raise click.ClickException(f"there is no tier {tier}")
    click.echo(f"removed {tier}")
