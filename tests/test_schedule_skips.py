"""Occurrences that make no task: what is left out, by itself or for another task, and what is put off and kept."""

from __future__ import annotations

import pytest

from tests.direct import Direct
from tests.locking import commit, single, stage
from tests.locking import task as unique_task
from tests.schedule_direct import MINUTE, due, entry, fire, indexed, pause, put, run, state, store, trigger

# what is left out


def test_what_was_left_out_is_counted_and_told(direct: Direct) -> None:
    key = store(direct)
    for n in (1, 2):
        nothing = [*entry(direct, key, skipped=3, why="missed" if n == 1 else "expired")[:8]]
        assert fire(direct, nothing) == [0]
        assert state(direct, key, "skipped", "why") == (str(3 * n), "missed" if n == 1 else "expired")
        direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]
    assert state(direct, key, "skipped", "why") == ("6", "expired")


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_unique_one_is_skipped_while_its_task_is_there(direct: Direct, by_hand: bool) -> None:
    key = store(direct, unique=True)
    if by_hand:
        assert trigger(direct, key)[0] == b"ok"
    first = direct.now
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, first, direct.now)) == [0 if by_hand else 1]
    assert state(direct, key, "skipped", "why", "next") == ("2" if by_hand else "1", "unique", str(direct.now + MINUTE))
    leases = direct.claim(9)
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [0]
    assert direct.settle(leases, "done") == []
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]
    assert state(direct, key, "why") == ("unique",)


def test_one_whose_handler_is_unique_is_skipped_for_any_equal_task(direct: Direct) -> None:
    key = store(direct, u="k" * 22)
    task = single(direct, 1)
    assert fire(direct, entry(direct, key)) == [0]
    assert (state(direct, key, "why", "task"), direct.counts()[0]) == (("unique", None), 1)
    assert run(direct) == [task]


def test_one_that_is_not_unique_is_fired_though_its_task_is_there(direct: Direct) -> None:
    key = store(direct)
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, direct.now - MINUTE, direct.now), holds=True) == [2]


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("holds", [True, False])
def test_a_dead_letter_holds_up_a_unique_one_where_that_is_wanted(direct: Direct, unique: bool, holds: bool) -> None:
    key, held = store(direct, unique=unique), unique and holds
    assert fire(direct, entry(direct, key)) == [1]
    [letter] = run(direct, "dead")
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key), holds=holds) == [0 if held else 1]
    assert state(direct, key, "why", "skipped") == (("held", "1") if held else (None, None))
    assert trigger(direct, key, holds=holds)[0] == (b"held" if held else b"unique" if unique else b"ok")
    if held:
        assert direct.once("dead_discard", f'[["{letter[:22]}", "q", "{letter[22:]}"]]') == [b"ok", 1]
        direct.wait(MINUTE)
        assert fire(direct, entry(direct, key), holds=True) == [1]


def test_a_dead_letter_of_a_trigger_holds_its_schedule_up(direct: Direct) -> None:
    key = store(direct, unique=True)
    assert trigger(direct, key)[0] == b"ok"
    run(direct, "dead")
    assert fire(direct, entry(direct, key), holds=True) == [0]
    assert state(direct, key, "why") == ("held",)


# what is put off


def test_a_full_queue_puts_it_off_and_keeps_the_occurrence(direct: Direct) -> None:
    key = store(direct)
    direct.call("queue_limit", "q", 1)
    first = direct.now
    direct.wait(2 * MINUTE)
    assert fire(direct, entry(direct, key, first, first + MINUTE, direct.now, skipped=2, why="missed")) == [1]
    assert state(direct, key, "next", "why", "skipped", "last") == (str(first + MINUTE), "full", "2", str(first))
    assert indexed(direct) == {"schedules": {key: direct.now + 1_000}}
    assert due(direct) == []
    direct.wait(1_000)
    assert fire(direct, entry(direct, key)) == [0]
    direct.call("queue_limit", "q", "")
    direct.wait(1_000)
    assert due(direct) == [key]
    assert fire(direct, entry(direct, key, first + MINUTE, first + 2 * MINUTE)) == [2]
    assert state(direct, key, "next", "why", "skipped") == (str(first + 3 * MINUTE), None, "2")


def test_the_last_occurrence_is_kept_too_while_there_is_no_room(direct: Direct) -> None:
    key = store(direct)
    direct.call("queue_limit", "q", 0)
    assert fire(direct, entry(direct, key, after="")) == [0]
    assert state(direct, key, "next") == (str(direct.now),)
    assert indexed(direct) == {"schedules": {key: direct.now + 1_000}}


def test_it_waits_where_an_equal_task_is_being_staged(direct: Direct) -> None:
    key, seg = store(direct, u="k" * 22), direct.new()
    assert stage(direct, seg, unique_task(5))[0] == b"ok"
    assert fire(direct, entry(direct, key)) == [0]
    assert state(direct, key, "next", "why", "skipped", "runs") == (str(direct.now), "wait", None, None)
    assert indexed(direct) == {"schedules": {key: direct.now + 1_000}}
    assert commit(direct, seg, 1)[0] == b"ok"
    direct.wait(1_000)
    assert fire(direct, entry(direct, key)) == [0]
    assert state(direct, key, "why", "skipped") == ("unique", "1")


def test_what_can_not_be_fired_here_is_put_off_with_what_is_wrong(direct: Direct) -> None:
    key, other = store(direct), store(direct, "two")
    at, rev = str(direct.now), int(direct.record("s", key)["rev"])
    assert fire(direct, entry(direct, other), problems=[[key, rev, at, "it is not known", 5_000]]) == [1]
    assert (state(direct, key, "why", "next"), indexed(direct)["schedules"][key]) == (
        ("it is not known", at), direct.now + 5_000
    )  # fmt: skip
    direct.wait(5_000)
    assert due(direct) == [key]
    assert fire(direct, entry(direct, key)) == [1]
    assert state(direct, key, "why") == (None,)


def test_one_that_others_know_is_not_put_off_by_who_does_not(direct: Direct) -> None:
    key = store(direct)
    at, rev = str(direct.now), int(direct.record("s", key)["rev"])
    late = [[key, rev, at, "it is not known", 5_000], [key, rev + 1, at, "it is not known", 5_000]]
    assert fire(direct, entry(direct, key, after=direct.now + 10_000)) == [1]
    with direct.unchanged():
        fire(direct, problems=late)
        fire(direct, problems=[[key, rev, str(direct.now + 10_000), "too early", 5_000]])
    direct.wait(10_000)
    assert put(direct, rule="another", next=direct.now) == [b"ok"]
    pause(direct, key)
    with direct.unchanged():
        fire(direct, problems=late)
        fire(direct, problems=[[key, rev + 1, str(direct.now), "paused", 5_000]])
