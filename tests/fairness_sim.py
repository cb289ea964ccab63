"""Simulations of how tenants share a queue's slots: ``python -m tests.fairness_sim`` prints what docs/fairness.md has.

Slots take the next task the moment one ends.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from benchmarks.timeline import Timeline
from tests.fair_ring import SECOND, Ring

Length = Callable[[int, random.Random], float]
"""How long the next task of a tenant takes, in seconds."""


@dataclass
class Simulation:
    """So many slots, and tenants of some weights with more work than they can have done."""

    slots: int
    weights: Sequence[float]
    length: Length
    seed: int = 1
    now: float = 0.0
    ring: Ring = field(default_factory=Ring)
    time: Timeline = field(init=False)
    waits: dict[int, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._running: list[tuple[float, int, int, float]] = []
        self._number = count()
        self._asked: dict[int, float] = {}
        for tenant, weight in enumerate(self.weights):
            self.ring.account(name(tenant)).weight = weight
        self.time = Timeline(self.weights)
        self.free = self.slots

    def put(self, tenant: int, n: int = 10**9) -> None:
        """A tenant has so many tasks more, from now on."""
        self._asked[tenant] = self.now
        self.ring.push(name(tenant), n)

    def drop(self, tenant: int) -> None:
        """A tenant has nothing ready any more."""
        self.ring.scores.pop(name(tenant), None)
        self.ring.account(name(tenant)).ready = 0

    def run(self, until: float) -> None:
        """Go on until a time, in seconds."""
        self._claim()
        while self._running and self._running[0][0] <= until:
            self.now, _, tenant, length = heapq.heappop(self._running)
            self.free += 1
            self.ring.settle(name(tenant), 1, int(length * SECOND))
            self._claim()
        self.now = until

    def _claim(self) -> None:
        while self.free:
            claims = self.ring.claim(min(self.free, 128))
            if not claims:
                return
            for head, share in claims:
                tenant = int(head)
                if tenant in self._asked:
                    self.waits.setdefault(tenant, []).append(self.now - self._asked.pop(tenant))
                for _ in range(share):
                    length = self.length(tenant, self._chance)
                    self.time.count(tenant, self.now, self.now + length)
                    heapq.heappush(self._running, (self.now + length, next(self._number), tenant, length))
                self.free -= share


def name(tenant: int) -> str:
    """A tenant's name."""
    return f"{tenant:04}"


def same(seconds: float) -> Length:
    """All tasks take as long."""
    return lambda _tenant, _chance: seconds


def apart(tenants: int, least: float = 0.001, most: float = 10.0) -> Length:
    """Each tenant has tasks of one length, from the least to the most."""
    return lambda tenant, _chance: least * (most / least) ** (tenant / (tenants - 1))


def halves(short: float = 0.1, long: float = 10.0) -> Length:
    """Half of the tenants have short tasks, half long ones."""
    return lambda tenant, _chance: long if tenant % 2 else short


def mixed(least: float = 0.001, most: float = 10.0) -> Length:
    """All tenants have tasks of all lengths, as many of each order of magnitude."""
    return lambda _tenant, chance: least * (most / least) ** chance.random()


def backlog(slots: int, weights: Sequence[float], length: Length, seconds: float, seed: int = 1) -> Simulation:
    """All tenants have work from the start."""
    found = Simulation(slots, weights, length, seed)
    for tenant in range(len(weights)):
        found.put(tenant)
    found.run(seconds)
    return found


def main() -> None:
    """Print the table."""
    equal = [1.0] * 20
    lengths = {
        "all 0.1 s": same(0.1), "half 0.1 s, half 10 s": halves(), "one length each, 1 ms to 10 s": apart(20),
        "all lengths, 1 ms to 10 s": mixed(),
    }  # fmt: skip
    for told, length in lengths.items():
        for slots in (50, 60, 100, 200):
            found = backlog(slots, equal, length, 100)
            print(f"20 tenants, {slots:3} slots, {told:30} lowest index over 10 s {found.time.jain(30, 90):.4f}")
    for told, length in {"all 1 s": same(1), "0.01, 0.3, 3 s": apart(3, 0.01, 3), "mixed": mixed()}.items():
        for slots in (8, 16, 40):
            found = backlog(slots, [1, 2, 5], length, 430)
            print(f"weights 1:2:5, {slots:2} slots, {told:15}", [round(had, 3) for had in found.time.shares(30, 430)])


if __name__ == "__main__":
    main()
