"""Whatever stands in a cron expression: its times against those of others, and against themselves."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock

import pytest
from croniter import croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from taskproc import InvalidValue
from taskproc.cron import parse
from taskproc.words import cron_words

MOMENTS = st.integers(0, 4_102_444_800_000)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"])

ANY = settings(deadline=None)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@dataclass(frozen=True)
class Made:
    """A field that was made: its text, and what it stands for."""

    text: str
    values: frozenset[int]
    free: bool = False


def items(low: int, high: int) -> st.SearchStrategy[Made]:
    """An item of a field."""
    number, step = st.integers(low, high), st.integers(2, min(9, high))
    every = range(low, high + 1)
    return st.one_of(
        st.just(Made("*", frozenset(every), free=True)),
        step.map(lambda by: Made(f"*/{by}", frozenset(every[::by]))),
        number.map(lambda n: Made(str(n), frozenset({n}))),
        st.tuples(number, number, step).map(lambda of: stepped(*of, low, high)),
        st.tuples(number, number).map(lambda of: Made(f"{of[0]}-{of[1]}", frozenset(turned(*of, low, high)))),
    )


def turned(first: int, last: int, low: int, high: int) -> list[int]:
    """From one to another, round the end of the field where that lies between."""
    return [*range(first, last + 1)] if first <= last else [*range(first, high + 1), *range(low, last + 1)]


def stepped(first: int, last: int, step: int, low: int, high: int) -> Made:
    return Made(f"{first}-{last}/{step}", frozenset(turned(first, last, low, high)[::step]))


def fields(low: int, high: int) -> st.SearchStrategy[Made]:
    """A field of one to three items."""
    return st.lists(items(low, high), min_size=1, max_size=3).map(
        lambda found: Made(
            ",".join(item.text for item in found),
            frozenset().union(*(item.values for item in found)),
            any(item.free for item in found),
        )
    )


CYCLES = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6))


def expected_after(moment: int, cycle: tuple[Made, ...]) -> datetime | None:
    """The next time of a cycle in UTC, found by looking at one day after the other."""
    minute, hour, day, month, weekday = cycle
    after = datetime(1970, 1, 1) + timedelta(milliseconds=moment)
    times_of_day = sorted(clock(h, m) for h in hour.values for m in minute.values)
    for n in range(366 * 9):
        at = after.date() + timedelta(days=n)
        if at.month not in month.values:
            continue
        on_day, on_weekday = at.day in day.values, at.isoweekday() % 7 in weekday.values
        if (on_day and on_weekday) or ((on_day or on_weekday) and not (day.free or weekday.free)):
            later = [found for found in times_of_day if datetime.combine(at, found) > after]
            if later:
                return datetime.combine(at, later[0])
    return None


@ANY
@given(CYCLES, MOMENTS)
def test_the_next_time_is_the_first_that_fits(cycle: tuple[Made, ...], moment: int) -> None:
    expression = " ".join(field.text for field in cycle)
    expected = expected_after(moment, cycle)
    if expected is None:
        with pytest.raises(InvalidValue, match="never comes"):
            parse(expression)
    else:
        assert parse(expression).after(moment) == ms(expected.replace(tzinfo=UTC))


@ANY
@given(CYCLES, MOMENTS)
def test_in_utc_the_times_are_those_of_croniter(cycle: tuple[Made, ...], moment: int) -> None:
    expression = " ".join(field.text for field in cycle)
    # To croniter 9-9 is all of them, it loses count where a range with a step wraps, and a list of all days is sometimes *.
    ranges = re.findall(r"(\d+)-(\d+)(/?)", expression)
    assume(all(int(low) < int(high) or (low != high and not step) for low, high, step in ranges))
    assume(all(field.free or len(field.values) < size for field, size in ((cycle[2], 31), (cycle[4], 7))))
    assume(expected_after(moment, cycle))
    theirs = croniter(expression, datetime(1970, 1, 1) + timedelta(milliseconds=moment)).get_next(datetime)
    assert parse(expression).after(moment) == ms(theirs.replace(tzinfo=UTC))


@ANY
@given(CYCLES, ZONES, MOMENTS, MOMENTS)
def test_the_next_time_never_comes_earlier_for_a_later_moment(
    cycle: tuple[Made, ...], timezone: str, one: int, other: int
) -> None:
    expression = " ".join(field.text for field in cycle)
    try:
        cron = parse(expression, timezone)
    except InvalidValue:
        return
    early, late = sorted((one, other))
    first, second = cron.after(early), cron.after(late)
    assert first is not None
    assert second is not None
    assert early < first <= second
    assert late < second
    assert cron.after(early) == first
    assert cron.after(first - 1) == first
    assert cron.after((early + first) // 2 if early < first - 1 else early) == first


@ANY
@given(CYCLES, ZONES, MOMENTS)
def test_five_fields_are_six_with_a_second_of_zero(cycle: tuple[Made, ...], timezone: str, moment: int) -> None:
    expression = " ".join(field.text for field in cycle)
    try:
        five = parse(expression, timezone)
    except InvalidValue:
        return
    assert parse(f"0 {expression}", timezone).after(moment) == five.after(moment)


PIECES = st.sampled_from(
    [*"0123456789*/-,#L?| @\té\x00", "MON", "fri#2", "L5", "JAN", "* ", "*/5 ", "0 0 ", "0 ", "@daily", "1-5", " *"]
)


@ANY
@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=24).map("".join)), MOMENTS)
@example("0 0 * * 0-7#5|* * * * *", 0)
def test_any_text_is_a_schedule_or_refused_by_name(expression: str, moment: int) -> None:
    started = time.process_time()
    try:
        cron = parse(expression, "Europe/Berlin")
    except InvalidValue as error:
        assert str(error).startswith("cron")  # noqa: PT017
    else:
        found = cron.after(moment)
        assert found is not None
        assert found > moment
        assert cron_words(expression)
    assert time.process_time() - started < 1


@ANY
@given(CYCLES)
def test_every_expression_can_be_said_in_words(cycle: tuple[Made, ...]) -> None:
    expression = " ".join(field.text for field in cycle)
    try:
        parse(expression)
    except InvalidValue:
        return
    assert cron_words(expression)
