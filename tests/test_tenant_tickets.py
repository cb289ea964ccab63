"""Tickets and lists of tenants that stand out of line: strict queues keep their order, limits go on."""

from __future__ import annotations

import pytest

from tests.direct import Direct
from tests.harness import in_each_mode
from tests.limiting import H, allow, crowd
from tests.ruling import outside, rule, settle_all, shares

mode = in_each_mode("q", "r")


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
