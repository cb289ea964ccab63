"""The fields of a cron expression: what may stand in them, the values they stand for, and the days these make."""

from __future__ import annotations

import calendar
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from taskproc.errors import InvalidValue

NAMES = ("second", "minute", "hour", "day of month", "month", "day of week")
HOUR, DAY, MONTH, WEEKDAY = 2, 3, 4, 5
LOWEST, HIGHEST = (0, 0, 0, 1, 1, 0), (59, 59, 23, 31, 12, 7)
SIZES = (60, 60, 24, 31, 12, 7)
LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
YEARS = 41
"""The longest wait for a day: for a 29th of February that is a Monday, over a century without a leap year."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAME = re.compile(r"(?<![a-z0-9])(l?)([a-z]{3})(?![a-z0-9])", re.ASCII)
_ITEM = re.compile(r"(?P<low>\*|\d{1,4})(?:-(?P<high>\d{1,4}))?(?:/(?P<step>\d{1,4}))?", re.ASCII)
_NUMBERED = re.compile(r"[0-7](-[0-7])?#[1-5]|l[0-7]", re.ASCII)


class Values(NamedTuple):
    """What a field stands for, in order.

    ``last``: the month's last day too. ``numbered``: weekdays by their number in the month, 0 for the last. ``free``: the
    field restricts nothing. ``even``: its values come round evenly for ever.
    """

    values: tuple[int, ...]
    last: bool = False
    numbered: tuple[tuple[int, int], ...] = ()
    free: bool = False
    even: bool = False


def read(index: int, given: str, told: str) -> Values:
    """What a field stands for. Raises InvalidValue that begins with what is told and names the field."""
    try:
        return _read(index, given.lower())
    except ValueError as error:  # croniter's are of it
        raise InvalidValue(f"{told}: the {NAMES[index]} field {given!r}: {error}") from None


@lru_cache(maxsize=4096)
def _read(index: int, given: str) -> Values:
    items = plain(index, given).split(",")
    found = numbered(",".join(items)) if index == WEEKDAY else []
    if found:
        if not all(_NUMBERED.fullmatch(item) for item in items):
            raise InvalidValue("numbered weekdays can't stand beside others; join two cycles by |")
        return Values((), numbered=tuple(found))
    last = index == DAY and "l" in items
    values = _expand(index, [item for item in items if item != "l"])
    return Values(tuple(values), last=last, free=items == ["*"], even=index == HOUR and _even(items, values))


def numbered(weekday: str) -> list[tuple[int, int]]:
    """The weekdays of a plain field by their number in the month, 0 for the last; none where it has no such."""
    found = set()
    for item in weekday.split(","):
        if item[0] == "l":
            found.add((int(item[1:]) % 7, 0))
        elif "#" in item:
            days, number = item.split("#")
            found |= {(day, int(number)) for day in _expand(WEEKDAY, [days])}
    return sorted(found)


def plain(index: int, given: str) -> str:
    """A field in small letters with numbers for names, each of its items checked."""
    if given == "?" and index in (DAY, WEEKDAY):
        return "*"
    names = _MONTHS if index == MONTH else _WEEKDAYS if index == WEEKDAY else ()
    numbers = {name: str(number) for number, name in enumerate(names, LOWEST[index])}
    named = _NAME.sub(lambda found: found[1] + numbers.get(found[2], found[2]), given)
    items = [_item(index, item) for item in named.split(",")]
    return "*" if {"*", "*/1"} & {*items} else ",".join(items)


def _item(index: int, item: str) -> str:
    if index == DAY:
        if item == "l":
            return item
        item = re.sub(r"(?<=\d-)l(?=/|$)", "31", item)
    if index == WEEKDAY and _NUMBERED.fullmatch(item):
        return item
    found = _ITEM.fullmatch(item)
    if found is None or (found["low"] == "*" and found["high"] is not None):
        raise InvalidValue(f"{item!r} isn't understood")
    for number in (found["low"], found["high"]):
        if number not in ("*", None) and not LOWEST[index] <= int(number) <= HIGHEST[index]:
            raise InvalidValue(f"{int(number)} is not from {LOWEST[index]} to {HIGHEST[index]}")
    if found["step"] is not None and not 1 <= int(found["step"]) <= SIZES[index]:
        raise InvalidValue(f"a step must be from 1 to {SIZES[index]}, and is counted anew in each cycle of the field")
    step = "" if found["step"] is None else f"/{found['step']}"
    if found["high"] is None:
        return found["low"] + step
    # To croniter 9-9 is every hour, and 7-3 every day.
    if int(found["low"]) == int(found["high"]):
        return found["low"]
    low = "0" if index == WEEKDAY and found["low"] == "7" else found["low"]
    if step and int(low) > int(found["high"]):  # croniter loses count where a range with a step wraps
        every = [*range(int(low), LOWEST[index] + SIZES[index]), *range(LOWEST[index], int(found["high"]) + 1)]
        return ",".join(str(value) for value in every[:: int(found["step"])])
    return f"{low}-{found['high']}{step}"


def _expand(index: int, items: list[str]) -> list[int]:
    if not items:
        return []
    # Here, because importing it starts a process: it asks the platform how many bits it has.
    from croniter import croniter

    # Seconds stand last there; beside them it knows no 7 in some versions.
    place, fields = (index - 1) % 6, 5 if index else 6
    expanded, _ = croniter.expand(" ".join(",".join(items) if at == place else "*" for at in range(fields)))
    if expanded[place] == ["*"]:
        return [*range(LOWEST[index], LOWEST[index] + SIZES[index])]
    values = (int(value) for value in expanded[place])
    return sorted({value % 7 for value in values} if index == WEEKDAY else values)


def _even(items: list[str], values: list[int]) -> bool:
    stepped = all("*" in item or "/" in item or item == "0-23" for item in items)
    gap = 24 // len(values)
    return stepped and len(values) > 1 and values == [*range(values[0] % gap, 24, gap)]


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """The days of a cycle. Where both fields of days are restricted, one that fits either is one."""

    day: Values
    month: Values
    weekday: Values
    _months: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    @property
    def never(self) -> bool:
        """Whether no month has such a day."""
        longest = max(LONGEST_MONTHS[month] for month in self.month.values)
        return self.weekday.free and not self.day.last and self.day.values[0] > longest

    def has(self, ordinal: int) -> bool:
        """Whether a day, by its number since the year 1, is one."""
        day = date.fromordinal(ordinal)
        return day.day in self._of(day.year, day.month)

    def after(self, ordinal: int, last_year: int) -> int | None:
        """The first one after a day, strictly; None where that lies after a year."""
        day = date.fromordinal(ordinal)
        year, month, least = day.year, day.month, day.day
        for _ in range(YEARS * 12 + 1):
            found = self._of(year, month)
            at = bisect_right(found, least)
            if at < len(found):
                return date(year, month, found[at]).toordinal()
            year, month, least = year + month // 12, month % 12 + 1, 0
            if year > last_year:
                break
        return None

    def _of(self, year: int, month: int) -> tuple[int, ...]:
        """The days of a month: there are only 28 kinds of them."""
        if month not in self.month.values:
            return ()
        kind = calendar.monthrange(year, month)
        found = self._months.get(kind)
        if found is None:
            found = self._months[kind] = self._fitting(*kind)
        return found

    def _fitting(self, first: int, length: int) -> tuple[int, ...]:
        every = range(1, length + 1)
        days = {day for day in every if day in self.day.values or (self.day.last and day == length)}
        weekdays = {day for day in every if self._on_weekday(day, (first + day) % 7, length)}
        either = not self.day.free and not self.weekday.free
        return tuple(sorted(days | weekdays if either else days & weekdays))

    def _on_weekday(self, day: int, weekday: int, length: int) -> bool:
        number = 0 if day > length - 7 else None
        return (
            weekday in self.weekday.values
            or (weekday, (day + 6) // 7) in self.weekday.numbered
            or (weekday, number) in self.weekday.numbered
        )


@lru_cache(maxsize=4096)
def days(day: Values, month: Values, weekday: Values) -> Days:
    """The days that three fields make, shared by all cycles of the same."""
    return Days(day, month, weekday)
