"""How many delayed tasks and dead letters a tenant has in a queue is exact, whatever becomes of them."""

from __future__ import annotations

import pytest

from tests.direct import ERROR, Direct


def waits(direct: Direct, tenant: str = "acme", queue: str = "q") -> tuple[int, int]:
    """A tenant's delayed and dead tasks in a queue, as its account has them."""
    record = direct.record("tq", queue, tenant)
    return int(record.get("delayed", 0)), int(record.get("dead", 0))


def test_delayed_tasks_count_until_they_are_due(direct: Direct) -> None:
    direct.create(3, delay=10)
    direct.create(2, "beta", delay=10)
    direct.single(7, delay=20)
    assert (waits(direct), waits(direct, "beta"), direct.counts()[2]) == ((4, 0), (2, 0), 6)
    direct.wait(10)
    assert direct.promote() == 5
    assert (waits(direct), waits(direct, "beta")) == ((1, 0), (0, 0))


def test_a_retry_counts_as_delayed_and_a_letter_as_dead(direct: Direct) -> None:
    direct.create(3)
    leases = direct.claim(3)
    direct.settle(leases[:1], "retry", 50, ERROR)
    direct.settle(leases[1:], "dead", 0, ERROR)
    assert waits(direct) == (1, 2)


@pytest.mark.parametrize("script", ["dead_retry", "dead_discard"])
def test_letters_that_go_count_no_more(direct: Direct, script: str) -> None:
    batch = direct.create(2)
    dead = direct.kill(2)
    letters = f'[["{batch}","q","{dead[0][22:]}"]]'
    assert direct.once(script, letters, *([0] if script == "dead_retry" else [])) == [b"ok", 1]
    assert waits(direct) == (0, 1)


def test_what_a_cancel_drops_counts_no_more(direct: Direct) -> None:
    batch = direct.create(2)
    direct.append(batch, 2, delay=10)
    direct.create(1, delay=10)
    direct.kill(1)
    assert waits(direct) == (3, 1)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert waits(direct) == (1, 0)


def test_a_delayed_task_that_is_cancelled_counts_no_more(direct: Direct) -> None:
    task = direct.single(3, delay=10)
    assert direct.once("task_cancel", task, "", "") == [b"ok"]
    assert waits(direct) == (0, 0)


def test_letters_that_are_pruned_count_no_more(direct: Direct) -> None:
    direct.single(3)
    direct.kill(1)
    assert waits(direct) == (0, 1)
    direct.wait(10)
    direct.prune()
    assert waits(direct) == (0, 0)


@pytest.mark.usefixtures("cleared")
def test_an_account_of_no_use_loses_no_task(direct: Direct) -> None:
    batch = direct.create(1, delay=10)
    direct.client.hset(direct.key("tq", "q", "acme"), "delayed", "many")
    direct.wait(10)
    assert direct.promote() == 1
    assert direct.client.llen(direct.key("b", batch, "r", "q")) == 1


@pytest.mark.usefixtures("cleared")
def test_letters_of_no_tenant_can_be_dropped(direct: Direct) -> None:
    batch = direct.create(1)
    [dead] = direct.kill(1)
    direct.client.hdel(direct.key("b", batch), "tenant")
    assert direct.once("dead_discard", f'[["{batch}","q","{dead[22:]}"]]') == [b"ok", 1]
    assert direct.client.exists(direct.key("tq", "q")) == 0
