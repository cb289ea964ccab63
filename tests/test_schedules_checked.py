"""What a schedule refuses, by name, and what is stored of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskproc import InvalidValue
from taskproc.errors import CorruptRecord
from taskproc.occurrences import Occurrences
from taskproc.schedule import Schedule
from tests import schedule_rules as rules
from tests.scheduling import HOUR, NOON, schedule

AN_HOUR_EAST = timezone(HOUR)

ANY = settings(deadline=None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"id": ""}, "id=''"),
        ({"id": None}, "id=None"),
        ({"id": 5}, "id=5"),
        ({"id": b"a"}, "id=b'a'"),
        ({"id": "ä" * 128}, "id of 256 bytes: at most 255"),
        ({"id": "\ud800"}, "id: it can't be encoded"),
        ({"tenant": ""}, "tenant of 0 bytes"),
        ({"tenant": None}, "tenant None"),
        ({"cron": "nonsense"}, "cron='nonsense': 1 fields"),
        ({"cron": 5}, "cron must be a text, not int"),
        ({"cron": ["* * * * *"]}, "cron must be a text, not list"),
        ({"cron": "0 0 30 2 *"}, "cron='0 0 30 2 *': the day of month '30' never comes"),
        ({"cron": "0 0 3 * * *"}, "cron='0 0 3 * * *': six fields, seconds first, need the option cron_seconds=True"),
        ({"cron": "0 3 * * *|0 0 3 * * *"}, "need the option cron_seconds"),
        ({"queue": "a b"}, "queue name 'a b'"),
        ({"queue": None}, "queue name None"),
        ({"label": 5}, "label must be a text"),
        ({"label": "x" * 1001}, "label of 1001 bytes"),
        ({"timezone": "Nowhere"}, "timezone='Nowhere'"),
        ({"timezone": None}, "timezone=None"),
        ({"timezone": []}, "timezone=[]"),
        ({"timezone": UTC}, "timezone="),
        ({"unique": 1}, "unique=1"),
        ({"expire": 0}, "expire=0"),
        ({"expire": "1"}, "expire='1'"),
        ({"misfire": "never"}, "misfire='never': use one of once, all, skip"),
        ({"misfire": None}, "misfire=None"),
        ({"every": 0}, "every=0: it must be at least a tenth of a second"),
        ({"every": timedelta(-1)}, "every="),
        ({"every": float("nan")}, "every=nan"),
        ({"every": "1h"}, "every='1h'"),
        ({"at": datetime(2026, 1, 1)}, "at=datetime.datetime(2026, 1, 1, 0, 0): it has no time zone"),
        ({"at": 5}, "at=5"),
        ({"at": datetime(9995, 1, 1, tzinfo=UTC)}, "it must lie before the year 9991"),
        ({"start": datetime(2026, 1, 1)}, "start=datetime.datetime(2026, 1, 1, 0, 0): it has no time zone"),
        ({"end": "tomorrow"}, "end='tomorrow'"),
        ({"start": NOON, "end": NOON - HOUR}, "end="),
        ({"at": NOON, "start": NOON}, "start: a schedule that runs once"),
        ({"at": NOON, "end": NOON}, "end: a schedule that runs once"),
        ({"next_run": rules.doubling, "start": NOON}, "start: next_run says itself"),
        ({"max_runs": 0}, "max_runs=0"),
        ({"max_runs": True}, "max_runs=True"),
        ({"jitter": -1}, "jitter=-1"),
        ({"next_run": lambda last: None}, "next_run="),
        ({"next_run": rules.local()}, "next_run="),
        ({"next_run": rules.Rules().method}, "next_run="),
        ({"next_run": rules.Rules.method}, "next_run="),
        ({"next_run": rules.HIDDEN}, "define it at the top of a module"),
        ({"next_run": rules.later}, "it must be a plain function"),
        ({"next_run": 5}, "next_run=5"),
        ({"next_run": ""}, "next_run=''"),
        ({"cron": None}, "cron, every, at or next_run: use exactly one; none of them is given"),
        ({"cron": "0 3 * * *", "every": HOUR}, "use exactly one; cron and every are given"),
        ({"at": NOON, "next_run": rules.doubling}, "use exactly one; at and next_run are given"),
    ],
)
def test_a_schedule_that_makes_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        schedule(**options).check()
    with pytest.raises(InvalidValue, match=re.escape(told)):
        Occurrences.of(schedule(**options), cron_seconds=False)


FULL: list[dict[str, Any]] = [
    {"cron": "0 0 3 * * *|@daily", "queue": "low", "label": "täglich", "timezone": "Europe/Berlin", "unique": True},
    {"every": HOUR, "expire": 1.5, "misfire": "all", "start": NOON, "end": NOON + 5 * HOUR, "max_runs": 7, "jitter": 30},
    {"at": datetime(2026, 3, 4, 12, 0, 0, 1234, tzinfo=AN_HOUR_EAST), "misfire": "skip"},
    {"next_run": rules.doubling, "end": NOON + 5 * HOUR},
]


@pytest.mark.parametrize("options", FULL)
def test_what_is_stored_comes_back(options: dict[str, Any]) -> None:
    record = schedule(**options).to_record()
    again = Schedule.from_record({**json.loads(json.dumps(record)), "colour": "green", "v": 99})
    assert again.to_record() == record
    if "next_run" not in options:
        expected = Occurrences.of(schedule(**options)).upcoming(0, 5)
        assert expected
        assert Occurrences.of(again).upcoming(0, 5) == expected


def test_a_record_leaves_defaults_out() -> None:
    assert schedule().to_record() == {"id": "s", "tenant": "acme", "cron": "0 3 * * *"}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "a schedule's record is None"),
        ([], "a schedule's record is []"),
        ({}, "id=None"),
        ({"id": "a", "cron": "0 3 * * *"}, "tenant None"),
        ({"id": "a", "tenant": "t"}, "none of them is given"),
        ({"id": "a", "tenant": "t", "cron": "0 3 * *"}, "cron='0 3 * *'"),
        ({"id": "a", "tenant": "t", "cron": 5}, "cron must be a text"),
        ({"id": "a", "tenant": "t", "every": "1h"}, "every='1h': it is no number of milliseconds"),
        ({"id": "a", "tenant": "t", "every": -5}, "every=-5"),
        ({"id": "a", "tenant": "t", "every": 10**30}, "every=1000000"),
        ({"id": "a", "tenant": "t", "at": True}, "at=True"),
        ({"id": "a", "tenant": "t", "at": 1.5}, "at=1.5"),
        ({"id": "a", "tenant": "t", "at": 10**17}, "at=100000000000000000"),
        ({"id": "a", "tenant": "t", "next_run": 5}, "next_run=5"),
        ({"id": "a", "tenant": "t", "cron": "0 3 * * *", "timezone": "Nowhere"}, "timezone='Nowhere'"),
        ({"id": "a", "tenant": "t", "cron": "0 3 * * *", "unique": "yes"}, "unique='yes'"),
        ({"id": "a", "tenant": "t", "cron": "0 3 * * *", "max_runs": 0}, "max_runs=0"),
    ],
)
def test_a_record_that_is_broken_is_refused_by_name(record: object, told: str) -> None:
    with pytest.raises(CorruptRecord, match=re.escape(told)):
        Schedule.from_record(record)


RECORDS = st.dictionaries(
    st.sampled_from(["id", "tenant", "cron", "queue", "every", "at", "start", "end", "unique", "next_run", "jitter", "x"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2)
    ),
)


@ANY
@given(RECORDS)
def test_any_record_is_a_schedule_or_refused(record: dict[str, Any]) -> None:
    try:
        found = Schedule.from_record({"id": "a", "tenant": "t", "every": 1000, **record})
    except CorruptRecord:
        return
    assert Schedule.from_record(found.to_record()) == found
