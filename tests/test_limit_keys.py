"""Limits of keys in the scripts: lists of tasks of many keys, which are sorted when they are claimed."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct, claimed
from tests.harness import MODES
from tests.limiting import H, allow, body, crowd, slots, waiting

MIXED = H + "."


def keyed(*keys: object) -> list[str]:
    """The limits of tasks with these keys."""
    return [f"{H}.{key}" for key in keys]


def locals_of(leases: list[str]) -> list[int]:
    """The local ids of claimed tasks, as numbers."""
    return [int(lease[22:32]) for lease in leases]


@pytest.mark.parametrize("mode", MODES)
def test_each_key_has_its_own_limit_and_its_tasks_keep_their_order(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, m=1)
    batch = crowd(direct, keyed("x", "x", "y", "x", "z", "y"), into=MIXED)
    held = direct.claim(9)
    assert locals_of(held) == [0, 2, 4]
    assert direct.counts() == (3, 3, 0, 0)
    assert waiting(direct, f"{H}.x") == [batch]
    order = []
    while held:
        direct.settle(held, "done")
        held = direct.claim(9) or direct.claim(9)
        order += locals_of(held)
    assert sorted(order) == [1, 3, 5]
    assert order.index(1) < order.index(3)
    assert direct.counters(batch) == ("done", 6, 0, 0, 0)
    assert not [name for part in ("park", "lim:", "lims", "waits", "held", "!") for name in direct.named(part)]


@pytest.mark.parametrize("mode", MODES)
def test_a_step_moves_500_of_many_keys_and_comes_back(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, m=1)
    batch = crowd(direct, [*keyed("hot") * 750, *keyed("cold")], into=MIXED)
    answer = direct.step(9)
    assert (len(claimed(answer)), answer[8]) == (1, 1)
    moved = direct.client.llen(direct.key("b", f"{batch}!{H}.hot", "r", "q"))
    assert moved == 500
    answer = direct.step(9)
    assert [task[22:] for task in claimed(answer)] == [f"{750:010}"]


def test_a_step_moves_500_tasks_in_all(direct: Direct) -> None:
    allow(direct, m=0)
    batches = [crowd(direct, keyed("hot") * 200, into=MIXED) for _ in range(7)]
    direct.step(9)
    left = [direct.client.llen(direct.key("b", f"{batch}!{MIXED}", "r", "q")) for batch in batches]
    assert sum(left) == 900


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_keeps_256_keys_apart_and_then_waits_for_one(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, m=1)
    crowd(direct, keyed(*range(300)), "other", into=MIXED)
    first = direct.claim(128) + direct.claim(128) + direct.claim(128)
    assert len(first) == 300
    batch = crowd(direct, keyed(*range(300)), into=MIXED)
    for _ in range(4):
        assert direct.claim(9) == []
    assert direct.client.scard(direct.key("b", batch, "segs")) == 257
    assert direct.client.llen(direct.key("b", f"{batch}!{MIXED}", "r", "q")) == 44
    stuck = direct.record("b", batch)[f"held:{batch}!{MIXED}:q"]
    assert stuck == f"{H}.256"
    [holder] = [lease for lease in first if int(lease[22:32]) == 256]
    direct.settle([holder], "done")
    assert locals_of(direct.claim(9)) == [256]
    for lease in first:
        if lease != holder:
            direct.settle([lease], "done")
    done = {256}
    for _ in range(20):
        claims = direct.claim(128)
        done |= set(locals_of(claims))
        if claims:
            direct.settle(claims, "done")
    assert done == set(range(300))


def test_a_cancel_drops_lists_that_wait_for_many_keys(direct: Direct) -> None:
    allow(direct, m=0)
    batch = crowd(direct, keyed(*range(300)), into=MIXED)
    for _ in range(4):
        direct.claim(9)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert direct.counters(batch) == ("cancelled", 300, 0, 0, 300)
    assert not [name for part in ("park", "waits", "held:", "!", "lane") for name in direct.named(part)]


def test_retries_go_to_the_list_of_their_key_where_there_is_one(direct: Direct) -> None:
    allow(direct, m=1)
    batch = crowd(direct, keyed("x", "x", "y"), into=MIXED)
    leases = direct.claim(9)
    assert direct.settle(leases, "release") == []
    assert direct.client.llen(direct.key("b", f"{batch}!{H}.x", "r", "q")) == 2
    assert direct.client.llen(direct.key("b", f"{batch}!{MIXED}", "r", "q")) == 1
    assert locals_of(direct.claim(9)) == [0, 2]


def test_a_cancelled_task_among_many_keys_is_skipped(direct: Direct) -> None:
    allow(direct, m=1)
    batch = crowd(direct, keyed("x", "x", "y"), into=MIXED)
    assert direct.once("task_cancel", f"{batch}{0:010}", "", "") == [b"ok"]
    assert locals_of(direct.claim(9)) == [1, 2]
    assert not [field for field in direct.record("b", batch) if field.startswith("tombs")]


def test_a_change_for_all_keys_lets_all_go_on(direct: Direct) -> None:
    allow(direct, m=0)
    crowd(direct, keyed(*range(150)), into=MIXED)
    direct.claim(128)
    direct.claim(128)
    allow(direct, mark="!", m=1)
    cursor = b"0"
    while (cursor := direct.call("limit_wake", H, cursor)[0]) != b"0":
        pass
    assert len(direct.claim(128) + direct.claim(128)) == 150


def test_what_is_told_of_a_limit(direct: Direct) -> None:
    allow(direct, m=1, n="h", k=1)
    crowd(direct, keyed("x", "x", "y"), into=MIXED)
    direct.claim(9)
    assert direct.call("limit_list") == [[H.encode(), to_json({"m": 1, "n": "h", "k": 1}), b"", 2, 1, 2, b""]]
    assert slots(direct, f"{H}.x") == 1
    assert body(0)


def test_a_later_task_of_a_key_goes_behind_those_that_wait(direct: Direct) -> None:
    allow(direct, m=1)
    batch = crowd(direct, keyed("x", "x"), into=MIXED)
    [lease] = direct.claim(9)
    direct.settle([lease], "done")  # the second is in line again, and has not been claimed
    lists = to_json([["r", "q", 1, 0, False, 0, 0, MIXED]])
    assert direct.once("batch_append", batch, "acme", "", lists, body(9, f"{H}.x")) == [b"ok"]
    lane = direct.key("lane", "q", "acme")
    direct.client.lmove(lane, lane, "LEFT", "RIGHT")  # as if others had been claimed before
    assert locals_of(direct.claim(9)) == [1]


def test_a_list_of_many_keys_does_not_go_on_in_anothers_place(direct: Direct) -> None:
    """It waits for a key of which it has nothing left when its turn comes."""
    allow(direct, m=1)
    crowd(direct, keyed("x"), "other")
    [lease] = direct.claim(9)
    mixed = crowd(direct, keyed("x"), into=MIXED)
    direct.client.sadd(direct.key("b", mixed, "segs"), *(f"s{n}" for n in range(300)))
    assert direct.claim(9) == []
    assert direct.record("b", mixed)[f"held:{mixed}!{MIXED}:q"] == f"{H}.x"
    last = crowd(direct, keyed("x"), "third")
    assert direct.claim(9) == []
    lists = to_json([["r", "q", 1, 0, False, 0, 0, MIXED]])
    assert direct.once("batch_append", mixed, "acme", "", lists, body(9, f"{H}.y")) == [b"ok"]
    assert direct.once("task_cancel", f"{mixed}{0:010}", "", "") == [b"ok"]
    direct.settle([lease], "done")
    found = direct.claim(9) + direct.claim(9)
    assert {one[:22] for one in found} == {mixed, last}
    direct.client.delete(direct.key("b", mixed, "segs"))


def test_a_strict_queue_leaves_off_where_a_step_may_move_no_more(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, m=0)
    crowd(direct, keyed("hot") * 900, into=MIXED)
    direct.client.config_resetstat()
    direct.step(9)
    pops = direct.client.info("commandstats")["cmdstat_lpop"]["calls"]
    assert pops < 20


def test_a_cancel_finds_what_came_back(direct: Direct) -> None:
    allow(direct, m=5)
    batch = crowd(direct, [H])
    leases = direct.claim(1)
    assert direct.settle(leases, "release") == []
    assert direct.client.sismember(direct.key("b", batch, "segs"), f"{batch}!{H}:r:q")
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert not direct.named(":r:")


def test_what_is_told_of_very_many_keys_is_bounded(direct: Direct) -> None:
    allow(direct, m=1, n="h", k=1)
    direct.client.sadd(direct.key("lims", H), *(f"{H}.{n}" for n in range(7_000)))
    [told] = direct.call("limit_list")
    assert told[5] < 5_000
    direct.client.delete(direct.key("lims", H))
