"""When a schedule fires: cycles, intervals, single times and functions, with bounds and jitter."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskproc import InvalidValue
from taskproc.occurrences import Occurrences, jitter_ms
from taskproc.schedule import Schedule
from taskproc.values import from_ms
from tests import schedule_rules as rules
from tests.scheduling import HOUR, NOON, ms, schedule

AN_HOUR_EAST = timezone(HOUR)

ANY = settings(deadline=None)


def upcoming(given: Schedule, n: int = 3, after: datetime = NOON, **options: Any) -> list[str]:
    """The next times in UTC, as text."""
    found = Occurrences.of(given, **options).upcoming(ms(after), n)
    return [from_ms(at).strftime("%m-%d %H:%M:%S").removesuffix(":00") for at in found]


def test_the_promised_form() -> None:
    by_name = Schedule(
        id="hourly-mail",
        tenant="acme",
        cron="0 */1 * * *",
        timezone="Europe/Berlin",
        queue="default",
        label="Send hourly email",
        unique=True,
    )
    by_place = Schedule(
        "hourly-mail", "acme", "0 */1 * * *", "default", "Send hourly email", "Europe/Berlin", True, None, "once"
    )
    assert by_name == by_place
    assert hash(by_name) == hash(by_place)
    assert by_name.check() is by_name
    assert upcoming(by_name) == ["03-04 13:00", "03-04 14:00", "03-04 15:00"]
    with pytest.raises(FrozenInstanceError):
        by_name.id = "other"  # type: ignore[misc]


def test_bounds_between_which_nothing_comes() -> None:
    with pytest.raises(InvalidValue, match=r"end=.*nothing comes between start and end"):
        Occurrences.of(schedule(start=NOON, end=NOON + 14 * HOUR, jitter=10_000))
    assert upcoming(schedule(start=NOON, end=NOON + 15 * HOUR)) == ["03-05 03:00"]


@ANY
@given(st.text(min_size=1, max_size=60).filter(lambda text: text.encode(errors="ignore").decode() == text))
def test_ids_with_any_characters(given: str) -> None:
    one = schedule(id=given, tenant=given, jitter=60)
    again = Schedule.from_record(json.loads(json.dumps(one.check().to_record())))
    assert again.id == given
    assert jitter_ms(again) == jitter_ms(one)


@pytest.mark.row("CT-47")
def test_several_cycles_in_one_schedule() -> None:
    seconds = schedule(cron="0 * * * * *|10 * * * * *|30 * * * * *")
    assert upcoming(seconds, 4) == ["03-04 12:00:10", "03-04 12:00:30", "03-04 12:01", "03-04 12:01:10"]


@pytest.mark.row("CT-48")
def test_six_fields_only_where_seconds_are_on_and_five_there_too() -> None:
    assert schedule(cron="30 0 3 * * *").check(cron_seconds=True)
    assert schedule(cron="0 3 * * *").check(cron_seconds=True)
    assert upcoming(schedule(cron="0 3 * * *"), cron_seconds=True) == upcoming(schedule(cron="0 0 3 * * *"))


@pytest.mark.row("PJ-14")
@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["03-04 12:01", "03-04 12:02"]),
        ("0 * * * *", ["03-04 13:00", "03-04 14:00"]),
        ("0 4 * * *", ["03-05 04:00", "03-06 04:00"]),
        ("0 4 * * 1", ["03-09 04:00", "03-16 04:00"]),
        ("0 4 * * 1|30 12 * * *", ["03-04 12:30", "03-05 12:30"]),
    ],
)
def test_each_minute_hour_day_and_week(cron: str, expected: list[str]) -> None:
    assert upcoming(schedule(cron=cron), 2) == expected


@pytest.mark.row("CT-49")
def test_a_time_in_the_zone_of_the_schedule_on_both_days_of_the_change() -> None:
    berlin = schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    spring, autumn = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)
    assert upcoming(berlin, after=spring) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]
    assert upcoming(berlin, after=autumn) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]


def test_an_interval_is_counted_from_its_start_by_real_time() -> None:
    berlin, night = "Europe/Berlin", datetime(2026, 3, 28, 22, 40, tzinfo=UTC)
    every = schedule(every=timedelta(hours=2), start=night, timezone=berlin)
    assert upcoming(every, 4) == ["03-28 22:40", "03-29 00:40", "03-29 02:40", "03-29 04:40"]
    assert upcoming(every, 2, after=night) == ["03-29 00:40", "03-29 02:40"]
    assert upcoming(schedule(every=7200), 2) == ["03-04 14:00", "03-04 16:00"]
    assert upcoming(schedule(every=7200), 2, anchor=ms(NOON) - 60_000) == ["03-04 13:59", "03-04 15:59"]
    assert upcoming(schedule(every=7200), 2, anchor=ms(NOON + 9 * HOUR)) == ["03-04 21:00", "03-04 23:00"]
    assert upcoming(schedule(every=0.25), 2) == ["03-04 12:00", "03-04 12:00"]


def test_one_time_is_due_once() -> None:
    once = Occurrences.of(schedule(at=datetime(2026, 3, 4, 14, tzinfo=AN_HOUR_EAST)))
    thirteen = ms(NOON + HOUR)
    assert once.upcoming(ms(NOON), 3) == [thirteen]
    assert once.next_after(thirteen) is None
    assert once.first(ms(NOON)) == thirteen
    assert once.first(thirteen + 5000) == thirteen
    assert once.first(ms(NOON), runs=1) is None
    assert once.next_after(ms(NOON), runs=1) is None


def test_no_occurrence_outside_its_bounds() -> None:
    bounded = schedule(cron="0 * * * *", start=NOON + 2 * HOUR, end=NOON + 4 * HOUR)
    assert upcoming(bounded, 9) == ["03-04 14:00", "03-04 15:00", "03-04 16:00"]
    assert upcoming(replace(bounded, start=None), 9, after=NOON + 3 * HOUR) == ["03-04 16:00"]
    late = replace(bounded, jitter=600)
    assert [at - jitter_ms(late) for at in Occurrences.of(late).upcoming(ms(NOON), 9)] == [
        ms(NOON + hours * HOUR) for hours in (2, 3, 4)
    ]


def test_no_more_runs_than_wanted() -> None:
    thrice = Occurrences.of(schedule(every=HOUR, max_runs=3))
    assert len(thrice.upcoming(ms(NOON), 9)) == 3
    assert len(thrice.upcoming(ms(NOON), 9, runs=2)) == 1
    assert len(thrice.missed(ms(NOON), ms(NOON + 9 * HOUR), 9, runs=1)) == 2
    assert thrice.next_after(ms(NOON), runs=3) is None
    assert thrice.first(ms(NOON), runs=3) is None


def test_what_was_missed_is_bounded_and_the_oldest_comes_first() -> None:
    hourly = Occurrences.of(schedule(cron="0 * * * *"))
    last, now = ms(NOON), ms(NOON + 5 * HOUR)
    assert hourly.missed(last, now, 100) == [ms(NOON + n * HOUR) for n in range(1, 6)]
    assert hourly.missed(last, now - 1, 100) == [ms(NOON + n * HOUR) for n in range(1, 5)]
    assert hourly.missed(last, now, 2) == [ms(NOON + HOUR), ms(NOON + 2 * HOUR)]
    assert hourly.missed(last, last, 100) == []
    started = time.process_time()
    assert len(Occurrences.of(schedule(cron="* * * * * *")).missed(0, ms(NOON), 1000)) == 1000
    assert time.process_time() - started < 2


def test_jitter_is_stable_and_evenly_spread() -> None:
    width = timedelta(minutes=10)
    midnights = [schedule(id=f"s{n}", cron="0 0 * * *", jitter=width) for n in range(2000)]
    found = [jitter_ms(one) for one in midnights]
    assert min(found) >= 0
    assert max(found) < 600_000
    tenths = [sum(at // 60_000 == minute for at in found) for minute in range(10)]
    assert min(tenths) > 130
    assert len({jitter_ms(schedule(id=id, tenant=tenant, jitter=width)) for id, tenant in (("ab", "c"), ("b", "ca"))}) == 2
    assert jitter_ms(schedule(id="s1", jitter=width)) == jitter_ms(schedule(id="s1", every=5, jitter=600))
    assert jitter_ms(schedule(id="s1", jitter=width)) == 587_543
    assert jitter_ms(schedule(jitter=0)) == 0
    one, midnight = Occurrences.of(midnights[0]), ms(datetime(2026, 3, 5, tzinfo=UTC))
    assert one.next_after(midnight) == midnight + found[0]
    assert one.next_after(midnight + found[0]) == midnight + 86_400_000 + found[0]


@pytest.mark.row("PJ-14")
def test_a_function_of_ones_own_gets_the_last_time_and_ends_it() -> None:
    own = Occurrences.of(schedule(next_run=rules.doubling))
    assert own.first(0) == ms(NOON)
    assert own.upcoming(ms(NOON), 9) == [ms(NOON + hours * HOUR) for hours in (1, 2, 4)]
    assert own.next_after(ms(NOON + 4 * HOUR)) is None
    stored = Schedule.from_record(schedule(next_run=rules.doubling).to_record())
    assert stored.next_run == "tests.schedule_rules.doubling"
    asked: list[str] = []

    def resolve(name: str) -> Callable[[datetime | None], datetime | None]:
        asked.append(name)
        return rules.doubling

    assert Occurrences.of(stored, resolve=resolve).upcoming(ms(NOON), 9) == own.upcoming(ms(NOON), 9)
    assert asked == ["tests.schedule_rules.doubling"]
    with pytest.raises(InvalidValue, match=r"next_run='tests.schedule_rules.doubling': it isn't known here"):
        Occurrences.of(stored)
    late = schedule(next_run=rules.doubling, end=NOON + HOUR, jitter=60)
    delay = jitter_ms(late)
    assert Occurrences.of(late).upcoming(ms(NOON) + delay, 9) == [ms(NOON + HOUR) + delay]


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (rules.backwards, "next_run: after 2026-03-04 12:00:00+00:00 it gave 2026-03-04 12:00:00+00:00, which isn't later"),
        (rules.naive, "next_run=datetime.datetime(2026, 3, 4, 0, 0): it has no time zone"),
        (rules.nonsense, "next_run='soon': use a datetime"),
    ],
)
def test_a_function_of_ones_own_that_says_nonsense(function: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        Occurrences.of(schedule(next_run=function)).next_after(ms(NOON))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cron": "0 3 * * *"}, "At 03:00"),
        ({"cron": "0 3 * * *", "timezone": "Europe/Berlin"}, "At 03:00 (Europe/Berlin)"),
        ({"cron": "0 9 * * 1|@hourly"}, "At 09:00, only on Monday and every hour"),
        ({"every": HOUR}, "Every hour"),
        ({"every": 90 * 60}, "Every 1 hour and 30 minutes"),
        ({"every": 2.5}, "Every 2 seconds and 500 milliseconds"),
        ({"every": timedelta(days=14)}, "Every 14 days"),
        ({"every": timedelta(1, 3661)}, "Every 1 day, 1 hour, 1 minute and 1 second"),
        ({"at": NOON}, "Once, at 2026-03-04 12:00 UTC"),
        ({"at": NOON + timedelta(seconds=5), "timezone": "Asia/Tokyo"}, "Once, at 2026-03-04 21:00:05 Asia/Tokyo"),
        ({"next_run": rules.doubling}, "When tests.schedule_rules.doubling says"),
    ],
)
def test_a_schedule_in_words(options: dict[str, Any], said: str) -> None:
    assert Occurrences.of(schedule(**options)).words() == said


SCHEDULES = st.builds(
    schedule,
    id=st.sampled_from("abc"),
    cron=st.sampled_from(["*/15 * * * *", "30 2 * * *", "0 0 L * *", "5,10 * * * * *", "0 */2 * * 1-5|@daily"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    jitter=st.one_of(st.none(), st.integers(0, 100_000)),
    start=st.one_of(st.none(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))),
    max_runs=st.one_of(st.none(), st.integers(1, 6)),
)


@ANY
@given(SCHEDULES, st.integers(1_500_000_000_000, 2_000_000_000_000), st.integers(0, 5), st.integers(0, 3))
def test_upcoming_is_one_next_after_another(given: Schedule, moment: int, n: int, runs: int) -> None:
    occurrences = Occurrences.of(given)
    found: list[int] = []
    at: int | None = moment
    while len(found) < n and (at := occurrences.next_after(at, runs + len(found))) is not None:
        assert at > (found[-1] if found else moment)
        found.append(at)
    assert occurrences.upcoming(moment, n, runs) == found
    if found:
        assert occurrences.missed(moment, found[-1], n, runs) == found
        assert occurrences.next_after(found[0] - 1, runs) == found[0]


def test_ten_thousand_schedules_in_about_a_second() -> None:
    """From what is stored to the next time: about a third of that where nothing else runs."""
    numbers = random.Random(5)
    zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]
    records = [
        schedule(
            id=f"s{n}",
            cron=numbers.choice(["{} {} * * *", "{} {} * * 1-5", "*/{} * * * *", "{} {} L * *", "{} * * * *"]).format(
                numbers.randrange(1, 60), numbers.randrange(24)
            ),
            timezone=numbers.choice(zones),
            jitter=60,
        ).to_record()
        for n in range(10_000)
    ]
    started = time.process_time()
    for record in records:
        assert Occurrences.of(Schedule.from_record(record)).next_after(ms(NOON))
    assert time.process_time() - started < 4
