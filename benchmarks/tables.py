"""The contest's results as text: a table of medians and ranges, the peers' settings, and what couldn't be measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import OURS
from benchmarks.results import PeerResult, Results

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A value of the contest and how it is shown."""

    value: str
    title: str
    form: Callable[[float], str]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _one(value: float) -> str:
    return f"{value:.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f}"


RATES = (
    Column("drain", "drain/s\n1 process", _whole),
    Column("drain_two", "drain/s\n2 processes", _whole),
    Column("bulk", "enqueue/s\nin bulk", _whole),
    Column("single", "enqueue/s\none by one", _whole),
    Column("naps", "naps\ns", _two),
)
COSTS = (
    Column("p50", "latency ms\np50", _two),
    Column("p95", "\np95", _two),
    Column("p99", "\np99", _two),
    Column("redis_bytes", "Redis bytes\nper task", _whole),
    Column("worker_bytes", "worker MB\nat most", _megabytes),
    Column("redis_us", "Redis CPU\nµs per task", _one),
    Column("commands", "commands\nper task", _two),
)


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    about = results.machine
    console.print(
        f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, {about['os']}\n{about['server']}",
        highlight=False,
    )
    console.print(
        f"{results.settings['rounds']} rounds: median, range below it; naps: 2,000 of 100 ms in 100 slots, at best 2.00 s",
        highlight=False,
    )
    if results.settings["quick"]:
        console.print("Quick: too few tasks for rates that mean anything.", style="bold")
    ran = {name: peer for name, peer in results.peers.items() if peer.rounds}
    for columns in (RATES, COSTS):
        console.print(_table(ran, columns))
    if OURS in ran:
        console.print(_ratios(ran))
    _show_peers(ran, console)
    _show_failures(results, console)


def _table(peers: dict[str, PeerResult], columns: tuple[Column, ...]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for peer in peers.values():
        table.add_row(peer.about["name"], *(_cell(peer, column) for column in columns))
    return table


def _cell(peer: PeerResult, column: Column) -> str:
    values, median = peer.values(column.value), peer.median(column.value)
    if median is None:
        return NOTHING
    if len(values) == 1:
        return column.form(median)
    return f"{column.form(median)}\n[dim]{column.form(min(values))}–{column.form(max(values))}[/dim]"


def _ratios(peers: dict[str, PeerResult]) -> Table:
    """How many times the rate of each peer ours is."""
    table = Table(title="taskproc's rate over each peer's", title_justify="left", show_edge=False, pad_edge=False)
    columns = RATES[:4]
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for name, peer in peers.items():
        if name != OURS:
            table.add_row(peer.about["name"], *(_ratio(peers[OURS], peer, column.value) for column in columns))
    return table


def _ratio(ours: PeerResult, peer: PeerResult, value: str) -> str:
    mine, other = ours.median(value), peer.median(value)
    return NOTHING if mine is None or other is None else f"{mine / other:.1f}"


def _show_peers(peers: dict[str, PeerResult], console: Console) -> None:
    for peer in peers.values():
        about = peer.about
        console.print(f"\n[bold]{about['name']}[/bold] {about['version']}", highlight=False)
        console.print(f"  {about['settings']}", highlight=False, markup=False)
        console.print(f"  Lacks: {about['lacks']}", highlight=False, markup=False)


def _show_failures(results: Results, console: Console) -> None:
    rows = [(name, *row) for name, peer in results.peers.items() for row in peer.failures.items()]
    if rows:
        console.print("\n[bold]Not counted[/bold]")
    for name, step, reason in rows:
        console.print(f"  {name}, {step}: {reason}", highlight=False, markup=False)
