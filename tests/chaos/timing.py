"""Lines of occurrences that schedules ought to fire, and how what was fired is held against them.

It reckons with nothing but remainders: every line is one of even steps.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.chaos.field import Result
from tests.harness import Record

MOST_LATE = 1_000
"""Within so many ms of its due time an occurrence is fired and its task begun while a worker lives."""

PASSED = 200
"""So many ms may lie between the look at a schedule that is due and the making of its task."""

MOST_MISSED = 100
"""So many missed occurrences run where all of them are to."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A schedule whose occurrences are the multiples of a step, in ms."""

    id: str
    given: dict[str, Any]
    step: int = 1_000
    nap: float = 0.0

    @property
    def misfire(self) -> str:
        """What of missed occurrences runs."""
        return str(self.given.get("misfire", "once"))


@dataclass
class Fired:
    """What was fired for one occurrence: the tasks, when the first was made, how late its first run was, its last end."""

    tasks: set[str] = field(default_factory=set)
    made: float = 0.0
    begun: float | None = None
    ended: float = 0.0
    runs: int = 0


@dataclass
class Patience:
    """How long this process was kept from running at most, in ms: so much later may be what the machine is to blame for."""

    longest: float = 0.0


@asynccontextmanager
async def patience() -> AsyncIterator[Patience]:
    """Watch the machine meanwhile."""
    found = Patience()

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.02)
            found.longest = max(found.longest, (time.monotonic() - began - 0.02) * 1000)

    watching = asyncio.create_task(watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


class Judge:
    """Holds records against the lines. All times are the server's, in ms."""

    def __init__(self, result: Result, began: float, ended: float, dark: Sequence[Span], slack: float, late: int) -> None:
        """``dark``: when no worker could fire; ``slack``: what the machine may be to blame for; ``late``: when an occurrence
        has been missed with misfire="skip"."""
        self.result, self.began, self.ended, self.dark, self.slack, self.late = result, began, ended, dark, slack, late
        self.drifts: list[float] = []

    def hold(self, lines: Sequence[Line], records: Sequence[Record]) -> None:
        """Count what is lost and doubled, and note how late occurrences were."""
        found: dict[str, dict[int, Fired]] = {line.id: defaultdict(Fired) for line in lines}
        for record in sorted(records, key=lambda record: record["at"]):
            one = found[record["tag"]][record["due"]]
            one.tasks.add(record["id"])
            one.made = one.made or record["made"]
            if record["event"] == "end":
                one.ended = record["at"] * 1000
            else:
                one.runs += 1
                if one.begun is None and record["delivery"] == 1:
                    one.begun = record["at"] * 1000
        for line in lines:
            self._line(line, found[line.id])
        self.result.notes["occurrences p99 after their time, ms"] = percentile(self.drifts, 99)
        self.result.notes["latest, ms"] = max(self.drifts, default=0.0)
        self.result.notes["the machine's longest pause, ms"] = self.slack

    def recovered(self, returns: Sequence[float], records: Sequence[Record]) -> None:
        """Note how long after each return of what was gone the first task was made."""
        for moment in returns:
            later = [record["made"] for record in records if record["made"] >= moment]
            if later:
                self.result.recoveries.append((min(later) - moment) / 1000)
            else:
                self._fail(f"nothing was fired after the return {moment - self.began:.0f} ms after the start")

    def _line(self, line: Line, fired: dict[int, Fired]) -> None:
        mine = {due: one for due, one in fired.items() if self.began < due <= self.ended}
        self.result.tasks += len(mine)
        self.result.extra += sum(one.runs - len(one.tasks) for one in mine.values())
        self.result.doubled += sum(len(one.tasks) > 1 for one in fired.values())
        for due, one in mine.items():
            self._late(line, due, one)
        first = int(self.began // line.step + 1) * line.step
        for due in range(first, int(self.ended) + 1, line.step):
            if due not in mine and not self._may_miss(line, due, fired):
                self.result.lost += 1
                self._fail(f"{line.id}: nothing fired for {due}, which was due {due - self.began:.0f} ms after the start")
        if line.given.get("unique"):
            self._one_by_one(line, fired)

    def _late(self, line: Line, due: int, one: Fired) -> None:
        if due % line.step:
            self._fail(f"{line.id}: {due} is none of its occurrences")
        dark = self._dark(due, one.made)
        since, most = dark[1] if dark else due, MOST_LATE + self.slack
        if dark is None:
            self.drifts.append(one.made - due)
        if one.made < due or one.made - since > most:
            self._fail(f"{line.id}: {due} was fired {one.made - due:.0f} ms after its time")
        if one.begun is not None and one.begun - since > most:
            self._fail(f"{line.id}: {due} was begun {one.begun - due:.0f} ms after its time")
        if line.misfire != "all" and one.made - due > line.step + PASSED + self.slack:
            self._fail(f"{line.id}: {due} was fired when a later one had passed")
        if line.misfire == "skip" and one.made - due > self.late + PASSED + self.slack:
            self._fail(f"{line.id}: {due} was fired {one.made - due:.0f} ms after its time, when it was to be left out")

    def _may_miss(self, line: Line, due: int, fired: dict[int, Fired]) -> bool:
        """Whether the misfire rule, or that it is unique, leaves an occurrence out."""
        if line.given.get("unique") and self._held(due, fired):
            return True
        dark = self._dark(due)
        if dark is None:
            return False
        if line.misfire == "all":
            caught_up = min((at for at, one in fired.items() if one.made >= dark[1]), default=None)
            return caught_up is not None and caught_up + MOST_MISSED * line.step <= due <= fired[caught_up].made
        found = dark[1] + MOST_LATE + self.slack
        superseded = due + line.step <= found
        return superseded or (line.misfire == "skip" and found - due > self.late)

    def _held(self, due: int, fired: dict[int, Fired]) -> bool:
        """Whether a task of an earlier occurrence was there when one was due; it is settled a little after its end."""
        settled = PASSED + self.slack
        return any(one.made <= due + MOST_LATE and one.ended + settled >= due for at, one in fired.items() if at < due)

    def _one_by_one(self, line: Line, fired: dict[int, Fired]) -> None:
        turns = sorted((one.made, one.ended) for one in fired.values())
        for (_, ended), (made, _) in pairwise(turns):
            if made + 2 < ended:  # what is stored and recorded is rounded
                self.result.doubled += 1
                self._fail(f"{line.id}: a task was made {ended - made:.0f} ms before the last one had ended")

    def _dark(self, due: int, made: float = math.inf) -> Span | None:
        """The time without a worker that kept an occurrence from being fired before a task was made, if any."""
        earliest = MOST_LATE + self.slack
        return next((span for span in self.dark if span[0] - earliest < due <= span[1] and made >= span[0]), None)

    def _fail(self, told: str) -> None:
        self.result.failure = self.result.failure or told


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that so many percent don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else 0.0
