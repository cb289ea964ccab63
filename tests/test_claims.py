"""Claims: who is next, what is left behind in the lines, and what is told of what can't be claimed."""

from __future__ import annotations

import re

import pytest

from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, Direct, claimed

# what is left behind


def test_a_worker_without_room_is_given_nothing(direct: Direct) -> None:
    for tenant in ("acme", "other"):
        direct.create(1, tenant)
        answer = direct.step(0)
        assert (answer[7], answer[9]) == ([], [])


def test_a_worker_without_room_is_not_told_of_more(direct: Direct) -> None:
    direct.create(3)
    answer = direct.step(2)
    assert (len(claimed(answer)), answer[8]) == (2, 0)


def test_the_first_queue_with_work_goes_first_and_the_next_fill_up(direct: Direct) -> None:
    direct.create(2, queues=["a", "b", "c"])
    answer = direct.step(3, queues=["b", "none", "a", "c"])
    assert [(queue, len(bodies)) for queue, _, _, _, bodies in answer[7]] == [(b"b", 2), (b"a", 1)]
    assert answer[9] == []


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_nothing_is_left_in_line_of_what_is_claimed_or_cancelled(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    batches = [direct.create(2, tenant) for tenant in ("acme", "acme", "other")]
    direct.append(batches[0])
    direct.stage(batches[0] + "+1", 3)
    assert direct.commit(batches[0] + "+1", 3) == [b"ok"]
    direct.once("task_cancel", f"{batches[0]}{1:010}", "", "")
    direct.once("task_cancel", f"{batches[1]}{0:010}", "", "")
    direct.once("task_cancel", f"{batches[1]}{1:010}", "", "")
    leases = direct.claim(5) + direct.claim(50)
    assert len(leases) == len(set(leases)) == 2 + 1 + 3 + 1
    direct.step(1)
    for part in ("ring", "lane", "fifo", ":segs", ":r:"):
        assert not direct.named(part)
    assert not [field for field in direct.record("b", batches[0]) if field.startswith("tombs")]
    assert direct.counts() == (0, 7, 0, 0)


def test_a_stale_tenant_leaves_the_ring(direct: Direct) -> None:
    direct.client.zadd(direct.key("ring", "q"), {"stale": 0})
    assert direct.step(1)[7::2] == [[], []]
    assert not direct.named("ring")
    direct.client.zadd(direct.key("ring", "q"), {"stale": 0, "staler": 0})
    assert direct.step(2)[7::2] == [[], []]
    assert not direct.named("ring")
    direct.clear()


def test_a_tenant_whose_last_task_has_ended_is_not_in_line_again(direct: Direct) -> None:
    direct.create(1)
    direct.settle(direct.claim(), us=5)
    assert not direct.named("ring")


def test_a_lane_without_ready_work_goes(direct: Direct) -> None:
    direct.create(2)
    direct.client.rpush(direct.key("lane", "q", "acme"), "stale")
    assert len(direct.claim(2)) == 2
    assert not direct.named("lane")


def test_a_batch_stands_in_its_tenants_line_once(direct: Direct) -> None:
    batch = direct.create(1)
    direct.append(batch)
    assert direct.client.llen(direct.key("lane", "q", "acme")) == 1


def test_a_tenant_whose_last_task_was_cancelled_leaves_the_line(direct: Direct) -> None:
    batches = [direct.create(2) for _ in range(2)]
    direct.claim()
    for batch in batches:
        assert direct.named("ring")
        direct.once("batch_cancel", batch, "")
    assert not direct.named("ring")
    assert not direct.named("lane")


def test_a_tenant_with_other_tasks_stays_in_line(direct: Direct) -> None:
    batches = [direct.create(2) for _ in range(3)]
    direct.once("batch_cancel", batches[0], "")
    direct.once("task_cancel", f"{batches[1]}{0:010}", "", "")
    assert [lease[:32] for lease in direct.claim(9)] == [
        f"{batches[1]}{1:010}",
        f"{batches[2]}{0:010}",
        f"{batches[2]}{1:010}",
    ]


def test_nothing_is_left_of_a_list_whose_tasks_were_cancelled_one_by_one(direct: Direct) -> None:
    direct.create(1)  # the tenant stays in line
    batch = direct.create(1)
    direct.stage(batch + "+1")
    direct.commit(batch + "+1")
    for local in (0, 2_000):
        assert direct.once("task_cancel", f"{batch}{local:010}", "", "") == [b"ok"]
    assert direct.named(batch) == [f"b:{batch}", f"b:{batch}:a"]
    assert direct.client.llen(direct.key("lane", "q", "acme")) == 1


def test_a_strict_queue_of_cancelled_tasks_leaves_nothing_when_it_turns_fair(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch = direct.create(1)
    direct.stage(batch + "+1")
    direct.commit(batch + "+1")
    for local in (0, 2_000):
        assert direct.once("task_cancel", f"{batch}{local:010}", "", "") == [b"ok"]
    assert direct.call("queue_mode", "q", "fair") == [b"ok"]
    assert direct.named(batch) == [f"b:{batch}", f"b:{batch}:a"]
    assert not [field for field in direct.record("b", batch) if field.startswith("tombs")]


def test_a_cancel_counts_no_task_twice(direct: Direct) -> None:
    batch = direct.create(4)
    direct.append(batch, delay=50)
    direct.kill()
    direct.claim()
    assert direct.once("task_cancel", f"{batch}{2:010}", "", "") == [b"ok"]
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert direct.counters(batch) == ("cancelled", 5, 0, 1, 4)
    assert direct.record("b", batch)["zombies"] == "1"
    assert direct.counts() == (0, 1, 0, 0)
    assert direct.named(batch) == [f"b:{batch}"]
    assert not direct.named("delayed")
    assert not direct.named("dead")
    assert not [field for field in direct.record("b", batch) if field.startswith("tombs")]


def test_batches_of_a_tenant_take_turns(direct: Direct) -> None:
    batches = [direct.create(3) for _ in range(2)]
    assert [direct.claim()[0][:22] for _ in range(4)] == batches + batches


def test_in_a_strict_queue_what_comes_back_goes_first_and_new_tasks_last(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batches = [direct.create(1), direct.create(1), direct.create(1)]
    [first] = direct.claim()
    direct.append(batches[0])
    direct.settle([first], "release", 0, "")
    assert [lease[:22] for _ in range(4) for lease in direct.claim()] == [*batches, batches[0]]


def test_in_a_strict_queue_a_later_task_does_not_take_the_place_of_one_that_was_cancelled_alone(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batches = [direct.create(1), direct.create(1)]
    assert direct.once("task_cancel", f"{batches[0]}{0:010}", "", "") == [b"ok"]
    direct.append(batches[0])
    assert [lease[:22] for lease in direct.claim(3)] == batches[::-1]


def test_what_stands_in_a_strict_line_and_is_no_ticket_is_passed(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.client.rpush(direct.key("fifo", "q"), "no ticket")
    direct.create(1)
    assert len(direct.claim()) == 1


def test_an_entry_whose_id_can_not_be_is_mended_for_all(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, b"\xff\n34")
    [task] = claimed(direct.step(1))
    assert re.fullmatch(r"[0-9a-f]{10}", task.removeprefix(batch))
    assert direct.client.hexists(direct.key("run"), task)
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert direct.kill() == [task]


# what waits


def test_of_a_list_only_what_is_due_is_promoted(direct: Direct) -> None:
    batch = direct.create(1, delay=10)
    direct.append(batch, delay=50)
    direct.wait(10)
    assert direct.promote() == 1
    assert direct.counts() == (1, 0, 1, 0)


def test_what_is_enqueued_late_goes_first_and_what_was_delayed_last(direct: Direct) -> None:
    batch = direct.create(1)
    for local, due in ((5, direct.now + 10), (6, direct.now - 10)):
        lists = to_json([["d", "q", 1, 0, due]])
        assert direct.once("batch_append", batch, "acme", "", lists, f"{local:010}.[]") == [b"ok"]
    direct.wait(10)
    assert direct.promote() == 2
    assert [int(task[22:]) for task in claimed(direct.step(3))] == [6, 0, 5]


def test_a_task_that_waited_for_its_retry_goes_last(direct: Direct) -> None:
    direct.create(2)
    direct.settle(direct.claim(), "retry", 10, ERROR)
    direct.wait(10)
    assert direct.promote() == 1
    assert [int(task[22:]) for task in claimed(direct.step(3))] == [1, 0]


def test_a_segment_leaves_no_trace_once_its_delayed_tasks_were_cancelled(direct: Direct) -> None:
    seg = direct.create(1) + "+1"
    direct.stage(seg, 2, delay=10)
    direct.once("segment_commit", seg[:22], "acme", seg, "", to_json([["d", "q", 2]]))
    for local in (2_000, 2_001):
        assert direct.once("task_cancel", f"{seg[:22]}{local:010}", "", "") == [b"ok"]
    assert not direct.named(":segs")


def test_a_delayed_task_whose_body_is_gone_is_told_as_dead(direct: Direct) -> None:
    batch = direct.create(1, delay=10)
    direct.client.delete(direct.key("b", batch, "w"))
    direct.wait(10)
    assert direct.promote() == 1
    assert direct.kill() == [f"{batch}{0:010}"]


def test_a_segment_leaves_no_trace_once_its_delayed_tasks_are_due(direct: Direct) -> None:
    seg = direct.create(1) + "+1"
    direct.stage(seg, 2, delay=10)
    direct.once("segment_commit", seg[:22], "acme", seg, "", to_json([["d", "q", 2]]))
    assert direct.once("task_cancel", f"{seg[:22]}{2_000:010}", "", "") == [b"ok"]
    assert len(direct.named(seg)) == 2
    direct.wait(10)
    assert direct.promote() == 1
    assert not direct.named(":segs")


def test_a_segment_of_which_one_task_was_cancelled_is_still_known(direct: Direct) -> None:
    seg = direct.create(1) + "+1"
    direct.stage(seg, 2, delay=10)
    direct.once("segment_commit", seg[:22], "acme", seg, "", to_json([["d", "q", 2]]))
    direct.once("task_cancel", f"{seg[:22]}{2_000:010}", "", "")
    assert direct.call("task_read", f"{seg[:22]}{2_001:010}", "", 0)[0] == b"delayed"
    assert direct.once("batch_cancel", seg[:22], "") == [b"ok"]
    assert direct.record("b", seg[:22])["zombies"] == "0"
    assert not direct.named(seg)
