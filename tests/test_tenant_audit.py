"""Audits of tenants that stand out of the lines of queues, and what is listed and told of their tasks."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.auditing import account, kinds, look
from tests.building import noops
from tests.direct import Direct
from tests.harness import Instance, in_each_mode
from tests.ruling import outside, rule

PLACE = to_json([["q", "acme"]])

mode = in_each_mode("q", autouse=True)


def told(direct: Direct) -> list[bytes]:
    """What an audit finds, by kind."""
    return kinds(look(direct, "audit_out", PLACE))


def mended(direct: Direct) -> list[bytes]:
    """What an audit mends; then nothing is wrong."""
    found = direct.once("audit_out", PLACE)[1:]
    assert all(entry[5] == 1 for entry in found)
    assert told(direct) == []
    return kinds(found)


def test_what_stands_outside_by_its_rules_is_in_order(direct: Direct) -> None:
    for words in ({"s": "paused"}, {"s": False, "m": 1}, {"m": False, "i": 1_000_000, "b": 1}):
        direct.create(3)
        rule(direct, **words)
        direct.claim(2)
        direct.claim(2)
        assert outside(direct)
        assert told(direct) == []
        running = direct.counts()[1]
        assert look(direct, *account(running)) == []
        batch = direct.call("batch_list", "acme", 0, 1, "")[1].decode()
        assert look(direct, "audit_lists", to_json([[batch, "r", "q"]])) == []


def test_one_with_room_returns(direct: Direct, mode: str) -> None:
    direct.create(3)
    rule(direct, s="paused")
    assert direct.claim(5) == []
    rule(direct, s=False, wake=False)  # as if the call that resumed it had been lost half-way
    assert told(direct) == [b"outside"]
    assert mended(direct) == [b"outside"]
    assert len(direct.claim(5)) == 3


def test_one_that_nobody_would_look_at_is_looked_at(direct: Direct) -> None:
    rule(direct, m=1)
    direct.create(3)
    [lease] = direct.claim(5)
    direct.claim(5)
    direct.client.srem(direct.key("out"), "acme")
    assert mended(direct) == [b"unwoken"]
    direct.settle([lease])
    assert len(direct.claim(5)) == 1


def test_one_whose_time_nobody_knows_goes_on(direct: Direct) -> None:
    rule(direct, i=1_000_000, b=1)
    direct.create(3)
    direct.claim(5)
    direct.claim(5)
    direct.client.zrem(direct.key("delayed"), "@acme")
    assert mended(direct) == [b"unwoken"]
    direct.wait(1_000)
    direct.promote()
    assert len(direct.claim(5)) == 1


def test_one_that_is_known_too_late_goes_on(direct: Direct) -> None:
    rule(direct, i=1_000_000, b=1)
    direct.create(3)
    direct.claim(5)
    direct.claim(5)
    direct.client.zincrby(direct.key("delayed"), 60_000, "@acme")
    assert mended(direct) == [b"unwoken"]
    direct.wait(1_000)
    direct.promote()
    assert len(direct.claim(5)) == 1


@pytest.mark.parametrize("ms", [1_000, 2_000, 60_000])
def test_one_whose_rate_will_let_it_return_is_in_order(direct: Direct, ms: int) -> None:
    """Half a burst has not come together yet, or it has and no worker has looked since."""
    rule(direct, i=1_000_000, b=4)
    direct.create(9)
    assert len(direct.claim(5)) == 4
    assert direct.claim(5) == []
    direct.wait(ms)
    assert told(direct) == []
    direct.client.zadd(direct.key("delayed"), {"@acme": direct.now + 60_000})
    assert mended(direct) == [b"outside"]
    assert len(direct.claim(5)) == min(4, ms // 1_000)


def test_tickets_that_nobody_knows_of_go_on(direct: Direct, mode: str) -> None:
    rule(direct, s="paused")
    direct.create(3)
    assert direct.claim(5) == []
    direct.client.delete(direct.key("out", "acme"))
    assert told(direct) == ([b"set_aside"] if mode == "fifo" else [])
    direct.once("audit_out", PLACE)
    rule(direct, s=False)
    assert len(direct.claim(5)) == (3 if mode == "fifo" else 0)
    if mode == "fair":
        found = direct.once("audit_accounts", 1, account()[2])[1:]
        assert kinds(found) == [b"unringed"]
        assert len(direct.claim(5)) == 3


def test_ready_tasks_are_listed_wherever_their_tenant_stands(direct: Direct) -> None:
    first, second = direct.create(3, "b"), direct.create(3)
    rule(direct, s="paused")
    leases = direct.claim(2)
    assert len(leases) == 2
    entries = direct.call("queue_tasks", "q", 0, 50)
    assert [entry[2].decode() for entry in entries] == [first, second]
    assert sum(len(entry) - 4 for entry in entries) == 4
    explained = direct.call("batch_explain", second)[3]
    assert (explained[2], explained[-1]) == (3, b"paused")


def test_an_index_has_no_entry_of_one_that_is_in_line(direct: Direct) -> None:
    direct.client.zadd(direct.key("delayed"), {"@acme": direct.now + 5})
    assert kinds(look(direct, "audit_index", "delayed", "", 1_000, "0")) == [b"stale"]
    direct.once("audit_index", "delayed", "", 1_000, "0")
    assert look(direct, "audit_index", "delayed", "", 1_000, "0") == []


async def test_an_audit_of_all_lets_a_tenant_return(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.pause_tenant("acme")
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        assert await proc.run_until_idle() == 0
        found = await proc.explain_batch(batch_id)
        assert found is not None
        assert any("tenant acme is paused" in reason for reason in found.reasons)
        assert (await proc.audit()).differences == ()
        instance.client.hdel(f"{{{instance.name}}}:rules", "t:acme")
        [wrong] = (await proc.audit()).differences
        assert (wrong.kind, wrong.subject) == ("outside", "acme")
        assert (await proc.audit(repair=True)).wrong == ()
        assert await proc.run_until_idle() == 3
