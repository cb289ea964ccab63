"""Keys that can't be used harm the schedules of theirs and no other: these are put off and named, the rest fires."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.direct import Direct
from tests.schedule_direct import MINUTE, due, entry, fire, history, indexed, move, pause, put, run, state, store, stored
from tests.spoiling import left_out, spoil

pytestmark = pytest.mark.usefixtures("cleared")

Spoil = Callable[[Direct, str], object]


def of_a_wrong_type(direct: Direct, key: str) -> None:
    """The record is a text."""
    spoil(direct, "s", key)


BROKEN: dict[str, Spoil] = {
    "of a wrong type": of_a_wrong_type,
    "without a body": lambda direct, key: direct.client.hdel(direct.key("s", key), "body"),
    "with half a body": lambda direct, key: direct.client.hset(direct.key("s", key), "body", '+{"s":"x"'),
    "with a body that is none": lambda direct, key: direct.client.hset(direct.key("s", key), "body", "{}\n[]"),
    "without a queue": lambda direct, key: direct.client.hdel(direct.key("s", key), "queue"),
    "without a payload's end": lambda direct, key: direct.client.hset(direct.key("s", key), "body", "+5\n[]"),
}


@pytest.mark.parametrize("coded", ["", "digest"])
@pytest.mark.parametrize("how", BROKEN)
def test_one_that_is_broken_is_put_off_and_the_others_fire(direct: Direct, how: str, coded: str) -> None:
    keys = [store(direct, f"{n}", coded=coded) for n in range(3)]
    entries = [entry(direct, key) for key in keys]
    BROKEN[how](direct, keys[1])
    names = keys if coded else []
    assert set(due(direct, 0, 50, *names)) == set(keys)
    answer = move(direct, *entries)
    assert (answer[:2], left_out(answer)) == ([b"ok", [1, -1, 1]], [f"schedule {keys[1]}"])
    assert indexed(direct)["coded" if coded else "schedules"][keys[1]] == direct.now + MINUTE
    assert len(run(direct)) == 2
    assert due(direct, 0, 50, *names) == []
    direct.wait(MINUTE)
    assert len(due(direct, 0, 50, *names)) == 3


@pytest.mark.parametrize("how", [how for how in BROKEN if how != "of a wrong type"])
def test_what_is_wrong_with_a_body_is_told(direct: Direct, how: str) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    BROKEN[how](direct, key)
    direct.wait(MINUTE)
    assert left_out(move(direct, entry(direct, key))) == [f"schedule {key}"]
    assert state(direct, key, "next", "runs") == (str(direct.now), "1")
    assert state(direct, key, "why") != (None,)


def test_one_that_can_not_be_read_is_due_without_fields_and_listed_without(direct: Direct) -> None:
    good, bad = store(direct, "good"), store(direct, "bad")
    spoil(direct, "s", bad)
    assert [bad.encode(), 0, b"", b"", 0, b""] in direct.call("schedule_due", 0, 50)[4:]
    rows = direct.call("schedule_list", "acme", 0, 50, "")[2:]
    assert (rows[0], rows[1][0]) == ([bad.encode()], good.encode())
    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        direct.call("schedule_list", "acme", 0, 1, bad)
    answer = move(direct, entry(direct, good), problems=[[bad, 0, "", "no JSON", 9]])
    assert (answer[1], left_out(answer)) == ([1], [f"schedule {bad}"])
    assert indexed(direct)["schedules"] == {good: direct.now + MINUTE, bad: direct.now + MINUTE}


# tasks that can't be stored


def test_a_tenant_whose_record_is_broken_keeps_its_occurrences(direct: Direct) -> None:
    bad, good = store(direct, "one", "bad", unique=True), store(direct, "one", "good")
    at = direct.now
    spoil(direct, "t", "bad")
    direct.wait(5)
    answer = move(direct, entry(direct, bad, at, direct.now), entry(direct, good))
    assert (answer[1], left_out(answer)) == ([-1, 1], [f"schedule {bad}"])
    assert state(direct, bad, "next", "runs", "skipped", "task") == (str(at), None, None, None)
    assert "WRONGTYPE" in str(state(direct, bad, "why")[0])
    assert (direct.named("uniq"), indexed(direct)["schedules"][bad]) == ([], direct.now + MINUTE)
    direct.client.delete(direct.key("t", "bad"))
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, bad)) == [1]
    assert state(direct, bad, "why") == (None,)
    assert len(run(direct)) == 2


SPOILED = [("lane", "q", "acme"), ("ring", "q"), ("b", "{home}"), ("b", "{home}", "big"), ("tenants",)]


@pytest.mark.parametrize("parts", SPOILED, ids=lambda parts: parts[0] + parts[-1][:3])
@pytest.mark.parametrize("limit", ["", "a" * 10])
def test_an_occurrence_whose_task_lies_there_is_not_fired_again(direct: Direct, parts: tuple[str, ...], limit: str) -> None:
    key = store(direct, payload=b"x" * 9_000, **({"l": limit} if limit else {}))
    assert fire(direct, entry(direct, key)) == [1]
    run(direct)
    home = direct.record("t", "acme")["hidden"]
    spoil(direct, *(part.format(home=home) for part in parts))
    first = direct.now + MINUTE
    direct.wait(3 * MINUTE)
    answer = move(direct, entry(direct, key, first, first + MINUTE, direct.now))
    list_of = direct.key("b", home + ("!" + limit if limit else ""), "r", "q")
    assert (answer[1], left_out(answer), direct.client.llen(list_of)) == ([-1], [f"schedule {key}"], 1)
    assert state(direct, key, "next", "last", "runs") == (str(first + MINUTE), str(first), "2")
    assert indexed(direct) == {"schedules": {key: direct.now + MINUTE}}
    direct.wait(MINUTE)
    assert move(direct, entry(direct, key, after=""))[0] == b"ok"
    assert (state(direct, key, "next", "runs"), direct.client.llen(list_of)) == (("", "3"), 2)


def test_an_occurrence_whose_task_could_not_be_stored_at_all_stays(direct: Direct) -> None:
    plain, key = store(direct, "plain"), store(direct, "kept", k="a")
    assert fire(direct, entry(direct, plain)) == [1]
    home = direct.record("t", "acme")["hidden"]
    spoil(direct, "b", home, "rec")
    assert left_out(move(direct, entry(direct, key))) == [f"schedule {key}"]
    assert (state(direct, key, "next", "task"), direct.counts()[0]) == ((str(direct.now), None), 1)
    direct.client.delete(direct.key("b", home, "rec"))
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]


def test_a_unique_one_whose_task_could_not_be_stored_has_no_lock(direct: Direct) -> None:
    key = store(direct, unique=True)
    assert fire(direct, entry(direct, key)) == [1]
    run(direct)
    home = direct.record("t", "acme")["hidden"]
    spoil(direct, "b", home, "r", "q")
    direct.wait(MINUTE)
    assert left_out(move(direct, entry(direct, key))) == [f"schedule {key}"]
    assert direct.named("uniq") == []
    direct.client.delete(direct.key("b", home, "r", "q"))
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]


def test_a_trigger_that_can_not_be_stored_is_an_error_and_stores_nothing(direct: Direct) -> None:
    key = store(direct)
    spoil(direct, "t", "acme")
    with direct.unchanged(), pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        direct.once("schedule_trigger", key, "seed", f"{1:010}", 0)


# indexes


@pytest.mark.parametrize("index", ["schedules", "coded", "over"])
def test_an_index_that_is_broken_stops_all_before_anything_is_stored(direct: Direct, index: str) -> None:
    key = store(direct)
    known = entry(direct, key)
    spoil(direct, index)
    with direct.unchanged(), pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        move(direct, known, problems=[[key, known[1], known[2], "odd", 5]])


WRONG: dict[str, tuple[Spoil, tuple[str, int] | None]] = {
    "paused": (pause, None),
    "over": (lambda direct, key: direct.client.hset(direct.key("s", key), "next", ""), ("over", 0)),
    "later": (lambda direct, key: put(direct, rule="another", next=direct.now + 9), ("schedules", 9)),
    "garbled": (lambda direct, key: direct.client.hset(direct.key("s", key), "next", "soon"), ("schedules", MINUTE)),
    "of code": (lambda direct, key: put(direct, rule="another", next=direct.now + 9, coded="x"), ("coded", 9)),
    "of code and due": (lambda direct, key: put(direct, rule="another", coded="x"), ("coded", 0)),
    "gone": (lambda direct, key: direct.once("schedule_cancel", key), None),
}
"""How a schedule is no longer what it was, and where it belongs then."""


@pytest.mark.parametrize("known", ["due", "not due"])
@pytest.mark.parametrize("index", ["schedules", "coded"])
@pytest.mark.parametrize("how", WRONG)
def test_one_that_stands_where_it_is_not_due_goes_where_it_belongs(direct: Direct, how: str, index: str, known: str) -> None:
    """Otherwise it would be looked at again and again."""
    change, right = WRONG[how]
    key = store(direct)
    found = entry(direct, key)
    change(direct, key)
    direct.client.zadd(direct.key(index), {key: direct.now})
    if known == "due":
        assert fire(direct, found) == [-1]
    else:
        fire(direct, problems=[[key, found[1], found[2], "odd", 5_000]])
    assert indexed(direct) == ({right[0]: {key: direct.now + right[1]}} if right else {})
    assert direct.counts()[0] == 0


def test_one_that_is_due_stays_where_it_stands(direct: Direct) -> None:
    key = store(direct)
    with direct.unchanged():
        assert fire(direct, entry(direct, key, rev=1), problems=[[key, 1, str(direct.now), "odd", 5]]) == [-1]
        assert fire(direct, entry(direct, key, next=str(direct.now - 1))) == [-1]


def test_one_that_is_due_stays_where_it_stands_though_it_was_put_off(direct: Direct) -> None:
    key = store(direct)
    found = entry(direct, key)
    fire(direct, problems=[[*found[:3], "odd", 5_000]])
    direct.wait(5_000)
    with direct.unchanged():
        assert fire(direct, entry(direct, key, rev=1)) == [-1]


def test_one_that_is_over_is_so_since_it_was_whoever_is_late(direct: Direct) -> None:
    key = store(direct)
    late = entry(direct, key)
    assert fire(direct, entry(direct, key, after="")) == [1]
    direct.wait(5)
    with direct.unchanged():
        assert fire(direct, late) == [-1]


def test_one_that_is_over_is_not_put_off(direct: Direct) -> None:
    key = store(direct, next="")
    direct.client.zadd(direct.key("schedules"), {key: 0})
    rev = int(direct.record("s", key)["rev"])
    fire(direct, problems=[[key, rev, "", "it raised ValueError", 5_000]])
    assert (indexed(direct), state(direct, key, "why")) == ({"over": {key: direct.now}}, (None,))


def test_what_can_be_no_schedule_leaves_the_index(direct: Direct) -> None:
    key = store(direct)
    direct.client.zadd(direct.key("schedules"), {b"\xff" * 22: 0, "a:b": 1, "": 2, "none-of_them0000000000": 3})
    assert due(direct)[-1] == key
    assert indexed(direct) == {"schedules": {"": 2, "none-of_them0000000000": 3, key: direct.now}}
    fire(direct, problems=[[name, 0, "", "odd", 5] for name in ("", "none-of_them0000000000")])
    assert indexed(direct) == {"schedules": {key: direct.now}}


@pytest.mark.parametrize("rev", ["1.5", "many", "1e300", "nan", "-3", ""])
def test_a_revision_that_is_none_holds_nothing_up(direct: Direct, rev: str) -> None:
    key = store(direct)
    direct.client.hset(direct.key("s", key), "rev", rev)
    [[_, read, *_]] = direct.call("schedule_due", 0, 50)[4:]
    assert fire(direct, entry(direct, key, rev=read)) == [1]
    assert put(direct, rule="another") == [b"ok"]
    [[_, after, *_]] = direct.call("schedule_due", 0, 50)[4:]
    assert after == read + 1


@pytest.mark.parametrize("runs", ["many", "inf", ""])
def test_runs_that_are_no_number_begin_anew(direct: Direct, runs: str) -> None:
    key = store(direct)
    direct.client.hset(direct.key("s", key), "runs", runs)
    assert fire(direct, entry(direct, key, most=2)) == [1]
    assert state(direct, key, "runs") == ("1",)


def test_pruning_puts_off_what_is_broken(direct: Direct) -> None:
    bad, good = store(direct, "bad", "b"), store(direct, "good", "g")
    fire(direct, entry(direct, bad, after=""), entry(direct, good, after=""))
    run(direct)
    direct.wait(10)
    spoil(direct, "s", bad)
    answer = direct.call("schedule_prune", 10, 100)
    assert (answer[:2], left_out(answer)) == ([b"ok", 2], [f"schedule {bad}"])
    assert (stored(direct), indexed(direct)) == ({bad}, {"over": {bad: direct.now - 10 + MINUTE}})


def test_a_history_that_is_broken_is_told_as_far_as_it_can_be_read(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    run(direct)
    before = history(direct, key)
    direct.client.hset(direct.key("s", key), "history", direct.record("s", key)["history"] + "\n" * 5)
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]
    run(direct)
    assert history(direct, key)[1:] == before
