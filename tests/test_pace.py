"""What there is at the moment: a tenant's queues, the pace of batches, and how many slots queues need."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskproc import Batch
from taskproc.history import Sum, Tally, signals
from taskproc.model import BatchInfo, QueueInfo
from taskproc.store.batches import _info
from taskproc.values import from_ms
from tests import handlers
from tests.building import noops
from tests.direct import ERROR, Direct
from tests.harness import Instance


def naps(count: int) -> Any:
    """So many naps of a tenth of a second."""

    def build(batch: Batch) -> None:
        for _ in range(count):
            batch.enqueue(handlers.nap, 0.1)

    return build


async def test_a_tenant_sees_its_queues(instance: Instance) -> None:
    async with instance.open(queues=["default", "mail"], backoff=0) as proc:
        acme = proc.tenant("acme")
        await acme.options(queue="mail", max_attempts=1).enqueue(handlers.fail)
        await proc.run_until_idle()
        await acme.enqueue_batch(noops(3))
        await proc.tenant("beta").enqueue_batch(noops(9))
        await acme.options(delay=600).enqueue(handlers.noop)
        default, mail = await acme.get_queues()
        assert (default.name, default.ready, default.running, default.delayed, default.dead) == ("default", 3, 0, 1, 0)
        assert (mail.name, mail.ready, mail.delayed, mail.dead, mail.oldest_ready_seconds) == ("mail", 0, 0, 1, None)
        assert default.oldest_ready_seconds is not None
        assert 0 <= default.oldest_ready_seconds < 30
        assert mail.run_seconds > 0
        assert await proc.get_tenant_queues("nobody") == []


async def test_a_strict_queue_tells_how_long_a_tenant_waits(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", "fifo")
        await proc.tenant("acme").enqueue_batch(noops(1))
        await asyncio.sleep(0.3)
        await proc.tenant("beta").enqueue_batch(noops(1))
        [acme], [beta] = await proc.get_tenant_queues("acme"), await proc.get_tenant_queues("beta")
        assert acme.oldest_ready_seconds is not None
        assert beta.oldest_ready_seconds is not None
        assert acme.oldest_ready_seconds >= beta.oldest_ready_seconds + 0.25


async def test_a_batch_tells_its_pace(instance: Instance) -> None:
    async with instance.open(max_workers=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", naps(4))
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.started_at, info.tasks_per_second, info.estimated_end) == (None, None, None)
        assert await proc.run_until_idle() == 4
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.ended_at is not None
        assert info.started_at is not None
        assert info.created_at <= info.started_at < info.ended_at
        assert info.tasks_per_second == pytest.approx(4 / (info.ended_at - info.started_at).total_seconds(), rel=0.01)
        assert info.tasks_per_second < 10
        assert info.estimated_end is None


def batch_info(direct: Direct, batch: str) -> BatchInfo:
    """A batch as callers see it."""
    info = _info(direct.call("batch_get", 0, batch)[0])
    assert info is not None
    return info


def test_the_end_is_where_the_pace_leads_to(direct: Direct) -> None:
    batch = direct.create(12)
    direct.wait(60_000)
    leases = direct.claim(12)
    began = from_ms(direct.now)
    assert (batch_info(direct, batch).started_at, batch_info(direct, batch).tasks_per_second) == (began, None)
    direct.wait(10_000)
    direct.settle(leases[:3])
    direct.settle(leases[3:4], "dead", 0, ERROR)
    info = batch_info(direct, batch)
    assert (round(info.tasks_per_second or 0, 9), info.estimated_end) == (0.4, from_ms(direct.now + 20_000))
    direct.wait(10_000)
    info = batch_info(direct, batch)
    assert (round(info.tasks_per_second or 0, 9), info.estimated_end) == (0.2, from_ms(direct.now + 40_000))
    direct.once("batch_cancel", batch, "")
    info = batch_info(direct, batch)
    assert (round(info.tasks_per_second or 0, 9), info.estimated_end) == (0.2, None)


@pytest.mark.parametrize("again", ["append", "retry"])
def test_a_batch_that_runs_again_has_a_pace_of_its_own(direct: Direct, again: str) -> None:
    batch = direct.create(10)
    began = from_ms(direct.now)
    leases = direct.claim(10)
    direct.wait(10_000)
    direct.settle(leases[:9])
    direct.settle(leases[9:], "dead", 0, ERROR)
    assert batch_info(direct, batch).tasks_per_second == 1
    direct.wait(3_600_000)
    if again == "append":
        direct.append(batch, 1)
    else:
        assert direct.once("dead_retry", f'[["{batch}","q","{leases[9][22:32]}"]]', 0) == [b"ok", 1]
    info = batch_info(direct, batch)
    assert (info.started_at, info.tasks_per_second, info.estimated_end) == (began, None, None)
    [lease] = direct.claim()
    direct.wait(4_000)
    direct.settle([lease])
    info = batch_info(direct, batch)
    assert (info.started_at, info.tasks_per_second) == (began, 0.25)
    direct.append(batch, 1)
    direct.claim()
    assert batch_info(direct, batch).started_at == began


def test_a_batch_begins_once(direct: Direct) -> None:
    batch = direct.create(1)
    assert direct.claim()
    before = direct.record("b", batch)["since"]
    direct.wait(1_000)
    direct.append(batch, 1)
    assert direct.claim()
    assert direct.record("b", batch)["since"] == before


# signals


async def test_signals_say_how_busy_queues_are(instance: Instance) -> None:
    async with instance.open(queues=["default", "mail"], max_workers=4) as proc:
        await proc.enqueue_batch("default", "acme", naps(8))
        await proc.run_until_idle()
        await proc.enqueue_batch("default", "acme", naps(300))
        await proc.enqueue_batch("mail", "acme", noops(1))
        default, mail = await proc.get_signals(10)
        assert (default.name, default.ready, mail.name, mail.ready) == ("default", 300, "mail", 1)
        assert default.mean_run_seconds is not None
        assert default.mean_run_seconds > 0.09
        assert default.slots_needed >= 3
        assert default.executions_per_second > 0
        assert (mail.slots_needed, mail.mean_run_seconds) == (1, None)
        [only] = await proc.get_signals(timedelta(seconds=1), queue="default")
        assert only.slots_needed >= 28


def queue(ready: int = 0, running: int = 0) -> QueueInfo:
    """A queue that holds so much."""
    return QueueInfo("q", ready, running, 0, 0, None)


def ran(count: int, seconds: float) -> Sum:
    """So many executions."""
    total = Tally()
    total.add(count, int(count * seconds * 1e6), 0, "5" * count, "6" * count)
    return total.sum()


@pytest.mark.parametrize(
    ("info", "target", "rate", "known", "slots"),
    [
        (queue(), 60, 0.0, Sum(), 0),
        (queue(ready=5), 60, 0.0, Sum(), 1),
        (queue(running=7), 60, 0.0, Sum(), 7),
        (queue(), 60, 4.0, ran(9, 0.5), 2),
        (queue(running=7), 60, 4.0, ran(9, 0.5), 7),
        (queue(ready=120), 60, 4.0, ran(9, 0.5), 3),
        (queue(ready=120), 10, 4.0, ran(9, 0.5), 8),
        (queue(ready=121), 10, 4.0, ran(9, 0.5), 9),
    ],
)
def test_the_formula_of_slots(info: QueueInfo, target: float, rate: float, known: Sum, slots: int) -> None:
    assert signals(info, target, rate, known).slots_needed == slots
