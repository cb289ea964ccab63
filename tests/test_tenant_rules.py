"""What rules of tenants say in the scripts: tiers, weights, what may wait; and rules that can't be read."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct, body, ending, plain
from tests.harness import in_each_mode
from tests.ruling import rule, settle_all, shares
from tests.schedule_direct import entry, move, store

SECOND = {"i": 1_000_000, "b": 1}

mode = in_each_mode("q", "r")


def refused(direct: Direct, count: int = 1, queues: tuple[str, ...] = ("q",), *, delay: int = 0) -> list[Any]:
    """What a batch of so many tasks in each queue is answered with; it stores nothing but that answer."""
    lists, bodies = plain(count, queues, delay)
    with direct.unchanged_but("p:"):
        return direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *bodies)


def test_the_last_word_goes_before_the_tiers_and_that_before_the_one_for_all(direct: Direct) -> None:
    rule(direct, None, m=1, q={"q": {"m": 9}})
    rule(direct, of_tier="gold", m=4)
    for tenant in ("also", "plain", "gold", "own", "free"):
        direct.create(9, tenant)
    for tenant, words in (("gold", {}), ("own", {"m": 2}), ("free", {"m": -1})):
        rule(direct, tenant, **{"tier": "gold", **words})
    assert shares(direct, direct.claim(100)) == {"also": 1, "plain": 1, "gold": 4, "own": 2, "free": 9}
    rule(direct, None, m=False)
    assert shares(direct, direct.claim(100)) == {"also": 8, "plain": 8}
    rule(direct, of_tier="gold", m=False)
    assert shares(direct, direct.claim(100)) == {"gold": 5}


def test_a_tier_that_is_not_there_is_refused(direct: Direct) -> None:
    with direct.unchanged():
        assert direct.once("rules_set", "tenant", "acme", to_json({"tier": "gold"}), "") == [b"unknown"]
    rule(direct, of_tier="gold", m=1)
    rule(direct, of_tier="gold")
    assert direct.once("rules_set", "tier", "gold", to_json(False), "") == [b"ok", b"1"]
    assert direct.once("rules_set", "tier", "gold", to_json(False), "") == [b"ok", b"0"]
    assert not direct.named("tiers")


def test_no_more_tiers_are_made_than_fit_in_one_look(direct: Direct) -> None:
    direct.client.hset(direct.key("tiers"), mapping={f"t{n}": "{}" for n in range(1_000)})
    with direct.unchanged():
        assert direct.once("rules_set", "tier", "more", to_json({}), "") == [b"tiers", 1_000]
    rule(direct, of_tier="t1", m=1)
    direct.client.delete(direct.key("tiers"))


def test_claims_go_by_weights(direct: Direct) -> None:
    for tenant, weight in (("a", 1), ("b", 2), ("c", 5)):
        rule(direct, tenant, w=weight)
        direct.create(500, tenant)
    assert shares(direct, direct.claim(80)) == {"a": 10, "b": 20, "c": 50}


def test_what_was_served_counts_by_weight(direct: Direct) -> None:
    rule(direct, "b", w=4)
    served = {"a": 0, "b": 0}
    for tenant in served:
        direct.create(900, tenant)
    for _ in range(300):
        [lease] = direct.claim(1)
        [tenant] = shares(direct, [lease])
        served[tenant] += 1
        settle_all(direct, [lease], us=2_000_000)
    assert 235 <= served["b"] <= 245


def test_a_change_of_weight_moves_a_tenant_that_stands_far_back(direct: Direct) -> None:
    for tenant in ("a", "b"):
        direct.create(400, tenant)
    rule(direct, "b", w=0.1)
    direct.claim(22)
    rule(direct, "b", w=10)
    assert float(direct.client.zscore(direct.key("ring", "q"), "b") or 0) == 2 * 3_000_000
    assert shares(direct, direct.claim(100))["b"] > 85
    rule(direct, "b", w=False)
    assert "weight" not in direct.record("tq", "q", "b")


def test_a_change_for_all_reaches_every_tenants_account(direct: Direct) -> None:
    for n in range(120):
        direct.create(2, f"t{n}")
    direct.claim(60)
    rule(direct, None, wake=False, w=3)
    cursor = b"0"
    while True:
        cursor, broken = direct.call("tenants_wake", "all", cursor)
        assert broken == []
        if cursor == b"0":
            break
    assert {direct.record("tq", "q", f"t{n}")["weight"] for n in range(120)} == {"3"}


def test_no_more_may_wait_than_the_rules_say_in_all_queues_and_in_each(direct: Direct) -> None:
    rule(direct, n=6, q={"q": {"n": 4}})
    direct.create(3)
    direct.create(1, delay=1_000)
    assert refused(direct) == [b"full", b"q", 4, 4, 1, b"tenant"]
    direct.create(2, queues=("r",))
    assert refused(direct, queues=("r",)) == [b"full", b"", 6, 6, 1, b"tenant"]
    direct.create(5, "b")
    direct.claim(1)
    direct.create(1)
    assert refused(direct, delay=5)[0] == b"full"


def test_each_way_to_enqueue_is_refused(direct: Direct) -> None:
    batch = direct.create(1)
    direct.claim(1)
    seg = direct.new()
    direct.stage(seg, 5)
    part = batch + "+1"
    direct.stage(part, 5)
    for words, told in (({"n": 0}, b"full"), ({"n": False, "s": "draining"}, b"closed"), ({"s": False, "p": 9}, b"large")):
        rule(direct, **words)
        assert refused(direct)[0] == told
        lists, bodies = plain(1, ["q"], start=7)
        with direct.unchanged_but("p:"):
            assert direct.append(batch)[0] == told
            assert direct.commit(seg, 5)[0] == told
            assert direct.commit(part, 5)[0] == told
            assert direct.once("task_enqueue", "acme", "seed", "", 9, lists, f"{7:010}", *bodies)[0] == told
    rule(direct, p=False)
    assert direct.commit(seg, 5)[0] == b"ok"
    assert direct.commit(part, 5) == [b"ok"]


def test_a_task_is_as_large_as_it_is_stored(direct: Direct) -> None:
    stored = len(body(0))
    rule(direct, p=stored - 1)
    assert refused(direct) == [b"large", stored - 1, stored]
    rule(direct, p=stored)
    direct.create(3)


def test_a_tenant_that_drains_finishes_what_is_there_continuations_too(direct: Direct) -> None:
    direct.create(2, ends=[ending("done", 9, queue="q")])
    rule(direct, s="draining")
    leases = direct.claim(5)
    assert len(leases) == 2
    settle_all(direct, leases)
    assert len(direct.claim(5)) == 1
    assert refused(direct) == [b"closed", b"draining"]


def test_rules_that_can_not_be_read_say_nothing(direct: Direct) -> None:
    rule(direct, m=1)
    direct.create(5)
    direct.client.hset(direct.key("rules"), "t:acme", "[1")
    assert len(direct.claim(1)) == 1
    direct.client.delete(direct.key("rules"))
    direct.client.set(direct.key("rules"), "no hash")
    assert len(direct.claim(2)) == 2
    direct.client.delete(direct.key("rules"))
    assert len(direct.claim(5)) == 2


def test_pausing_goes_through_on_a_full_redis(direct: Direct) -> None:
    direct.create(2)
    with direct.full():
        rule(direct, s="paused")
        assert direct.claim(5) == []
        rule(direct, s=False)
        assert len(direct.claim(5)) == 2


def test_one_that_comes_back_stands_where_its_weight_puts_it(direct: Direct) -> None:
    rule(direct, "b", w=4)
    for tenant in ("a", "b"):
        direct.create(1, tenant)
    settle_all(direct, direct.claim(2), us=8_000_000)
    for tenant in ("a", "b"):
        direct.create(1, tenant)
    ring = {name.decode(): score for name, score in direct.client.zrange(direct.key("ring", "q"), 0, -1, withscores=True)}
    assert ring == {"a": 8_000_000, "b": 2_000_000}


@pytest.mark.parametrize("part", ["out", "out:acme", "aside:q:acme", "tr:q:acme", "tr::acme", "tiers"])
@pytest.mark.usefixtures("mode")
def test_broken_keys_of_rules_hold_nothing_up(direct: Direct, part: str) -> None:
    rule(direct, "b", m=1, **SECOND)
    rule(direct, **SECOND, q={"q": SECOND})
    direct.client.set(direct.key(part), "of a wrong type")
    batch = direct.create(2)
    direct.create(2, "b")
    answer = direct.step(5)
    assert len(answer[7]) == 2
    direct.append(batch, 1)
    assert [len(bodies) for *_, bodies in answer[7]] == [1, 1]
    direct.wait(1_000)
    direct.client.delete(direct.key(part))
    assert direct.call("tenants_wake", "out", "0") == [b"0", []]
    for tenant in ("acme", "b"):
        direct.call("tenant_wake", tenant, "0")
    direct.clear()


def test_schedules_of_a_tenant_that_goes_on_are_looked_at(direct: Direct) -> None:
    sid = store(direct)
    rule(direct, s="paused")
    assert move(direct, entry(direct, sid))[1] == [-1]
    assert direct.client.zscore(direct.key("schedules"), sid) == direct.now + 60_000
    direct.wait(500)
    move(direct, entry(direct, sid))
    assert direct.client.zscore(direct.key("schedules"), sid) == direct.now + 59_500
    direct.wait(-500)
    rule(direct, s=False)
    assert direct.client.zscore(direct.key("schedules"), sid) == direct.now
    assert move(direct, entry(direct, sid))[1] == [1]
