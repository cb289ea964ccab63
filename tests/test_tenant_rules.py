"""Rules of tenants in the scripts: who leaves the line and returns to it, in fair queues and strict ones."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc.store.scripts import to_json
from tests.direct import LEASE, W2, Direct, body, ending, plain
from tests.harness import in_each_mode
from tests.limiting import H, allow, crowd
from tests.ruling import outside, rule, settle_all, shares
from tests.schedule_direct import entry, move, store

SECOND = {"i": 1_000_000, "b": 1}

mode = in_each_mode("q", "r")


@pytest.mark.usefixtures("mode")
def test_no_more_of_a_tenant_run_than_may_and_others_go_on(direct: Direct) -> None:
    rule(direct, m=2)
    direct.create(10)
    direct.create(3, "b")
    first = direct.claim(50)
    assert shares(direct, first) == {"acme": 2, "b": 3}
    assert direct.claim(50) == []
    assert outside(direct) == {"acme": ["q"]}
    assert not direct.named("wake:")
    settle_all(direct, first[:1])
    assert len(direct.claim(50)) == 1
    assert direct.claim(50, worker=W2) == []
    assert direct.counts() == (7, 5, 0, 0)


@pytest.mark.usefixtures("mode")
def test_who_has_no_room_stays_outside_however_often_somebody_looks(direct: Direct) -> None:
    rule(direct, m=1)
    direct.create(3)
    assert len(direct.claim(5)) == 1
    assert direct.claim(5) == []
    for _ in range(2):
        assert direct.call("tenant_wake", "acme", "0") == [b"0"]
        assert outside(direct) == {"acme": ["q"]}
        assert not direct.named("ring:")
        assert not direct.named("fifo:")


@pytest.mark.usefixtures("mode")
def test_a_limit_of_all_queues_and_one_of_a_queue_hold_together(direct: Direct) -> None:
    rule(direct, m=5, q={"q": {"m": 3}})
    direct.create(10, queues=("q", "r"))
    assert len(direct.claim(50, queues=("q",))) == 3
    assert len(direct.claim(50, queues=("q", "r"))) == 2
    assert direct.claim(50, queues=("q", "r")) == []
    assert outside(direct) == {"acme": ["q", "r"]}


@pytest.mark.usefixtures("mode")
def test_all_that_is_there_runs_in_the_end_in_its_order(direct: Direct) -> None:
    rule(direct, m=3)
    direct.create(7)
    direct.create(7)
    ran: list[str] = []
    while leases := direct.claim(50):
        assert len(leases) <= 3
        ran += leases
        settle_all(direct, leases)
    assert len(ran) == 14
    for batch in {lease[:22] for lease in ran}:
        own = [lease[22:32] for lease in ran if lease[:22] == batch]
        assert own == sorted(own)
    assert outside(direct) == {}
    assert not direct.named("aside")


def test_a_strict_queue_goes_by_its_order_as_soon_as_there_is_room(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    rule(direct, m=1)
    mine = [direct.create(3) for _ in range(3)]
    other = direct.create(2, "b")
    order: list[str] = []
    while leases := direct.claim(50):
        order += [lease[:22] for lease in leases]
        settle_all(direct, leases)
    assert [batch for batch in order if batch != other] == [batch for batch in mine for _ in range(3)]
    assert order[:3].count(other) == 2


@pytest.mark.usefixtures("mode")
def test_the_crash_of_a_holder_lets_the_tenant_go_on(direct: Direct) -> None:
    rule(direct, m=1)
    direct.create(2)
    [lost] = direct.claim(5)
    assert direct.claim(5, worker=W2) == []
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert outside(direct) == {}
    [again] = direct.claim(5, worker=W2)
    assert again[:32] == lost[:32]


@pytest.mark.usefixtures("mode")
def test_a_paused_tenant_is_not_claimed_from_and_goes_on_where_it_was(direct: Direct) -> None:
    batch = direct.create(5)
    direct.create(2, "b")
    rule(direct, s="paused")
    assert shares(direct, direct.claim(50)) == {"b": 2}
    direct.append(batch, 2)
    assert direct.claim(50) == []
    assert not direct.named("wake:")
    rule(direct, s=False)
    assert direct.named("wake:")
    assert len(direct.claim(50)) == 7


@pytest.mark.usefixtures("mode")
def test_what_is_cancelled_while_its_tenant_stands_outside_leaves_nothing(direct: Direct) -> None:
    rule(direct, s="paused")
    batches = [direct.create(5) for _ in range(3)]
    assert direct.claim(50) == []
    for batch in batches:
        assert direct.once("batch_cancel", batch, "", "") == [b"ok"]
    rule(direct, s=False)
    assert not direct.named("ring:")
    for _ in range(4):  # tickets of what was cancelled come back one by one, and are passed over
        assert direct.claim(50) == []
    assert outside(direct) == {}
    assert not [name for part in ("aside", "ring:", "fifo:", "wake:") for name in direct.named(part)]
    direct.create(1)
    assert len(direct.claim(50)) == 1


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("state", ["paused", False])
def test_what_comes_after_others_that_were_cancelled_outside_is_claimed(direct: Direct, state: str | bool) -> None:
    rule(direct, s="paused")
    cancelled = [direct.single(n) for n in range(3)]
    assert direct.claim(5) == []
    for task in cancelled:
        assert direct.once("task_cancel", task, "", "", "") == [b"ok"]
    rule(direct, s=state)  # which looks at the tenant while nothing of it waits
    assert state is False or not direct.named("fifo:")
    task = direct.single(3)
    rule(direct, s=False)
    assert [lease[:32] for lease in direct.claim(5)] == [task]
    assert outside(direct) == {}
    assert not direct.named("aside")


@pytest.mark.usefixtures("mode")
def test_a_rate_lets_tenants_go_on_when_their_next_token_is_due(direct: Direct) -> None:
    rule(direct, **SECOND)
    direct.create(3)
    direct.create(1, "b")
    answer = direct.step(50)
    assert shares(direct, [b.decode() + "0" * 10 for _, _, b, _, bodies in answer[7] for _ in bodies]) == {"acme": 1, "b": 1}
    assert direct.claim(50) == []
    assert float(direct.step(0)[2]) == direct.now + 1_000
    direct.wait(999)
    assert (direct.promote(), direct.claim(50)) == (0, [])
    direct.wait(1)
    assert direct.promote() == 0
    assert outside(direct) == {}
    assert len(direct.claim(50)) == 1
    direct.wait(10_000)
    direct.promote()
    assert len(direct.claim(50)) == 1  # what was not used is not saved up


@pytest.mark.usefixtures("mode")
def test_a_rate_of_a_queue_and_one_of_all_hold_together(direct: Direct) -> None:
    rule(direct, i=1_000_000, b=3, q={"q": {"i": 1_000_000, "b": 1}})
    direct.create(10, queues=("q", "r"))
    assert len(direct.claim(50, queues=("q", "r"))) == 3
    direct.wait(1_000)
    direct.promote()
    assert len(direct.claim(50, queues=("q", "r"))) == 1


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("slow", ["q", "r"])
def test_a_slow_rate_of_one_queue_holds_nothing_up_in_another(direct: Direct, slow: str) -> None:
    rule(direct, q={"q": SECOND, "r": SECOND, slow: {"i": 3_600_000_000, "b": 1}})
    direct.create(9, queues=("q", "r"))
    for queue in ("q", "r"):
        assert len(direct.claim(5, queues=(queue,))) == 1
    assert direct.claim(5, queues=("q", "r")) == []
    for _ in range(5):  # queues are looked at in no order
        assert direct.call("tenant_wake", "acme", "0") == [b"0"]
        direct.wait(1_000)
        direct.promote()
        [lease] = direct.claim(5, queues=("q", "r"))
        settle_all(direct, [lease], queue="r" if slow == "q" else "q")


@pytest.mark.usefixtures("mode")
def test_a_rate_goes_on_after_the_clock_was_set_back(direct: Direct) -> None:
    rule(direct, **SECOND)
    direct.create(3)
    assert len(direct.claim(1)) == 1
    assert direct.claim(1) == []
    direct.wait(-3_600_000)
    assert direct.call("tenants_wake", "out", "0") == [b"0", []]
    direct.wait(2_000)
    direct.promote()
    assert len(direct.claim(5)) == 1


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


def refused(direct: Direct, count: int = 1, queues: tuple[str, ...] = ("q",), *, delay: int = 0) -> list[Any]:
    """What a batch of so many tasks in each queue is answered with; it stores nothing but that answer."""
    lists, bodies = plain(count, queues, delay)
    with direct.unchanged_but("p:"):
        return direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *bodies)


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


@pytest.mark.usefixtures("mode")
def test_a_tenant_that_stood_outside_leaves_no_key(direct: Direct) -> None:
    rule(direct, m=1, **SECOND)
    batch = direct.create(3)
    direct.claim(5)
    direct.once("batch_cancel", batch, "", "")
    assert direct.named("out")


@pytest.mark.usefixtures("mode")
def test_a_tenant_that_is_dropped_while_it_stands_outside_is_listed_nowhere(direct: Direct) -> None:
    rule(direct, s="paused")
    batch = direct.create(2)
    assert direct.claim(5) == []
    assert direct.once("batch_cancel", batch, "", "") == [b"ok"]
    direct.wait(1_000)
    direct.call("batch_prune", 500, 100)
    assert direct.named("out")
    direct.call("tenant_prune", 500, 100)
    assert not [name for part in ("out", "tenants", "t:acme") for name in direct.named(part)]


@pytest.mark.usefixtures("mode")
def test_half_a_burst_goes_together(direct: Direct) -> None:
    rule(direct, i=1_000, b=100)
    direct.create(300)
    assert len(direct.claim(128)) == 100
    assert direct.claim(128) == []
    assert float(direct.step(0)[2]) == direct.now + 50
    direct.wait(50)
    direct.promote()
    assert len(direct.claim(128)) == 50


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


def test_tickets_come_back_one_after_the_other(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    rule(direct, m=2)
    batches = [direct.create(1) for _ in range(5)]
    leases = direct.claim(5)
    assert direct.claim(5) == []
    for lease in leases:
        direct.settle([lease])
    order = [lease[:22] for lease in leases]
    while leases := direct.claim(1):
        order += [lease[:22] for lease in leases]
        settle_all(direct, leases)
    assert order == batches


def test_a_queue_that_changes_its_mode_keeps_nothing_of_what_was_cancelled_outside(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo", "")
    rule(direct, s="paused")
    batch = direct.create(2)
    held = crowd(direct, [H], "b")
    allow(direct, m=0)
    assert direct.claim(5) == []
    for task in (f"{batch}{0:010}", f"{batch}{1:010}", f"{held}{0:010}"):
        assert direct.once("task_cancel", task, "", "", "") == [b"ok"]
    assert direct.call("queue_mode", "q", "fair", "") == [b"ok"]
    assert not [name for part in (":r:", "aside", "park", "held:") for name in direct.named(part)]


def gone_aside(direct: Direct, count: int) -> str:
    """So many tickets of batches that are gone stand aside before one of a batch that isn't; that one."""
    direct.call("queue_mode", "q", "fifo", "")
    rule(direct, s="paused")
    gone, live = [direct.create(1) for _ in range(count)], direct.create(1)
    while direct.step(1)[8]:
        assert not direct.client.exists(direct.key("lane", "q", "acme"))
    for batch in gone:
        direct.once("batch_cancel", batch, "", "")
    direct.wait(10)
    while direct.prune()[1]:
        pass
    return live


@pytest.mark.parametrize("count", [1, 3, 199])
def test_tickets_of_batches_that_are_gone_hold_up_none_behind_them(direct: Direct, count: int) -> None:
    live = gone_aside(direct, count)
    rule(direct, s=False)
    assert [lease[:22] for lease in direct.claim(1)] == [live]
    assert not outside(direct)


def test_more_tickets_of_batches_that_are_gone_are_dropped_by_the_next_upkeep(direct: Direct) -> None:
    live = gone_aside(direct, 200)
    rule(direct, s=False)
    assert direct.claim(1) == []
    direct.promote()
    assert [lease[:22] for lease in direct.claim(1)] == [live]


def test_a_ticket_whose_batch_went_while_it_was_in_line_holds_up_none_for_ever(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo", "")
    rule(direct, s="paused")
    gone, later = direct.create(1), direct.create(1)
    assert direct.claim(3) == []
    rule(direct, s=False)
    direct.once("batch_cancel", gone, "", "")
    direct.wait(10)
    direct.prune()
    others = [direct.create(1, "other") for _ in range(3)]
    assert [lease[:22] for lease in direct.claim(1)] == others[:1]
    rule(direct)  # as each upkeep does
    assert [lease[:22] for lease in direct.claim(1)] == [later]


def test_a_ticket_that_is_back_in_line_is_found_behind_others(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo", "")
    rule(direct, s="paused")
    batches = [direct.create(1) for _ in range(2)]
    direct.create(1, "other")
    direct.claim(1)
    rule(direct, s=False)
    direct.client.lpush(direct.key("fifo", "q"), *(f"{direct.new()}:1" for _ in range(120)))
    rule(direct)
    assert [lease[:22] for lease in direct.claim(2)] == batches


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("first", ["acme", "b"])
def test_a_tenant_that_stands_outside_holds_up_no_limit(direct: Direct, first: str) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 2, first)
    crowd(direct, [H] * 2, "b" if first == "acme" else "acme")
    [lease] = direct.claim(1)
    assert direct.claim(5) == []  # what is left waits for the limit
    rule(direct, s="paused")
    ran = [lease]
    while ran[-1:]:
        direct.settle(ran[-1:], "done")
        leases = direct.claim(5) or direct.claim(5)  # a step that lets another go on is told to look again
        if not leases:
            break
        ran += leases
    owners = shares(direct, ran)
    assert owners["b"] == 2
    rule(direct, s=False)
    while leases := direct.claim(5) or direct.claim(5):
        ran += leases
        direct.settle(leases, "done")
    assert shares(direct, ran) == {"acme": 2, "b": 2}


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("first", ["acme", "b"])
def test_lists_of_one_that_stands_outside_hold_up_no_others_of_their_limit(direct: Direct, first: str) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 2, first)
    crowd(direct, [H] * 2, "b" if first == "acme" else "acme")
    [lease] = direct.claim(1)
    assert direct.claim(5) == []  # both lists wait for the limit
    direct.create(1)
    rule(direct, s="paused")
    assert direct.claim(5) == []
    assert outside(direct) == {"acme": ["q"]}
    ran = [lease]
    while ran[-1:] != [""]:
        direct.settle(ran[-1:], "done")
        ran += (direct.claim(5) or direct.claim(5)) or [""]
    assert shares(direct, ran[:-1])["b"] == 2
    rule(direct, s=False)


@pytest.mark.usefixtures("mode")
def test_a_limit_goes_on_when_the_tenant_whose_turn_it_is_leaves_the_line(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 2)
    crowd(direct, [H] * 2, "b")
    [lease] = direct.claim(1)
    assert direct.claim(5) == []
    direct.settle([lease], "done")  # one of the lists is in line again
    other = "b" if shares(direct, [lease])["acme"] else "acme"
    rule(direct, other, s="paused")
    [again] = direct.claim(5) or direct.claim(5)
    assert shares(direct, [again]) != {other: 1}
