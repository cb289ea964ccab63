"""Cron expressions: which are understood, and when they fire.

An expression is one cycle or several joined by ``|``, of which the earliest next time counts. A cycle has five fields
(minute, hour, day of month, month, day of week) or six (seconds first), or is a word such as ``@daily``. Fields hold
numbers, names (``MON``, ``JAN``), ranges (those that wrap too: ``22-2``), steps and lists of these; the day of month ``L``,
the month's last; the day of week ``5#2``, the second Friday, and ``L5``, the last. Where both days are restricted one that
fits either is enough, as in every cron.

Summer time: a cycle follows the clock of its zone in one of two ways.

* A cycle that names its hours (``30 2 * * *``, ``0 9-17 * * *``) fires once for each time: when the clock first reaches it.
  A time that the clock shows twice fires the first time; times over which the clock leaps fire once, at the change.
* A cycle whose hours are ``*`` or a step that divides the day evenly (``*/15 * * * *``, ``0 * * * *``, ``0 */2 * * *``) goes
  on by real time: it fires whenever the clock shows a time that fits, in both of two doubled hours, and not for a missing
  one.

croniter expands the fields, and nothing more: its way over changes of the clock and its mix of ``#`` with days of the month
are not those rules, ``9-9`` is every hour to it, and one next time costs it a tenth of a millisecond and more.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from taskproc.cronfields import Days, Values, days, read
from taskproc.errors import InvalidValue
from taskproc.values import shown, text
from taskproc.zones import DAY, EPOCH_DAY, LAST, LAST_YEAR, SECOND, Zone, zone

LONGEST = 1_000
WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """One cycle, its fields expanded. ``by_clock``: it names its hours."""

    fields: tuple[Values, ...]
    days: Days
    by_clock: bool

    def after(self, wall: int) -> int | None:
        """The first wall time of the cycle that lies after another, strictly; None where the years end."""
        day, second = divmod(wall // SECOND + 1, 86_400)
        found = self._time(second) if self.days.has(EPOCH_DAY + day) else None
        if found is None:
            later = self.days.after(EPOCH_DAY + day, LAST_YEAR)
            if later is None:
                return None
            day, found = later - EPOCH_DAY, self._time(0)
            assert found is not None
        return (day * 86_400 + found) * SECOND

    def _time(self, second: int) -> int | None:
        """The first time of day of the cycle from a second of the day on."""
        seconds, minutes, hours = (field.values for field in self.fields[:3])
        (hour, rest), first = divmod(second, 3600), minutes[0] * 60 + seconds[0]
        h = bisect_left(hours, hour)
        if h < len(hours) and hours[h] == hour:
            minute, second = divmod(rest, 60)
            m = bisect_left(minutes, minute)
            if m < len(minutes) and minutes[m] == minute:
                s = bisect_left(seconds, second)
                if s < len(seconds):
                    return hour * 3600 + minute * 60 + seconds[s]
                m += 1
            if m < len(minutes):
                return hour * 3600 + minutes[m] * 60 + seconds[0]
            h += 1
        return hours[h] * 3600 + first if h < len(hours) else None


@dataclass(frozen=True, slots=True, eq=False)
class Cron:
    """An expression in a time zone. ``seconds``: at least one of its cycles has six fields."""

    cycles: tuple[Cycle, ...]
    zone: Zone
    seconds: bool

    def after(self, moment: int) -> int | None:
        """The first instant after another, strictly, at which one of the cycles fires, in milliseconds since 1970."""
        moment = max(moment, -1)
        if moment >= LAST:
            return None
        found = [at for cycle in self.cycles if (at := self._after(cycle, moment)) is not None]
        return min(found, default=None)

    def _after(self, cycle: Cycle, moment: int) -> int | None:
        if not cycle.by_clock:
            return self._by_real_time(cycle, moment)
        wall = cycle.after(self.zone.furthest(moment))
        return None if wall is None else self.zone.reaches(wall)

    def _by_real_time(self, cycle: Cycle, moment: int) -> int | None:
        while True:
            segment = self.zone.segment(moment + 1)
            wall = cycle.after(moment + segment.offset)
            if wall is None:
                return None
            found = wall - segment.offset
            if found < segment.end:
                return found
            # No clock is a day off UTC: two days before the time found, none can show it yet.
            moment = max(segment.end - 1, found - 2 * DAY)


@lru_cache(maxsize=16_384)
def parse(expression: str, timezone: str = "UTC") -> Cron:
    """An expression in the zone of an IANA name, ready to be asked; kept, so that asking again costs nothing.

    Raises InvalidValue that names the field for what isn't understood, and for a cycle that never comes.
    """
    told = f"cron={shown(expression)}"
    texts = split(expression)
    cycles = tuple(_cycle(fields, told) for fields in texts)
    return Cron(cycles, zone(timezone), any(len(fields) == 6 for fields in texts))


def split(expression: str) -> list[tuple[str, ...]]:
    """The fields of each cycle, words replaced by what they stand for."""
    if not text("cron", expression, LONGEST).strip():
        raise InvalidValue(f"cron={shown(expression)}: it is empty")
    return [_fields(part, f"cron={shown(expression)}") for part in expression.split("|")]


def _fields(part: str, told: str) -> tuple[str, ...]:
    word = part.strip().lower()
    if word.startswith("@") and word not in WORDS:
        raise InvalidValue(f"{told}: {word!r} is none of {', '.join(WORDS)}")
    found = tuple(re.findall(r"\S+", WORDS.get(word, part), re.ASCII))
    if not found:
        raise InvalidValue(f"{told}: a cycle beside | is empty")
    if len(found) not in (5, 6):
        raise InvalidValue(f"{told}: {len(found)} fields; a cycle has 5, or 6 with seconds first")
    return found


def _cycle(texts: tuple[str, ...], told: str) -> Cycle:
    full = texts if len(texts) == 6 else ("0", *texts)
    fields = tuple(read(index, given, told) for index, given in enumerate(full))
    found = days(fields[3], fields[4], fields[5])
    if found.never:
        raise InvalidValue(f"{told}: the day of month {texts[-3]!r} never comes in the month {texts[-2]!r}")
    return Cycle(fields, found, not fields[2].even)
