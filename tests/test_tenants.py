"""Tenants: their names, handles and totals; and instances beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import Batch, BatchState, InvalidValue, NotFound, TenantInfo
from tests import handlers
from tests.building import noops
from tests.harness import Instance, counters, until


def totals(info: TenantInfo | None) -> tuple[int, ...]:
    """Batches; total, done, failed, cancelled, remaining; ready and running."""
    assert info is not None
    assert info.total == info.done + info.failed + info.cancelled + info.remaining
    return info.batches, info.total, info.done, info.failed, info.cancelled, info.remaining, info.ready, info.running


TENANTS = ["a", "a:b", "a:b:c", "*", "{x}", "a b\n", "ä\x00€", "default", "~", "x" * 255, "b", "q:default"]


async def test_a_tenant_may_have_any_name(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids = {name: await proc.enqueue_batch("default", name, noops(n + 1)) for n, name in enumerate(TENANTS)}
        for name in TENANTS:
            await proc.enqueue_task("default", name, handlers.mark, name)
        for n, (name, batch_id) in enumerate(ids.items()):
            assert counters(await proc.wait_batch(batch_id, 10)) == (n + 1, n + 1, 0, 0, 0)
            assert [info.id for info in await proc.get_batches(name)] == [batch_id]
        ran = await instance.wait_records(len(TENANTS), "ran")
        assert all(r["tag"] == r["tenant"] for r in ran)
        assert sorted(r["tenant"] for r in ran) == sorted(TENANTS)

        async def settled() -> bool:
            return all(info.remaining == 0 for info in await proc.get_tenants())

        await until(settled)
        assert [(info.tenant, info.total) for info in await proc.get_tenants()] == sorted(
            ((name, n + 2) for n, name in enumerate(TENANTS)), key=lambda pair: pair[0].encode()
        )


@pytest.mark.parametrize("name", ["", "x" * 256, "ä" * 128, "\ud800", 7, None, b"acme"])
async def test_names_that_no_tenant_can_have(instance: Instance, name: Any) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        calls = [
            lambda: proc.enqueue_batch("default", name, noops(1)),
            lambda: proc.enqueue_task("default", name, handlers.noop),
            lambda: proc.append_batch("default", name, "0" * 22, noops(1)),
            lambda: proc.get_batches(name),
            lambda: proc.count_batches(name),
            lambda: proc.get_tenant(name),
        ]
        for call in calls:
            with pytest.raises(InvalidValue, match="tenant"):
                await call()
        with pytest.raises(InvalidValue, match="tenant"):
            proc.tenant(name)
        assert instance.keys() == before


# a tenant's handle and totals


async def test_a_handle_finds_nothing_of_other_tenants(instance: Instance) -> None:
    async with instance.worker(max_attempts=1, max_workers=2) as proc:
        ids: dict[str, str] = {}

        def build(batch: Batch) -> None:
            ids["dead"] = batch.enqueue(handlers.fail)
            ids["running"] = batch.enqueue(handlers.nap, 30)
            ids["delayed"] = batch.options(delay=60).enqueue(handlers.noop)
            ids["ready"] = batch.options(queue="nobody").enqueue(handlers.noop)

        acme, other = proc.tenant("acme"), proc.tenant("other")
        batch_id = await acme.enqueue_batch(build)
        ids["single"] = await acme.options(delay=60).enqueue(handlers.noop)
        await instance.wait_records(2, "start")

        async def one_dead() -> bool:
            return len(await acme.get_dead_tasks()) == 1

        await until(one_dead)
        before = await proc.get_batch(batch_id)
        assert counters(before) == (4, 0, 1, 0, 3)

        assert await other.get_batch(batch_id) is None
        assert await other.get_batches() == []
        assert await other.get_batches(before=batch_id) == []
        assert await other.count_batches() == 0
        assert await other.cancel_batch(batch_id) is False
        assert await other.append_batch(batch_id, noops(1)) is False
        assert await other.append_batch(batch_id, noops(1_100)) is False
        with pytest.raises(NotFound):
            await other.append(batch_id, noops(1))
        with pytest.raises(NotFound):
            await other.wait_batch(batch_id, 5)
        for task_id in ids.values():
            assert await other.get_task(task_id) is None
            assert await other.cancel_task(task_id) is False
        for selected in ({}, {"batch_id": batch_id}, {"queue": "default"}):
            assert await other.get_dead_tasks(**selected) == []
            assert await other.retry_dead_tasks(**selected) == 0
            assert await other.discard_dead_tasks(**selected) == 0
        assert await other.get_tenant() is None
        assert await proc.get_batch(batch_id) == before

        states = {name: info.state for name, task_id in ids.items() if (info := await acme.get_task(task_id))}
        assert states == {
            "dead": "failed",
            "running": "running",
            "delayed": "delayed",
            "ready": "ready",
            "single": "delayed",
        }
        assert await acme.get_batch(batch_id) == before
        assert [letter.id for letter in await acme.get_dead_tasks(batch_id=batch_id)] == [ids["dead"]]
        assert await acme.discard_dead_tasks(batch_id=batch_id) == 1
        for name in ("single", "ready", "delayed", "running"):
            assert await acme.cancel_task(ids[name]) is True
        await acme.append(batch_id, noops(1))
        assert counters(await acme.wait_batch(batch_id, 10)) == (5, 1, 1, 3, 0)


async def test_dead_tasks_are_listed_retried_and_discarded_by_tenant(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        for tenant, count in [("acme", 3), ("other", 2)]:
            await proc.enqueue_batch(
                "default", tenant, lambda b, count=count: [b.enqueue(handlers.fail) for _ in range(count)]
            )
            await proc.enqueue_task("second", tenant, handlers.fail)
        async with instance.open(queues=["default", "second"], max_attempts=1) as both:
            assert await both.run_until_idle() == 7
        acme, other = proc.tenant("acme"), proc.tenant("other")
        assert {letter.tenant for letter in await acme.get_dead_tasks()} == {"acme"}
        assert len(await proc.get_dead_tasks(tenant="acme")) == len(await acme.get_dead_tasks()) == 4
        assert len(await other.get_dead_tasks("second")) == 1
        assert await acme.retry_dead_tasks(count=2) == 2
        assert await acme.discard_dead_tasks() == 2
        assert len(await proc.get_dead_tasks()) == len(await other.get_dead_tasks()) == 3


async def test_totals_of_a_tenant(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        acme = proc.tenant("acme")
        assert await acme.get_tenant() is None
        assert await proc.get_tenant("acme") is None

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.nap, 0.05, "nap")
            batch.enqueue(handlers.fail)
            batch.enqueue(handlers.fail)
            batch.options(delay=60).enqueue(handlers.noop)
            batch.options(on="settled").continue_with(handlers.noop)

        batch_id = await acme.enqueue_batch(build)
        await acme.enqueue(handlers.nap, 0.05, "nap")
        await proc.enqueue_batch("default", "other", noops(2))
        assert totals(await acme.get_tenant()) == (1, 5, 0, 0, 0, 5, 4, 0)
        await proc.run_until_idle()
        assert totals(await acme.get_tenant()) == (1, 5, 2, 2, 0, 1, 0, 0)
        assert await proc.retry_dead_tasks(tenant="acme", count=1) == 1
        assert totals(await acme.get_tenant()) == (1, 5, 2, 1, 0, 2, 1, 0)
        assert await acme.discard_dead_tasks() == 1
        assert totals(await acme.get_tenant()) == (1, 5, 2, 1, 0, 2, 1, 0)
        assert await acme.cancel_batch(batch_id)
        assert totals(await acme.get_tenant()) == (1, 6, 2, 1, 2, 1, 1, 0)
        await proc.run_until_idle()
        info = await acme.get_tenant()
        assert totals(info) == (1, 6, 3, 1, 2, 0, 0, 0)
        assert info is not None
        spent = sum(r["at"] * (1 if r["event"] == "end" else -1) for r in instance.recorded(tag="nap"))
        assert info.run_seconds >= spent * 0.99 > 0.09
        assert totals(await proc.get_tenant("other")) == (1, 2, 2, 0, 0, 0, 0, 0)


async def test_totals_show_what_runs_now(instance: Instance) -> None:
    async with instance.worker(max_workers=3) as proc:
        ids = [
            await proc.enqueue_batch("default", tenant, lambda b: [b.enqueue(handlers.nap, 30) for _ in range(2)])
            for tenant in ("acme", "other")
        ]
        await instance.wait_records(3, "start")
        shown = {info.tenant: (info.ready, info.running, info.remaining) for info in await proc.get_tenants()}
        assert sorted(shown.values()) == [(0, 2, 2), (1, 1, 2)]
        for batch_id in ids:
            assert await proc.cancel_batch(batch_id)

        async def none_runs() -> bool:
            return {(info.ready, info.running, info.cancelled) for info in await proc.get_tenants()} == {(0, 0, 2)}

        await until(none_runs)


async def test_tenants_are_listed_by_page(instance: Instance) -> None:
    async with instance.open() as proc:
        names = [f"tenant {n:03}" for n in range(60)]
        for name in reversed(names):
            await proc.enqueue_task("default", name, handlers.noop)
        assert [info.tenant for info in await proc.get_tenants()] == names[:50]
        assert [info.tenant for info in await proc.get_tenants(50)] == names[50:]
        assert [info.tenant for info in await proc.get_tenants(10, 20)] == names[10:30]


# instances beside each other


def dump(instance: Instance) -> dict[str, Any]:
    """Everything that an instance has in Redis."""
    return {name: instance.client.dump(name) for name in instance.names()}


@pytest.mark.row("CT-72")
async def test_two_prefixes_on_one_server_do_not_see_each_other(instance: Instance, twin: Instance) -> None:
    options: dict[str, Any] = {"max_attempts": 1, "retention": 0.3}

    def build(batch: Batch) -> None:
        batch.enqueue(handlers.fail)
        batch.enqueue(handlers.mark)
        batch.options(delay=60).enqueue(handlers.mark)
        batch.options(on="cancelled").continue_with(handlers.mark, "cancelled")

    async with instance.open(**options) as one, twin.open(**options) as two:
        first, second = [await proc.enqueue_batch("default", "acme", build, idempotency_key="k") for proc in (one, two)]
        assert first != second
        for proc in (one, two):
            await proc.run_until_idle()
        before = dump(twin)

        assert await one.cancel_batch(second) is False
        assert await one.get_batch(second) is None
        assert await one.append_batch("default", "acme", second, noops(1)) is False
        assert [info.id for info in await one.get_batches("acme")] == [first]
        assert [letter.batch_id for letter in await one.get_dead_tasks()] == [first]
        await one.pause()
        assert await one.is_paused() is True
        assert await two.is_paused() is False
        await one.resume()
        assert await one.retry_dead_tasks() == 1
        await one.run_until_idle()
        assert await one.discard_dead_tasks() == 1
        assert await one.cancel_batch(first) is True
        await one.run_until_idle()
        async with instance.worker(**options):

            async def pruned() -> bool:
                return await one.get_batch(first) is None

            await until(pruned)
            assert {info.pid for info in await two.get_workers()} == set()
        assert dump(twin) == before

        assert await two.retry_dead_tasks() == 1
        assert counters(await two.get_batch(second)) == (3, 1, 0, 0, 2)
        await one.pause()
        assert await two.run_until_idle() == 1
        assert await two.cancel_batch(second) is True
        assert await two.run_until_idle() == 1
        info = await two.get_batch(second)
        assert info is not None
        assert (info.state, counters(info)) == (BatchState.CANCELLED, (3, 1, 1, 1, 0))
        assert [r["tag"] for r in twin.recorded("ran")] == [None, "cancelled"]
        assert [r["tag"] for r in instance.recorded("ran")] == [None, "cancelled"]
