"""What scripts refuse workers and those who look after tasks: dead, cancelled and others' tasks, pauses, other layouts."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import W1, Answer, Direct, claimed, ending, group, plain
from tests.harness import UNKNOWN
from tests.test_refusals import Ground, cancelled, others, unknown

# tasks


@pytest.mark.parametrize("ground", [unknown, others, cancelled])
def test_a_task_that_can_not_be_cancelled(direct: Direct, ground: Ground) -> None:
    batch = ground(direct)
    with direct.unchanged():
        assert direct.call("task_cancel", to_json(["p", 1, 1]), f"{batch}{0:010}", "acme", "") == [b"unknown"]


def test_a_dead_task_can_not_be_cancelled(direct: Direct) -> None:
    batch = direct.create(1)
    [task] = direct.kill()
    assert direct.once("task_cancel", task, "", "") == [b"dead"]
    assert direct.counters(batch) == ("failed", 1, 0, 1, 0)


def test_a_single_task_that_is_cancelled_ends_nothing(direct: Direct) -> None:
    task = direct.single()
    assert direct.once("task_cancel", task, "acme", "") == [b"ok"]
    assert direct.counters(task[:22]) == ("open", 1, 0, 0, 1)


def test_a_batch_whose_last_task_is_cancelled_has_failed_where_another_has(direct: Direct) -> None:
    batch = direct.create(2)
    direct.kill()
    assert direct.once("task_cancel", f"{batch}{1:010}", "acme", "") == [b"ok"]
    assert direct.counters(batch) == ("failed", 2, 0, 1, 1)


def test_dead_letters_named_twice_are_taken_once(direct: Direct) -> None:
    batch = direct.create(4)
    tasks = [[batch, "q", task[22:]] for task in direct.kill(4)]
    assert direct.once("dead_discard", to_json([tasks[0], tasks[0]])) == [b"ok", 1]
    assert direct.once("dead_retry", to_json([tasks[0], tasks[1], tasks[1]]), 0) == [b"ok", 1]
    assert direct.once("dead_retry", to_json([[UNKNOWN, "q", tasks[2][2]]]), 0) == [b"ok", 0]
    assert direct.once("dead_discard", to_json([[UNKNOWN, "q", tasks[2][2]]])) == [b"ok", 0]
    assert direct.counters(batch) == ("running", 4, 1, 3, 0)
    assert direct.counts() == (1, 0, 0, 2)


def test_nothing_is_done_to_tasks_of_a_batch_that_is_gone(direct: Direct) -> None:
    batch = direct.create(2)
    [task] = direct.kill()
    [lease] = direct.claim()
    direct.client.unlink(direct.key("b", batch))
    letters = to_json([[batch, "q", task[22:]]])
    assert direct.once("task_cancel", lease[:32], "", "") == [b"unknown"]
    assert direct.once("dead_retry", letters, 0) == direct.once("dead_discard", letters) == [b"ok", 0]
    assert not direct.named("cx")
    direct.clear()


def test_a_retried_single_task_ends_nothing_and_begins_nothing(direct: Direct) -> None:
    task = direct.single()
    direct.kill()
    assert direct.once("dead_retry", to_json([[task[:22], "q", task[22:]]]), 0) == [b"ok", 1]
    assert direct.counters(task[:22]) == ("open", 1, 1, 0, 0)


def test_a_retried_batch_is_kept(direct: Direct) -> None:
    batch = direct.create(1)
    [task] = direct.kill()
    direct.once("dead_retry", to_json([[batch, "q", task[22:]]]), 0)
    assert "ended" not in direct.record("b", batch)
    direct.wait(1)
    direct.prune()
    assert direct.counters(batch) == ("running", 1, 1, 0, 0)


def test_a_continuation_fires_once_however_often_its_batch_settles(direct: Direct) -> None:
    batch = direct.create(1, ends=[ending("settled", 1), ending("failed", 2), ending("done", 3)])
    for verb, fired in (("dead", [1, 2]), ("dead", []), ("", [3])):
        direct.settle(direct.claim(), *([verb, 0, ""] if verb else []))
        assert [int(task[22:]) for task in claimed(direct.step(9, queues=["after"]))] == fired
        if verb:
            assert direct.once("dead_retry", to_json([[batch, "q", f"{0:010}"]]), 0) == [b"ok", 1]


def test_a_batch_whose_end_nobody_waits_for_makes_no_open_batch(direct: Direct) -> None:
    direct.create(1, ends=[ending("failed")])
    direct.settle(direct.claim())
    assert "hidden" not in direct.record("t", "acme")


def test_a_tenants_totals_count_what_ended_and_how(direct: Direct) -> None:
    direct.create(5)
    one, two, three, four = direct.claim(4)
    direct.settle([one])
    direct.settle([two], "dead", 0, "")
    direct.settle([three], "cancelled")
    direct.once("batch_cancel", four[:22], "")
    totals = {name: int(direct.record("t", "acme").get(name, 0)) for name in ("total", "remaining", "failed", "cancelled")}
    assert totals == {"total": 5, "remaining": 0, "failed": 1, "cancelled": 3}
    direct.settle([four])


# workers and instances


def test_nothing_is_claimed_during_a_pause_but_ends_are_told(direct: Direct) -> None:
    batch = direct.create(2)
    leases = direct.claim()
    direct.once("instance_pause", 1)
    answer = direct.step(2, [group(leases)])
    assert (answer[4], answer[7]) == (1, [])
    assert direct.counters(batch) == ("running", 2, 1, 0, 0)
    direct.once("instance_pause", 0)
    assert len(direct.claim(2)) == 1


def test_keys_of_another_layout_are_left_alone(direct: Direct) -> None:
    direct.create(1)
    direct.client.hset(direct.key("m"), "schema", 7)
    assert direct.call("instance_open", 1)[0] == b"7"
    with direct.unchanged():
        assert direct.step(1) == [b"schema", b"7"]
    direct.client.hset(direct.key("m"), "schema", 1)


@pytest.mark.parametrize(("now", "then"), [("fair", "fifo"), ("fifo", "fair")])
def test_the_mode_of_a_queue_that_is_not_empty_stays(direct: Direct, now: str, then: str) -> None:
    direct.call("queue_mode", "q", now)
    direct.create(2)
    with direct.unchanged():
        assert direct.call("queue_mode", "q", then) == [b"busy", 2]
        assert direct.call("queue_mode", "q", now) == [b"ok"]
    direct.claim(2)
    assert direct.call("queue_mode", "q", then) == [b"ok"]


def test_a_queue_that_turns_fair_again_is_as_any(direct: Direct) -> None:
    for mode in ("fifo", "fair"):
        direct.call("queue_mode", "q", mode)
    assert not direct.named("q")


def test_a_queue_that_turns_strict_has_no_ring(direct: Direct) -> None:
    direct.client.zadd(direct.key("ring", "q"), {"stale": 0})
    assert direct.call("queue_mode", "q", "fifo") == [b"ok"]
    assert not direct.named("ring")


def test_a_tenant_has_one_open_batch(direct: Direct) -> None:
    first: Answer = direct.once("task_enqueue", "acme", "one", "", 0, plain(1, ["q"])[0], f"{0:010}", *plain(1, ["q"])[1])
    second: Answer = direct.once(
        "task_enqueue", "acme", "two", "", 0, plain(1, ["q"], start=1)[0], f"{1:010}", *plain(1, ["q"], start=1)[1]
    )
    assert first[1][:22] == second[1][:22]
    assert direct.counters(first[1][:22].decode()) == ("open", 2, 2, 0, 0)


def test_a_worker_that_left_is_not_listed(direct: Direct) -> None:
    direct.call("lease_renew", W1, "{}", 1_000)
    assert len(direct.call("worker_list")) == 2
    direct.call("worker_leave", W1)
    assert len(direct.call("worker_list")) == 1
    assert not direct.named("worker")
