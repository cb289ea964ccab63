"""Cycles around every change of every clock, against a count of all minutes that knows nothing of the code."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytz

from taskproc.cron import parse
from taskproc.zones import DAY, zone
from tests.clocks import Change, Minutes, Wanted, changes, cycles, millis

FIRST, LAST = 2016, 2026
ALL = bool(os.environ.get("TASKPROC_ALL_CHANGES"))
"""Every change of every zone, some thousands: minutes. Without it one of each kind."""

PARTS = 12
DOCS = Path(__file__).resolve().parent.parent / "docs"


def chosen() -> list[Change]:
    found = [*changes(FIRST, LAST)]
    return found if ALL else [*{change.kind: change for change in found}.values()]


def wrong(change: Change, minutes: Minutes, wanted: Wanted) -> str | None:
    """How what a cycle does differs from what it ought to do; None where it doesn't."""
    cron = parse(wanted.expression, change.zone)
    expected = [millis(instant) for instant in minutes.expected(wanted)]
    # The first moments are left out: which wall times the clock had reached before isn't known there.
    begin, end = millis(minutes.instants[0]) + DAY // 12, millis(minutes.instants[-1])
    for moment in range(begin, end - DAY // 2, DAY // 144 + 7_001):
        later = [at for at in expected if at > moment]
        if later and cron.after(moment) != later[0]:
            return f"{change} {wanted.expression!r}: wrong after {datetime.fromtimestamp(moment / 1000, UTC).isoformat()}"
    found, moment = [], begin - 1
    while (at := cron.after(moment)) is not None and at <= end:
        found.append(at)
        moment = at
    if found == [at for at in expected if at >= begin] and all(cycle.by_clock is wanted.by_clock for cycle in cron.cycles):
        return None
    odd = {*found} ^ {at for at in expected if at >= begin}
    return f"{change} {wanted.expression!r}: {sorted(datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in odd)}"


@pytest.mark.row("CT-49")
@pytest.mark.timeout(1200 if ALL else 60)
@pytest.mark.parametrize("part", range(PARTS))
def test_cycles_around_every_kind_of_change_of_the_clock(part: int) -> None:
    found = []
    for change in chosen()[part::PARTS]:
        minutes = Minutes(change)
        found += [told for wanted in cycles(change) if (told := wrong(change, minutes, wanted))]
    assert not found


def test_there_are_changes_of_many_kinds() -> None:
    found = chosen()
    assert len({change.zone for change in changes(FIRST, LAST)}) > 200
    assert {change.after > change.before for change in found} == {True, False}
    assert {abs(change.after - change.before) for change in found} >= {timedelta(minutes=m) for m in (30, 60, 120, 180)}


def test_no_clock_is_changed_twice_within_two_days() -> None:
    """What the search for changes relies on: it looks once a day."""
    last: dict[str, datetime] = {}
    for change in changes(1970, 2037):
        assert change.at - last.get(change.zone, datetime.min) > timedelta(days=2), change
        last[change.zone] = change.at


@pytest.mark.parametrize("name", pytz.all_timezones[::7])
def test_a_clock_shows_what_that_of_the_database_shows(name: str) -> None:
    shown = pytz.timezone(name)
    for month in range(0, 12 * 64, 5):  # before, pytz rounds one to minutes
        instant = datetime(1973 + month // 12, month % 12 + 1, 28, 23, 59, 59)
        offset = zone(name).segment(millis(instant)).offset
        assert instant + timedelta(milliseconds=offset) == shown.fromutc(instant).replace(tzinfo=None)


def test_summer_time_goes_on_after_2037() -> None:
    noon = datetime(2060, 7, 1, 10)
    assert parse("0 12 * * *", "Europe/Berlin").after(millis(noon) - 1) == millis(noon)


def test_a_day_that_a_place_has_left_out_fires_at_the_change() -> None:
    """Samoa had no 30 December 2011."""
    cron = parse("0 9 * * *", "Pacific/Apia")
    moment, found = millis(datetime(2011, 12, 28, 20)), []
    for _ in range(3):
        moment = cron.after(moment) or 0
        found.append(datetime.fromtimestamp(moment / 1000, UTC))
    assert [at.isoformat() for at in found] == [
        "2011-12-29T19:00:00+00:00",
        "2011-12-30T10:00:00+00:00",
        "2011-12-30T19:00:00+00:00",
    ]


ROWS = re.findall(r"^\| `([^`]+)` \| ([\d:+, ]+) \| ([\d:+, ]+) \|$", (DOCS / "schedules.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("expression", "spring", "autumn"), ROWS)
def test_the_examples_of_the_docs(expression: str, spring: str, autumn: str) -> None:
    berlin = pytz.timezone("Europe/Berlin")
    cron = parse(expression, "Europe/Berlin")
    for told, first, last in (
        (spring, datetime(2026, 3, 29, 0), datetime(2026, 3, 29, 2)),
        (autumn, datetime(2026, 10, 24, 23), datetime(2026, 10, 25, 3)),
    ):
        found, moment = [], millis(first) - 1
        while (moment := cron.after(moment) or 0) <= millis(last):
            found.append(datetime.fromtimestamp(moment / 1000, UTC).astimezone(berlin).isoformat()[11:])
        assert [at.replace(":00+", "+", 1) for at in found] == told.split(", ")


def test_the_docs_have_examples() -> None:
    assert len(ROWS) == 8
