"""The command that lists handlers."""

from __future__ import annotations

import click

from taskproc.cli.connect import as_json, include, load
from taskproc.cli.tables import emit_json, emit_table
from taskproc.errors import NoSuchModule
from taskproc.model import HandlerInfo


@click.command()
@click.argument("target", metavar="MODULE:PROCESSOR")
@click.option("--include", "modules", multiple=True, metavar="MODULE", help="What this module or package defines too.")
@as_json
def handlers(target: str, modules: tuple[str, ...], json_: bool) -> None:
    """List what the workers of a processor may run. Redis is not asked."""
    processor = load(target)
    include(processor, modules)
    try:
        found = processor.get_handlers()
    except NoSuchModule as error:
        raise click.UsageError(str(error)) from None
    if json_:
        emit_json({"handlers": found})
        return
    emit_table("Handlers", ["name", "queue", "runs", "parameters", "options", "where"], [
        (one.name, one.queue, one.kind, one.parameters, _options(one), one.where) for one in found
    ])  # fmt: skip


def _options(one: HandlerInfo) -> str:
    aliases = [f"alias {name}" for name in one.aliases]
    injected = [f"injected {', '.join(one.injected)}"] if one.injected else []
    return ", ".join([*aliases, *injected, *(f"{name}={value}" for name, value in one.options.items())])
