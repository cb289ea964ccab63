"""Whose turn it is among a worker's queues, where more than their order decides: shares, ageing, slots of a queue's own.

All of it is known to the worker alone: how many slots its queues have now, what they have had, and what its last steps
claimed. Redis is asked for nothing more; a step is told, for each turn, how many tasks a queue may give at most and how
many of the free slots are its own.

**Shares** are shares of the slots' time, not of the tasks: by tasks, a queue of ten-second tasks would have nearly all of a
worker that also serves one of ten milliseconds. What counts for a queue is the time that its slots have been taken, those
of now included, and for each running task the mean of its queue, which it is expected to take still; all divided by its
share. The lowest goes first. A queue in which nothing was found begins, when something is, where the others are: it has
saved nothing up.

**Ageing** notes since when a queue has not been reached, because those before it took all free slots.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence

from taskproc.serving import Serving
from taskproc.store.work import Claims, Turn
from taskproc.worker.execution import Execution
from taskproc.worker.scope import Scope
from taskproc.worker.slots import Run

FIRST_GUESS = 1.0
"""How long a task is taken to run, in seconds, while none of its queue has ended."""

RECENT = 16
"""Of about how many tasks the mean of a queue is."""


class Line:
    """A queue, as its worker sees it."""

    def __init__(self, place: int, name: str, share: int, reserved: int) -> None:
        self.place = place
        self.name = name
        self.share = share
        self.reserved = reserved
        self.running = 0
        self.began = 0.0  # the sum of the times at which those that run began
        self.had = 0.0  # seconds of slots, of those that have ended, and what it was given for idling
        self.mean = FIRST_GUESS
        self.ends = 0  # how many tasks the mean is of
        self.dry = False  # whether the last look found less than there was room for
        self.passed_since = math.inf  # since when those before it have left no slot for it

    @property
    def hold(self) -> int:
        """How many free slots are its own."""
        return max(0, self.reserved - self.running)

    def time(self, now: float) -> float:
        """What it has had for its share."""
        return (self.had + self.running * (now + self.mean) - self.began) / self.share


class Turns:
    """The turns of a worker's queues. It is told what a step has claimed, and when a slot is free again."""

    def __init__(self, serving: Serving, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shared = bool(serving.shares)
        self._ageing = serving.ageing_ms / 1000
        shares = serving.shares or [1] * len(serving.queues)
        self._lines = [
            Line(place, name, share, serving.reserve.get(name, 0))
            for place, (name, share) in enumerate(zip(serving.queues, shares, strict=True))
        ]
        self._by_name = {line.name: line for line in self._lines}
        self._aged: list[Line] = []
        self._first: list[tuple[Line, int]] = []  # the turns of the last step in which shares counted
        self._held = [0] * len(self._lines)

    # before a step

    def plan(self, want: int, free: int) -> list[Turn]:
        """The turns of a step that claims up to ``want`` tasks where so many slots are free."""
        self._held = holds = self._holds(free - want)
        if self._shared:
            return [(line.name, most, holds[line.place]) for line, most in self._by_shares(want)]
        first = [(line.name, 1, holds[line.place]) for line in self._find_aged(free)]
        return first + [(line.name, want, holds[line.place]) for line in self._lines]

    def open(self, free: int) -> list[str]:
        """The queues that may use a free slot."""
        held = sum(line.hold for line in self._lines)
        return [line.name for line in self._lines if free - held + line.hold > 0]

    def _holds(self, spare: int) -> list[int]:
        """Of the slots that a step may fill, how many are whose; ``spare`` are free beside them."""
        holds = [line.hold for line in self._lines]
        for place, hold in enumerate(holds):
            less = min(hold, spare)
            holds[place], spare = hold - less, spare - less
        return holds

    def _find_aged(self, free: int) -> list[Line]:
        if not self._ageing:
            return []
        since, able = self._clock() - self._ageing, self.open(free)
        aged = [line for line in self._lines if line.passed_since <= since and line.name in able]
        self._aged = sorted(aged, key=lambda line: line.passed_since)
        return self._aged

    def _by_shares(self, want: int) -> list[tuple[Line, int]]:
        """Queues that were found dry are looked at first, each as far as it would have had turns; then the others share."""
        now = self._clock()
        self._level(now)
        ordered = sorted(self._lines, key=lambda line: (line.time(now), not line.dry, line.place))
        dry, live = [line for line in ordered if line.dry], [line for line in ordered if not line.dry]
        of_all, of_live = _dealt(ordered, want, now), _dealt(live, want, now)
        first = [(line, max(1, of_all[line.place])) for line in dry]
        first += [(line, of_live[line.place]) for line in live if of_live[line.place]]
        self._first = first
        return first + [(line, want) for line in (*live, *dry)]

    def _level(self, now: float) -> None:
        """See that idling is no credit: who was dry begins where the others are."""
        times = [line.time(now) for line in self._lines]
        level = min((at for at, line in zip(times, self._lines, strict=True) if not line.dry), default=max(times))
        for at, line in zip(times, self._lines, strict=True):
            if line.dry and at < level:
                line.had += (level - at) * line.share

    # after it

    def claimed(self, want: int, claims: Sequence[Claims]) -> None:
        """Take over what a step has claimed of ``want``."""
        now, got = self._clock(), dict.fromkeys(self._by_name, 0)
        for claim in claims:
            claim.at = now
            got[claim.queue] += len(claim.bodies)
        left = want - sum(got.values())
        for line in self._lines:
            line.running += got[line.name]
            line.began += now * got[line.name]
        if self._shared:
            self._note_dry(got, want)
        elif self._ageing and want:
            self._note_passed(got, left, now)

    def _note_dry(self, got: dict[str, int], want: int) -> None:
        """Who gave less than there was room for has nothing left."""
        left, holds, held = want, list(self._held), sum(self._held)
        for line, most in self._first:
            room = min(most, left - held + holds[line.place])
            taken = max(0, min(got[line.name], room))
            kept = min(taken, holds[line.place])
            left, held, holds[line.place] = left - taken, held - kept, holds[line.place] - kept
            if room > 0:
                line.dry = got[line.name] < room
        for line in self._lines:
            if want - sum(got.values()) - held + holds[line.place] > 0:
                line.dry = True

    def _note_passed(self, got: dict[str, int], left: int, now: float) -> None:
        """Those after the last that gave tasks in its turn were not reached, where no slot is left."""
        room = left + sum(got.values())
        for line in self._aged[:room]:
            taken = min(1, got[line.name])
            got[line.name], room = got[line.name] - taken, room - taken
            line.passed_since = math.inf
            if not room:
                break
        self._aged = []
        reached = max((line.place for line in self._lines if got[line.name]), default=-1)
        held = sum(line.hold for line in self._lines)
        for line in self._lines:
            if line.place <= reached or left - held + line.hold > 0:
                line.passed_since = math.inf
            elif line.passed_since == math.inf and left <= 0:
                line.passed_since = now

    def counted(self, run: Run) -> Run:
        """What runs a task, such that its slot is counted until it is free again."""

        async def runs(execution: Execution, scope: Scope) -> None:
            try:
                await run(execution, scope)
            finally:
                self.ended(execution.claims)

        return runs

    def ended(self, claims: Claims) -> None:
        """A slot is free again: one of these has ended."""
        line, took = self._by_name[claims.queue], self._clock() - claims.at
        line.running -= 1
        line.began -= claims.at
        line.had += took
        line.ends = min(line.ends + 1, RECENT)
        line.mean += (took - line.mean) / line.ends


def _dealt(lines: Sequence[Line], want: int, now: float) -> dict[int, int]:
    """How many of ``want`` slots each queue gets, by its place: one after the other goes to whoever has had least."""
    found = dict.fromkeys((line.place for line in lines), 0)
    heap = [(line.time(now), rank, line) for rank, line in enumerate(lines)]
    heapq.heapify(heap)
    for _ in range(want if heap else 0):
        at, rank, line = heap[0]
        found[line.place] += 1
        heapq.heapreplace(heap, (at + line.mean / line.share, rank, line))
    return found
