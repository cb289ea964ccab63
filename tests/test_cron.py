"""Cron expressions: what is understood and what is refused, and the times they stand for."""

from __future__ import annotations

import calendar
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st

from taskproc import InvalidValue
from taskproc.cron import parse
from taskproc.words import cron_words
from taskproc.zones import LAST

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""

MOMENTS = st.integers(0, 4_102_444_800_000)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"])


def times(expression: str, n: int = 3, after: datetime = NOON, timezone: str = "UTC") -> list[str]:
    """The next times in UTC, as text."""
    cron, moment, found = parse(expression, timezone), ms(after), []
    for _ in range(n):
        moment = cron.after(moment) or 0
        found.append(datetime.fromtimestamp(moment / 1000, UTC).strftime("%y-%m-%d %H:%M:%S").removesuffix(":00"))
    return found


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@pytest.mark.row("BN-14")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", ["26-03-04 12:01", "26-03-04 12:02", "26-03-04 12:03"]),
        ("*/20 * * * *", ["26-03-04 12:20", "26-03-04 12:40", "26-03-04 13:00"]),
        ("5/20 * * * *", ["26-03-04 12:05", "26-03-04 12:25", "26-03-04 12:45"]),
        ("0 8,20 * * *", ["26-03-04 20:00", "26-03-05 08:00", "26-03-05 20:00"]),
        ("0 8-20/6 * * *", ["26-03-04 14:00", "26-03-04 20:00", "26-03-05 08:00"]),
        ("0 22-2/2 * * *", ["26-03-04 22:00", "26-03-05 00:00", "26-03-05 02:00"]),
        ("0 9-9 * * *", ["26-03-05 09:00", "26-03-06 09:00", "26-03-07 09:00"]),
        ("59-59/15 * * * *", ["26-03-04 12:59", "26-03-04 13:59", "26-03-04 14:59"]),
        ("0 0 * * MON-wed", ["26-03-09 00:00", "26-03-10 00:00", "26-03-11 00:00"]),
        ("0 0 * * 7", ["26-03-08 00:00", "26-03-15 00:00", "26-03-22 00:00"]),
        ("0 0 * * 5-7", ["26-03-06 00:00", "26-03-07 00:00", "26-03-08 00:00"]),
        ("0 0 * * SAT-SUN", ["26-03-07 00:00", "26-03-08 00:00", "26-03-14 00:00"]),
        ("0 0 * * 7-7", ["26-03-08 00:00", "26-03-15 00:00", "26-03-22 00:00"]),
        ("0 0 1 JAN,jul *", ["26-07-01 00:00", "27-01-01 00:00", "27-07-01 00:00"]),
        ("0 0 1 nov-feb *", ["26-11-01 00:00", "26-12-01 00:00", "27-01-01 00:00"]),
        ("0 0 L * *", ["26-03-31 00:00", "26-04-30 00:00", "26-05-31 00:00"]),
        ("0 0 15,L 2 *", ["27-02-15 00:00", "27-02-28 00:00", "28-02-15 00:00"]),
        ("0 0 29-L * *", ["26-03-29 00:00", "26-03-30 00:00", "26-03-31 00:00"]),
        ("0 0 * * FRI#2", ["26-03-13 00:00", "26-04-10 00:00", "26-05-08 00:00"]),
        ("0 0 * * MON-TUE#1", ["26-04-06 00:00", "26-04-07 00:00", "26-05-04 00:00"]),
        ("0 0 * * 1#5", ["26-03-30 00:00", "26-06-29 00:00", "26-08-31 00:00"]),
        ("0 0 * * L5,1#2", ["26-03-09 00:00", "26-03-27 00:00", "26-04-13 00:00"]),
        ("0 0 * * LFRI", ["26-03-27 00:00", "26-04-24 00:00", "26-05-29 00:00"]),
        ("0 0 31 * *", ["26-03-31 00:00", "26-05-31 00:00", "26-07-31 00:00"]),
        ("0 0 29 2 *", ["28-02-29 00:00", "32-02-29 00:00", "36-02-29 00:00"]),
        ("0 0 * 2 1#5", ["44-02-29 00:00", "72-02-29 00:00", "12-02-29 00:00"]),
        ("0 0 ? * ?", ["26-03-05 00:00", "26-03-06 00:00", "26-03-07 00:00"]),
        ("\t0  0 * * *  ", ["26-03-05 00:00", "26-03-06 00:00", "26-03-07 00:00"]),
    ],
)
def test_what_an_expression_means(expression: str, expected: list[str]) -> None:
    assert times(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 8 * MON", ["26-03-08 00:00", "26-03-09 00:00", "26-03-16 00:00"]),
        ("0 0 8-9 * 0#2", ["26-03-08 00:00", "26-03-09 00:00", "26-04-08 00:00"]),
        ("0 0 30 2 MON", ["27-02-01 00:00", "27-02-08 00:00", "27-02-15 00:00"]),
        ("0 0 L * L5", ["26-03-27 00:00", "26-03-31 00:00", "26-04-24 00:00"]),
        ("0 0 1-31 * MON", ["26-03-05 00:00", "26-03-06 00:00", "26-03-07 00:00"]),
        ("0 0 */1 * MON", ["26-03-09 00:00", "26-03-16 00:00", "26-03-23 00:00"]),
    ],
)
def test_one_of_two_restricted_days_is_enough(expression: str, expected: list[str]) -> None:
    assert times(expression) == expected


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        (" @Weekly ", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_words_for_expressions(word: str, fields: str) -> None:
    assert times(word) == times(fields)


@pytest.mark.row("CT-47")
def test_the_earliest_of_several_cycles_is_next() -> None:
    seconds = "0 * * * * * | 10 * * * * *|30 * * * * *"
    assert times(seconds, 4) == ["26-03-04 12:00:10", "26-03-04 12:00:30", "26-03-04 12:01", "26-03-04 12:01:10"]
    assert times("0 13 * * *|0,30 13 * * *|@monthly", 3) == ["26-03-04 13:00", "26-03-04 13:30", "26-03-05 13:00"]


@pytest.mark.row("CT-48")
def test_with_six_fields_the_first_is_seconds() -> None:
    assert times("*/25 1 12 * * *", 4) == ["26-03-04 12:01", "26-03-04 12:01:25", "26-03-04 12:01:50", "26-03-05 12:01"]
    assert parse("0 0 12 * * *").seconds
    assert not parse("0 12 * * *").seconds
    assert parse("0 12 * * * | 30 0 12 * * *").seconds


REFUSED = [
    ("", "cron='': it is empty"),
    (" ", "it is empty"),
    ("|", "a cycle beside | is empty"),
    ("* * * * *|", "a cycle beside | is empty"),
    ("* * * *", "4 fields; a cycle has 5, or 6 with seconds first"),
    ("* * * * * * 2027", "7 fields"),
    ("@reboot", "'@reboot' is none of @hourly"),
    ("@every 5m", "'@every 5m' is none of @hourly"),
    ("60 * * * *", "the minute field '60': 60 is not from 0 to 59"),
    ("0 24 * * *", "the hour field '24': 24 is not from 0 to 23"),
    ("0 0 0 * *", "the day of month field '0': 0 is not from 1 to 31"),
    ("0 0 32 * *", "the day of month field '32'"),
    ("0 0 * 13 *", "the month field '13'"),
    ("0 0 * * 8", "the day of week field '8': 8 is not from 0 to 7"),
    ("61 0 0 * * *", "the second field '61'"),
    ("*/0 * * * *", "the minute field '*/0': a step must be from 1 to 60"),
    ("*/90 * * * *", "the minute field '*/90': a step must be from 1 to 60"),
    ("0 0 * * 5#6", "the day of week field '5#6'"),
    ("0 0 * * 5#0", "the day of week field '5#0'"),
    ("0 0 * * *#1", "the day of week field '*#1'"),
    ("0 0 * * 1,2#2", "numbered weekdays can't stand beside others"),
    ("0 0 * * L", "the day of week field 'L'"),
    ("0 0 L-3 * *", "the day of month field 'L-3'"),
    ("0 0 L/2 * *", "the day of month field 'L/2'"),
    ("0 0 15W * *", "the day of month field '15W'"),
    ("L * * * *", "the minute field 'L'"),
    ("? * * * *", "the minute field '?'"),
    ("H H * * *", "the minute field 'H': 'h' isn't understood"),
    ("R * * * *", "the minute field 'R': 'r' isn't understood"),
    ("R(0-9) * * * *", "the minute field 'R(0-9)'"),
    ("0 0 * * MONDAY", "the day of week field 'MONDAY'"),
    ("0 0 * MON *", "the month field 'MON'"),
    ("0 0 JAN * *", "the day of month field 'JAN'"),
    ("0 0 * * 1MON", "the day of week field '1MON'"),
    ("1,,2 * * * *", "the minute field '1,,2': '' isn't understood"),
    ("*-5 * * * *", "the minute field '*-5'"),
    ("-1 * * * *", "the minute field '-1'"),
    ("1.5 * * * *", "the minute field '1.5'"),
    ("٣ * * * *", "the minute field '٣'"),
    ("5 * * * *\x00", "the day of week field '*\\x00'"),
    ("0\u00a00 * * *", "4 fields"),
    ("0 0 30 2 *", "the day of month '30' never comes in the month '2'"),
    ("0 0 31 4,JUN,9,11 *", "the day of month '31' never comes in the month '4,JUN,9,11'"),
    ("@daily|0 0 30-31 FEB *", "the day of month '30-31' never comes"),
    ("0 0 1 1 * " * 200, "cron of 2000 bytes: at most 1000"),
    ("0 0 * * \ud800", "can't be encoded"),
]


@pytest.mark.parametrize(("expression", "told"), REFUSED)
def test_an_expression_that_makes_no_sense_is_refused_at_once(expression: str, told: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidValue, match=re.escape(told)) as error:
        parse(expression)
    assert str(error.value).startswith("cron")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("timezone", "told"),
    [
        ("Mars/Olympus", "timezone='Mars/Olympus': use a name of the tz database, such as"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("", "timezone=''"),
        ("../../etc/passwd", "timezone="),
        ("+01:00", "timezone="),
        ("\ud800", "timezone="),
    ],
)
def test_a_zone_that_does_not_exist_is_refused(timezone: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        parse("* * * * *", timezone)


def test_no_occurrence_after_the_end_of_all_years() -> None:
    cron = parse("0 0 29 2 *", "Pacific/Kiritimati")
    assert cron.after(LAST - 1) is None
    assert cron.after(LAST + 10**15) is None
    assert parse("* * * * *").after(-(10**18)) == 0
    assert parse("0 0 29 2 *").after(LAST - 1) is None


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 3 * * *", "At 03:00"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("0 18 * * MON-FRI", "At 18:00, Monday through Friday"),
        ("30 0 0 1 1 *", "At 00:00:30, on day 1 of the month, only in January"),
        ("0 9 * * 1|@hourly", "At 09:00, only on Monday and every hour"),
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 0 * * LFRI", "At 00:00, on the last Friday of the month"),
        ("0 0 * * L5,1#2", "At 00:00, on the second Monday of the month and at 00:00, on the last Friday of the month"),
        ("0 0 1,L * *", "At 00:00, on day 1 of the month and at 00:00, on the last day of the month"),
        ("0 0 1,15 * MON", "At 00:00, on day 1 and 15 of the month and at 00:00, only on Monday"),
    ],
)
def test_an_expression_in_words(expression: str, said: str) -> None:
    assert cron_words(expression) == said


def test_the_longest_wait_takes_no_time() -> None:
    """A fifth Monday in February, and 29 February over a year that is no leap year."""
    started = time.process_time()
    cron = parse("0 0 * 2 MON#5", "Antarctica/Troll")
    moment = 0
    while (moment := cron.after(moment) or LAST) < LAST:
        pass
    assert time.process_time() - started < 5
    assert calendar.isleap(2096)
    assert times("0 0 29 2 *", 1, datetime(2096, 3, 1, tzinfo=UTC)) == ["04-02-29 00:00"]
