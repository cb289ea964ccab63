"""The tasks that schedules make: where payloads and records of theirs lie, and how the schedule hears of their ends."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc.codec import read_body
from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, PAYLOAD, W1, W2, Direct, claimed
from tests.limiting import H, allow, slots
from tests.schedule_direct import MINUTE, entry, fire, history, indexed, put, run, state, store, trigger


def home(direct: Direct, tenant: str = "acme") -> str:
    """A tenant's open batch."""
    return direct.record("t", tenant)["hidden"]


def made(direct: Direct, key: str) -> str:
    """The id of the last task of a schedule."""
    return str(state(direct, key, "task")[0])[:32]


def test_a_task_tells_its_schedule_its_occurrence_and_when_it_was_made(direct: Direct) -> None:
    key = store(direct, "ünï:1\n", m=5)
    direct.wait(7)
    assert fire(direct, entry(direct, key)) == [1]
    answer = direct.step(1)
    body = read_body(answer[7][0][4][0])
    assert body.extension == {"s": f"{key}ünï:1\n", "t": direct.now - 7, "c": direct.now, "m": 5}
    assert (body.payload, claimed(answer)) == (PAYLOAD, [made(direct, key)])


def test_a_task_counts_in_its_tenant_s_open_batch(direct: Direct) -> None:
    keys = [store(direct, id, tenant) for id, tenant in (("1", "acme"), ("2", "acme"), ("1", "other"))]
    assert fire(direct, *(entry(direct, key) for key in keys)) == [1, 1, 1]
    for tenant, n in (("acme", 2), ("other", 1)):
        assert direct.counters(home(direct, tenant)) == ("open", n, n, 0, 0)
        assert direct.record("t", tenant)["total"] == str(n)
    assert {task[:22] for task in run(direct)} == {home(direct), home(direct, "other")}


@pytest.mark.parametrize("size", [8_192, 8_193])
def test_a_large_payload_goes_apart(direct: Direct, size: int) -> None:
    payload = b"x" * size
    key = store(direct, payload=payload, unique=True)
    assert fire(direct, entry(direct, key)) == [1]
    apart = {made(direct, key)[22:].encode(): payload} if size > 8_192 else {}
    assert direct.client.hgetall(direct.key("b", home(direct), "big")) == apart
    body = read_body(direct.client.lindex(direct.key("b", home(direct), "r", "q"), 0) or b"")
    assert (body.payload, body.stub) == ((b"", True) if apart else (payload, False))
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [0]
    assert len(run(direct)) == 1
    assert direct.named(":big") == []


def test_a_kept_task_has_a_record(direct: Direct) -> None:
    key = store(direct, k="a")
    assert fire(direct, entry(direct, key)) == [1]
    task = made(direct, key)
    found = direct.client.hgetall(direct.key("b", home(direct), "rec"))
    assert found[task[22:].encode()].startswith(b"q\n" + task[22:].encode() + b"+")
    direct.wait(5)
    assert run(direct) == [task]
    assert direct.call("task_read", task, "", 0)[0] == b"done"
    assert direct.call("batch_prune", 0, 100)[0] == b"ok"
    assert direct.named(":rec") == []


def test_a_limited_task_lies_on_the_list_of_its_limit(direct: Direct) -> None:
    allow(direct, m=1)
    key = store(direct, l=H)
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key, direct.now - MINUTE, direct.now)) == [2]
    assert direct.client.llen(direct.key("b", f"{home(direct)}!{H}", "r", "q")) == 2
    [lease] = direct.claim(5)
    assert slots(direct) == 1
    assert direct.settle([lease], "done") == []
    assert len(run(direct)) == 1


def test_tasks_of_all_keys_of_a_limit_lie_on_one_list(direct: Direct) -> None:
    allow(direct, m=1)
    keys = [store(direct, f"s{n}", l=f"{H}.{n}") for n in range(3)]
    direct.wait(MINUTE)
    assert fire(direct, *(entry(direct, key) for key in keys)) == [1, 1, 1]
    assert direct.client.llen(direct.key("b", f"{home(direct)}!{H}.", "r", "q")) == 3
    assert len(run(direct)) == 3


# history


@pytest.mark.parametrize("verb", ["done", "dead", "drop", "exhausted", "cancelled"])
def test_how_a_task_has_ended_is_told_with_its_times(direct: Direct, verb: str) -> None:
    key = store(direct)
    at = direct.now
    direct.wait(10)
    assert fire(direct, entry(direct, key)) == [1]
    direct.wait(20)
    leases = direct.claim()
    direct.wait(30)
    assert direct.settle(leases, verb, 0, ERROR) == []
    how = verb if verb in ("done", "cancelled") else "failed"
    assert history(direct, key) == [(how, at, at + 30, at + 60, made(direct, key))]


@pytest.mark.parametrize("verb", ["retry", "release"])
def test_a_task_that_goes_on_has_not_ended(direct: Direct, verb: str) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    assert direct.settle(direct.claim(), verb, 0, ERROR) == []
    assert history(direct, key) == []
    direct.wait(5)
    run(direct)
    assert [(how, claimed) for how, _, claimed, *_ in history(direct, key)] == [("done", direct.now)]


def test_a_task_whose_worker_is_gone_has_ended_once_another_has_run_it(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    leases = direct.claim()
    direct.wait(LEASE)
    assert (direct.rescue(), history(direct, key)) == (1, [])
    again = direct.claim(worker=W2)
    assert direct.settle(leases, "done") == leases
    assert history(direct, key) == []
    assert direct.settle(again, "done") == []
    assert len(history(direct, key)) == 1


def test_a_waiting_task_that_is_cancelled_never_started(direct: Direct) -> None:
    key = store(direct, unique=True)
    assert fire(direct, entry(direct, key)) == [1]
    direct.wait(9)
    assert direct.once("task_cancel", made(direct, key), "acme", "") == [b"ok"]
    assert history(direct, key) == [("cancelled", direct.now - 9, 0, direct.now, made(direct, key))]
    direct.wait(MINUTE)
    assert fire(direct, entry(direct, key)) == [1]


def test_a_running_task_that_is_cancelled_ends_with_its_report(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    leases = direct.claim()
    assert direct.once("task_cancel", made(direct, key), "acme", "") == [b"running"]
    assert history(direct, key) == []
    assert direct.settle(leases, "cancelled") == []
    assert history(direct, key)[0][0] == "cancelled"


def test_the_last_ten_runs_are_told_the_newest_first(direct: Direct) -> None:
    key, other = store(direct, "one"), store(direct, "two")
    for n in range(13):
        assert fire(direct, entry(direct, key)) == [1]
        run(direct, "done" if n % 2 else "drop")
        direct.wait(MINUTE)
    found = history(direct, key)
    assert [how for how, *_ in found] == ["failed", "done"] * 5
    assert [at for _, at, *_ in found] == [direct.now - n * MINUTE for n in range(1, 11)]
    assert history(direct, other) == []


def test_a_dead_letter_that_is_retried_ends_once_more(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    [letter] = run(direct, "dead")
    assert direct.once("dead_retry", to_json([[letter[:22], "q", letter[22:]]]), 0) == [b"ok", 1]
    assert run(direct) == [letter]
    assert [(how, task) for how, *_, task in history(direct, key)] == [("done", letter), ("failed", letter)]


def test_what_ends_after_its_schedule_brings_nothing_back(direct: Direct) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    assert direct.once("schedule_cancel", key) == [b"ok"]
    assert len(run(direct)) == 1
    assert direct.named(key) == []


def test_a_change_keeps_the_history(direct: Direct) -> None:
    key = store(direct)
    assert trigger(direct, key)[0] == b"ok"
    run(direct)
    assert put(direct, rule="another") == [b"ok"]
    assert len(history(direct, key)) == 1
    assert indexed(direct) == {"schedules": {key: direct.now}}


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize("spoiled", [b"text", {b"history": b"\n\nodd\n"}, {b"tenant": b""}])
def test_a_schedule_that_is_broken_stops_no_report(direct: Direct, spoiled: Any) -> None:
    key = store(direct)
    assert fire(direct, entry(direct, key)) == [1]
    if isinstance(spoiled, bytes):
        direct.client.delete(direct.key("s", key))
        direct.client.set(direct.key("s", key), spoiled)
    else:
        direct.client.hset(direct.key("s", key), mapping=spoiled)
    [lease] = direct.claim()
    assert direct.settle([lease], "done") == []
    assert direct.counters(home(direct))[1:3] == (1, 0)
    if spoiled == {b"history": b"\n\nodd\n"}:
        assert direct.record("s", key)["history"].split("\n")[1:] == ["odd"]


def test_a_task_of_a_schedule_without_an_occurrence_ends_all_the_same(direct: Direct) -> None:
    key = store(direct)
    batch = direct.create(1)
    stored = f'{0:010}+{{"s":"{key}one","t":"x"}}\n'.encode() + PAYLOAD
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, stored)
    assert direct.settle(direct.claim(), "done") == []
    assert history(direct, key) == [("done", 0, direct.now, direct.now, f"{batch}{0:010}")]


@pytest.mark.parametrize("said", ["5", "[1]", "null", '"short"'])
def test_a_task_of_no_schedule_ends_all_the_same(direct: Direct, said: str) -> None:
    key = store(direct)
    batch = direct.create(1)
    stored = f'{0:010}+{{"s":{said},"t":"x"}}\n'.encode() + PAYLOAD
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, stored)
    assert direct.settle(direct.claim(worker=W1), "done") == []
    assert direct.counters(batch)[0] == "done"
    assert history(direct, key) == []
    assert not [name for name in direct.named() if name.startswith("s:") and key not in name]
