"""Each call does a bounded amount: what is left is for the next, and a full round tells so."""

from __future__ import annotations

from tests.direct import LEASE, W1, Direct, claimed, ending, group

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
    assert first[9] == second[9] == []


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
    answer = direct.step(2)
    assert (len(answer[7]), answer[9]) == (1, [])
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
    assert [direct.prune(limit=2)[1:] for _ in range(4)] == [[2, 2, []], [2, 2, []], [1, 1, []], [0, 0, []]]


def test_pruning_stops_where_batches_have_many_keys(direct: Direct) -> None:
    queues = [f"q{n}" for n in range(64)]
    for _ in range(6):
        batch = direct.create(1, queues=queues)
        direct.once("batch_cancel", batch, "")
    direct.wait(1)
    assert direct.prune()[1:] == [4, 6, []]
    assert direct.prune()[1:] == [2, 2, []]


def test_pruning_drops_50_dead_letters_of_a_queue_and_stops_after_200(direct: Direct) -> None:
    for queue in (f"q{n}" for n in range(6)):
        for local in range(60):
            direct.single(local, queue=queue)
        direct.kill(60, queues=[queue])
    direct.wait(1)
    assert direct.prune()[1:] == [0, 6, []]
    assert [direct.counts(f"q{n}")[3] for n in range(6)] == [10, 10, 10, 10, 60, 60]
    assert direct.prune()[2] == 6


def test_pruning_takes_so_many_tenants_and_500_queues_at_a_time(direct: Direct) -> None:
    for n in range(4):
        direct.client.zadd(direct.key("idle"), {f"t{n}": 0})
        direct.client.sadd(direct.key("tqs", f"t{n}"), *(f"q{m}" for m in range(300)))
    assert direct.call("tenant_prune", 0, 1) == [b"ok", 1, 1, []]
    assert direct.call("tenant_prune", 0, 10) == [b"ok", 2, 3, []]
    assert direct.call("tenant_prune", 0, 10) == [b"ok", 1, 1, []]


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
    assert direct.prune()[1:] == [2, 4, []]


def test_of_a_tenants_batches_above_the_most_4_are_looked_at(direct: Direct) -> None:
    fill = "for n = 1, 100010 do redis.call('ZADD', KEYS[1], n, 'x' .. n) end"
    direct.client.eval(fill, 1, direct.key("tb", "acme"))
    direct.client.zadd(direct.key("settled"), {f"x{n}": 77 for n in range(1, 20)})
    direct.create(1)
    found = direct.client.zrangebyscore(direct.key("settled"), 0, 0)
    assert sorted(found) == [b"x10", b"x11", b"x8", b"x9"]
    direct.clear()


def test_a_worker_that_is_gone_is_pruned(direct: Direct) -> None:
    direct.call("lease_renew", W1, "{}", 1_000)
    direct.call("tenant_prune", 0, 10)
    assert direct.named("workers")
    direct.wait(2_000)
    direct.call("tenant_prune", 0, 10)
    assert not direct.named("workers")
