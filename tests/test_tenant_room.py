"""Tenants without room leave the lines of queues, fair ones and strict ones, and return to them."""

from __future__ import annotations

import pytest

from tests.direct import LEASE, W2, Direct
from tests.harness import in_each_mode
from tests.ruling import outside, rule, settle_all, shares

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
