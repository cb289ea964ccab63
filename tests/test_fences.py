"""The fence: what is reported without a lease changes nothing, and what is reported twice counts once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.direct import ERROR, LEASE, W1, W2, Direct, claimed, ending, group

# reports


def test_what_was_settled_is_not_settled_again(direct: Direct) -> None:
    batch = direct.create(2)
    [one, _] = direct.claim(2)
    assert direct.settle([one]) == []
    assert direct.settle([one]) == [one]
    assert direct.counters(batch) == ("running", 2, 1, 0, 0)
    assert direct.counts() == (0, 1, 0, 0)


def test_a_task_that_is_told_twice_in_a_call_counts_once(direct: Direct) -> None:
    batch = direct.create(2)
    [one, _] = direct.claim(2)
    assert direct.settle([one, one]) == []
    assert direct.counters(batch) == ("running", 2, 1, 0, 0)


def test_a_claim_of_the_past_is_none_of_the_same_workers_later_ones(direct: Direct) -> None:
    batch = direct.create(1)
    [old] = direct.claim()
    direct.wait(LEASE + 1)
    assert direct.rescue() == 1
    [new] = direct.claim()
    assert new != old
    assert direct.settle([old]) == [old]
    assert direct.counters(batch) == ("running", 1, 1, 0, 0)
    assert direct.settle([new]) == []
    assert direct.counters(batch) == ("done", 1, 0, 0, 0)


def test_tasks_whose_lease_is_lost_share_no_handler_time(direct: Direct) -> None:
    batch = direct.create(2)
    [one, two] = direct.claim(2)
    assert direct.settle([one], us=0) == []
    assert direct.settle([one, two], us=1_000) == [one]
    assert direct.record("b", batch)["us"] == "500"


def test_nothing_is_left_of_what_ran(direct: Direct) -> None:
    batch = direct.create(2)
    leases = direct.claim(2)
    assert direct.once("task_cancel", leases[0][:32], "", "") == [b"running"]
    assert direct.settle(leases[:1], "retry", 0, ERROR) == []
    assert direct.settle(leases[1:]) == []
    assert [direct.named(name) for name in ("run", "leases", "cx")] == [[], [], []]
    assert direct.named(batch) == [f"b:{batch}"]


def test_a_batch_of_several_queues_has_failed_where_one_of_its_tasks_has(direct: Direct) -> None:
    batch = direct.create(1, queues=["q", "r"])
    [one, two] = direct.claim(2, queues=["q", "r"])
    direct.step(0, [group([one], "dead", 0, ERROR), group([two], queue="r")])
    assert direct.counters(batch) == ("failed", 2, 0, 1, 0)


def test_the_last_task_of_the_open_batch_does_not_end_it(direct: Direct) -> None:
    task = direct.single()
    assert direct.settle(direct.claim()) == []
    assert direct.counters(task[:22]) == ("open", 1, 0, 0, 0)
    assert not direct.named("settled")


# cancelled ones


def test_what_a_cancelled_batch_still_runs_is_not_counted_again(direct: Direct) -> None:
    batch = direct.create(2, ends=[ending("cancelled")])
    [one, two] = direct.claim(2)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    for lease, zombies in ((one, "1"), (two, "0")):
        direct.wait(2_000)
        assert direct.prune()[1] == 1
        assert direct.settle([lease]) == []
        assert direct.counters(batch) == ("cancelled", 2, 0, 0, 2)
        assert direct.record("b", batch)["zombies"] == zombies
        assert direct.counts("after")[0] == 1
    direct.wait(2_000)
    direct.prune()
    assert not direct.record("b", batch)


@pytest.mark.parametrize(
    ("verb", "ended"),
    [("retry", (0, 1)), ("dead", (0, 1)), ("release", (0, 1)), ("drop", (0, 1)), ("done", (0, 0)), ("", (0, 0))],
)
def test_a_task_that_was_to_stop_is_cancelled_unless_it_is_done(direct: Direct, verb: str, ended: tuple[int, int]) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    assert direct.once("task_cancel", lease[:32], "", "") == [b"running"]
    assert direct.settle([lease], *([verb, 0, ""] if verb else [])) == []
    assert direct.counters(batch) == ("done", 1, 0, *ended)
    assert direct.counts() == (0, 0, 0, 0)


@pytest.mark.parametrize("verb", ["", "done", "retry", "dead"])
def test_a_report_on_a_batch_that_is_gone_makes_no_keys(direct: Direct, verb: str) -> None:
    batch = direct.create(2)
    leases = direct.claim(2)
    direct.client.unlink(direct.key("b", batch))
    assert direct.settle(leases, *([verb, 0, ERROR] if verb else [])) == []
    assert direct.named(batch) == []
    direct.clear()


def test_a_running_task_of_which_nothing_is_known_comes_back_as_one_that_can_not_be_read(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    direct.client.hdel(direct.key("run"), lease[:32])
    assert direct.settle([lease], "retry", 0, ERROR) == []
    assert direct.counters(batch) == ("running", 1, 1, 0, 0)
    assert direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1) == [f"{lease[22:32]}?".encode()]
    assert direct.kill() == [lease[:32]]
    assert direct.counters(batch) == ("failed", 1, 0, 1, 0)


# steps that come again


def test_a_step_that_comes_again_claims_no_more(direct: Direct) -> None:
    direct.create(2)
    first = direct.step(1, seq=1)
    assert claimed(direct.step(1, seq=1)) == claimed(first) != []
    assert direct.counts() == (1, 1, 0, 0)


def test_a_step_that_comes_again_tells_the_same_of_what_was_lost(direct: Direct) -> None:
    direct.create(2)
    [one, _] = direct.claim(2, worker=W2)
    direct.settle([one])
    groups = [group([one])]
    assert direct.step(0, groups, seq=7)[5] == direct.step(0, groups, seq=7)[5] == [one.encode()]


def test_a_step_that_comes_again_brings_nothing_that_others_have_by_now(direct: Direct) -> None:
    direct.create(1)
    assert claimed(direct.step(1, seq=1))
    direct.wait(LEASE + 1)
    direct.rescue()
    [_] = direct.claim(worker=W2)
    assert direct.step(1, seq=1)[7] == []


def test_a_step_of_the_past_is_refused(direct: Direct) -> None:
    batch = direct.create(3)
    assert claimed(direct.step(1, seq=1))
    [task] = claimed(direct.step(1, seq=2))
    before = direct.counts()
    assert direct.step(1, [group([f"{task}{W1}2"])], seq=1) == [b"stale"]
    assert direct.counts() == before
    assert direct.counters(batch) == ("running", 3, 3, 0, 0)


# renewals


def test_a_lost_lease_is_not_renewed(direct: Direct) -> None:
    direct.create(2)
    [one, two] = direct.claim(2)
    direct.settle([one])
    direct.wait(1)
    assert direct.call("lease_renew", W1, "{}", LEASE, one, two)[1] == [one.encode()]
    assert dict(direct.client.zrange(direct.key("leases"), 0, -1, withscores=True)) == {two.encode(): direct.now + LEASE}


def test_a_renewal_shortens_no_lease(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim(lease=LEASE)
    direct.call("lease_renew", W1, "{}", 1_000, lease)
    assert direct.client.zscore(direct.key("leases"), lease) == direct.now + LEASE
    direct.call("lease_renew", W1, "{}", 2 * LEASE, lease)
    assert direct.client.zscore(direct.key("leases"), lease) == direct.now + 2 * LEASE


@pytest.mark.parametrize("how", ["batch", "task", "gone", "lives"])
def test_a_renewal_tells_what_was_cancelled(direct: Direct, how: str) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    if how == "batch":
        direct.once("batch_cancel", batch, "")
    elif how == "task":
        direct.once("task_cancel", lease[:32], "", "")
    elif how == "gone":
        direct.client.unlink(direct.key("b", batch))
    found = direct.call("lease_renew", W1, "{}", LEASE, lease)
    assert found[1:] == [[], [] if how == "lives" else [lease[:32].encode()]]
    if how == "gone":
        direct.clear()


def test_a_renewal_of_one_lease_says_nothing_of_its_worker(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    direct.call("lease_renew", W1, "told", LEASE)
    direct.wait(1)
    before = direct.client.zscore(direct.key("workers"), W1)
    direct.call("lease_renew", W1, "", 7 * LEASE, lease)
    assert direct.client.get(direct.key("worker", W1)) == b"told"
    assert direct.client.zscore(direct.key("workers"), W1) == before


# rescues


def test_a_rescue_takes_only_what_nobody_holds_any_more(direct: Direct) -> None:
    batch = direct.create(3)
    direct.claim(lease=1_000)
    direct.claim(lease=9_000)
    direct.wait(1_000)
    assert direct.rescue() == 1
    assert direct.counts() == (2, 1, 0, 0)
    assert direct.counters(batch) == ("running", 3, 3, 0, 0)


def test_a_lease_of_nothing_is_dropped_by_the_rescue(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    direct.client.hdel(direct.key("run"), lease[:32])
    direct.wait(LEASE)
    direct.client.zadd(direct.key("leases"), {"x" * 55: 1})  # of no batch either
    assert direct.rescue() == 2
    assert direct.rescue() == 0
    assert not direct.named("leases")
    direct.clear()


@pytest.mark.parametrize(("claimed_ms", "seconds"), [(None, 86_400), (9 * 10**15, 0)])
def test_a_rescued_task_has_run_a_day_at_most_and_no_less_than_not_at_all(
    direct: Direct, claimed_ms: int | None, seconds: int
) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    if claimed_ms:
        entry: Any = direct.client.hget(direct.key("run"), lease[:32])
        queue, _, body = entry.split(b"\n", 2)
        direct.client.hset(direct.key("run"), lease[:32], b"%s\n%d\n%s" % (queue, claimed_ms, body))
    direct.wait(10 * 86_400_000)
    assert direct.rescue() == 1
    assert int(direct.record("b", batch)["us"]) == seconds * 10**6
