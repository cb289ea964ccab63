"""Unique locks as the scripts keep them: who has one, and who lets it go."""

from __future__ import annotations

import json

import pytest
import redis

from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, Direct
from tests.locking import KEY, append, batch_of, commit, flat, holder, listed, prune, single, stage, stored, task

# who has it


def test_an_equal_of_a_task_that_is_there_is_left_out_wherever_it_would_go(direct: Direct) -> None:
    first = batch_of(direct, task(0), task(1), task(2, "other"))
    assert direct.counters(first) == ("running", 2, 2, 0, 0)
    assert holder(direct) == f"{first}{0:010}"
    assert single(direct, 5) == f"{first}{0:010}"
    assert direct.counters(batch_of(direct, task(6))) == ("done", 0, 0, 0, 0)
    assert append(direct, first, task(7), task(8, "third")) == [b"ok"]
    assert direct.counters(first) == ("running", 3, 3, 0, 0)
    seg = direct.new()
    assert stage(direct, seg, task(9), task(10, "fourth")) == [b"ok", b'[["r","q",1]]']
    assert direct.call("batch_stage", seg, 0, 1, *flat(listed(task(9), task(10, "fourth")))) == [b"ok", b'[["r","q",1]]']
    assert stage(direct, seg, task(11, "fifth"), chunk=1) == [b"ok"]
    assert stage(direct, seg, task(11, "fifth"), chunk=1) == [b"ok"]
    assert commit(direct, seg, 2) == [b"ok", seg.encode()]
    assert {value[:22] for value in stored(direct).values()} == {first, seg}
    assert len(direct.claim(9)) == 5


def test_lists_that_are_not_marked_are_not_looked_at(direct: Direct) -> None:
    lists = to_json([["r", "q", 2, 0]])
    before = direct.client.info("commandstats")
    answer = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, task(0), task(1))
    after = direct.client.info("commandstats")
    assert direct.counters(answer[1].decode())[1] == 2
    assert stored(direct) == {}
    assert after.get("cmdstat_scard") == before.get("cmdstat_scard")


def test_large_payloads_go_with_the_tasks_that_are_left_out(direct: Direct) -> None:
    stubs = [task(n).replace(b"+", b"*", 1) for n in (0, 1)]
    lists = to_json([["r", "q", 2, 0, False, 0, 1], ["big", "", 2, 0]])
    large = [f"{0:010}", "x" * 9_000, f"{1:010}", "y" * 9_000]
    answer = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *stubs, *large)
    assert direct.record("b", answer[1].decode(), "big") == {f"{0:010}": "x" * 9_000}
    assert direct.settle(direct.claim(2), "done") == []
    assert (stored(direct), direct.named(":u")) == ({}, [])


def test_the_first_ones_id_is_remembered_for_an_idempotency_key(direct: Direct) -> None:
    first = single(direct, 1)
    assert single(direct, 2, idem="key") == first
    assert direct.settle(direct.claim(), "done") == []
    assert single(direct, 3, idem="key") == first
    assert single(direct, 4) != first


def test_a_call_that_comes_again_gets_the_same_answer(direct: Direct) -> None:
    number, (lists, given) = direct.number(), listed(task(1))
    call = ("task_enqueue", number, "acme", "acme", "", 0, lists, f"{1:010}", *given)
    answer = direct.call(*call)
    with direct.unchanged():
        assert direct.call(*call) == answer
    assert direct.settle(direct.claim(), "done") == []
    with direct.unchanged():
        assert direct.call(*call) == answer


# who lets it go


@pytest.mark.parametrize("verb", ["done", "dead", "drop", "cancelled", "exhausted"])
@pytest.mark.parametrize("open_", [False, True])
def test_a_task_that_ends_lets_go(direct: Direct, verb: str, open_: bool) -> None:
    if open_:
        single(direct, 0)
    else:
        batch_of(direct, task(0), task(1, ""))
    leases = direct.claim(1)
    assert direct.settle(leases, verb, 0, ERROR if verb in ("dead", "exhausted") else "") == []
    assert (stored(direct), direct.named(":u")) == ({}, [])
    assert single(direct, 9)[22:] == f"{9:010}"


@pytest.mark.parametrize("verb", ["retry", "release"])
@pytest.mark.parametrize("delay", [0, 500])
def test_a_task_that_goes_on_keeps_it(direct: Direct, verb: str, delay: int) -> None:
    batch = batch_of(direct, task(0))
    assert direct.settle(direct.claim(), verb, delay, ERROR) == []
    assert holder(direct) == f"{batch}{0:010}"
    direct.wait(500)
    direct.promote()
    direct.claim()
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert holder(direct) == f"{batch}{0:010}"


@pytest.mark.parametrize("delay", [0, 500])
def test_a_waiting_task_that_is_cancelled_lets_go(direct: Direct, delay: int) -> None:
    first = single(direct, 0, delay=delay)
    assert direct.once("task_cancel", first, "", "") == [b"ok"]
    assert stored(direct) == {}


def test_a_running_one_keeps_it_until_it_has_stopped_even_if_its_worker_is_gone(direct: Direct) -> None:
    first = single(direct, 0)
    direct.claim()
    assert direct.once("task_cancel", first, "", "") == [b"running"]
    assert holder(direct) == first
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert stored(direct) == {}


def test_nobody_lets_go_of_a_lock_that_another_has(direct: Direct) -> None:
    batch = batch_of(direct, task(0))
    leases = direct.claim()
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    second = single(direct, 5)
    assert second[:22] != batch
    assert direct.settle(leases, "done") == []  # what its cancelled batch still ran
    assert holder(direct) == second
    assert prune(direct) == 1
    assert holder(direct) == second
    assert direct.named("unlock") == direct.named(":u") == []


def test_what_a_cancelled_batch_still_runs_lets_go_of_its_own(direct: Direct) -> None:
    batch = batch_of(direct, task(0))
    leases = direct.claim()
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert direct.settle(leases, "done") == []
    assert stored(direct) == {}


def test_a_broken_lock_stops_no_report(direct: Direct, cleared: None) -> None:
    for spoiled in ("uniq", "uniqends", "b"):
        batch = batch_of(direct, task(0, lasts=5_000), task(1, "other"))
        name = direct.key("b", batch, "u") if spoiled == "b" else direct.key(spoiled)
        direct.client.delete(name)
        direct.client.set(name, "broken")
        assert direct.settle(direct.claim(2), "drop") == []
        assert direct.counters(batch) == ("failed", 2, 0, 2, 0)
        direct.client.delete(name, direct.key("uniq"), direct.key("uniqends"))


@pytest.mark.parametrize("name", ["uniq", "uniqends", "u"])
def test_a_broken_lock_stops_a_call_before_it_has_stored_anything(direct: Direct, name: str, cleared: None) -> None:
    batch = batch_of(direct, task(0, ""))
    direct.client.set(direct.key("b", batch, "u") if name == "u" else direct.key(name), "broken")
    with direct.unchanged(), pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        append(direct, batch, task(1))


# dead letters


def letter(batch: str, local: int) -> str:
    return json.dumps([[batch, "q", f"{local:010}"]])


def test_a_letter_takes_its_lock_and_its_batch_notes_it(direct: Direct) -> None:
    lists = to_json([["r", "q", 1, 0]])  # as one that lost its lock
    batch = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, task(0, lasts=700))[1].decode()
    direct.kill()
    assert direct.once("dead_retry", letter(batch, 0), 0) == [b"ok", 1]
    assert stored(direct) == {KEY: f"{batch}{0:010}:{direct.now + 700}"}
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert prune(direct) == 1
    assert (stored(direct), direct.named("uniqends")) == ({}, [])


def test_a_letter_whose_equal_is_there_stays_and_one_that_is_none_takes_nothing(direct: Direct) -> None:
    batch = batch_of(direct, task(0), task(1, ""))
    direct.kill()
    second = single(direct, 5)
    with_it = direct.counters(batch)
    assert direct.once("dead_retry", letter(batch, 0), 0) == [b"ok", 0]
    assert (direct.counters(batch), direct.counts()[3]) == (with_it, 1)
    assert direct.once("task_cancel", second, "", "") == [b"ok"]
    assert direct.once("dead_retry", letter(batch, 1), 0) == [b"ok", 0]
    lease = next(one for one in direct.claim(2) if one.startswith(f"{batch}{1:010}"))
    assert direct.settle([lease], "retry", 500, ERROR) == []
    assert direct.once("dead_retry", letter(batch, 1), 0) == [b"ok", 0]
    assert stored(direct) == {}


def test_a_lock_is_not_taken_for_a_letter_that_is_none(direct: Direct) -> None:
    batch = batch_of(direct, task(0))
    lease = direct.claim()
    assert direct.settle(lease, "retry", 500, ERROR) == []
    direct.client.delete(direct.key("uniq"))
    assert direct.once("dead_retry", letter(batch, 0), 0) == [b"ok", 0]
    assert stored(direct) == {}


def test_a_small_append_makes_its_batch_know_of_locks(direct: Direct) -> None:
    batch = direct.create()
    assert append(direct, batch, task(5)) == [b"ok"]
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert (prune(direct), stored(direct), direct.named(":u")) == (1, {}, [])


def test_a_batch_without_locks_left_is_not_drained(direct: Direct) -> None:
    batch = batch_of(direct, task(0), task(1, ""))
    assert direct.settle([lease for lease in direct.claim(2) if lease.startswith(f"{batch}{0:010}")], "done") == []
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert direct.named("unlock") == []


@pytest.mark.parametrize("lock", ["5", "[1]", "null", '{"u":"x"}'])
def test_a_lock_that_is_no_text_is_none(direct: Direct, lock: str) -> None:
    stored_as = f'{1:010}+{{"x":{{"u":"y"}},"u":{lock}}}\n'.encode() + task(1, "")[11:]
    batch = batch_of(direct, stored_as)
    assert (direct.counters(batch)[1], stored(direct)) == (1, {})
    assert direct.settle(direct.claim(), "done") == []
    assert direct.counters(batch)[0] == "done"


def test_a_task_that_can_not_be_read_ends_all_the_same(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, f"{0:010}+{{nothing\n".encode())
    assert direct.settle(direct.claim(), "drop") == []
    assert direct.counters(batch)[0] == "failed"
