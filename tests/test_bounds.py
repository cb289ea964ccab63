"""Each call does a bounded amount: what is left is for the next, and a full round tells so."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import LEASE, W1, Direct, body, claimed, ending, group, plain

# steps


def test_a_step_claims_128_tasks_at_most(direct: Direct) -> None:
    direct.create(150)
    assert len(claimed(direct.step(1_000))) == 128


def test_a_step_passes_50_stale_entries_of_a_tenant_and_comes_back(direct: Direct) -> None:
    stale = [direct.create(1, "acme") for _ in range(80)]
    direct.create(1, "acme", batch="live" + "0" * 18)
    for batch in stale:
        direct.once("batch_cancel", batch, "")
    direct.create(1, "other")
    first = direct.step(2)
    assert [tenant for _, tenant, *_ in first[7]] == [b"other"]
    assert (direct.client.llen(direct.key("lane", "q", "acme")), first[8]) == (30, 1)
    second = direct.step(1)
    assert [batch for _, _, batch, *_ in second[7]] == [b"live" + b"0" * 18]
    assert second[8] == 0


def test_a_step_looks_at_400_lists_at_most(direct: Direct) -> None:
    for n in range(20):
        tenant = f"t{n:02}"
        direct.client.rpush(direct.key("lane", "q", tenant), *(["stale"] * 60))
        direct.client.zadd(direct.key("ring", "q"), {tenant: n})
        direct.client.hset(direct.key("tq", "q", tenant), "pushed", 60)
    direct.step(100)
    assert sum(direct.client.llen(direct.key("lane", "q", f"t{n:02}")) for n in range(20)) == 20 * 60 - 400
    direct.clear()


def test_a_step_takes_400_tickets_at_most(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.client.rpush(direct.key("fifo", "q"), *(f"{direct.new()}:1" for _ in range(500)))
    direct.create(1)
    first = direct.step(3)
    assert (first[7], first[8], direct.client.llen(direct.key("fifo", "q"))) == ([], 1, 101)
    assert len(direct.step(3)[7]) == 1


def test_a_stale_ticket_of_many_tasks_is_dropped_at_once(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch = direct.create(1_000)
    direct.once("batch_cancel", batch, "")
    direct.create(1)
    assert len(direct.step(1)[7]) == 1
    assert not direct.named("fifo")


def test_a_step_fires_500_continuations_at_most_and_no_batch_is_too_large(direct: Direct) -> None:
    batches = [direct.create(1, ends=[ending("done", first + n) for n in range(100)]) for first in range(0, 600, 100)]
    leases = direct.claim(6)
    answer = direct.step(0, [group([lease]) for lease in leases])
    assert (answer[5], answer[6]) == ([], [leases[-1].encode()])
    assert [direct.counters(batch)[0] for batch in batches] == ["done"] * 5 + ["running"]
    assert direct.step(0, [group(leases[-1:])])[6] == []
    heavy = direct.create(1, ends=[ending("done", 900 + n, b"x" * 20_000) for n in range(100)])
    assert direct.step(0, [group(direct.claim())])[6] == []
    assert direct.counters(heavy)[0] == "done"


def test_continuations_that_do_not_fire_hold_up_nothing(direct: Direct) -> None:
    for first in range(0, 600, 100):
        direct.create(2, ends=[ending("done", first + n) for n in range(100)])
    leases = direct.claim(12)
    firsts = [next(lease for lease in leases if lease.startswith(batch)) for batch in sorted({one[:22] for one in leases})]
    assert direct.step(0, [group([lease]) for lease in firsts])[6] == []


# upkeep


def test_a_rescue_takes_so_many_at_a_time(direct: Direct) -> None:
    direct.create(5)
    direct.claim(5)
    direct.wait(LEASE)
    assert [direct.rescue(2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_promotion_takes_so_many_at_a_time_wherever_they_lie(direct: Direct) -> None:
    for _ in range(3):
        direct.create(3, delay=10)
    direct.create(3, delay=20)
    direct.wait(10)
    assert [direct.promote(4) for _ in range(4)] == [4, 4, 1, 0]
    assert direct.counts() == (9, 0, 3, 0)


def test_pruning_takes_so_many_batches_at_a_time(direct: Direct) -> None:
    for _ in range(5):
        direct.create(0)
    direct.wait(1)
    assert [direct.prune(limit=2)[1:] for _ in range(4)] == [[2, 2], [2, 2], [1, 1], [0, 0]]


def test_pruning_stops_where_batches_have_many_keys(direct: Direct) -> None:
    queues = [f"q{n}" for n in range(64)]
    for _ in range(6):
        batch = direct.create(1, queues=queues)
        direct.once("batch_cancel", batch, "")
    direct.wait(1)
    assert direct.prune()[1:] == [4, 6]
    assert direct.prune()[1:] == [2, 2]


def test_pruning_drops_50_dead_letters_of_a_queue_and_stops_after_200(direct: Direct) -> None:
    for queue in (f"q{n}" for n in range(6)):
        for local in range(60):
            direct.single(local, queue=queue)
        direct.kill(60, queues=[queue])
    direct.wait(1)
    assert direct.prune()[1:] == [4, 6]
    assert [direct.counts(f"q{n}")[3] for n in range(6)] == [10, 10, 10, 10, 60, 60]
    assert direct.prune()[2] == 6


def test_pruning_takes_so_many_tenants_and_500_queues_at_a_time(direct: Direct) -> None:
    for n in range(4):
        direct.client.zadd(direct.key("idle"), {f"t{n}": 0})
        direct.client.sadd(direct.key("tqs", f"t{n}"), *(f"q{m}" for m in range(300)))
    assert direct.call("tenant_prune", 0, 1) == [b"ok", 1, 1]
    assert direct.call("tenant_prune", 0, 10) == [b"ok", 2, 3]
    assert direct.call("tenant_prune", 0, 10) == [b"ok", 1, 1]


def test_pruning_takes_so_many_staged_segments_and_only_old_ones(direct: Direct) -> None:
    for _ in range(3):
        direct.stage(direct.new())
    direct.wait(10)
    direct.stage(direct.new())
    assert [direct.call("staging_prune", 5, 2)[1] for _ in range(3)] == [2, 1, 0]
    assert len(direct.named("staged")) == 1


def test_a_tenant_keeps_100_000_batches_and_the_oldest_go_4_at_a_time(direct: Direct) -> None:
    fill = "for n = 1, 100003 do redis.call('ZADD', KEYS[1], n, 'x' .. n) end"
    direct.client.eval(fill, 1, direct.key("tb", "acme"))
    direct.client.zadd(direct.key("settled"), {"x3": 77, "x1": 77, "x6": 77})
    direct.create(1)
    assert dict(direct.client.zrange(direct.key("settled"), 0, -1, withscores=True)) == {b"x1": 0, b"x3": 0, b"x6": 77}
    direct.client.eval("redis.call('ZREMRANGEBYRANK', KEYS[1], 0, 9)", 1, direct.key("tb", "acme"))
    direct.client.zadd(direct.key("settled"), {"x11": 77})
    direct.create(1)
    assert direct.client.zscore(direct.key("settled"), "x11") == 77
    direct.clear()


# what was kept for long


def test_20_errors_of_a_task_are_kept(direct: Direct) -> None:
    batch = direct.create(1)
    for n in range(25):
        direct.settle(direct.claim(), "retry", 0, f'{{"attempt":{n}}}')
    kept = [value.decode() for value in direct.client.hvals(direct.key("b", batch, "e"))]
    assert sorted(int(value[:-1].split(":")[-1]) for value in kept) == list(range(5, 25))
    direct.settle(direct.claim(), "done")
    assert direct.named(batch) == [f"b:{batch}"]


@pytest.mark.parametrize(("size", "apart"), [(8_192, 0), (8_193, 1)])
def test_a_payload_above_8_kb_goes_apart_when_its_continuation_fires(direct: Direct, size: int, apart: int) -> None:
    direct.create(1, ends=[ending("done", 1, b"x" * size)])
    direct.settle(direct.claim())
    assert len(direct.named(":big")) == apart


# looking


@pytest.mark.parametrize("size", [10, 5_000])
def test_a_ready_task_is_looked_for_a_bounded_way_at_a_time(direct: Direct, size: int) -> None:
    batch = direct.new()
    count = 1_500 if size == 10 else 150
    bodies = [body(9_000 - n, b"x" * size) for n in range(count)]  # out of order, so that none is where its id has it
    direct.once("batch_create", batch, "acme", "", "", to_json([["r", "q", count, 0]]), 0, *bodies)
    task, cursor, calls = f"{batch}{9_000:010}", "", 0
    while (answer := direct.once("task_cancel", task, "", cursor))[0] == b"more":
        cursor, calls = answer[1].decode(), calls + 1
        read = direct.call("task_read", task, "")
        assert read[0] == b"more"
    assert answer == [b"ok"]
    assert calls == 1
    assert direct.counters(batch)[4] == 1


def test_a_tenants_long_line_is_not_looked_through_for_a_list_that_is_empty(direct: Direct) -> None:
    for stale, left in ((9_000, 0), (11_000, 1)):
        batch = direct.create(1)
        direct.create(1)
        direct.client.rpush(direct.key("lane", "q", "acme"), *(["stale"] * stale))
        direct.once("task_cancel", f"{batch}{0:010}", "", "")
        assert direct.client.lrange(direct.key("lane", "q", "acme"), 0, 3).count(batch.encode()) == left
        direct.clear()


def test_a_change_of_mode_drops_500_tickets_at_a_time(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.client.rpush(direct.key("fifo", "q"), *(f"{direct.new()}:1" for _ in range(700)))
    assert direct.call("queue_mode", "q", "fair") == [b"more"]
    assert direct.call("queue_mode", "q", "fair") == [b"ok"]


def test_2_000_lists_of_a_queue_are_looked_at(direct: Direct) -> None:
    direct.create(1)
    lane = direct.key("lane", "q", "acme")
    for stale, found in ((1_999, 1), (2_000, 0)):
        direct.client.delete(lane)
        direct.client.rpush(lane, *(f"stale{n}" for n in range(stale)), f"b{1:021}")
        assert len(direct.call("queue_tasks", "q", 0, 10)) == found
    direct.client.lrange(lane, 0, 999)
    direct.client.ltrim(lane, 0, 1_200)
    direct.client.zadd(direct.key("ring", "q"), {"late": 9e18})
    direct.client.rpush(direct.key("lane", "q", "late"), *(f"more{n}" for n in range(900)), f"b{1:021}")
    assert direct.call("queue_tasks", "q", 0, 10) == []
    direct.clear()


def test_the_oldest_task_is_looked_for_among_20_tenants(direct: Direct) -> None:
    direct.create(1, "z")
    for n in range(20):
        direct.wait(1_000)
        direct.create(1, f"a{n:02}")
    assert direct.call("queue_read", "q")[1][5] == b"%d" % (direct.now - 19_000)
    direct.once("batch_cancel", f"b{2:021}", "")
    assert direct.call("queue_read", "q")[1][5] == b"%d" % (direct.now - 20_000)


def test_tenants_are_read_until_1_000_queues(direct: Direct) -> None:
    for n in range(4):
        direct.client.sadd(direct.key("tqs", f"t{n}"), *(f"q{m}" for m in range(500)))
    assert len(direct.call("tenant_read", "t0", "t1", "t2", "t3")) == 2
    direct.clear()


def test_1_000_workers_are_listed(direct: Direct) -> None:
    direct.client.zadd(direct.key("workers"), {f"w{n}": direct.now + 1 for n in range(1_100)} | {"gone": direct.now - 1})
    assert len(direct.call("worker_list")) == 1_001
    direct.client.zremrangebyrank(direct.key("workers"), 1, 1_098)
    assert [entry[0] for entry in direct.call("worker_list")[1:]] == [b"w998", b"w999"]


def test_a_worker_that_is_gone_is_pruned(direct: Direct) -> None:
    direct.call("lease_renew", W1, "{}", 1_000)
    direct.call("tenant_prune", 0, 10)
    assert direct.named("workers")
    direct.wait(2_000)
    direct.call("tenant_prune", 0, 10)
    assert not direct.named("workers")


def test_lists_are_as_long_as_was_asked(direct: Direct) -> None:
    batches = [direct.create(2, tenant) for tenant in ("a", "b", "c") for _ in range(3) if not direct.wait(1)]
    assert direct.call("batch_list", "b", 1, 1, "") == [3, batches[4].encode()]
    assert direct.call("batch_list", "b", 0, 9, batches[5]) == [3, batches[4].encode(), batches[3].encode()]
    assert direct.call("batch_list", "b", 0, 9, batches[0]) == [3]
    assert direct.call("tenant_list", 1, 1) == [3, b"b"]
    assert [len(entry) - 4 for entry in direct.call("queue_tasks", "q", 1, 4)] == [1, 2, 1]
    direct.kill(1)
    assert len(direct.call("dead_batches", "q", 0, 1)) == 1
    assert direct.call("queue_list") == [b"q"]
    assert plain(0, ["q"]) == (b"[]", [])


def test_pages_of_dead_letters_are_as_long_as_was_asked(direct: Direct) -> None:
    batches = [direct.create(3) for _ in range(3)]
    for _ in batches:
        direct.kill(3)
        direct.wait(1)
    assert [entry[0] for entry in direct.call("dead_batches", "q", 1, 1)] == [batches[1].encode()]
    assert [entry[0] for entry in direct.call("dead_tasks", batches[0], "q", 1, 1)[3:]] == [f"{1:010}".encode()]


def test_a_task_is_looked_for_from_where_the_last_call_stopped(direct: Direct) -> None:
    batch = direct.create(600, queues=["a", "b", "c"])
    first = direct.call("task_read", f"{batch}{9_999:010}", "")
    assert first[0] == b"more"
    assert direct.call("task_read", f"{batch}{9_999:010}", first[1]) == [b"unknown"]


def test_large_continuations_weigh_more(direct: Direct) -> None:
    for first in (0, 50):
        direct.create(1, ends=[ending("done", first + n, b"x" * 14_000) for n in range(50)])
    assert len(direct.step(0, [group([lease]) for lease in direct.claim(2)])[6]) == 1


def test_a_promotion_looks_at_no_list_that_is_not_due(direct: Direct) -> None:
    direct.create(1, delay=50)
    direct.client.delete(direct.key("wake", "q"))
    assert direct.promote() == 0
    assert not direct.named("wake")


def test_pruning_stops_where_batches_have_many_segments(direct: Direct) -> None:
    for _ in range(4):
        batch = direct.create(0)
        direct.client.sadd(direct.key("b", batch, "segs"), *(f"{batch}+{n}:r:q" for n in range(400)))
    direct.wait(1)
    assert direct.prune()[1:] == [2, 4]


def test_of_a_tenants_batches_above_the_most_4_are_looked_at(direct: Direct) -> None:
    fill = "for n = 1, 100010 do redis.call('ZADD', KEYS[1], n, 'x' .. n) end"
    direct.client.eval(fill, 1, direct.key("tb", "acme"))
    direct.client.zadd(direct.key("settled"), {f"x{n}": 77 for n in range(1, 20)})
    direct.create(1)
    found = direct.client.zrangebyscore(direct.key("settled"), 0, 0)
    assert sorted(found) == [b"x10", b"x11", b"x8", b"x9"]
    direct.clear()
