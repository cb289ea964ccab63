"""Whose turn it is under a limit: tenants, queues, strict queues, and what is left of those that are gone."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import W1, Direct
from tests.harness import in_each_mode
from tests.limiting import H, allow, body, crowd, waiting
from tests.ruling import rule

mode = in_each_mode("q")


@pytest.mark.usefixtures("mode")
def test_behind_many_lists_that_are_gone_the_others_go_on(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H])
    [lease] = direct.claim(5)
    last = crowd(direct, [H])
    direct.claim(5)
    gone = {f"{last}+{n:07}!{H}": -1e15 + n for n in range(80)}
    direct.client.zadd(direct.key("park", H, "q"), gone)
    direct.settle([lease], "done")
    assert len(waiting(direct)) == 31
    assert direct.claim(5) == []
    direct.promote()
    assert [found[:22] for found in direct.claim(5)] == [last]


def test_in_a_strict_queue_what_waited_goes_before_what_came_later(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, m=1)
    crowd(direct, [H])
    [lease] = direct.claim(5)
    early = crowd(direct, [H])
    assert direct.claim(5) == []
    direct.create(2)
    direct.settle([lease], "done")
    assert [found[:22] for found in direct.claim(1)] == [early]


def test_what_is_not_held_up_goes_before_the_next_queue(direct: Direct) -> None:
    allow(direct, m=0)
    for tenant in ("a", "b", "c"):
        crowd(direct, [H] * 5, tenant)
    plain, later = direct.create(4, "d"), direct.create(4, "e", queues=["r"])
    claims = direct.claim(4, queues=["q", "r"])
    assert {lease[:22] for lease in claims} == {plain}
    assert {lease[:22] for lease in direct.claim(9, queues=["q", "r"])} == {later}


def test_a_limit_that_is_set_again_by_a_lost_call_stays(direct: Direct) -> None:
    first, second = (to_json(["p" * 22, n, 1]) for n in (1, 2))
    direct.call("limit_set", first, H, "!", to_json({"m": 1}))
    direct.call("limit_set", second, H, "!", to_json({"m": 2}))
    assert direct.call("limit_set", first, H, "!", to_json({"m": 1})) == [b"ok", 1]
    assert direct.call("limit_list")[0][2] == to_json({"m": 2})
    direct.client.delete(direct.key("p", "p" * 22))


def test_what_is_left_of_cancelled_tasks_goes_with_its_tenant(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, m=0)
    lists = to_json([["r", "q", 1, 0, False, 0, 0, H]])
    answer = direct.once("task_enqueue", "acme", "acme", "", 9, lists, f"{0:010}", body(0))
    assert direct.claim(5) == []
    assert waiting(direct) == [answer[1].decode()[:22]]
    assert direct.once("task_cancel", answer[1], "", "") == [b"ok"]
    direct.wait(10)
    assert direct.call("tenant_prune", 0, 10)[:2] == [b"ok", 1]
    assert direct.named() == ["limits", "m", f"p:{'producer00000000000000'}", "q:q", "stats", f"w:{W1}"]


def test_a_slot_that_comes_back_is_the_tasks_own(direct: Direct) -> None:
    allow(direct, m=9)
    crowd(direct, [H] * 9)
    leases = direct.claim(9)
    for n, lease in enumerate(leases, 1):
        direct.settle([lease], "done")
        assert direct.client.smembers(direct.key("lim", H)) == {one[:32].encode() for one in leases[n:]}


def test_a_strict_queue_lets_no_later_task_of_a_list_go_on_early(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, m=1)
    batch = direct.new()
    crowd(direct, [H], batch=batch)
    lists = to_json([["r", "q", 1, 0, False, 0, 0, H]])
    early = direct.claim(1)
    assert direct.once("batch_append", batch, "acme", "", lists, body(10)) == [b"ok"]
    plain = [direct.create(1) for _ in range(3)]
    assert direct.once("batch_append", batch, "acme", "", lists, body(11)) == [b"ok"]
    assert [lease[:22] for lease in direct.claim(1)] == plain[:1]
    allow(direct, mark="!", m=5)
    assert [lease[22:32] for lease in direct.claim(1)] == [f"{10:010}"]
    assert [lease[:22] for lease in direct.claim(2)] == plain[1:]
    assert [lease[22:32] for lease in direct.claim(1)] == [f"{11:010}"]
    assert direct.settle(early, "done") == []


def test_tickets_that_come_while_a_list_waits_take_none_of_those_that_it_waits_with(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, i=10_000_000, b=1)
    batch = crowd(direct, [H, H])
    [first] = direct.claim(9)  # the other one waits
    assert direct.settle([first], "release", 0) == []
    direct.wait(20_000)
    [first] = direct.claim(9)  # before upkeep lets the list go on
    assert direct.settle([first], "release", 0) == []
    assert direct.claim(9) == []
    for local in range(2):
        direct.wait(20_000)
        direct.promote()
        [lease] = direct.claim(9)
        assert lease[:32] == f"{batch}{local:010}"
        assert direct.settle([lease], "done") == []


@pytest.mark.parametrize("how", ["tokens", "slots", "a tenant without room"])
def test_room_that_a_list_leaves_is_for_others_that_wait(direct: Direct, how: str) -> None:
    if how == "tokens":
        allow(direct, i=1_000_000, b=10)
        crowd(direct, [H] * 10, "first")
        direct.settle(direct.claim(10), "done")
    else:
        allow(direct, m=0)
    crowd(direct, [H] * 5)
    other = crowd(direct, [H] * 5, "b")
    assert direct.claim(5) == []
    direct.create(1, "b")
    direct.settle(direct.claim(1), us=1_000_000)  # so that it isn't the first whose list goes on
    for _ in range(120):
        direct.create(1)
    if how == "tokens":
        direct.wait(5_000)
        direct.promote()
    else:
        allow(direct, mark="!", m=3)
    if how == "a tenant without room":
        rule(direct, m=1)
    claims = []
    for _ in range(5):
        claims += direct.claim(1)
    assert {lease[:22] for lease in claims} > {other}


def test_in_a_strict_queue_a_list_goes_before_those_that_came_later(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo", "")
    allow(direct, m=0)
    batches = [crowd(direct, [H] * 3) for _ in range(2)]
    assert direct.claim(9) == []
    allow(direct, mark="!", m=9)
    claims = []
    while leases := direct.claim(1) or direct.claim(1):
        claims += leases
    assert [lease[:22] for lease in claims] == [batches[0]] * 3 + [batches[1]] * 3
