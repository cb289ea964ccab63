"""What was done in a span of time, as it is added up and as callers see it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from taskproc.histogram import BUCKETS, Histogram
from taskproc.model import QueueInfo


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """What was done from ``start`` on, for a step: tasks that ended, attempts that were tried again, and what they took.

    ``run_seconds``: time of handlers; ``bytes``: of arguments, at each delivery. ``waits`` has how long each execution
    waited for a worker since its task was ready, ``runs`` how long it ran.
    """

    start: datetime
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    run_seconds: float = 0.0
    bytes: int = 0
    waits: Histogram = field(default_factory=Histogram)
    runs: Histogram = field(default_factory=Histogram)

    @property
    def executions(self) -> int:
        """How many times handlers ran."""
        return self.runs.total


@dataclass(frozen=True, slots=True)
class TenantQueueInfo:
    """What a tenant has in a queue now, and its handler time there. ``oldest_ready_seconds``: None when nothing is ready."""

    name: str
    ready: int
    running: int
    delayed: int
    dead: int
    oldest_ready_seconds: float | None
    run_seconds: float


@dataclass(frozen=True, slots=True)
class QueueSignals:
    """How busy a queue is, for autoscaling: what it holds now, what was done in the last five minutes, the slots it needs.

    ``mean_run_seconds`` and the waits are None where nothing ran of late.
    """

    name: str
    ready: int
    running: int
    delayed: int
    dead: int
    oldest_wait_seconds: float
    executions_per_second: float
    mean_run_seconds: float | None
    wait_p50_seconds: float | None
    wait_p95_seconds: float | None
    slots_needed: int


class Sum:
    """Counts that can be added up: done, failed, cancelled, retried, handler µs, bytes, and two histograms."""

    __slots__ = ("numbers", "runs", "waits")

    def __init__(self) -> None:
        self.numbers = [0, 0, 0, 0, 0, 0]
        self.runs: dict[int, int] = {}
        self.waits: dict[int, int] = {}

    @property
    def executions(self) -> int:
        """How many times handlers ran."""
        return sum(self.runs.values())

    def merge(self, other: Sum) -> None:
        """Add another."""
        self.numbers = [mine + more for mine, more in zip(self.numbers, other.numbers, strict=True)]
        for mine, theirs in ((self.runs, other.runs), (self.waits, other.waits)):
            for bucket, n in theirs.items():
                mine[bucket] = mine.get(bucket, 0) + n

    def copy(self) -> Sum:
        """Another that is equal."""
        found = Sum()
        found.numbers, found.runs, found.waits = self.numbers[:], self.runs.copy(), self.waits.copy()
        return found

    def include(self, stored: Sequence[object]) -> None:
        """Add one as it is stored. Raises ValueError, TypeError or LookupError for what isn't one."""
        *numbers, runs, waits = stored
        if len(numbers) != len(self.numbers) or not isinstance(runs, list) or not isinstance(waits, list):
            raise ValueError("no sum")
        added = [_whole(number) for number in numbers]
        pairs = [(_whole(bucket), _whole(n)) for flat in (runs, waits) for bucket, n in _pairs(flat)]
        self.numbers = [mine + more for mine, more in zip(self.numbers, added, strict=True)]
        for at, (bucket, n) in enumerate(pairs):
            counts = self.runs if at < len(runs) // 2 else self.waits
            counts[bucket] = counts.get(bucket, 0) + n

    def stored(self) -> list[object]:
        """As it is stored."""
        return [*self.numbers, _flat(self.runs), _flat(self.waits)]

    def point(self, start: datetime) -> HistoryPoint:
        """As callers see it."""
        done, failed, cancelled, retried, us, size = self.numbers
        waits, runs = Histogram(dict(self.waits)), Histogram(dict(self.runs))
        return HistoryPoint(start, done, failed, cancelled, retried, us / 1e6, size, waits, runs)


class Tally:
    """Entries of records on their way to a sum: it has to take many in no time."""

    __slots__ = ("cancelled", "done", "failed", "retried", "runs", "size", "us", "waits")

    def __init__(self) -> None:
        self.done = self.failed = self.cancelled = self.retried = self.us = self.size = 0
        self.runs: list[str] = []
        self.waits: list[str] = []

    def add(self, ends: int | Sequence[int], us: int, size: int, runs: str, waits: str) -> None:
        """Add an entry. Raises TypeError or ValueError for what isn't one."""
        done, failed, cancelled, retried = (ends, 0, 0, 0) if isinstance(ends, int) else ends
        for number in (done, failed + cancelled + retried, us, size):
            if number.__class__ is not int:
                raise TypeError("no number")
        self.done += done
        self.failed += failed
        self.cancelled += cancelled
        self.retried += retried
        self.us += us
        self.size += size
        self.runs.append(runs)
        self.waits.append(waits)

    def absorb(self, other: Tally) -> None:
        """Add all of another's."""
        self.done += other.done
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.retried += other.retried
        self.us += other.us
        self.size += other.size
        self.runs += other.runs
        self.waits += other.waits

    def sum(self) -> Sum:
        """What they come to."""
        found = Sum()
        found.numbers = [self.done, self.failed, self.cancelled, self.retried, self.us, self.size]
        for told, counts in ((self.runs, found.runs), (self.waits, found.waits)):
            marks = "".join(one for one in told if isinstance(one, str))
            for mark in set(marks):
                bucket = BUCKETS.get(mark)
                if bucket is not None:
                    counts[bucket] = marks.count(mark)
        return found


def signals(info: QueueInfo, target: float, rate: float, known: Sum) -> QueueSignals:
    """The signals of a queue. ``rate``: executions per second of late; ``known``: sums that tell how long one takes."""
    mean = known.numbers[4] / 1e6 / known.executions if known.executions else None
    busy = max(float(info.running), rate * (mean or 0.0))
    needed = math.ceil(round(busy + info.ready * (mean or 0.0) / target, 6))
    waits = Histogram(known.waits)
    return QueueSignals(
        name=info.name,
        ready=info.ready,
        running=info.running,
        delayed=info.delayed,
        dead=info.dead,
        oldest_wait_seconds=info.oldest_ready_seconds or 0.0,
        executions_per_second=rate,
        mean_run_seconds=mean,
        wait_p50_seconds=waits.p(0.5),
        wait_p95_seconds=waits.p(0.95),
        slots_needed=max(needed, 1 if info.ready else 0),
    )


def _flat(counts: dict[int, int]) -> list[int]:
    return [number for pair in sorted(counts.items()) for number in pair]


def _pairs(flat: Sequence[object]) -> Iterable[tuple[object, object]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("no number")
    return value
