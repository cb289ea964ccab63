"""Audits of leases, running tasks, indexes and lists look at so much and no more, and leave alone what is in order."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.auditing import LOOK, crowd, kinds, lists, look
from tests.direct import ERROR, LEASE, Answer, Direct

pytestmark = pytest.mark.usefixtures("cleared")

# leases, running tasks, indexes


def test_a_task_that_is_leased_gets_no_other_lease(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    assert look(direct, "audit_entries", lease[:32]) == []


def test_an_entry_that_is_gone_gets_no_lease(direct: Direct) -> None:
    assert look(direct, "audit_entries", "b" * 32) == []


def test_too_many_leases_are_not_looked_through(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    direct.client.zrem(direct.key("leases"), lease)
    direct.client.zadd(direct.key("leases"), {f"{n}": 1 for n in range(20_001)})
    assert look(direct, "audit_entries", lease[:32]) == [[b"unsure", b"leases", b""]]


def test_leases_are_looked_through_in_parts(direct: Direct) -> None:
    direct.client.zadd(direct.key("leases"), {f"{'b' * 22}{n:010}{'w' * 23}": direct.now + LEASE for n in range(2_000)})
    cursor, ids, *_ = direct.call("audit_leases", LOOK, 0)
    assert (cursor != b"0", 500 * 32 <= len(ids) < 700 * 32) == (True, True)


def test_running_tasks_are_looked_through_in_parts(direct: Direct) -> None:
    crowd(direct, "b" * 22, 1_000)
    cursor, *found = direct.call("audit_run", 0)
    assert (cursor != b"0", 200 <= len(found) < 300) == (True, True)


def test_indexes_are_looked_through_in_parts(direct: Direct) -> None:
    direct.client.zadd(direct.key("settled"), {f"{n:022}": 1 for n in range(1_000)})
    cursor, *found = direct.call("audit_index", LOOK, "settled", "", 0, 0)
    assert (cursor != b"0", 200 <= len(found) < 300) == (True, True)


def test_an_entry_for_dead_letters_of_single_tasks_stands_for_something(direct: Direct) -> None:
    direct.single()
    [task] = direct.kill()
    assert direct.client.zscore(direct.key("settled"), f"{task[:22]}:q")
    assert look(direct, "audit_index", "settled", "", 0, 0) == []
    assert look(direct, *lists(task[:22], "x")) == []


def test_dead_letters_of_single_tasks_that_nobody_prunes_are_told(direct: Direct) -> None:
    direct.single()
    [task] = direct.kill()
    direct.client.delete(direct.key("settled"))
    assert kinds(look(direct, *lists(task[:22], "x"))) == [b"unfound"]


def test_dead_letters_that_are_listed_for_another_time_are_told(direct: Direct) -> None:
    batch = direct.create(1)
    direct.kill()
    direct.client.zadd(direct.key("dead", "q"), {batch: 1})
    assert kinds(look(direct, *lists(batch, "x"))) == [b"unfound"]


def test_what_is_being_staged_is_left_alone(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg)
    assert look(direct, *lists(seg)) == look(direct, *lists(seg, "staged")) == []
    assert look(direct, "audit_index", "staging", "", 60_000, 0) == []
    direct.wait(60_001)
    assert kinds(look(direct, "audit_index", "staging", "", 60_000, 0)) == [b"staged"]


def test_what_was_committed_and_is_still_staged_is_dropped(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg)
    direct.client.hset(direct.key("b", seg), "state", "running")
    assert kinds(look(direct, "audit_index", "staging", "", 60_000, 0)) == [b"staged"]


# lists


def test_a_list_that_is_gone_is_in_no_line(direct: Direct) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), "retry", 10, ERROR)
    direct.client.delete(direct.key("delayed"), direct.key("b", batch, "d", "q"))
    assert look(direct, *lists(batch, "d")) == look(direct, *lists(batch)) == []


def test_a_list_of_cancelled_tasks_is_in_no_line(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, "")
    direct.client.hset(direct.key("b", batch), f"tombs:{batch}:q", 1)
    direct.client.delete(direct.key("lane", "q", "acme"))
    assert look(direct, *lists(batch)) == []


@pytest.mark.parametrize(("mode", "most"), [("fair", 50_000), ("fifo", 5_000)])
def test_a_list_in_a_long_line_is_unsure(direct: Direct, mode: str, most: int) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line = direct.key("lane", "q", "acme") if mode == "fair" else direct.key("fifo", "q")
    direct.client.lpush(line, *["c" * 22 + ":1"] * (most - 1))
    assert look(direct, *lists(batch)) == []
    direct.client.lpush(line, "c" * 22 + ":1")
    assert look(direct, *lists(batch)) == [[b"unsure", b"line", b"q"]]


def ready(direct: Direct, batch: str) -> Answer:
    """How many tasks a list has ready, and whose."""
    return direct.call("audit_ready", to_json([[batch, "q"]]))


def test_staged_tasks_are_not_ready(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg, 3)
    assert ready(direct, seg) == [[b"", 0]]
    assert direct.commit(seg, 3)[0] == b"ok"
    assert ready(direct, seg) == [[b"acme", 3]]


def test_cancelled_tasks_are_not_ready(direct: Direct) -> None:
    batch = direct.create(3)
    assert direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]
    assert ready(direct, batch) == [[b"acme", 2]]
