"""Schedules in words."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from taskproc import cronfields
from taskproc.cron import split
from taskproc.schedule import Schedule, every_ms, next_run_name
from taskproc.zones import zone

UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("millisecond", 1))


def of(schedule: Schedule) -> str:
    """A schedule in words, such as ``At 03:00, only on Monday (Europe/Berlin)``."""
    if schedule.cron is not None:
        place = "" if schedule.timezone == "UTC" else f" ({schedule.timezone})"
        return cron_words(schedule.cron) + place
    if schedule.every is not None:
        return f"Every {duration_words(every_ms(schedule.every))}"
    if schedule.at is not None:
        return f"Once, at {_time_words(schedule.at, schedule.timezone)}"
    return f"When {next_run_name(schedule.next_run)} says"


@lru_cache(maxsize=4096)
def cron_words(expression: str) -> str:
    """An expression in words; its cycles are joined by ``and``."""
    # Here, because only those who look at schedules need it.
    from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

    options = Options(locale_code="en_US", use_24hour_time_format=True)
    plain = [cycle for fields in split(expression) for cycle in _plain(fields)]
    found = [ExpressionDescriptor(cycle, options).get_description() for cycle in plain]
    return " and ".join([found[0], *(text[0].lower() + text[1:] for text in found[1:])])


def _plain(fields: tuple[str, ...]) -> list[str]:
    """A cycle as the library reads it, with numbers for names and ``5L`` for the last Friday.

    It becomes several where both days are restricted, and for days by their number or the month's last beside others: the
    library mixes those up.
    """
    first = 6 - len(fields)
    *times, day, month, weekday = (_said(index, text.lower()) for index, text in enumerate(fields, first))
    numbered = cronfields.numbered(weekday)
    days = [(one, "*") for one in (day.split(",") if "l" in day.split(",") else [day])]
    weekdays = [("*", f"{on}#{number}" if number else f"{on}L") for on, number in numbered] or [("*", weekday)]
    either = weekdays if day == "*" else days if weekday == "*" else days + weekdays
    return [" ".join([*times, one, month, other]).upper() for one, other in either]


def _said(index: int, given: str) -> str:
    """A field with numbers for names; a list with steps, which the library can't say, as the numbers it stands for."""
    plain = cronfields.plain(index, given)
    if "," not in plain or "/" not in plain:
        return plain
    values = cronfields.read(index, given, "cron")
    return ",".join([*map(str, values.values), *(["l"] if values.last else [])])


def duration_words(duration: int) -> str:
    """Milliseconds in words, such as ``1 hour and 30 minutes``; one of a unit is the unit alone where nothing follows."""
    found = []
    for name, size in UNITS:
        number, duration = divmod(duration, size)
        if number:
            found.append((number, name))
    if len(found) == 1 and found[0][0] == 1:
        return found[0][1]
    said = [f"{number} {name}{'' if number == 1 else 's'}" for number, name in found]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def _time_words(at: datetime, timezone: str) -> str:
    local = at.astimezone(zone(timezone).info)
    exact = "minutes" if local.replace(second=0, microsecond=0) == local else "seconds"
    return f"{local.replace(tzinfo=None).isoformat(' ', exact)} {timezone}"
