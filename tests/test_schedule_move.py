"""Firing in the script: an occurrence makes one task at most, in its time, whoever tries it how often; none is forgotten."""

from __future__ import annotations

import pytest
import redis

from tests.direct import Direct
from tests.schedule_direct import MINUTE, due, entry, fire, history, indexed, move, pause, put, run, state, store


def test_an_occurrence_makes_a_task_and_the_next_one_is_noted(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    record = direct.record("s", key)
    assert run(direct) == [record["task"].removesuffix("q")]
    assert (record["next"], record["last"], record["runs"]) == (str(direct.now + MINUTE), str(direct.now), "1")
    assert indexed(direct) == {"schedules": {key: direct.now + MINUTE}}
    assert not {"why", "skipped"} & record.keys()


def test_the_same_call_twice_makes_one_task(direct: Direct) -> None:
    key = store(direct)
    again = entry(direct, key)
    assert fire(direct, again) == [1]
    with direct.unchanged():
        assert fire(direct, again) == [-1]
        assert fire(direct, again, again) == [-1, -1]
    direct.wait(MINUTE)
    assert fire(direct, again) == [-1]
    assert direct.counts()[0] == 1


def test_one_that_has_moved_on_is_not_fired_by_what_was_known_before(direct: Direct) -> None:
    key = store(direct)
    stale = entry(direct, key)
    assert put(direct, rule="another", next=direct.now) == [b"ok"]
    with direct.unchanged():
        assert fire(direct, stale) == [-1]
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, next=str(direct.now))) == [-1]
    assert fire(direct, entry(direct, key)) == [1]


def test_one_that_was_cancelled_and_made_again_is_not_fired_by_what_was_known_of_the_first(direct: Direct) -> None:
    key = store(direct)
    stale = entry(direct, key)
    assert direct.once("schedule_cancel", key) == [b"ok"]
    direct.wait(1)
    assert store(direct, next=direct.now - 1) == key
    assert fire(direct, stale) == [-1]
    assert fire(direct, entry(direct, key)) == [1]


@pytest.mark.parametrize("early", [1, MINUTE])
def test_none_fires_before_its_time(direct: Direct, early: int) -> None:
    key = store(direct, next=direct.now + early)
    with direct.unchanged():
        assert fire(direct, entry(direct, key)) == [-1]
    direct.wait(early)
    assert fire(direct, entry(direct, key)) == [1]


def test_a_paused_one_does_not_fire(direct: Direct) -> None:
    key = store(direct)
    known = entry(direct, key)
    assert pause(direct, key) == [b"ok"]
    with direct.unchanged():
        assert fire(direct, known) == [-1]


def test_nothing_fires_while_the_instance_is_paused(direct: Direct) -> None:
    key = store(direct)
    direct.once("instance_pause", 1)
    with direct.unchanged():
        assert move(direct, entry(direct, key), problems=[[key, 0, "", "odd", 1]]) == [b"paused"]
    assert direct.call("schedule_due", 0, 50)[3] == 1
    direct.once("instance_pause", 0)
    assert direct.call("schedule_due", 0, 50)[3] == 0
    assert fire(direct, entry(direct, key)) == [1]


def test_one_that_is_gone_is_passed(direct: Direct) -> None:
    key = store(direct)
    known = entry(direct, key)
    assert direct.once("schedule_cancel", key) == [b"ok"]
    with direct.unchanged():
        assert fire(direct, known) == [-1]


def test_several_occurrences_of_one_are_tasks_of_their_own(direct: Direct) -> None:
    first, last = direct.now, direct.now + 2 * MINUTE
    key = store(direct)
    direct.wait(2 * MINUTE)
    assert fire(direct, entry(direct, key, first, first + MINUTE, last)) == [3]
    assert state(direct, key, "next", "last", "runs") == (str(last + MINUTE), str(last), "3")
    tasks = run(direct)
    assert [(at, task) for _, at, _, _, task in history(direct, key)] == [
        (first + 2 * MINUTE, tasks[2]), (first + MINUTE, tasks[1]), (first, tasks[0])
    ]  # fmt: skip


# how often


def test_no_more_runs_than_there_may_be(direct: Direct) -> None:
    key = store(direct)
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, direct.now - MINUTE, most=3)) == [1]
    direct.wait(MINUTE)
    times = [direct.now - MINUTE, direct.now - 1, direct.now]
    assert fire(direct, entry(direct, key, *times, most=3)) == [2]
    assert state(direct, key, "next", "last", "runs") == ("", str(direct.now - 1), "3")
    assert indexed(direct) == {"over": {key: direct.now}}
    assert direct.counts()[0] == 3


def test_one_that_may_run_no_more_is_over_without_a_task(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key, most=5)) == [1]
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, most=1)) == [0]
    assert (state(direct, key, "next", "runs"), direct.counts()[0]) == (("", "1"), 1)


def test_one_of_which_nothing_comes_any_more_is_over(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key, after="")) == [1]
    assert (state(direct, key, "next"), indexed(direct)) == (("",), {"over": {key: direct.now}})


# bounds


def test_a_call_fires_50_at_most_and_puts_off_as_many(direct: Direct) -> None:
    keys = [store(direct, f"{n:03}") for n in range(120)]
    entries = [entry(direct, key) for key in keys[:60]]
    problems = [[key, entry(direct, key)[1], str(direct.now), "odd", 1_000] for key in keys[60:]]
    assert fire(direct, *entries, problems=problems) == [1] * 50
    assert sorted(due(direct)) == sorted(keys[50:60] + keys[110:])


def test_a_call_stores_no_more_than_a_megabyte_and_one_payload(direct: Direct) -> None:
    keys = [store(direct, f"{n}", payload=b"x" * 400_000) for n in range(4)]
    first = direct.now
    direct.wait(MINUTE)
    assert fire(direct, *(entry(direct, key, first, direct.now) for key in keys)) == [2, 1, 0, 0]
    assert [state(direct, key, "next")[0] for key in keys] == [
        str(direct.now + MINUTE), str(direct.now), str(first), str(first)
    ]  # fmt: skip
    assert sorted(due(direct)) == sorted(keys[1:])
    assert all(state(direct, key, "why") == (None,) for key in keys)
    assert fire(direct, *(entry(direct, key, direct.now, skipped=int(n > 1)) for n, key in enumerate(keys) if n)) == [1] * 3
    assert due(direct) == []


def test_workers_hear_of_one_that_is_due_before_all_others(direct: Direct) -> None:
    listener = direct.client.pubsub()
    listener.subscribe(f"{direct.prefix}control")
    assert listener.get_message(timeout=5) is not None
    store(direct, "two", next=direct.now + 2 * MINUTE)
    assert told(listener) == [b"schedule"]
    key = store(direct, "three", next=direct.now + 3 * MINUTE)
    assert told(listener) == []
    store(direct, "three", rule="another", next=direct.now + MINUTE)
    assert told(listener) == [b"schedule"]
    pause(direct, key)
    assert told(listener) == []
    listener.close()  # type: ignore[no-untyped-call]


def test_who_was_too_late_wakes_nobody(direct: Direct) -> None:
    key = store(direct)
    known = entry(direct, key)
    assert fire(direct, known) == [1]
    listener = direct.client.pubsub()
    listener.subscribe(f"{direct.prefix}control")
    assert listener.get_message(timeout=5) is not None
    assert fire(direct, known, problems=[[*known[:3], "odd", 5]]) == [-1]
    assert told(listener) == []
    listener.close()  # type: ignore[no-untyped-call]


def told(listener: redis.client.PubSub) -> list[bytes]:
    """What was published until now."""
    listener.ping()
    found = []
    while True:
        message = listener.get_message(timeout=5)
        assert message is not None
        if message["type"] == "pong":
            return found
        found.append(message["data"])
