"""What taskproc must reach, and whether a run has reached it. A bar whose figures weren't measured is left out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks import contest, first, growth, stalls, workers
from benchmarks.catalogue import BOUND, OURS, PEERS
from benchmarks.results import Results
from benchmarks.sections import number

TIMES = {"repid": 3, "dramatiq": 5, "saq": 12, "taskiq_stream": 10, "streaq": 20, "celery": 30, "bee_queue": 1.2,
         "bullmq_node": 2}  # fmt: skip
"""How many times a peer's drain rate ours must be; once for the others."""
BULK_TIMES = 7
"""How many times the bulk rate of the fastest Python peer ours must be."""
SPARE_BYTES = 40


@dataclass(frozen=True)
class Bar:
    """A bar, and what was reached."""

    what: str
    reached: float
    bound: float
    least: bool = True
    """Whether the bound is a lower one."""

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.reached >= self.bound if self.least else self.reached <= self.bound


Values = dict[str, list[float]]


def of_contest(results: Results) -> Iterator[Bar]:
    """Beside the other queues."""
    peers = {name: peer for name, peer in results.peers.items() if peer.rounds}
    if OURS not in peers:
        return

    def median(name: str, value: str) -> float | None:
        return peers[name].median(value) if name in peers else None

    def over(value: str, name: str) -> float | None:
        mine, other = median(OURS, value), median(name, value)
        return None if mine is None or other is None else mine / other

    def best(value: str, pick: Callable[[list[float]], float], names: list[str]) -> float | None:
        found = [m for m in (median(name, value) for name in names) if m is not None]
        return pick(found) if found else None

    others = [peer.name for peer in PEERS if peer.name not in (OURS, BOUND)]
    python = [peer.name for peer in PEERS if peer.name in others and not peer.node]
    for name in others:
        if (ratio := over("drain", name)) is not None:
            yield Bar(f"drain, times {peers[name].about['name']}", ratio, TIMES.get(name, 1))
    mine = {value: median(OURS, value) for value in ("bulk", "single", "p50", "p99", "redis_us", "redis_bytes")}
    if mine["bulk"] and (top := best("bulk", max, python)):
        yield Bar("enqueue in bulk, times the fastest Python peer", mine["bulk"] / top, BULK_TIMES)
    if (ratio := over("bulk", "bee_queue")) is not None:
        yield Bar("enqueue in bulk, times Bee-Queue", ratio, 1)
    if (ratio := over("single", BOUND)) is not None:
        yield Bar("one enqueue_task over a bare EVALSHA", 1 / ratio, 1.5, least=False)
    for value, bound in (("p50", 2.0), ("p99", 4.0)):
        if (ratio := over(value, BOUND)) is not None:
            yield Bar(f"latency {value} over a bare message and EVALSHA", ratio, bound, least=False)
        if (low := best(value, min, others)) and (own := mine[value]):
            yield Bar(f"latency {value} over the best peer's", own / low, 1, least=False)
    if (ratio := over("redis_us", BOUND)) is not None:
        yield Bar("Redis CPU per task over the yardstick's", ratio, 1.6, least=False)
    if mine["redis_bytes"]:
        payload = len(orjson.dumps(["__main__.noop", ["x" * contest.BYTES]]))
        yield Bar("Redis bytes per queued task less its payload", mine["redis_bytes"] - payload, SPARE_BYTES, least=False)


def of_yardstick(values: Values) -> Iterator[Bar]:
    """In one process beside the yardstick."""
    for shape in first.SHAPES:
        ratio = statistics.median(first.ratios(values, f"{shape}: drain", f"{shape}: yardstick drain"))
        yield Bar(f"drain, share of the yardstick, {shape}", ratio, 0.6)
    batch = f"batch of {first.BATCH:,}: "
    for name, bound in (("enqueue_many", 0.6), ("batch.enqueue", 0.35)):
        ratio = statistics.median(first.ratios(values, batch + name, f"{batch}yardstick"))
        yield Bar(f"enqueue, share of the yardstick, {name}", ratio, bound)
    ratio = statistics.median(first.ratios(values, "Redis µs", "yardstick Redis µs"))
    yield Bar("Redis CPU per task over the yardstick's, in one process", ratio, 1.6, least=False)


def of_growth(values: Values) -> Iterator[Bar]:
    """How cost grows."""
    least, most = "backlog: 10,000", "backlog: 1,000,000"
    if most in values:
        yield Bar("drain, backlog of 10^6 over 10^4", statistics.median(first.ratios(values, most, least)), 0.9)


def of_workers(values: Values) -> Iterator[Bar]:
    """Worker processes."""
    for name, bound, least in (
        ("start to first task, s", 0.5, False),
        ("idle: % of a core", 1.0, False),
        ("idle: Redis commands/s", 10.0, False),
        ("idle: MB", 60.0, False),
        ("2 processes over one", 1.95, True),
        ("4 processes over one", 3.9, True),
        ("cancel: running handlers stopped, ms, p99", 50.0, False),
        ("100 awaited enqueues, s", 0.15, False),
        ("100 tasks enqueued one by one and run, s", 0.5, False),
    ):
        yield Bar(name, statistics.median(values[name]), bound, least)


def of_stalls(values: Values) -> Iterator[Bar]:
    """Other clients of Redis."""
    for name, found in values.items():
        if name.endswith(": longest, ms") and not name.startswith("nothing"):
            yield Bar(f"stall, {name}", max(found), 10.0, least=False)
    name = "cancel: counters right after, ms"
    yield Bar(name, statistics.median(values[name]), 10.0, least=False)


SECTIONS = {first.NAME: of_yardstick, growth.NAME: of_growth, workers.NAME: of_workers, stalls.NAME: of_stalls}


def bars(results: Results) -> list[Bar]:
    """All bars that were measured."""
    found = list(of_contest(results))
    for name, of_section in SECTIONS.items():
        if name in results.sections:
            found += of_section(results.sections[name])
    return found


def show(results: Results, console: Console) -> bool:
    """Print them; whether all are met."""
    table = Table(title="What it must reach (medians; stalls: the longest)", title_justify="left", show_edge=False)
    for title in ("", "reached", "bar", ""):
        table.add_column(title, justify="right" if title else "left")
    found = bars(results)
    for bar in found:
        sign = "at least" if bar.least else "at most"
        table.add_row(bar.what, number(bar.reached), f"{sign} {number(bar.bound)}", "" if bar.met else "[bold]missed[/bold]")
    if found:
        console.print(table)
    return all(bar.met for bar in found)
