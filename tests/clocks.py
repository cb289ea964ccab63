"""When cycles ought to fire around a change of the clock: every minute of real time looked at, one by one.

It shares nothing with what it judges but the data of the tz database: pytz converts here and zoneinfo there, and cycles are
functions of a wall time here and texts there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytz

MINUTE = timedelta(minutes=1)
AROUND = timedelta(hours=30)


@dataclass(frozen=True)
class Change:
    """The clock of a zone is changed at an instant."""

    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    @property
    def kind(self) -> tuple[object, ...]:
        """What tells it from others: offsets, the time of day, and whether the month ends about then."""
        wall = self.wall
        return self.before, self.after, wall.time(), (wall + timedelta(days=2)).day <= 3

    @property
    def wall(self) -> datetime:
        """What the clock would have shown at that instant, had it not been changed."""
        return self.at + self.before

    def __str__(self) -> str:
        return f"{self.zone} {self.at:%Y-%m-%d %H:%M}"


def changes(first: int, last: int) -> Iterator[Change]:
    """Every change of every zone from one year to another."""
    for name in pytz.all_timezones:
        zone: Any = pytz.timezone(name)
        infos = getattr(zone, "_transition_info", [])
        moments = getattr(zone, "_utc_transition_times", [])
        for n in range(1, len(infos)):
            if infos[n][0] != infos[n - 1][0] and first <= moments[n].year <= last:
                yield Change(name, moments[n], infos[n - 1][0], infos[n][0])


@dataclass(frozen=True)
class Wanted:
    """A cycle: as an expression, by whether it goes by the clock, and as a function of the wall time."""

    expression: str
    by_clock: bool
    fits: Callable[[datetime], bool]


class Minutes:
    """What the clock of a zone shows in each minute of real time around a change."""

    def __init__(self, change: Change) -> None:
        zone: Any = pytz.timezone(change.zone)
        steps = range(2 * AROUND // MINUTE)
        start = (change.at - AROUND).replace(second=0)
        self.instants = [start + step * MINUTE for step in steps]
        self.walls = [zone.fromutc(instant).replace(tzinfo=None) for instant in self.instants]
        self.reached: list[datetime] = []
        for wall in self.walls:
            self.reached.append(max(wall, self.reached[-1]) if self.reached else wall)

    def expected(self, wanted: Wanted) -> list[datetime]:
        """The instants at which a cycle ought to fire."""
        if not wanted.by_clock:
            return [instant for instant, wall in zip(self.instants, self.walls, strict=True) if wanted.fits(wall)]
        found, wall = [], self.walls[0]
        while wall <= self.reached[-1]:
            if wanted.fits(wall):
                found.append(self.instants[bisect_left(self.reached, wall)])
            wall += MINUTE
        return sorted(set(found))


def millis(instant: datetime) -> int:
    """Milliseconds since 1970 of a time in UTC without a zone."""
    return round(instant.replace(tzinfo=UTC).timestamp() * 1000)


def cycles(change: Change) -> list[Wanted]:
    """Cycles that meet a change: just before it, in the gap or the doubled time, just after; by the clock and not."""
    length = abs(change.after - change.before)
    first = min(change.wall, change.wall + change.after - change.before)
    times = {first - MINUTE, first, first + length / 2, first + length - MINUTE, first + length}
    found = [_daily(time.replace(second=0)) for time in sorted(times)]
    found += _days((first + length / 2).replace(second=0))
    hour = first.hour
    return [
        *found,
        Wanted(f"0,30 {hour} * * *", True, lambda wall: wall.hour == hour and wall.minute in (0, 30)),
        Wanted("30 2 * * 0", True, lambda wall: (wall.hour, wall.minute) == (2, 30) and wall.isoweekday() == 7),
        Wanted("7 0-5,22 * * *", True, lambda wall: wall.minute == 7 and (wall.hour <= 5 or wall.hour == 22)),
        Wanted("0 0 * * *", True, lambda wall: (wall.hour, wall.minute) == (0, 0)),
        Wanted("0 * * * *", False, lambda wall: wall.minute == 0),
        Wanted("*/15 * * * *", False, lambda wall: wall.minute % 15 == 0),
        Wanted("* */2 * * *", False, lambda wall: wall.hour % 2 == 0),
        Wanted("20 1/3 * * SAT,SUN", False, lambda wall: wall.minute == 20 and wall.hour % 3 == 1 and wall.weekday() > 4),
    ]


def _daily(time: datetime) -> Wanted:
    return Wanted(
        f"{time.minute} {time.hour} * * *", True, lambda wall: (wall.hour, wall.minute) == (time.hour, time.minute)
    )


def _days(time: datetime) -> list[Wanted]:
    """The time on the days of the month that have a name of their own: its last, and the nth weekday."""
    hour, minute = time.hour, time.minute
    weekday, number = time.isoweekday() % 7, (time.day + 6) // 7

    def at(wall: datetime) -> bool:
        return (wall.hour, wall.minute) == (hour, minute)

    def on_weekday(wall: datetime) -> bool:
        return wall.isoweekday() % 7 == weekday

    return [
        Wanted(f"{minute} {hour} L * *", True, lambda wall: at(wall) and (wall + timedelta(days=1)).day == 1),
        Wanted(
            f"{minute} {hour} * * {weekday}#{number}",
            True,
            lambda wall: at(wall) and on_weekday(wall) and (wall.day + 6) // 7 == number,
        ),
        Wanted(
            f"{minute} {hour} * * L{weekday}",
            True,
            lambda wall: at(wall) and on_weekday(wall) and (wall + timedelta(days=7)).month != wall.month,
        ),
    ]
