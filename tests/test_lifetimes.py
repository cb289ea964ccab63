"""What Redis keeps for how long: which keys have a time to live and which must have none, and what pruning spares."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, W1, Direct, body, ending

DAY = 86_400_000


def ttl(direct: Direct, *parts: str) -> int:
    """How long a key has to live, in ms; -1 for ever."""
    return int(direct.client.pttl(direct.key(*parts)))


# times to live


def test_only_what_tells_of_the_living_has_a_time_to_live(direct: Direct) -> None:
    direct.call("queue_mode", "strict", "fifo")
    batch = direct.create(6, queues=["q", "strict"], ends=[ending("failed")], idem="batch")
    direct.create(1, delay=50)
    direct.append(batch, idem="append")
    direct.stage(batch + "+1", 2, delay=50)
    direct.once("segment_commit", batch, "acme", f"{batch}+1", "", to_json([["d", "q", 2]]))
    direct.stage(direct.new(), 2)
    direct.single(1)
    direct.single(2, idem="task", keep=5_000)
    leases = direct.claim(4) + direct.claim(1, queues=["strict"])
    direct.settle(leases[:1], "dead", 0, ERROR)
    direct.settle(leases[1:2], "retry", 500, ERROR)
    direct.once("task_cancel", leases[2][:32], "", "")
    direct.once("task_cancel", f"{batch}{9:010}", "", "")
    direct.call("lease_renew", W1, "{}", LEASE, *leases[2:])
    done = direct.create(0, "idle")
    direct.once("batch_cancel", direct.create(1), "")
    direct.once("instance_pause", 1)
    assert direct.counters(done)[0] == "done"
    mortal = {name for name in direct.named() if direct.client.pttl(direct.prefix + name) != -1}
    assert mortal == {f"w:{W1}", f"worker:{W1}", "idem:task", *direct.named("p:p")}
    kinds = {name.partition(":")[0] for name in direct.named()} - {"p", "w", "worker"}
    assert kinds == {
        "m", "queues", "q", "ring", "lane", "fifo", "wake", "tq", "tqs", "tenants", "idle", "t", "tb", "b", "run", "leases",
        "cx", "delayed", "dead", "settled", "staging", "idem", "workers", "stats",
    }  # fmt: skip


def test_what_comes_back_has_no_time_to_live(direct: Direct) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), "retry", 0, ERROR)
    assert ttl(direct, "b", batch, "r", "q") == -1


def test_a_settled_batch_has_no_time_to_live(direct: Direct) -> None:
    batches = direct.create(1), direct.create(1), direct.create(0)
    direct.settle(direct.claim())
    direct.once("batch_cancel", batches[1], "")
    assert [ttl(direct, "b", batch) for batch in batches] == [-1, -1, -1]


def test_a_worker_is_remembered_for_two_leases(direct: Direct) -> None:
    direct.step(1, lease=1_000)
    assert 1_000 < ttl(direct, "w", W1) <= 2_000
    direct.call("lease_renew", W1, "{}", LEASE)
    for name in ("w", "worker"):
        assert LEASE < ttl(direct, name, W1) <= 2 * LEASE
    assert direct.client.zscore(direct.key("workers"), W1) == direct.now + 2 * LEASE


@pytest.mark.parametrize(
    ("due", "keep", "least", "most"),
    [(0, 9_000, 8_000, 9_000), (5_000, 9_000, 13_000, 14_000), (-5_000, 9_000, 8_000, 9_000)],
)
def test_a_tasks_key_is_kept_from_when_it_is_due(direct: Direct, due: int, keep: int, least: int, most: int) -> None:
    lists = to_json([["d", "q", 1, 0, direct.now + due]])
    assert direct.once("task_enqueue", "acme", "seed", "key", keep, lists, f"{0:010}", body(0))[0] == b"ok"
    assert least < ttl(direct, "idem", "key") <= most


def test_a_tasks_key_that_is_not_kept_is_no_error(direct: Direct) -> None:
    assert direct.single(idem="key", keep=0)
    assert ttl(direct, "idem", "key") <= 1
    direct.client.delete(direct.key("idem", "key"))


# retention


def test_a_batch_is_kept_for_the_retention_and_goes_with_all_it_has(direct: Direct) -> None:
    batch = direct.create(2, ends=[ending("cancelled")], idem="key")
    direct.append(batch, idem="more")
    direct.settle(direct.claim(), "retry", 0, ERROR)
    direct.kill(3)
    direct.wait(1_000)
    with direct.unchanged():
        direct.prune(1_001)
    direct.prune(1_000)
    assert not direct.named(batch)
    assert not direct.named("idem")
    assert not direct.named("tb")
    assert not direct.named("settled")
    assert direct.counts() == (0, 0, 0, 0)


@pytest.mark.parametrize(("retention", "later"), [(0, 1_000), (30_000, 30_000), (DAY, 60_000)])
def test_what_can_not_go_yet_is_looked_at_again_after_a_while(direct: Direct, retention: int, later: int) -> None:
    batch = direct.create(1)
    direct.claim()
    direct.once("batch_cancel", batch, "")
    direct.wait(retention)
    direct.prune(retention)
    assert direct.client.zscore(direct.key("settled"), batch) == direct.now - retention + later
    assert direct.counters(batch)[0] == "cancelled"
    direct.client.zadd(direct.key("idle"), {"acme": direct.now - retention})
    direct.call("tenant_prune", retention, 10)
    assert direct.client.zscore(direct.key("idle"), "acme") == direct.now - retention + later


def test_dead_letters_of_single_tasks_go_by_their_own_age(direct: Direct) -> None:
    for local in range(2):
        direct.single(local)
        direct.kill()
        direct.wait(1_000)
    direct.prune(2_000)
    assert direct.counts() == (0, 0, 0, 1)
    direct.prune(1_000)
    assert direct.counts() == (0, 0, 0, 0)
    assert not direct.named("settled")
    assert not direct.named("dead")
    assert not direct.named(":e")


def test_dead_letters_of_a_batch_are_kept_with_it(direct: Direct) -> None:
    batch = direct.create(2)
    direct.kill()
    direct.wait(1)
    direct.prune()
    assert direct.counts()[3] == 1
    assert direct.counters(batch) == ("running", 2, 1, 1, 0)


def test_a_dead_letter_whose_body_is_lost_stops_no_pruning(direct: Direct) -> None:
    task = direct.single()
    direct.kill()
    direct.client.delete(direct.key("b", task[:22], "w"))
    direct.wait(1)
    direct.prune()
    assert direct.counts()[3] == 0
    direct.client.delete(direct.key("b", task[:22], "e"))


def test_a_batch_that_is_gone_already_stops_no_pruning(direct: Direct) -> None:
    direct.client.zadd(direct.key("settled"), {"0" * 22: 0})
    batch = direct.create(0)
    direct.wait(1)
    assert direct.prune()[1] == 2
    assert not direct.named(batch)


# tenants


def idle(direct: Direct) -> list[bytes]:
    """The tenants that are listed as such."""
    return list(direct.client.zrange(direct.key("idle"), 0, -1))


def test_a_tenant_is_kept_for_the_retention_and_leaves_nothing(direct: Direct) -> None:
    direct.single()
    direct.settle(direct.claim())
    direct.wait(1_000)
    with direct.unchanged():
        direct.call("tenant_prune", 1_001, 10)
    direct.call("tenant_prune", 1_000, 10)
    assert [name for name in direct.named() if name[:2] not in ("w:", "p:")] == ["m", "stats"]  # what it did is history


@pytest.mark.parametrize("what", ["runs", "waits", "is kept", "is dead", "is cancelled"])
def test_a_tenant_that_has_something_left_stays(direct: Direct, what: str) -> None:
    if what == "is kept":
        direct.create(0)
    elif what == "is dead":
        direct.single()
        direct.kill()
    elif what == "is cancelled":  # and runs on, although its batch was pruned
        batch = direct.create(1)
        direct.claim()
        direct.once("batch_cancel", batch, "")
        direct.client.zrem(direct.key("tb", "acme"), batch)
    else:
        direct.single()
        direct.claim(int(what == "runs"))
        direct.client.zadd(direct.key("idle"), {"acme": 0})
    direct.wait(1)
    direct.call("tenant_prune", 0, 10)
    assert direct.record("t", "acme")
    assert idle(direct) == ([b"acme"] if what.startswith("is") else [])
    if what == "is cancelled":
        direct.client.zadd(direct.key("tb", "acme"), {batch: 0})


def test_a_queue_stays_while_a_tenant_uses_it_and_its_mode_for_ever(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.create(1, "acme")
    direct.settle(direct.claim())
    direct.create(1, "other")
    direct.wait(1)
    direct.prune()
    direct.call("tenant_prune", 0, 10)
    assert direct.call("tenant_list", 0, 9) == [1, b"other"]
    assert direct.call("queue_list") == [b"q"]
    assert direct.counts() == (1, 0, 0, 0)
    direct.settle(direct.claim())
    direct.wait(1)
    direct.prune()
    direct.call("tenant_prune", 0, 10)
    assert direct.call("queue_list") == []
    assert direct.record("q", "q") == {"mode": "fifo"}


def test_a_queue_that_a_tenant_used_in_two_ways_goes_with_it(direct: Direct) -> None:
    direct.create(1, delay=10)
    direct.create(1)
    direct.settle(direct.claim())
    direct.wait(10)
    direct.promote()
    direct.settle(direct.claim())
    direct.wait(1)
    direct.prune()
    direct.call("tenant_prune", 0, 10)
    assert not direct.named("q")


def test_a_tenant_that_is_gone_stands_in_no_line(direct: Direct) -> None:
    direct.create(1, "other")
    direct.single()
    direct.claim(2)
    direct.once("batch_cancel", f"b{1:021}", "")
    direct.settle([f"{task.decode()}{W1}1" for task in direct.client.hkeys(direct.key("run")) if b"b000" not in task])
    direct.client.zadd(direct.key("ring", "q"), {"acme": 0})
    direct.wait(1)
    direct.call("tenant_prune", 0, 10)
    assert not direct.record("t", "acme")
    assert not direct.named("ring")


def test_a_tenant_with_nothing_to_run_is_listed_and_one_with_something_is_not_pruned(direct: Direct) -> None:
    direct.create(0)
    assert idle(direct) == [b"acme"]
    direct.client.delete(direct.key("idle"))
    batch = direct.create(2)
    direct.settle(direct.claim(1))
    assert idle(direct) == []
    direct.once("task_cancel", f"{batch}{1:010}", "", "")
    assert idle(direct) == [b"acme"]
