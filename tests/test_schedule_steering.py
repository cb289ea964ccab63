"""Steering schedules in the scripts: pause and resume, trigger, cancel; which are due, how they are listed, how they end."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct
from tests.locking import commit, stage
from tests.locking import task as unique_task
from tests.schedule_direct import (
    MINUTE,
    due,
    entry,
    fire,
    given,
    history,
    indexed,
    listed,
    pause,
    put,
    resume,
    run,
    state,
    store,
    stored,
    trigger,
)

# pause


@pytest.mark.parametrize("coded", ["", "digest"])
def test_a_paused_one_leaves_its_index_and_comes_back_with_the_next_time(direct: Direct, coded: str) -> None:
    key, index = store(direct, coded=coded), "coded" if coded else "schedules"
    assert pause(direct, key) == pause(direct, key) == [b"ok"]
    assert (state(direct, key, "paused", "next"), indexed(direct)) == (("1", str(direct.now)), {})
    direct.wait(MINUTE)
    assert resume(direct, key, direct.now + 5) == [b"ok"]
    assert (state(direct, key, "paused", "next"), indexed(direct)) == (
        (None, str(direct.now + 5)), {index: {key: direct.now + 5}}
    )  # fmt: skip
    assert resume(direct, key, direct.now + 9) == [b"ok"]
    assert (state(direct, key, "next"), indexed(direct)) == ((str(direct.now + 5),), {index: {key: direct.now + 5}})


def test_a_resume_that_was_reckoned_for_another_rule_is_tried_again(direct: Direct) -> None:
    key = store(direct)
    pause(direct, key)
    rev = int(direct.record("s", key)["rev"])
    assert put(direct, rule="another", next=direct.now + 9) == [b"ok"]
    with direct.unchanged_but("p:"):
        assert resume(direct, key, direct.now + 5, rev) == [b"again"]
    assert resume(direct, key, direct.now + 5) == [b"ok"]


def test_one_of_which_nothing_comes_when_it_is_resumed_is_over(direct: Direct) -> None:
    key = store(direct)
    pause(direct, key)
    assert resume(direct, key, "") == [b"ok"]
    assert (state(direct, key, "next", "paused"), indexed(direct)) == (("", None), {"over": {key: direct.now}})


def test_nobody_pauses_what_there_is_not(direct: Direct) -> None:
    key = store(direct)
    assert direct.once("schedule_cancel", key) == [b"ok"]
    with direct.unchanged_but("p:"):
        for call in (
            lambda: pause(direct, key), lambda: resume(direct, key, 5, 1), lambda: trigger(direct, key),
            lambda: direct.once("schedule_cancel", key),
        ):  # fmt: skip
            assert call() == [b"unknown"]


@pytest.mark.parametrize(
    ("script", "args"),
    [("schedule_cancel", ()), ("schedule_pause", (1, 0, "")), ("schedule_trigger", ("seed", f"{1:010}", 0))],
    ids=["cancel", "pause", "trigger"],
)
def test_what_was_told_as_unknown_is_not_done_to_one_that_is_made_later(
    direct: Direct, script: str, args: tuple[Any, ...]
) -> None:
    call, key = to_json(["another000000000000000", 1, 1]), given(direct)[0]
    assert direct.call(script, call, key, *args) == [b"unknown"]
    store(direct)
    with direct.unchanged():
        assert direct.call(script, call, key, *args) == [b"unknown"]


def test_a_resume_that_was_refused_stays_so(direct: Direct) -> None:
    key, call = store(direct), to_json(["another000000000000000", 1, 1])
    pause(direct, key)
    for _ in range(2):
        assert direct.call("schedule_pause", call, key, 0, 1, direct.now) == [b"again"]
        resume(direct, key, direct.now)


# trigger


def test_a_trigger_makes_a_task_and_leaves_the_next_occurrence(direct: Direct) -> None:
    key = store(direct, next=direct.now + MINUTE)
    with direct.unchanged_but("s:", "p:", "b:", "q", "t", "l", "r", "wake"):
        answer, task = trigger(direct, key), state(direct, key, "task")[0]
    assert answer == [b"ok", str(task).removesuffix("q").encode()]
    assert state(direct, key, "next", "runs", "last", "skipped") == (str(direct.now + MINUTE), None, None, None)
    assert indexed(direct) == {"schedules": {key: direct.now + MINUTE}}
    direct.wait(7)
    assert run(direct) == [str(task).removesuffix("q")]
    assert history(direct, key)[0][:3] == ("done", direct.now - 7, direct.now)


def test_one_that_is_paused_can_be_triggered(direct: Direct) -> None:
    key = store(direct)
    pause(direct, key)
    assert trigger(direct, key)[0] == b"ok"
    assert (direct.counts()[0], indexed(direct)) == (1, {})


def test_a_trigger_of_a_unique_one_makes_no_second_task(direct: Direct) -> None:
    key = store(direct, unique=True)
    assert fire(direct, entry(direct, key)) == [1]
    with direct.unchanged_but("p:"):
        assert trigger(direct, key)[0] == b"unique"
    run(direct)
    assert trigger(direct, key)[0] == b"ok"


def test_a_trigger_is_refused_where_the_queue_is_full_and_stays_so(direct: Direct) -> None:
    key, call = store(direct), direct.number()
    for limit in (0, 5):
        direct.call("queue_limit", "q", limit)
        with direct.unchanged_but("p:"):
            assert direct.call("schedule_trigger", call, key, "seed", f"{1:010}", 0) == [b"full", b"q"]


def test_a_trigger_waits_where_an_equal_task_is_being_staged_and_is_not_remembered(direct: Direct) -> None:
    key, seg = store(direct, u="k" * 22), direct.new()
    call = to_json(["another000000000000000", 1, 1])
    assert stage(direct, seg, unique_task(5))[0] == b"ok"
    for answer in (b"wait", b"unique"):
        assert direct.call("schedule_trigger", call, key, "seed", f"{1:010}", 0)[0] == answer
        if answer == b"wait":
            assert commit(direct, seg, 1)[0] == b"ok"


# cancel


@pytest.mark.parametrize("coded", ["", "digest"])
def test_a_cancelled_one_is_gone_and_its_task_goes_on(direct: Direct, coded: str) -> None:
    key, other = store(direct, "one", coded=coded), store(direct, "two", next=direct.now + 5)
    assert fire(direct, entry(direct, key, after="")) == [1]
    assert direct.once("schedule_cancel", key) == [b"ok"]
    assert indexed(direct) == {"schedules": {other: direct.now + 5}}
    assert listed(direct) == [other]
    assert len(run(direct)) == 1
    assert stored(direct) == {other}


@pytest.mark.parametrize("coded", ["", "digest"])
def test_one_that_is_cancelled_is_in_no_index(direct: Direct, coded: str) -> None:
    key = store(direct, coded=coded)
    assert direct.once("schedule_cancel", key) == [b"ok"]
    assert (indexed(direct), direct.named("ts:"), stored(direct)) == ({}, [], set())


# which are due


def test_those_that_are_due_longest_come_first_and_50_at_most(direct: Direct) -> None:
    keys = [store(direct, f"{n}", next=direct.now - n) for n in range(120)]
    store(direct, "later", next=direct.now + 1)
    assert due(direct, 0, 1_000) == keys[:-51:-1]
    assert due(direct, 0, 3) == keys[:-4:-1]
    assert due(direct, 100, 50) == keys[19::-1]
    assert due(direct, 150, 3) == keys[:-4:-1]
    answer = direct.call("schedule_due", 0, 1)
    assert answer[:4] == [b"ok", str(direct.now).encode(), str(direct.now - 119).encode(), 0]
    record = direct.record("s", keys[-1])
    assert answer[4:] == [
        [keys[-1].encode(), int(record["rev"]), record["next"].encode(), record["anchor"].encode(), 0, b"{}"]
    ]


def test_of_those_that_code_declares_only_the_named_ones_are_due(direct: Direct) -> None:
    mine, other = store(direct, "mine", coded="x", next=direct.now), store(direct, "other", coded="x", next=direct.now - 5)
    later = store(direct, "later", coded="x", next=direct.now + 5)
    plain = store(direct, "plain", next=direct.now + 9)
    assert due(direct) == []
    assert due(direct, 0, 50, mine, later, "none") == [mine]
    assert due(direct, 0, 50, other, mine) == [other, mine]
    for names, first in (((), 9), ((later,), 5), ((mine, later), 0), ((later, mine), 0), (("none",), 9)):
        assert direct.call("schedule_due", 0, 50, *names)[2] == str(direct.now + first).encode()
    direct.wait(9)
    assert due(direct, 0, 50, mine) == [plain, mine]
    assert direct.call("schedule_due", 0, 50, mine)[2] == str(direct.now - 9).encode()
    assert direct.once("schedule_cancel", plain) == [b"ok"]
    assert direct.call("schedule_due", 0, 50)[2] == b""


def test_twice_as_many_are_due_at_once_where_code_declares_many(direct: Direct) -> None:
    plain = [store(direct, f"p{n}", next=direct.now - 50 + n) for n in range(9)]
    coded = [store(direct, f"c{n}", coded="x") for n in range(9)]
    assert due(direct, 0, 4, *coded) == plain[:4] + coded[:4]
    assert due(direct, 100, 4, *coded) == plain[:4] + coded[:4]
    for key in plain:
        direct.once("schedule_cancel", key)
    assert due(direct, 0, 4, *coded) == coded[:8]


def test_a_program_may_declare_thousands(direct: Direct) -> None:
    keys = [store(direct, f"{n}", coded="x") for n in range(3)]
    names = [f"{n:022}" for n in range(9_000)]
    for n, at in enumerate((999, 1_000, 8_999)):
        names[at] = keys[n]
    assert due(direct, 0, 50, *names) == keys


# lists


def rows(direct: Direct, *args: Any) -> tuple[int, list[dict[str, str]]]:
    """How many there are, and the fields of those that were asked for."""
    answer = direct.call("schedule_list", *args)
    assert int(answer[0]) == direct.now
    found = [[text.decode() for text in row[1:]] for row in answer[2:]]
    return answer[1], [dict(zip(row[::2], row[1::2], strict=True)) for row in found]


def test_a_tenant_s_are_listed_by_id_50_at_most_and_without_their_bodies(direct: Direct) -> None:
    keys = {name: store(direct, name) for n in range(60) if (name := f"{n:02}")}
    store(direct, "one", "other")
    assert rows(direct, "acme", 0, 0, "") == (60, [])
    total, found = rows(direct, "acme", 0, 1_000, "")
    assert (total, [row["id"] for row in found]) == (60, sorted(keys)[:50])
    record = direct.record("s", keys["00"])
    assert found[0] == {name: value for name, value in record.items() if name not in ("body", "rule", "queue", "unique")}
    assert [row["id"] for row in rows(direct, "acme", 57, 5, "")[1]] == ["57", "58", "59"]
    assert [row["id"] for row in rows(direct, "acme", 3, 1, "")[1]] == ["03"]
    assert rows(direct, "acme", 0, 1, keys["07"])[1][0]["id"] == "07"
    assert rows(direct, "acme", 0, 1, "none") == (0, [])


def test_they_are_listed_in_the_order_of_their_ids_also_where_one_begins_with_another(direct: Direct) -> None:
    ids = [start + end for start in ("a", "b") for end in ("", "\x01", "\x01\x01", "-", "0", "zz")]
    for id in reversed(ids):
        store(direct, id)
    assert [row["id"] for row in rows(direct, "acme", 0, 50, "")[1]] == ids


# what is over


def test_what_is_over_is_pruned_after_the_retention(direct: Direct) -> None:
    first, second, stays = (store(direct, name) for name in ("first", "second", "stays"))
    for key in (first, second):
        assert fire(direct, entry(direct, key, after="")) == [1]
        direct.wait(5)
    run(direct)
    assert direct.call("schedule_prune", 11, 100) == [b"ok", 0, []]
    assert direct.call("schedule_prune", 10, 100) == [b"ok", 1, []]
    assert stored(direct) == {second, stays}
    assert indexed(direct) == {"over": {second: direct.now - 5}, "schedules": {stays: direct.now - 10}}
    direct.client.zadd(direct.key("over"), {"gone": 0})
    assert direct.call("schedule_prune", 5, 1) == [b"ok", 1, []]
    assert direct.call("schedule_prune", 5, 1) == [b"ok", 1, []]
    assert (stored(direct), direct.named("over")) == ({stays}, [])
    assert listed(direct) == [stays]


def test_one_that_still_fires_is_not_pruned(direct: Direct) -> None:
    key, coded = store(direct), store(direct, "coded", coded="said")
    direct.client.zadd(direct.key("over"), {key: 0, coded: 0})
    assert direct.call("schedule_prune", 0, 100) == [b"ok", 2, []]
    assert (stored(direct), direct.named("over")) == ({key, coded}, [])
