"""However many tenants have no room, and in however many queues, each call looks at so many of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.direct import Direct, group
from tests.ruling import outside, rule, settle_all

QUEUES = [f"q{n}" for n in range(10)]


def test_a_step_sets_100_tickets_aside_at_most(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo", "")
    rule(direct, s="paused")
    for _ in range(150):
        direct.create(1)
    other = direct.create(1, "other")
    first = direct.step(3)
    assert (first[7], first[8], direct.client.llen(direct.key("aside", "q", "acme"))) == ([], 1, 100)
    assert [batch.decode() for _, _, batch, *_ in direct.step(3)[7]] == [other]
    rule(direct, s=False)


def stand_out(direct: Direct, count: int, rate: int = 0) -> list[str]:
    """So many tenants that stand out of ten queues since one task of each runs, or one has started; the leases."""
    words: dict[str, Any] = {"i": rate, "b": 1} if rate else {"m": 1}
    rule(direct, None, **words)
    for n in range(count):
        direct.create(2, f"t{n:03}", queues=QUEUES)
    leases = direct.claim(128, queues=["q0"])
    while sum(map(len, outside(direct).values())) < 10 * count:
        assert direct.claim(128, queues=QUEUES) == []
    assert len(leases) == count
    return leases


def test_a_step_looks_at_128_tenants_without_room_at_most(direct: Direct) -> None:
    for n in range(100):
        direct.create(1, f"t{n:03}", queues=QUEUES[:3])
    rule(direct, None, m=0)
    for looked in (100, 200, 300):
        answer = direct.step(128, queues=QUEUES[:3])
        assert (answer[7], answer[8], answer[9]) == ([], int(looked < 300), [])
        assert sum(map(len, outside(direct).values())) == looked


def test_a_tenants_tasks_of_all_queues_are_counted_once_a_step(direct: Direct) -> None:
    queues = [f"r{n}" for n in range(60)]
    rule(direct, m=1)
    direct.create(2, queues=queues)

    def commands() -> int:
        return int(sum(entry["calls"] for entry in direct.client.info("commandstats").values()))

    before = commands()
    [lease] = direct.claim(128, queues=queues)
    while len(outside(direct)["acme"]) < 60:
        direct.claim(128, queues=queues)
    direct.settle([lease], queue="r0")
    assert commands() - before < 60 * 60


@pytest.mark.parametrize("how", ["settled", "changed"])
def test_tenants_return_to_some_300_lines_at_once_and_to_others_at_the_next_upkeep(direct: Direct, how: str) -> None:
    leases = stand_out(direct, 40)
    if how == "settled":
        answer = direct.step(0, [group([lease], queue="q0") for lease in leases])
        assert (answer[2], answer[9]) == (b"%d" % direct.now, [])
        assert len(outside(direct)) == 10
    else:
        rule(direct, None, m=2, wake=False)
        cursor, broken = direct.call("tenants_wake", "out", "0")
        assert len(outside(direct)) >= 10
        while cursor != b"0":
            cursor, broken = direct.call("tenants_wake", "out", cursor)
        assert broken == []
    direct.promote()
    assert not outside(direct)


def leave(direct: Direct, count: int, mode: str) -> list[str]:
    """A tenant leaves the lines of so many queues; their names."""
    queues = [f"r{n}" for n in range(count)]
    for queue in queues:
        direct.call("queue_mode", queue, mode, "")
        direct.create(1, queues=[queue])
        direct.create(1, queues=[queue])
    rule(direct, m=0)
    while len(outside(direct).get("acme", [])) < count:
        assert direct.claim(128, queues=queues) == []
    return queues


def test_a_tenant_returns_to_100_lines_at_once_and_to_others_at_the_next_upkeep(direct: Direct) -> None:
    queues = leave(direct, 120, "fair")
    rule(direct, m=0)
    assert not direct.client.exists(direct.key("delayed"))
    rule(direct, m=False)
    assert len(outside(direct)["acme"]) == 20
    direct.promote()
    assert not outside(direct)
    assert len(direct.claim(128, queues=queues)) == 128


def test_a_tenant_of_many_strict_queues_is_not_looked_at_again_and_again(direct: Direct) -> None:
    leave(direct, 120, "fifo")
    for _ in range(2):
        rule(direct, m=False)
        assert not direct.client.exists(direct.key("delayed"))


def test_an_upkeep_lets_tenants_return_to_some_250_lines_at_once(direct: Direct) -> None:
    settle_all(direct, stand_out(direct, 40, rate=1_000_000), queue="q0")
    direct.wait(1_000)
    assert direct.promote() == 0
    assert len(outside(direct)) == 15
    assert direct.promote() == 0
    assert not outside(direct)


def test_a_weight_for_all_is_given_to_tenants_of_some_300_queues_at_once(direct: Direct) -> None:
    queues = [f"r{n}" for n in range(60)]
    for n in range(12):
        direct.create(1, f"t{n:02}", queues=queues)
    rule(direct, None, w=3, wake=False)
    cursor, calls = b"0", 0
    while not calls or cursor != b"0":
        cursor, broken = direct.call("tenants_wake", "all", cursor)
        calls += 1
        weighed = sum(direct.record("tq", "r0", f"t{n:02}").get("weight") == "3" for n in range(12))
        assert (weighed, broken) == (min(5 * calls, 12), [])
    assert calls == 3
