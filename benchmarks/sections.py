"""What a measurement of the suite is, what it works with, and how its values are kept and shown."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import Peer
from benchmarks.results import Results

T = TypeVar("T")
QUICK = 0.1


@dataclass(frozen=True)
class Run:
    """What a round works with."""

    peers: dict[str, Peer]
    """Those that can run."""
    commands: dict[str, tuple[str, ...]]
    """What runs the adapter of each."""
    results: Results
    quick: bool
    binary: str | None
    """The server's program, if not the one that comes along."""

    def tasks(self, count: int) -> int:
        """How many tasks stand for so many."""
        return max(1, int(count * QUICK)) if self.quick else count

    def note(self, section: str, name: str, value: float) -> None:
        """Keep a value of a round."""
        self.results.sections.setdefault(section, {}).setdefault(name, []).append(value)


class Section(Protocol):
    """A measurement: a module."""

    NAME: str
    """Its place in the JSON and on the command line."""

    def measure(self, run: Run, number: int) -> None:
        """Measure a round and put it into ``run.results``."""

    def show(self, results: Results, console: Console) -> None:
        """Print what was found."""


def looped(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def number(value: float) -> str:
    """With as many places as say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def spread(values: list[float]) -> str:
    """Median, and the range of several."""
    median = number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({number(min(values))} to {number(max(values))})"


def show_values(title: str, values: dict[str, list[float]], console: Console) -> None:
    """A line for each value."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False, show_header=False)
    for name, found in values.items():
        table.add_row(name, spread(found))
    console.print(table)
