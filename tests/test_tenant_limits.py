"""What operators set of tenants, through a processor and a tenant's handle, and what callers get told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from taskproc import (
    Batch,
    InvalidValue,
    PayloadTooLarge,
    QueueRules,
    QuotaExceeded,
    Schedule,
    TaskProcessor,
    TenantClosed,
    TenantRules,
    TenantState,
)  # fmt: skip
from tests import handlers
from tests.building import noops
from tests.harness import MODES, Instance, counters, refused, until
from tests.limiting import many, most_at_once


@pytest.mark.parametrize("mode", MODES)
async def test_a_tenants_tasks_never_run_more_at_once_than_may_and_as_many_do(instance: Instance, mode: str) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)  # type: ignore[arg-type]
        await proc.set_tenant_limits("acme", max_running=3)
        batch_id = await proc.enqueue_batch("default", "acme", many(handlers.nap, 12, 0.05))
        other = await proc.enqueue_batch("default", "other", many(handlers.nap, 12, 0.05))
        async with instance.worker(max_workers=5), instance.worker(max_workers=5):
            await proc.wait_batch(other, 30)
            await proc.wait_batch(batch_id, 30)
        records = [r for r in instance.records if r["event"] in ("start", "end")]
        assert most_at_once(r for r in records if r["tenant"] == "acme") == 3
        assert most_at_once(r for r in records if r["tenant"] == "other") > 3


async def test_a_change_takes_hold_at_once(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tenant_limits(None, max_running=1)
        batch_id = await proc.enqueue_batch("default", "acme", many(handlers.nap, 6, 30))
        async with instance.worker(max_workers=10, poll_interval=30):
            await instance.wait_records(1, "start")
            before = instance.now()
            await proc.set_tenant_limits("acme", max_running=4)
            await instance.wait_records(4, "start")
            assert instance.now() - before < 1
            await proc.clear_tenant_limits(None)
            assert len(instance.recorded("start")) == 4
            await proc.clear_tenant_limits("acme")
            await instance.wait_records(6, "start")
            await proc.cancel_batch(batch_id)


async def test_a_paused_tenant_waits_and_its_schedules_rest(instance: Instance) -> None:
    async with instance.open() as proc, instance.worker(poll_interval=30):
        acme = proc.tenant("acme")
        await acme.pause()
        await acme.upsert_schedule(Schedule("often", "acme", every=0.1), handlers.mark, "fired")
        batch_id = await acme.enqueue_batch(noops(3))
        await proc.wait_batch(await proc.enqueue_batch("default", "other", noops(3)), 30)
        assert (await acme.get_limits()).state is TenantState.PAUSED
        assert await proc.run_due_schedules() == 0
        info = await acme.get_batch(batch_id)
        assert info is not None
        assert info.remaining == 3
        await acme.resume()
        assert counters(await acme.wait_batch(batch_id, 30)) == (3, 3, 0, 0, 0)
        await instance.wait_records(1, "ran", tag="fired")
        await acme.cancel_schedule("often")


async def test_a_draining_tenant_finishes_and_takes_nothing_new(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        await proc.upsert_schedule(Schedule("daily", "acme", "0 0 * * *"), handlers.noop)
        await proc.drain_tenant("acme")
        told = "tenant acme is draining and takes no new tasks: nothing was stored; resume_tenant"
        for call in (
            lambda: proc.enqueue_batch("default", "acme", noops(1)),
            lambda: proc.enqueue_task("default", "acme", handlers.noop),
            lambda: proc.append_batch("default", "acme", batch_id, noops(1)),
            lambda: proc.enqueue_batch("default", "acme", noops(2_001)),
        ):
            with refused(instance, TenantClosed, told):
                await call()
        with pytest.raises(TenantClosed):
            await proc.trigger_schedule("daily", "acme")
        assert await proc.run_until_idle() == 3
        await proc.resume_tenant("acme")
        assert await proc.trigger_schedule("daily", "acme")
        await proc.cancel_schedule("daily", "acme")
        assert await proc.run_until_idle() == 1


Way = Callable[[TaskProcessor, float], Awaitable[Any]]
WAYS: dict[str, Way] = {
    "batch": lambda p, s: p.enqueue_batch("default", "acme", noops(1), room_timeout=s),
    "large batch": lambda p, s: p.enqueue_batch("default", "acme", noops(2_001), room_timeout=s),
    "task": lambda p, s: p.options(room_timeout=s).enqueue_task("default", "acme", handlers.noop),
    "tenant's task": lambda p, s: p.tenant("acme").options(room_timeout=s).enqueue(handlers.noop),
    "raw": lambda p, s: p.options(room_timeout=s).enqueue_raw("default", "acme", "raw.echo", b"x"),
}  # fmt: skip


@pytest.mark.row("PJ-30")
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_waits_for_room_as_long_as_it_is_told(instance: Instance, way: str) -> None:
    async with instance.open() as proc:
        await proc.set_tenant_limits("acme", max_waiting=2_001)
        first = await proc.enqueue_batch("default", "acme", noops(2_001))
        began = instance.now()
        with refused(instance, QuotaExceeded, "tenant acme has 2,001 waiting tasks and a limit of 2,001"):
            await WAYS[way](proc, 0.2)
        assert instance.now() - began >= 0.2
        waiting = asyncio.create_task(WAYS[way](proc, 30))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await proc.cancel_batch(first)
        await waiting
        await proc.run_until_idle()


async def test_what_can_never_fit_is_refused_at_once(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tenant_limits("acme", max_waiting=3)
        await proc.set_queue_limit("closed", 0)
        for queue, told in (("default", "make the batch smaller, or raise"), ("closed", "it takes none, or raise")):
            with refused(instance, QuotaExceeded, told):
                await asyncio.wait_for(proc.enqueue_batch(queue, "acme", noops(4), room_timeout=600), 10)
        await proc.set_queue_limit("closed", None)


async def test_an_append_waits_for_room_too(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        await acme.set_limits(max_waiting=1)
        batch_id = await acme.enqueue_batch(noops(1))
        with pytest.raises(QuotaExceeded):
            await acme.append(batch_id, noops(1), room_timeout=0.05)
        waiting = asyncio.create_task(acme.append_batch(batch_id, noops(1), room_timeout=30))
        assert await proc.run_until_idle() >= 1
        assert await waiting
        await proc.run_until_idle()
        with pytest.raises(InvalidValue, match="room_timeout"):
            await acme.enqueue_batch(noops(1), room_timeout=-1)


async def test_an_idempotent_call_is_answered_though_there_is_no_room(instance: Instance) -> None:
    async with instance.open() as proc:
        first = await proc.enqueue_batch("default", "acme", noops(2), idempotency_key="k")
        await proc.set_tenant_limits("acme", max_waiting=0)
        await proc.drain_tenant("acme")
        assert await proc.enqueue_batch("default", "acme", noops(2), idempotency_key="k") == first
        await proc.resume_tenant("acme")
        await proc.run_until_idle()


async def test_a_tenants_payloads_are_as_large_as_may_be(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tenant_limits("acme", max_payload=5_000)

        def staged(batch: Batch) -> None:
            noops(2_001)(batch)
            batch.enqueue(handlers.swallow, "x" * 6_000)

        for build in (lambda b: b.enqueue(handlers.swallow, "x" * 6_000), staged):
            with refused(instance, PayloadTooLarge, r"a task of 6,\d{3} bytes .* tenant acme, 5,000 bytes"):
                await proc.enqueue_batch("default", "acme", build)
        await proc.enqueue_task("default", "acme", handlers.swallow, "x" * 4_000)
        await proc.enqueue_task("default", "other", handlers.swallow, "x" * 20_000)
        await proc.run_until_idle()


async def test_schedules_are_as_many_as_the_tier_says(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tier("free", max_schedules=1)
        await proc.set_tenant_limits("acme", tier="free")
        await proc.upsert_schedule(Schedule("a", "acme", "@daily"), handlers.noop)
        with pytest.raises(QuotaExceeded, match="1 schedules and a limit of 1"):
            await proc.upsert_schedule(Schedule("b", "acme", "@daily"), handlers.noop)
        await proc.set_schedule_limit("acme", 2)  # what is set for the tenant goes before
        await proc.upsert_schedule(Schedule("b", "acme", "@daily"), handlers.noop)
        await proc.set_schedule_limit("acme", None)
        await proc.set_tenant_limits("acme", max_schedules=None)
        await proc.upsert_schedule(Schedule("c", "acme", "@daily"), handlers.noop)
        for id in "abc":
            await proc.cancel_schedule(id, "acme")


async def test_what_is_set_is_told(instance: Instance) -> None:
    async with instance.open() as proc:
        assert await proc.get_tenant_limits("acme") == TenantRules()
        await proc.set_tenant_limits(None, weight=2, max_running=100, rate_limit="50/s")
        await proc.set_tier("gold", weight=5, max_waiting=1_000_000)
        await proc.set_tier("gold", queue="mail", max_running=7)
        await proc.set_tenant_limits("acme", tier="gold", max_running=None, max_payload=9_000)
        await proc.set_tenant_limits("acme", queue="mail", rate_limit="10/min", max_waiting=5)
        mail = QueueRules(max_running=7, rate_limit="10/min", max_waiting=5)
        told = TenantRules(
            weight=5, max_running=None, rate_limit="50/s", max_waiting=1_000_000, max_payload=9_000, queues={"mail": mail},
            tier="gold",
        )  # fmt: skip
        assert await proc.get_tenant_limits("acme") == told
        assert await proc.tenant("acme").get_limits() == told
        assert (await proc.get_tenant_limits(None)).weight == 2
        gold = TenantRules(weight=5, max_waiting=1_000_000, queues={"mail": QueueRules(max_running=7)})
        assert await proc.get_tiers() == {"gold": gold}
        await proc.pause_tenant("acme")
        await proc.tenant("acme").clear_limits()
        assert await proc.get_tenant_limits("acme") == TenantRules(
            weight=2, max_running=100, rate_limit="50/s", state=TenantState.PAUSED
        )
        assert await proc.remove_tier("gold")
        noted = await proc.get_journal()
        assert not await proc.remove_tier("gold")
        assert await proc.get_journal() == noted
        assert await proc.get_tiers() == {}


@pytest.mark.parametrize(("given", "told"), [
    ({}, "give what is to hold"),
    ({"weight": 0}, "weight"),
    ({"weight": float("nan")}, "weight"),
    ({"weight": "heavy"}, "weight"),
    ({"weight": 10**9}, "weight"),
    ({"max_running": -1}, "max_running"),
    ({"max_running": 1.5}, "max_running"),
    ({"max_waiting": True}, "max_waiting"),
    ({"rate_limit": "fast"}, "rate_limit"),
    ({"rate_limit": 5}, "rate_limit"),
    ({"max_payload": "1 MB"}, "max_payload"),
    ({"max_schedules": -5}, "max_schedules"),
    ({"tier": "no such"}, "tier"),
    ({"tier": "unknown"}, "tier='unknown': there is no such tier"),
    ({"queue": "a b", "max_running": 1}, "queue"),
    ({"queue": "q", "weight": 1}, "weight: it holds for a tenant in all queues"),
    ({"queue": "q", "max_payload": 1}, "max_payload"),
    ({"queue": "q", "tier": None}, "tier: it holds for a tenant in all queues"),
    ({"queue": "q"}, "give what is to hold"),
])  # fmt: skip
async def test_what_makes_no_sense_is_refused(instance: Instance, given: dict[str, Any], told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, told):
            await proc.set_tenant_limits("acme", **given)
        with refused(instance, InvalidValue, "tenant"):
            await proc.set_tenant_limits("", max_running=1)
        with refused(instance, InvalidValue, "tier: it is a tenant's"):
            await proc.set_tenant_limits(None, tier="gold")


async def test_a_limit_that_there_is_not_is_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        wrong: Any = {"wieght": 2, "max_running": 3}
        calls = (proc.set_tenant_limits, proc.set_tier, lambda name, **wrong: proc.tenant(name).set_limits(**wrong))
        for call in calls:
            with refused(instance, TypeError, "unexpected keyword argument 'wieght'"):
                await call("acme", **wrong)


@pytest.mark.parametrize("name", ["a b", "", "x" * 65, None, 5])
async def test_a_tiers_name_is_checked(instance: Instance, name: Any) -> None:
    async with instance.open() as proc:
        for call in (proc.set_tier, proc.remove_tier):
            with refused(instance, InvalidValue, "tier="):
                await call(name)


async def test_a_rate_of_a_tenant_holds_over_all_workers(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tenant_limits("acme", rate_limit="20/s burst 1")
        batch_id = await proc.enqueue_batch("default", "acme", many(handlers.mark, 15, "x"))
        async with instance.worker(max_workers=5), instance.worker(max_workers=5):
            info = await proc.wait_batch(batch_id, timedelta(seconds=30))
        assert counters(info) == (15, 15, 0, 0, 0)
        times = sorted(r["at"] for r in instance.recorded("ran"))
        assert times[-1] - times[0] >= 14 * 0.05 - 0.06
        await until(lambda: not instance.client.exists(f"{{{instance.name}}}:out"))
