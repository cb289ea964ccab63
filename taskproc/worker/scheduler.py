"""Fires schedules that are due. Any number of workers may: what one has fired the others find moved."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import orjson

from taskproc import firing
from taskproc.errors import CorruptRecord, InvalidValue, QuotaExceeded, TaskprocError
from taskproc.occurrences import Occurrences, Resolve
from taskproc.schedule import Schedule, next_run_name
from taskproc.store.schedules import PAGE, Due, Fire, Problem, Reckon, Schedules, Template
from taskproc.values import shown

logger = logging.getLogger("taskproc")

JITTER = 0.01
"""All workers wait for the same moment; the first that wakes fires what is due then, the others find nothing."""

APART = 16
"""Once others were faster, so many pages of what is due are looked at in no order, so that not all work on the same."""

UNKNOWN_MS, BROKEN_MS = 1_000, 60_000
"""How long a schedule is put off whose function isn't known here, and one that can't be read or whose function fails."""

REMEMBERED = 4_096
TELL_SECONDS = 60.0


class Scheduler:
    """One worker's share in the schedules: those that its code declares, and those that were made at run time."""

    def __init__(self, schedules: Schedules, resolve: Resolve, longest: float = 5.0) -> None:
        """``longest``: after so many seconds ``step`` wants to be called again, whatever comes."""
        self._schedules = schedules
        self._resolve = resolve
        self._longest = longest
        self._occurrences = lru_cache(REMEMBERED)(self._read)
        self._told: dict[str, float] = {}
        self.coded: list[bytes] = []
        """The schedules that the code declares."""

    async def declare(self, coded: Sequence[Template]) -> None:
        """Create the schedules of the code, or change those of which it says something else; what is paused stays so.

        One for which its tenant has no room keeps no worker from its work.
        """
        for made in coded:
            try:
                await self._schedules.put(made, self.begins(made.schedule))
            except QuotaExceeded as error:
                logger.error("schedule %r of the code is not there: %s", made.schedule.id, error)
        self.look_for(coded)

    def look_for(self, coded: Sequence[Template]) -> None:
        """Look at these, of those that code declares; at no others, whose code may be gone."""
        self.coded = [made.key.encode() for made in coded]

    def begins(self, schedule: Schedule) -> Reckon:
        """What reckons a schedule's first occurrence. Raises InvalidValue where none comes, or its function is unknown."""
        if schedule.next_run is not None:  # by its name, as workers will
            schedule = replace(schedule, next_run=next_run_name(schedule.next_run))

        def reckon(now: int, anchor: int, runs: int | None) -> int | None:
            occurrences = Occurrences.of(schedule, anchor=anchor, resolve=self._resolve)
            if runs and schedule.next_run is not None:
                return None  # its function has said that it is over
            found = occurrences.first(now, runs or 0)
            if found is None and runs is None:
                name = "next_run" if schedule.end is None else "end"
                raise InvalidValue(f"{name}={shown(getattr(schedule, name))}: nothing comes from now on")
            return found

        return reckon

    async def step(self) -> float:
        """Fire all that is due; the seconds until there is more to do."""
        apart = 1
        while True:
            page = await self._schedules.due(random.randrange(apart) * PAGE, PAGE, self.coded)
            if page.paused:
                return self._longest
            if not page.due:
                wait = self._longest if page.first is None else max(0.0, (page.first - page.now) / 1000)
                return min(wait + random.uniform(0, JITTER), self._longest)
            _, lost = await self._fire(page.due, page.now)
            apart = min(2 * apart, APART) if lost else apart

    async def fire(self, most: int) -> int:
        """Fire at most so many schedules that are due; how many tasks that made."""
        made = 0
        while most > 0:
            page = await self._schedules.due(0, min(most, PAGE), self.coded)
            if page.paused or not page.due:
                break
            fired, _ = await self._fire(page.due, page.now)
            made, most = made + fired, most - len(page.due)
        return made

    async def _fire(self, due: Sequence[Due], now: int) -> tuple[int, int]:
        fires, problems = [], []
        for one in due:
            planned = self._plan(one, now)
            if isinstance(planned, Problem):
                problems.append(planned)
            else:
                fires.append(planned)
        made, lost, broken = await self._schedules.fire(fires, problems)
        for note in broken:
            self._tell(f"its keys in Redis can't be used: {note.decode('utf-8', 'backslashreplace')}")
        return made, lost

    def _plan(self, due: Due, now: int) -> Fire | Problem:
        try:
            occurrences = self._occurrences(due.spec, due.anchor)
        except CorruptRecord as error:
            return self._problem(due, str(error), BROKEN_MS)
        except TaskprocError as error:
            return self._problem(due, str(error), UNKNOWN_MS)
        name = f"schedule {occurrences.schedule.id!r}"
        try:
            plan = firing.plan(occurrences, int(due.next), now)
        except TaskprocError as error:
            return self._problem(due, f"{name}: {error}", BROKEN_MS)
        except (ValueError, ArithmeticError):
            return self._problem(due, f"{name}: its next occurrence can't be read", BROKEN_MS)
        most = occurrences.schedule.max_runs or 0
        return Fire(due, plan.dues, plan.next, most, plan.skipped, plan.why)

    def _read(self, spec: bytes, anchor: int) -> Occurrences:
        try:
            record = orjson.loads(spec)
        except orjson.JSONDecodeError:
            raise CorruptRecord(f"a schedule's record is no JSON: {shown(spec)}") from None
        return Occurrences.of(Schedule.from_record(record), anchor=anchor, resolve=self._resolve)

    def _problem(self, due: Due, told: str, wait_ms: int) -> Problem:
        self._tell(f"schedule {due.key}: {told}")
        return Problem(due, told, wait_ms)

    def _tell(self, told: str) -> None:
        """Log what keeps a schedule from firing, once a minute each."""
        now = time.monotonic()
        if now - self._told.get(told, -TELL_SECONDS) >= TELL_SECONDS:
            if len(self._told) > PAGE:
                self._told.clear()
            self._told[told] = now
            logger.error("%s", told)
