"""What is broken is left out and named, and everything beside it is done; what all share stops a script before it writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from tests.direct import ERROR, LEASE, W1, Direct, body, claimed, group
from tests.spoiling import left_out, spoil

pytestmark = pytest.mark.usefixtures("cleared")


@contextmanager
def refused(direct: Direct) -> Iterator[None]:
    """The block's call is an error and stores nothing."""
    with direct.unchanged(), pytest.raises(redis.exceptions.ResponseError):
        yield


# claims


def test_a_queue_that_is_broken_is_left_out_and_wakes_nobody(direct: Direct) -> None:
    direct.create(1, queues=["bad", "good"])
    spoil(direct, "ring", "bad")
    answer = direct.step(9, queues=["bad", "good"])
    assert left_out(answer) == ["queue bad"]
    assert b"WRONGTYPE" in answer[-1][0]
    assert len(claimed(answer)) == 1
    assert direct.named("wake:bad") == []


def test_a_tenant_whose_lane_is_broken_leaves_the_ring(direct: Direct) -> None:
    for tenant in ("bad", "good"):
        direct.create(2, tenant)
    spoil(direct, "lane", "q", "bad")
    answer = direct.step(9)
    assert (left_out(answer), len(claimed(answer))) == (["tenant bad"], 2)
    assert direct.client.zrange(direct.key("ring", "q"), 0, -1) == []
    assert left_out(direct.step(9)) == []


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_a_batch_whose_record_is_broken_is_left_out(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    bad, good = direct.create(2), direct.create(2)
    spoil(direct, "b", bad)
    answer = direct.step(9)
    assert left_out(answer) == [f"batch {bad}"]
    assert claimed(answer) == [f"{good}{n:010}" for n in range(2)]
    assert direct.client.llen(direct.key("b", bad, "r", "q")) == 2


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_tasks_are_claimed_though_the_account_of_their_tenant_is_broken(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    direct.create(1, "bad")
    direct.create(1, "good")
    spoil(direct, "tq", "q", "bad")
    answer = direct.step(9)
    assert (left_out(answer), len(claimed(answer))) == ([], 2)


def test_tickets_that_are_none_are_passed(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.create(1)
    direct.client.lpush(direct.key("fifo", "q"), "junk", "b:many")
    assert len(direct.claim(9)) == 1


def test_no_more_than_20_parts_are_named(direct: Direct) -> None:
    for n in range(25):
        direct.create(1, f"tenant {n}")
        spoil(direct, "lane", "q", f"tenant {n}")
    assert len(direct.step(99)[-1]) == 20


@pytest.mark.parametrize(("field", "value"), [("virtual", "x"), ("virtual", "inf"), ("claimed", "x"), ("claimed", "nan")])
def test_what_a_queue_counts_may_be_no_number(direct: Direct, field: str, value: str) -> None:
    direct.create(2)
    direct.client.hset(direct.key("q", "q"), field, value)
    assert len(direct.claim(2)) == 2
    assert direct.record("q", "q")[field].isdecimal()


def test_tombstones_that_are_no_number_lose_no_task(direct: Direct) -> None:
    batch = direct.create(2)
    direct.client.hset(direct.key("b", batch), f"tombs:{batch}:q", "x")
    assert len(direct.claim(2)) == 2


def test_names_of_segments_that_are_broken_lose_no_task(direct: Direct) -> None:
    batch = direct.create(1)
    seg = f"{batch}+1"
    direct.stage(seg)
    assert direct.commit(seg)[0] == b"ok"
    spoil(direct, "b", batch, "segs")
    assert len(direct.claim(2)) == 2


# steps


def test_running_tasks_that_can_not_be_noted_are_not_claimed(direct: Direct) -> None:
    direct.create(1)
    spoil(direct, "run")
    with refused(direct):
        direct.step(1)


@pytest.mark.parametrize("call", ["step", "rescue"])
def test_cancel_marks_of_a_wrong_type_stop_all_before_anything_is_written(direct: Direct, call: str) -> None:
    direct.create(1)
    [lease] = direct.claim()
    spoil(direct, "cx")
    direct.wait(LEASE if call == "rescue" else 0)
    direct.client.zadd(direct.key("leases"), {"x" * 55: 1})  # of no task
    with refused(direct):
        direct.step(0, [group([lease])]) if call == "step" else direct.rescue()


def test_what_a_worker_remembers_may_be_of_a_wrong_type(direct: Direct) -> None:
    direct.create(1)
    spoil(direct, "w", W1)
    [lease] = direct.claim()
    assert direct.record("w", W1)["ids"] == lease[:32]
    assert direct.client.pttl(direct.key("w", W1)) > LEASE


def test_a_claim_whose_entry_is_lost_does_not_come_again(direct: Direct) -> None:
    direct.create(2)
    one, two = direct.claim(2)
    direct.client.hdel(direct.key("run"), one[:32])
    assert claimed(direct.step(2, seq=1)) == [two[:32]]


def test_a_broken_marker_is_made_anew(direct: Direct) -> None:
    spoil(direct, "wake", "q")
    direct.create(1)
    assert direct.client.lrange(direct.key("wake", "q"), 0, -1) == [b"1"]


def test_times_that_can_not_be_told_stop_nothing(direct: Direct) -> None:
    direct.create(1)
    spoil(direct, "delayed")
    assert direct.step(1)[2] == b""
    spoil(direct, "leases")
    assert direct.call("upkeep_promote", 1)[4] == b""


# settlements


def two_of_two(direct: Direct) -> tuple[list[str], list[Any]]:
    """Two tenants' batches with a running task each, and the settlement of both, the first with an error."""
    batches = [direct.create(1, tenant) for tenant in ("bad", "good")]
    leases = direct.claim(2)
    assert [lease[:22] for lease in leases] == batches
    return batches, [group(leases[:1], "dead", 0, ERROR, us=5), group(leases[1:], us=5)]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (("b", "{bad}"), "batch {bad}"),
        (("b", "{bad}", "w"), "batch {bad}"),
        (("tq", "q", "bad"), "tenant bad"),
        (("t", "bad"), "tenant bad"),
        (("q", "q"), "batch {bad}, queue q"),
    ],
)
def test_what_is_broken_is_settled_as_far_as_it_can_be(direct: Direct, parts: tuple[str, ...], told: str) -> None:
    (bad, good), groups = two_of_two(direct)
    spoil(direct, *(part.format(bad=bad) for part in parts))
    answer = direct.step(0, groups)
    assert (answer[5], ", ".join(left_out(answer))) == ([], told.format(bad=bad))
    assert direct.counters(good) == ("done", 1, 0, 0, 0)
    assert direct.record("t", "good")["remaining"] == "0"
    assert {name: direct.record("tq", "q", "good")[name] for name in ("settled", "us")} == {"settled": "1", "us": "5"}
    assert direct.named("run") == direct.named("leases") == []
    if parts[0] in ("t", "tq"):
        assert direct.counters(bad) == ("failed", 1, 0, 1, 0)


def test_a_running_entry_of_another_task_is_taken_for_none(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    direct.client.hset(direct.key("run"), lease[:32], b"q\n1\n" + body(7))
    assert direct.settle([lease], "release", 0, "") == []
    assert direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1) == [lease[22:32].encode() + b"?" + body(7)]


def test_a_running_entry_that_ends_with_its_id_is_taken_for_none(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    direct.client.hset(direct.key("run"), lease[:32], f"q\n1\n{lease[22:32]}")
    assert direct.settle([lease], "release", 0, "") == []
    assert direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1) == [f"{lease[22:32]}?{lease[22:32]}".encode()]
