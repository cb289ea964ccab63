"""Histograms of fixed logarithmic buckets, and the characters in which workers tell them.

Bucket ``b`` has durations from 2**(b-1) up to 2**b microseconds, bucket 0 those of nothing. A report has a character for
each task, ``MARKS[b]``; ``NONE`` is for one that did not run, or of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST = 50
"""The last bucket: it begins at 17 years."""

NONE = "."
MARKS = tuple(chr(48 + b) for b in range(MOST + 1))
BUCKETS = {mark: b for b, mark in enumerate(MARKS)}


def mark(us: int) -> str:
    """The character of a duration in microseconds."""
    return MARKS[min(us.bit_length(), MOST)] if us > 0 else MARKS[0]


def floor(bucket: int) -> float:
    """Where a bucket begins, in seconds."""
    return 0.0 if bucket == 0 else 2.0 ** (bucket - 1) / 1e6


def ceiling(bucket: int) -> float:
    """Where a bucket ends, in seconds."""
    return 0.0 if bucket == 0 else 2.0**bucket / 1e6


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations fell into each bucket: those of nothing into bucket 0, those from 2**(b-1) up to 2**b µs into b."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def p(self, share: float) -> float | None:
        """The duration in seconds that a share of all, from 0 to 1, doesn't exceed; None where there are none.

        It is exact to its bucket, so never wrong by more than a factor of two. Raises ValueError for another share.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"p({share!r}): give a share from 0 to 1")
        rank, below = share * self.total, 0
        for bucket in sorted(self.counts):
            here = self.counts[bucket]
            if here and below + here >= rank:
                within = min(1.0, max(0.0, (rank - below) / here))
                return floor(bucket) + (ceiling(bucket) - floor(bucket)) * within
            below += here
        return None

    def __add__(self, other: Histogram) -> Histogram:
        counts = dict(self.counts)
        for bucket, n in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + n
        return Histogram(counts)
