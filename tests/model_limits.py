"""The limits of the model: which task has which, and by the book how many may start."""

from __future__ import annotations

import math
from dataclasses import dataclass

ALONE, KEYED, PACED = "0000000001", "0000000002", "0000000003"
KINDS = [ALONE, "", f"{KEYED}.k1", ALONE, PACED, "", f"{KEYED}.k1", f"{KEYED}.k2"]
INTERVAL, BURST = 400_000, 2
START = {ALONE: {"m": 1}, KEYED: {"m": 1, "k": 1}, PACED: {"m": -1, "i": INTERVAL, "b": BURST}}


def limit_of(local: str) -> str:
    """The limit of a task, by its local id."""
    return KINDS[sum(map(ord, local)) % len(KINDS)]


@dataclass
class Paced:
    """What is known of the times of a limit, in microseconds."""

    tat: int = 0
    held: int = 0
    wait: int = 0


class Limits:
    """All limits."""

    def __init__(self) -> None:
        self.most = {name: int(words["m"]) for name, words in START.items()}
        self.times: dict[str, Paced] = {}

    def times_of(self, limit: str) -> Paced:
        """A limit's times."""
        return self.times.setdefault(limit, Paced())

    def room(self, limit: str, running: int, us: int) -> int:
        """How many may start now."""
        name, times = limit.partition(".")[0], self.times_of(limit)
        room = 10**6 if self.most[name] < 0 else max(0, self.most[name] - running)
        if min(times.held, us + times.wait) > us:
            return 0
        if name == PACED:
            slack = (BURST - 1) * INTERVAL
            tat = max(us, min(times.tat, us + slack + INTERVAL))
            room = min(room, math.floor((us + slack - tat) / INTERVAL) + 1)
        return max(0, room)

    def start(self, limit: str, us: int) -> None:
        """One starts."""
        if limit == PACED:
            times, slack = self.times_of(limit), (BURST - 1) * INTERVAL
            times.tat = max(us, min(times.tat, us + slack + INTERVAL)) + INTERVAL

    def hold(self, limit: str, now_ms: int, wait_ms: int) -> None:
        """A handler has asked for a while without any."""
        times, ends = self.times_of(limit), (now_ms + wait_ms) * 1000
        if min(times.held, now_ms * 1000 + times.wait) < ends:
            times.held, times.wait = ends, wait_ms * 1000
