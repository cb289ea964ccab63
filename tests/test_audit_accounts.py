"""Audits of accounts, queues and tenants look at so much and no more, and believe no number of the past."""

from __future__ import annotations

import pytest

from tests.auditing import LOOK, account, crowd, kinds, look
from tests.direct import Answer, Direct

pytestmark = pytest.mark.usefixtures("cleared")

# accounts


def test_an_account_is_suspect_before_it_is_counted(direct: Direct) -> None:
    direct.create(3)
    direct.claim(2)
    assert look(direct, *account(1, exact=0)) == [[b"suspect", b"q", b"acme"]]
    assert look(direct, *account(2, exact=0)) == look(direct, *account(1)) == []
    direct.client.hincrby(direct.key("tq", "q", "acme"), "settled", -1)
    assert look(direct, *account(1, exact=0)) == [[b"suspect", b"q", b"acme"]]


def test_an_account_beside_too_many_running_tasks_is_unsure(direct: Direct) -> None:
    batch = direct.create(1)
    direct.claim()
    crowd(direct, batch, 3_000)
    assert look(direct, *account()) == [[b"unsure", b"running", b"q", b"acme", b"1:1:0:0"]]


def test_an_account_that_moves_meanwhile_is_unsure(direct: Direct) -> None:
    batch = direct.create(1)
    crowd(direct, batch, 3_001)
    assert look(direct, *account(3_001, version="1:0:0:0")) == [[b"running", b"q", b"acme", 0, 3_001, 0]]
    direct.claim()
    assert kinds(look(direct, *account(3_001, version="1:0:0:0"))) == [b"unsure"]


def test_running_tasks_are_counted_by_queue_and_tenant(direct: Direct) -> None:
    for tenant in ("acme", "beta"):
        direct.create(2, tenant, queues=["q", "r"])
    direct.claim(8, queues=["q", "r"])
    direct.client.hincrby(direct.key("tq", "q", "acme"), "settled", 1)
    assert look(direct, *account()) == [[b"running", b"q", b"acme", 1, 2, 0]]


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_a_line_that_is_too_long_is_unsure(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line, entry = (("lane", "q", "acme"), batch) if mode == "fair" else (("fifo", "q"), f"{batch}:1")
    direct.client.rpush(direct.key(*line), *[entry] * 2_999)
    assert look(direct, *account()) == []
    direct.client.rpush(direct.key(*line), entry)
    direct.client.hincrby(direct.key("tq", "q", "acme"), "pushed", 1)
    assert look(direct, *account()) == [[b"unsure", b"line", b"q", b"acme", b"2:0:0:0"]]


def test_cancelled_tasks_in_line_are_not_counted(direct: Direct) -> None:
    batch = direct.create(3)
    assert direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]
    assert look(direct, *account()) == []


def test_a_list_of_several_tickets_is_counted_once(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch, _ = direct.create(2), direct.create(1)
    direct.append(batch, 2)
    assert direct.client.llen(direct.key("fifo", "q")) == 3
    assert look(direct, *account()) == []


def test_ready_tasks_in_a_strict_queue_are_counted_by_tenant(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    for tenant in ("acme", "beta"):
        direct.create(2, tenant)
    assert look(direct, *account()) == []


def test_a_tenant_without_an_account_is_not_enrolled(direct: Direct) -> None:
    assert look(direct, *account(tenant="nobody")) == []


# queues and tenants


def test_a_queue_that_gets_a_tenant_meanwhile_is_counted_anew(direct: Direct) -> None:
    direct.create(1)
    assert direct.call("audit_queue", LOOK, "q", -1) == [b"ok", 1, 1]
    direct.create(1, "beta")
    assert direct.call("audit_queue", LOOK, "q", 1, "acme") == [b"ok", 2, 1]
    assert direct.call("audit_queue", LOOK, "q", 2, "acme", "beta") == [b"ok", 2, 0]


def test_tenants_that_do_not_use_a_queue_do_not_count(direct: Direct) -> None:
    direct.create(1)
    assert look(direct, "audit_queue", "q", 1, "acme", "nobody") == [1, 0]


def test_a_queue_of_too_many_lists_is_unsure(direct: Direct) -> None:
    direct.create(1)
    direct.client.zadd(direct.key("delayed"), {f"{n}:q": 1 for n in range(3_001)})
    direct.client.zadd(direct.key("dead", "q"), {f"{n}": 1 for n in range(3_001)})
    unsure = [[b"unsure", b"queue_delayed", b"q"], [b"unsure", b"queue_dead", b"q"]]
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0, *unsure]
    direct.client.zrem(direct.key("delayed"), "0:q")
    direct.client.zrem(direct.key("dead", "q"), "0")
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0]


def test_delayed_tasks_are_counted_by_queue(direct: Direct) -> None:
    direct.create(2, queues=["q", "r"], delay=10)
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0]
    direct.client.hincrby(direct.key("q", "q"), "delayed", 1)
    assert look(direct, "audit_queue", "q", 1, "acme")[2:] == [[b"queue_delayed", b"q", b"", 3, 2, 0]]


def test_tenants_delayed_and_dead_tasks_are_told_apart(direct: Direct) -> None:
    for name, count in (("acme", 2), ("acme", 1), ("beta", 3)):
        direct.create(count, name, delay=10)
        direct.create(count, name)
        direct.kill(count)
    assert look(direct, "audit_queue", "q", 2, "acme", "beta") == [2, 0]
    direct.client.hincrby(direct.key("tq", "q", "acme"), "delayed", 1)
    direct.client.hincrby(direct.key("tq", "q", "beta"), "dead", -1)
    differences = [[b"delayed", b"q", b"acme", 4, 3, 0], [b"dead", b"q", b"beta", 2, 3, 0]]
    assert look(direct, "audit_queue", "q", 2, "acme", "beta")[2:] == differences


def tenant(direct: Direct, skip: int = 0, total: int = 0, version: bytes = b"") -> Answer:
    """A part of the audit of a tenant."""
    with direct.unchanged():
        return direct.call("audit_tenant", LOOK, "acme", skip, total, version)


def many(direct: Direct, count: int) -> None:
    """So many batches of which one task remains, and a single task."""
    direct.single()
    pipe = direct.client.pipeline(transaction=False)
    for n in range(count):
        pipe.hset(direct.key("b", f"m{n:021}"), "remaining", 1)
    pipe.zadd(direct.key("tb", "acme"), {f"m{n:021}": 1 for n in range(count)})
    pipe.hset(direct.key("t", "acme"), mapping={"remaining": count + 1, "batches": count, "total": count + 1})
    pipe.execute()


def test_a_tenants_batches_are_added_up_in_parts(direct: Direct) -> None:
    many(direct, 3_001)
    more, skip, total, version = tenant(direct)
    assert (more, skip, total) == (b"more", 3_000, 3_001)
    assert tenant(direct, skip, total, version) == [b"ok"]


def test_single_tasks_count_with_the_first_part(direct: Direct) -> None:
    many(direct, 3_001)
    _, skip, total, version = tenant(direct)
    assert tenant(direct, skip, total, version) == [b"ok"]


def test_a_tenant_that_moves_meanwhile_is_added_up_anew(direct: Direct) -> None:
    many(direct, 3_001)
    _, skip, total, version = tenant(direct)
    direct.settle(direct.claim())
    assert tenant(direct, skip, total, version) == [b"moved"]


# explanations


def test_what_is_no_batch_is_not_explained(direct: Direct) -> None:
    task = direct.single()
    assert direct.call("batch_explain", task[:22]) == []
    assert direct.call("batch_explain", "b" * 22) == []


def test_a_batch_without_ready_tasks_stands_in_no_line(direct: Direct) -> None:
    direct.create(1)
    batch = direct.create(1, delay=10)
    [place] = direct.call("batch_explain", batch)[3:]
    assert place[6:] == [0, -1, -1, -1, 0, b""]


@pytest.mark.parametrize(("mode", "most", "before"), [("fair", 10_000, [0, 9_999, -1]), ("fifo", 1_000, [-1, -1, 999])])
def test_a_place_far_back_is_not_told(direct: Direct, mode: str, most: int, before: list[int]) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line = direct.key("lane", "q", "acme") if mode == "fair" else direct.key("fifo", "q")
    direct.client.lpush(line, *["c" * 22 + ":1"] * (most - 1))
    assert direct.call("batch_explain", batch)[3][6:] == [1, *before, 0, b""]
    direct.client.lpush(line, "c" * 22 + ":1")
    assert direct.call("batch_explain", batch)[3][6:] == [1, 0 if mode == "fair" else -1, -1, -1, 0, b""]
