"""When a schedule fires: the next occurrence after a moment, those to come, those that were missed.

Moments are whole milliseconds since 1970 in UTC. Every occurrence is later by the schedule's jitter than its rule says;
start and end hold for what the rule says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Protocol

from taskproc import cron as crons
from taskproc import words
from taskproc.errors import InvalidValue
from taskproc.schedule import NextRun, Schedule, every_ms, moment_ms, next_run_name
from taskproc.values import from_ms, milliseconds, shown, timestamp_ms
from taskproc.zones import LAST

Resolve = Callable[[str], NextRun]
"""The function of a name: whoever runs a schedule's own function decides what names mean."""


class Rule(Protocol):
    """What says when a schedule fires."""

    def after(self, moment: int, /) -> int | None:
        """The first moment of it after another, strictly."""


@dataclass(frozen=True, slots=True)
class Every:
    """An even interval by real time, counted from an anchor, which is the first moment."""

    anchor: int
    interval: int

    def after(self, moment: int) -> int | None:
        passed = max(-1, (moment - self.anchor) // self.interval)
        return self.anchor + (passed + 1) * self.interval


@dataclass(frozen=True, slots=True)
class Once:
    """A single moment."""

    at: int

    def after(self, moment: int) -> int | None:
        return self.at if self.at > moment else None


@dataclass(frozen=True, slots=True)
class Own:
    """A function of the user's own."""

    function: NextRun

    def after(self, moment: int) -> int | None:
        found = self.ask(moment)
        if found is not None and found <= moment:
            raise InvalidValue(f"next_run: after {from_ms(moment)} it gave {from_ms(found)}, which isn't later")
        return found

    def ask(self, last: int | None) -> int | None:
        """What it says, whatever that is. Raises InvalidValue for what it raises, whose text may hold secrets."""
        try:
            found = self.function(None if last is None else from_ms(last))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a function of the user's own may raise anything, SystemExit included
            raise InvalidValue(f"next_run: it raised {type(error).__name__}") from error
        return None if found is None else timestamp_ms("next_run", found)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The occurrences of a schedule. ``runs`` is always how often it ran so far: ``max_runs`` is counted by the caller."""

    schedule: Schedule
    rule: Rule
    delay: int = 0
    start: int | None = None
    end: int | None = None

    @classmethod
    def of(
        cls, schedule: Schedule, *, cron_seconds: bool = True, anchor: int = 0, resolve: Resolve | None = None
    ) -> Occurrences:
        """Those of a schedule. Raises InvalidValue that names what makes no sense, or never comes between its bounds.

        ``anchor`` is the moment from which ``every`` counts where the schedule has no start, such as that of the first
        upsert; without one all intervals count from 1970. ``resolve`` is needed where ``next_run`` is a name.
        """
        schedule.check(cron_seconds=cron_seconds)
        start = None if schedule.start is None else moment_ms("start", schedule.start)
        end = None if schedule.end is None else moment_ms("end", schedule.end)
        rule = _rule(schedule, anchor if start is None else start, resolve)
        found = cls(schedule, rule, jitter_ms(schedule), start, end)
        if start is not None and end is not None and found.next_after(start - 1 + found.delay) is None:
            raise InvalidValue(f"end={shown(schedule.end)}: nothing comes between start and end")
        return found

    def first(self, now: int, runs: int = 0) -> int | None:
        """The first occurrence of a schedule made now. A single time that has passed is due at once."""
        if self._spent(runs):
            return None
        if isinstance(self.rule, Own):
            return self._within(self.rule.ask(None))
        if isinstance(self.rule, Once):
            return self._within(self.rule.at)
        return self.next_after(now, runs)

    def next_after(self, moment: int, runs: int = 0) -> int | None:
        """The next occurrence after a moment, strictly; None when there is none."""
        if self._spent(runs) or moment >= LAST:
            return None
        since = moment - self.delay
        return self._within(self.rule.after(since if self.start is None else max(since, self.start - 1)))

    def after(self, moment: int, runs: int = 0) -> Iterator[int]:
        """All occurrences after a moment, one by one."""
        found = self.next_after(moment, runs)
        while found is not None:
            yield found
            runs += 1
            found = self.next_after(found, runs)

    def upcoming(self, moment: int, n: int, runs: int = 0) -> list[int]:
        """The next n occurrences after a moment."""
        return [*islice(self.after(moment, runs), n)]

    def missed(self, last_due: int, now: int, limit: int, runs: int = 0) -> list[int]:
        """The occurrences after the last one up to now, at most so many, the oldest first."""
        found: list[int] = []
        for occurrence in islice(self.after(last_due, runs), limit):
            if occurrence > now:
                break
            found.append(occurrence)
        return found

    def words(self) -> str:
        """The schedule in words."""
        return words.of(self.schedule)

    def _spent(self, runs: int) -> bool:
        most = 1 if isinstance(self.rule, Once) else self.schedule.max_runs
        return most is not None and runs >= most

    def _within(self, found: int | None) -> int | None:
        if found is None or found >= LAST or (self.end is not None and found > self.end):
            return None
        return found + self.delay


def jitter_ms(schedule: Schedule) -> int:
    """How much later than its rule says a schedule fires: always the same, evenly spread over ids."""
    width = 0 if schedule.jitter is None else milliseconds("jitter", schedule.jitter)
    if not width:
        return 0
    tenant = schedule.tenant.encode()
    digest = blake2b(b"%d:%s%s" % (len(tenant), tenant, schedule.id.encode()), digest_size=8).digest()
    return int.from_bytes(digest) % width


def _rule(schedule: Schedule, anchor: int, resolve: Resolve | None) -> Rule:
    if schedule.cron is not None:
        return crons.parse(schedule.cron, schedule.timezone)
    if schedule.every is not None:
        return Every(anchor, every_ms(schedule.every))
    if schedule.at is not None:
        return Once(moment_ms("at", schedule.at))
    if callable(schedule.next_run):
        return Own(schedule.next_run)
    if resolve is None:
        raise InvalidValue(f"next_run={shown(schedule.next_run)}: it isn't known here")
    return Own(resolve(next_run_name(schedule.next_run)))
