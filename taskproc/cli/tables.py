"""Tables for a terminal, JSON for a script."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import click
import orjson

WIDE = 10_000
"""Columns of what no terminal shows: a script reads lines, and none is broken."""


def emit_json(value: object) -> None:
    """One JSON document on a line."""
    click.echo(json_of(value))


def json_of(value: object) -> str:
    """A value as a JSON document; what JSON doesn't know as text."""
    return orjson.dumps(plain(value), default=str).decode()


def plain(value: Any) -> Any:
    """A value as plain JSON: records as objects, bytes as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return str(value) if type(value) is not str and isinstance(value, str) else value


def emit_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; columns whose name ends in ``#`` hold numbers, in ``=`` what is to be copied and never broken."""
    from rich import box  # costs a tenth of a second, and only tables need it
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for column in columns:
        justify: Literal["right", "left"] = "right" if column.endswith("#") else "left"
        table.add_column(column.rstrip("#="), justify=justify, overflow="fold", no_wrap=column.endswith("="))
    count = 0
    for row in rows:
        count += 1
        table.add_row(*(_cell(cell) for cell in row))
    console = Console()
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = WIDE
    console.print(table if count else f"{title}: none" if title else "none")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, datetime):
        return ago(value)
    return str(value).replace("[", r"\[")


def ago(time: datetime) -> str:
    """How long ago a time was."""
    return f"{span((datetime.now(UTC) - time).total_seconds())} ago"


def span(seconds: float | None) -> str:
    """A duration in its two largest units."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for at, (size, name) in enumerate(units[:-1]):
        if seconds >= size:
            smaller, unit = units[at + 1]
            return f"{int(seconds // size)} {name} {int(seconds % size // smaller)} {unit}"
    return f"{seconds:.0f} s"
