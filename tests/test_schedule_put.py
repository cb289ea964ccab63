"""Storing schedules in the script: what a change keeps, what begins anew, what code declares, and how many there may be."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct
from tests.schedule_direct import MINUTE, due, entry, fire, given, indexed, listed, pause, put, resume, run, state, store


def test_one_is_stored_and_stands_where_it_is_looked_for(direct: Direct) -> None:
    key = store(direct, "one", next=direct.now + MINUTE)
    record = direct.record("s", key)
    assert {name: record.get(name) for name in ("tenant", "id", "rule", "anchor", "next", "queue", "handler", "runs")} == {
        "tenant": "acme", "id": "one", "rule": "each minute", "anchor": "7", "next": str(direct.now + MINUTE), "queue": "q",
        "handler": "tests.handlers.noop", "runs": None,
    }  # fmt: skip
    assert record["created"] == record["changed"] == str(direct.now)
    assert indexed(direct) == {"schedules": {key: direct.now + MINUTE}}
    assert listed(direct) == [key]


def test_a_hundred_upserts_leave_one(direct: Direct) -> None:
    for n in range(100):
        key = store(direct, queue=f"q{n}")
        direct.wait(1)
    assert listed(direct) == [key]
    assert state(direct, key, "queue", "next") == ("q99", str(direct.now - 100))


def test_one_whose_rule_stays_keeps_its_next_occurrence_and_its_runs(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    [task] = run(direct)
    before = direct.record("s", key)
    direct.wait(500)
    assert store(direct, next=direct.now + 5, queue="other", unique=True) == key
    after = direct.record("s", key)
    changed = {"queue", "unique", "changed", "body"}
    assert {name for name in before if before[name] != after[name]} == changed
    assert before.keys() == after.keys()
    assert (after["runs"], after["history"].split(" ")[-1]) == ("1", task)
    assert indexed(direct) == {"schedules": {key: direct.now - 500 + MINUTE}}


def test_one_whose_rule_changes_begins_anew(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    before = direct.record("s", key)
    direct.wait(500)
    assert store(direct, rule="another", anchor="8", next=direct.now + 5) == key
    after = direct.record("s", key)
    assert (after["rule"], after["anchor"], after["next"], after.get("runs")) == ("another", "8", str(direct.now + 5), None)
    assert int(after["rev"]) == int(before["rev"]) + 1
    assert (after["created"], after["changed"]) == (before["created"], str(direct.now))
    assert (after["last"], after["task"]) == (before["last"], before["task"])
    assert indexed(direct) == {"schedules": {key: direct.now + 5}}


def test_one_that_is_over_goes_on_where_its_rule_comes_again(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key, most=1)) == [1]
    assert indexed(direct) == {"over": {key: direct.now}}
    assert store(direct, next="") == key
    assert indexed(direct) == {"over": {key: direct.now}}
    assert store(direct, next=direct.now + 9) == key
    assert (state(direct, key, "next", "runs"), indexed(direct)) == (
        (str(direct.now + 9), "1"), {"schedules": {key: direct.now + 9}}
    )  # fmt: skip
    direct.wait(9)
    assert fire(direct, entry(direct, key, most=2)) == [1]


def test_one_that_ran_for_the_last_time_while_it_was_upserted_does_not_run_again(direct: Direct) -> None:
    at = direct.now
    key = store(direct)
    direct.wait(5)
    assert fire(direct, entry(direct, key, after="")) == [1]
    assert store(direct, next=at, queue="other") == key
    assert (state(direct, key, "next", "queue"), indexed(direct)) == (("", "other"), {"over": {key: direct.now}})
    assert store(direct, rule="another", next=at) == key
    assert fire(direct, entry(direct, key)) == [1]


def test_a_paused_one_stays_so_whatever_changes(direct: Direct) -> None:
    key = store(direct)
    pause(direct, key)
    for about in ({}, {"rule": "another"}, {"coded": "digest", "rule": "another"}):
        assert store(direct, next=direct.now + 5, **about) == key  # type: ignore[arg-type]
        assert (state(direct, key, "paused"), indexed(direct)) == (("1",), {})
    assert resume(direct, key, direct.now + 9) == [b"ok"]
    assert indexed(direct) == {"coded": {key: direct.now + 9}}


def test_an_interval_counts_from_the_first_upsert(direct: Direct) -> None:
    key = store(direct, anchor="7")
    with direct.unchanged_but("p:"):
        assert put(direct, anchor="8", queue="other") == [b"again", b"7"]
    assert put(direct, anchor="8", rule="another") == [b"ok"]
    assert put(direct, anchor="8", rule="another", queue="other") == [b"ok"]
    assert state(direct, key, "anchor", "queue") == ("8", "other")


def test_an_upsert_that_was_to_be_sent_again_undoes_nothing_when_it_is_late(direct: Direct) -> None:
    key, call = store(direct, anchor="7"), to_json(["another000000000000000", 1, 1])
    late = given(direct, anchor="8", queue="late")
    assert direct.call("schedule_put", call, *late) == [b"again", b"7"]
    assert put(direct, anchor="8", rule="another") == [b"ok"]
    assert direct.call("schedule_put", call, *late) == [b"again", b"7"]
    assert state(direct, key, "rule", "queue") == ("another", "q")


def test_an_anchor_that_is_lost_is_found_anew(direct: Direct) -> None:
    key = store(direct)
    direct.client.hdel(direct.key("s", key), "anchor")
    assert put(direct, anchor="9") == [b"ok"]
    assert state(direct, key, "anchor", "next") == ("9", str(direct.now))


# what code declares


def test_what_code_declares_is_changed_when_the_code_says_something_else(direct: Direct) -> None:
    key = store(direct, coded="first")
    assert indexed(direct) == {"coded": {key: direct.now}}
    direct.wait(5)
    with direct.unchanged_but("p:"):
        assert put(direct, coded="first", rule="another", queue="other", anchor="8") == [b"ok"]
    assert put(direct, coded="second", rule="another", queue="other") == [b"ok"]
    assert state(direct, key, "coded", "queue", "next") == ("second", "other", str(direct.now))
    assert indexed(direct) == {"coded": {key: direct.now}}


def test_a_change_at_run_time_stays_until_the_code_says_something_else(direct: Direct) -> None:
    key = store(direct, coded="first")
    assert put(direct, queue="mine") == [b"ok"]
    assert put(direct, queue="first", coded="first") == [b"ok"]
    assert (state(direct, key, "coded", "queue"), indexed(direct)) == (("first", "mine"), {"coded": {key: direct.now}})
    assert put(direct, queue="second", coded="second") == [b"ok"]
    assert state(direct, key, "coded", "queue") == ("second", "second")


def test_one_that_code_declares_later_is_looked_for_as_such_only(direct: Direct) -> None:
    key = store(direct)
    assert store(direct, coded="digest") == key
    assert indexed(direct) == {"coded": {key: direct.now}}
    assert due(direct) == []
    assert due(direct, 0, 50, key) == [key]


def test_what_code_declares_is_kept_when_it_is_over(direct: Direct) -> None:
    key = store(direct, coded="digest")
    assert fire(direct, entry(direct, key, after="")) == [1]
    assert (indexed(direct), state(direct, key, "next", "coded")) == ({}, ("", "digest"))


# how many


def test_a_tenant_has_no_more_than_it_may(direct: Direct) -> None:
    assert direct.call("schedule_limit", "all", 2) == [b"ok"]
    for tenant in ("acme", "other"):
        first, _ = store(direct, "one", tenant), store(direct, "two", tenant)
        with direct.unchanged_but("p:"):
            assert put(direct, "three", tenant) == [b"full", 2, 2]
        assert store(direct, "one", tenant, rule="another") == first
    assert direct.call("schedule_limit", "tacme", 3) == [b"ok"]
    assert [put(direct, "three", "acme"), put(direct, "four", "acme")] == [[b"ok"], [b"full", 3, 3]]
    assert put(direct, "three", "other") == [b"full", 2, 2]
    assert direct.call("schedule_limit", "all", "") == [b"ok"]
    assert [put(direct, "three", "other"), put(direct, "four", "acme")] == [[b"ok"], [b"full", 3, 3]]
    assert direct.call("schedule_limit", "tacme", "") == [b"ok"]
    assert put(direct, "four", "acme") == [b"ok"]
    assert direct.named("slimits") == []


def test_there_is_room_again_for_one_that_goes(direct: Direct) -> None:
    direct.call("schedule_limit", "tacme", 1)
    key = store(direct, "one")
    assert put(direct, "two") == [b"full", 1, 1]
    assert direct.once("schedule_cancel", key) == [b"ok"]
    assert put(direct, "two") == [b"ok"]


@pytest.mark.parametrize("limit", ["many", ""])
def test_a_number_that_is_none_limits_nothing(direct: Direct, limit: str) -> None:
    direct.client.hset(direct.key("slimits"), "tacme", limit)
    store(direct)


def test_a_refusal_that_comes_again_stays_one(direct: Direct) -> None:
    direct.call("schedule_limit", "tacme", 0)
    call, args = direct.number(), given(direct)
    for limit in (0, 5):
        direct.call("schedule_limit", "tacme", limit)
        assert direct.call("schedule_put", call, *args) == [b"full", 0, 0]
    assert put(direct) == [b"ok"]
