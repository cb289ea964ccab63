"""Handler time by tenant and tenth of a second, so that any ten seconds can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

PARTS = 10
"""How many parts of a second handler time is counted in."""


@dataclass
class Timeline:
    """What tenants have had; they go by their number."""

    weights: Sequence[float]
    time: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.time = [[] for _ in self.weights]

    def count(self, tenant: int, start: float, end: float) -> None:
        """A tenant's task ran from one time to another, in seconds."""
        parts = self.time[tenant]
        parts.extend([0.0] * (int(end * PARTS) + 1 - len(parts)))
        for part in range(int(start * PARTS), int(end * PARTS) + 1):
            parts[part] += max(0.0, min(end, (part + 1) / PARTS) - max(start, part / PARTS))

    def had(self, tenant: int, start: float, end: float) -> float:
        """A tenant's handler time between two times."""
        return sum(self.time[tenant][round(start * PARTS) : round(end * PARTS)])

    def shares(self, start: float, end: float) -> list[float]:
        """What each had between two times, such that all of it is the sum of the weights."""
        had = [self.had(tenant, start, end) for tenant in range(len(self.weights))]
        return [sum(self.weights) * time / sum(had) for time in had]

    def jain(self, start: float, end: float, seconds: float = 10.0) -> float:
        """The lowest of Jain's indexes of handler time for its weight, over any so many seconds between two times."""
        found, size = 1.0, round(seconds * PARTS)
        for at in range(round(start * PARTS), round(end * PARTS) - size + 1):
            found = min(found, jain([sum(p[at : at + size]) / w for p, w in zip(self.time, self.weights, strict=True)]))
        return found


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all have the same, 1/n where one has all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
