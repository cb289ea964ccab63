"""Unique locks of what is staged, of continuations, those with a time, and upkeep."""

from __future__ import annotations

import pytest

from tests.direct import Direct, ending, group
from tests.locking import KEY, append, batch_of, commit, create, holder, listed, prune, single, stage, stored, task

# what is staged


def test_who_meets_a_lock_that_is_being_staged_is_told_to_wait_and_stores_nothing(direct: Direct) -> None:
    batch, seg = batch_of(direct, task(0, "")), direct.new()
    segment = f"{batch}+{'n' * 10}"
    for one in (seg, segment):
        assert stage(direct, one, task(0)) == [b"ok"]
        with direct.unchanged():
            assert create(direct, task(1, "free"), task(2)) == [b"wait"]
            assert append(direct, batch, task(3)) == [b"wait"]
            assert single(direct, 4) == "wait"
            assert stage(direct, direct.new(), task(5)) == [b"wait"]
            assert holder(direct) == "staging"
        assert stage(direct, one, task(6), task(7, "mine"), chunk=1)[0] == b"ok"
        assert commit(direct, one, 2)[0] == b"ok"
        assert single(direct, 8) == f"{one[:22]}{0:010}"
        assert len(stored(direct)) == 2
        assert direct.once("batch_cancel", one[:22], "") == [b"ok"]
        assert (prune(direct), stored(direct)) == (2, {})


@pytest.mark.parametrize("circle", [2, 3, 9])
def test_of_segments_that_wait_for_each_other_the_last_gives_way(direct: Direct, circle: int) -> None:
    segs = [direct.new() for _ in range(circle)]
    for i, seg in enumerate(segs):
        assert stage(direct, seg, task(i, f"key {i}")) == [b"ok"]
    for i, seg in enumerate(segs[:-1]):
        assert stage(direct, seg, task(20 + i, f"key {i + 1}"), chunk=1) == [b"wait"]
    with direct.unchanged():
        for _ in range(2):
            assert stage(direct, segs[-1], task(40, "key 0"), chunk=1) == [b"crossed"]
    direct.call("stage_drop", segs[-1])
    assert stage(direct, segs[-2], task(18 + circle, f"key {circle - 1}"), chunk=1) == [b"ok"]
    assert stage(direct, segs[-1], task(41, "another")) == [b"ok"]
    assert stage(direct, segs[-1], task(42, f"key {circle - 2}"), chunk=1) == [b"wait"]  # for one that waits no more
    direct.call("stage_drop", segs[-1])
    assert commit(direct, segs[-2], 2)[0] == b"ok"
    for i in reversed(range(circle - 2)):
        assert stage(direct, segs[i], task(20 + i, f"key {i + 1}"), chunk=1)[0] == b"ok"
        assert commit(direct, segs[i], 1)[0] == b"ok"


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("appended", [False, True])
def test_what_is_never_committed_holds_nothing_once_it_is_dropped(direct: Direct, pruned: bool, appended: bool) -> None:
    seg = f"{direct.create()}+{'n' * 10}" if appended else direct.new()
    assert stage(direct, seg, task(0), task(1, "other")) == [b"ok"]
    if pruned:
        direct.wait(1)
        assert direct.call("staging_prune", 0, 10)[1] == 1
    else:
        direct.call("stage_drop", seg)
    assert holder(direct) == "unknown"
    second = single(direct, 5)
    assert prune(direct) == 2
    assert stored(direct) == {KEY: second}
    assert direct.named("unlock") == direct.named(":u") == []


def test_a_segment_for_a_batch_that_is_cancelled_meanwhile_holds_nothing(direct: Direct) -> None:
    batch = batch_of(direct, task(0, ""))
    segment = f"{batch}+{'n' * 10}"
    assert stage(direct, segment, task(1)) == [b"ok"]
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    second = single(direct, 5)
    assert second[22:] == f"{5:010}"
    assert commit(direct, segment, 1) == [b"cancelled"]
    assert (prune(direct), stored(direct)) == (1, {KEY: second})


def test_one_that_nobody_adds_to_for_half_a_minute_gives_way_and_is_then_refused(direct: Direct) -> None:
    batch, seg = batch_of(direct, task(0, "")), direct.new()
    for one, key, local in ((seg, KEY, 6), (f"{batch}+{'n' * 10}", "l" * 22, 7)):
        assert stage(direct, one, task(1, key), task(2, key + "x")) == [b"ok"]
        direct.wait(30_000)
        assert single(direct, 5, key=key) == "wait"
        direct.wait(1)
        second = single(direct, local, key=key)
        assert second[22:] == f"{local:010}"
        assert commit(direct, one, 2) == [b"gap"]
        direct.call("stage_drop", one)
        assert prune(direct) == 2
        assert holder(direct, key) == second
        assert holder(direct, key + "x") == "unknown"


def test_a_segment_whose_unique_tasks_are_all_there_notes_nothing(direct: Direct) -> None:
    batch = batch_of(direct, task(0))
    segment = f"{batch}+{'n' * 10}"
    assert stage(direct, segment, task(1), task(2, ""))[0] == b"ok"
    assert commit(direct, segment, 1) == [b"ok"]
    assert direct.client.smembers(direct.key("b", batch, "segs")) == {f"{segment}:r:q".encode()}


def test_the_last_lock_of_a_segment_takes_its_note_along(direct: Direct) -> None:
    batch = batch_of(direct, task(0, ""))
    segment = f"{batch}+{'n' * 10}"
    assert stage(direct, segment, task(1), task(2, "two")) == [b"ok"]
    assert commit(direct, segment, 2) == [b"ok"]
    leases = [lease for lease in direct.claim(3) if f"{0:010}" not in lease[22:32]]
    assert direct.settle(leases[:1], "done") == []
    assert direct.client.sismember(direct.key("b", batch, "segs"), f"{segment}:u")
    assert direct.settle(leases[1:], "done") == []
    assert not direct.client.exists(direct.key("b", batch, "segs"), direct.key("b", segment, "u"))


# continuations


def test_a_continuation_takes_a_lock_or_is_left_out_and_what_is_staged_gives_way(direct: Direct) -> None:
    entry = b"settled after 0\n" + task(9)
    batch_of(direct, task(1, ""), ends=[entry])
    assert direct.settle(direct.claim()) == []
    home = direct.record("t", "acme")["hidden"]
    assert stored(direct) == {KEY: f"{home}{9:010}"}
    batch_of(direct, task(1, ""), ends=[b"settled after 0\n" + task(8), ending("settled", 7)])
    assert direct.settle(direct.claim()) == []
    assert direct.counters(home)[1] == 2
    leases = direct.claim(9, queues=["after"])
    assert sorted(lease[22:32] for lease in leases) == [f"{7:010}", f"{9:010}"]
    assert direct.settle(leases, "done", queue="after") == []
    seg = direct.new()
    assert stage(direct, seg, task(0)) == [b"ok"]
    batch_of(direct, task(1, ""), ends=[b"settled after 0\n" + task(6)])
    assert direct.settle(direct.claim()) == []
    assert stored(direct) == {KEY: f"{home}{6:010}"}
    assert commit(direct, seg, 1) == [b"gap"]


# time


def test_a_lock_with_a_time_holds_until_then_whatever_becomes_of_its_task(direct: Direct) -> None:
    first = single(direct, 1, lasts=1_000)
    assert direct.settle(direct.claim(), "done") == []
    direct.wait(999)
    assert single(direct, 2, lasts=1_000) == first
    assert prune(direct) == 0
    direct.wait(1)
    second = single(direct, 3, lasts=1_000)
    assert second != first
    direct.wait(1_000)
    assert prune(direct) == 1
    assert (stored(direct), direct.named("uniqends")) == ({}, [])
    third = single(direct, 4, lasts=5_000)
    assert direct.settle(direct.claim(1), "done") == []  # the second, late
    assert holder(direct) == third


def test_a_lock_taken_anew_is_not_ended_by_the_first_ones_time(direct: Direct) -> None:
    single(direct, 1, lasts=1_000)
    direct.wait(1_000)
    second = single(direct, 2)
    assert prune(direct) == 1
    assert holder(direct) == second


def test_the_lock_of_a_task_that_is_done_outlives_its_batch(direct: Direct) -> None:
    batch = batch_of(direct, task(1, lasts=60_000))
    assert direct.settle(direct.claim(), "done") == []
    direct.wait(1)
    direct.prune()
    assert direct.counters(batch)[0] == ""
    assert (prune(direct), holder(direct)) == (0, f"{batch}{1:010}")
    direct.wait(60_000)
    assert prune(direct) == 1


def test_what_dies_has_no_time_left(direct: Direct) -> None:
    single(direct, 1, lasts=60_000)
    direct.kill()
    assert (stored(direct), direct.named("uniqends")) == ({}, [])


# upkeep


def test_upkeep_takes_so_many_locks_at_a_time_and_leaves_those_of_others(direct: Direct) -> None:
    batches = [batch_of(direct, *(task(n, f"{b}-{n}") for n in range(6))) for b in range(3)]
    for batch in batches:
        assert direct.once("batch_cancel", batch, "") == [b"ok"]
    mine = single(direct, 1, key="1-3")
    assert [prune(direct, 7) for _ in range(4)] == [7, 7, 4, 0]
    assert stored(direct) == {"1-3": mine}
    assert direct.named("unlock") == []


def test_upkeep_puts_off_a_segment_whose_locks_can_not_be_read(direct: Direct, cleared: None) -> None:
    one, two = batch_of(direct, task(0)), batch_of(direct, task(0, "two"))
    for batch in (one, two):
        assert direct.once("batch_cancel", batch, "") == [b"ok"]
    direct.client.delete(direct.key("b", one, "u"))
    direct.client.set(direct.key("b", one, "u"), "broken")
    [_, looked, [note]] = direct.call("unique_prune", 500)
    assert (looked, note.startswith(f"locks of {one}: ".encode())) == (2, True)
    assert stored(direct) == {KEY: f"{one}{0:010}"}
    assert prune(direct) == 0
    direct.client.delete(direct.key("uniqends"))
    direct.client.set(direct.key("uniqends"), "broken")
    assert direct.call("unique_prune", 500)[2][0].startswith(b"the index uniqends: ")


def test_a_full_redis_lets_go_of_locks(direct: Direct) -> None:
    batch = batch_of(direct, task(0, lasts=1_000), task(1, "one"))
    batch_of(direct, task(0, "two"))
    leases = direct.claim(3)
    with direct.full():
        assert direct.step(0, [group([lease for lease in leases if lease.startswith(batch)], "done")])[9] == []
    direct.wait(1_000)
    with direct.full():
        assert prune(direct) == 1
    assert set(stored(direct)) == {"two"}


def test_an_append_that_was_made_or_is_refused_does_not_wait_for_what_is_staged(direct: Direct) -> None:
    batch = direct.create()
    assert direct.append(batch, idem="k") == [b"ok"]
    stage(direct, direct.new(), task(0))
    lists, bodies = listed(task(1))
    assert direct.once("batch_append", batch, "acme", "k", lists, *bodies) == [b"ok"]
    assert direct.once("batch_append", batch, "acme", "", lists, *bodies) == [b"wait"]
    direct.once("batch_cancel", batch, "")
    assert direct.once("batch_append", batch, "acme", "", lists, *bodies) == [b"cancelled"]
