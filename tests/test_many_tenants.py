"""The rows of tenants, queues and limits again with dozens of tenants, in fair and in strict queues."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from taskproc import Batch, BatchState, QuotaExceeded, Schedule, TaskProcessor
from taskproc.batch import Build
from tests import handlers, limited
from tests.building import marks, noops
from tests.harness import MODES, Instance, counters, until
from tests.limiting import most_at_once
from tests.test_queues import free

TENANTS = [f"t{number}" for number in range(36)]
"""Some names begin like others."""


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Any:
    """How the queue is shared."""
    return request.param


def naps(count: int, seconds: float) -> Build:
    """Fills a batch with short naps."""
    return lambda batch: [batch.enqueue(handlers.nap, seconds) for _ in range(count)]


@pytest.mark.row("CT-61")
async def test_dozens_of_small_batches_do_not_wait_for_a_large_one_in_a_fair_queue(instance: Instance) -> None:
    async with instance.open(max_workers=6) as proc:
        large = await proc.enqueue_batch("default", "large", naps(1_500, 0.01))
        small = [await proc.enqueue_batch("default", tenant, naps(5, 0.01)) for tenant in TENANTS]
        running = asyncio.create_task(proc.run())
        for batch in small:
            assert (await proc.wait_batch(batch, 30)).done == 5
        assert await proc.cancel_batch(large)
        await proc.stop()
        await running
    order = [record["tenant"] for record in instance.recorded("start")]
    last = max(at for at, tenant in enumerate(order) if tenant != "large")
    assert last < 5 * 37 + 80, "the large one has had more than its turns"
    for begun in range(1, 5):  # all have their n-th turn before any has its (n + 4)-th
        turns = {tenant: [at for at, who in enumerate(order) if who == tenant] for tenant in TENANTS}
        slowest = max(found[begun - 1] for found in turns.values())
        assert all(len(found) < begun + 4 or found[begun + 3] > slowest for found in turns.values())


@pytest.mark.row("CT-61")
async def test_a_strict_queue_goes_by_the_time_of_enqueueing_over_all_tenants(instance: Instance) -> None:
    async with instance.open(max_workers=1) as proc:
        await proc.set_queue_mode("default", "fifo")
        chance, expected = random.Random(5), list[str]()
        for tenant in chance.choices(TENANTS, k=70):
            count = chance.randint(1, 4)
            expected += [tenant] * count
            if count == 1:
                await proc.enqueue_task("default", tenant, handlers.mark)
            else:
                await proc.enqueue_batch("default", tenant, marks(count))
        await proc.run_until_idle()
    assert [record["tenant"] for record in instance.recorded("ran")] == expected


@pytest.mark.row("CT-40", "CT-41")
async def test_lists_counts_and_pages_are_each_tenants_own(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}
        for number in range(4):
            for tenant in TENANTS[: 36 - number]:
                ids[tenant].append(await proc.enqueue_batch("default", tenant, noops(number), label=f"{tenant} {number}"))
        for tenant in TENANTS[::2]:
            await proc.upsert_schedule(Schedule("same", tenant, cron="0 0 1 1 *"), handlers.noop)
        for tenant, mine in ids.items():
            acme = proc.tenant(tenant)
            pages = [await acme.get_batches(skip, 2) for skip in (0, 2, 4)]
            assert [info.id for page in pages for info in page] == mine[::-1]
            assert {(info.tenant, info.label.split()[0]) for page in pages for info in page} == {(tenant, tenant)}
            assert await acme.count_batches() == len(mine)
            scheduled = int(tenant in TENANTS[::2])
            assert (await proc.count_schedules(tenant), len(await proc.get_schedules(tenant))) == (scheduled, scheduled)
        assert [await proc.cancel_schedule("same", tenant) for tenant in TENANTS] == [True, False] * 18
        await proc.run_until_idle()


@pytest.mark.row("CT-42", "CT-43")
async def test_counters_are_exact_and_no_tenants_batch_is_anothers(instance: Instance, mode: Any) -> None:
    async with instance.open(max_attempts=1, max_workers=20) as proc:
        await proc.set_queue_mode("default", mode)
        ids = []
        for number, tenant in enumerate(TENANTS):

            def build(batch: Batch, number: int = number) -> None:
                for _ in range(number % 5 + 1):
                    batch.enqueue(handlers.noop)
                for _ in range(number % 3):
                    batch.enqueue(handlers.fail)

            ids.append(await proc.enqueue_batch("default", tenant, build))
        for number in range(0, 36, 7):
            assert await proc.cancel_batch(ids[number], tenant=TENANTS[number])
        await proc.run_until_idle()
        for number, (tenant, batch) in enumerate(zip(TENANTS, ids, strict=True)):
            done, failed = number % 5 + 1, number % 3
            info = await proc.tenant(tenant).get_batch(batch)
            stopped = number % 7 == 0
            total = done + failed
            assert counters(info) == ((total, 0, 0, total, 0) if stopped else (total, done, failed, 0, 0))
            assert info is not None
            assert info.state is (BatchState.CANCELLED if stopped else BatchState.FAILED if failed else BatchState.DONE)
            other = proc.tenant(TENANTS[(number + 1) % 36])
            assert await other.get_batch(batch) is None
            assert not await other.cancel_batch(batch)
        await proc.discard_dead_tasks(count=None)


@pytest.mark.row("CT-44", "CT-45")
async def test_a_queue_tells_and_lists_what_it_holds_of_all_tenants(instance: Instance, mode: Any) -> None:
    async with instance.open(max_attempts=1) as proc:
        await proc.set_queue_mode("default", mode)
        for tenant in TENANTS[:9]:
            await proc.enqueue_task("default", tenant, handlers.fail)
        await proc.run_until_idle()
        ready: list[tuple[str, str]] = []
        for tenant in TENANTS:
            batch = await proc.enqueue_batch("default", tenant, noops(3))
            ready += [(tenant, batch)] * 3
            await proc.options(delay=60).enqueue_task("default", tenant, handlers.noop)
        async with instance.worker(max_workers=5):
            await until(lambda: empty(proc, 36))
        info = await proc.get_queue("default")
        assert (info.ready, info.running, info.delayed, info.dead) == (0, 0, 36, 9)
        for tenant, _ in ready:
            await proc.enqueue_task("default", tenant, handlers.noop)
        pages = [await proc.get_tasks_in_queue("default", skip, 25) for skip in range(0, 125, 25)]
        listed = [task for page in pages for task in page]
        assert [len(page) for page in pages] == [25, 25, 25, 25, 8]
        assert len({task.id for task in listed}) == 108
        assert sorted(task.tenant for task in listed) == sorted(tenant for tenant, _ in ready)
        info = await proc.get_queue("default")
        assert (info.ready, info.running, info.delayed, info.dead) == (108, 0, 36, 9)
        for tenant in TENANTS:
            totals = await proc.get_tenant(tenant)
            assert totals is not None
            assert (totals.ready, totals.running) == (3, 0)


async def empty(proc: TaskProcessor, delayed: int) -> bool:
    """Whether only delayed tasks are left, so many."""
    info = await proc.get_queue("default")
    return (info.ready, info.running, info.delayed) == (0, 0, delayed)


@pytest.mark.row("BN-27")
async def test_slots_are_free_again_whosever_task_had_them_and_however_it_ended(instance: Instance, mode: Any) -> None:
    async with instance.open() as client:
        await client.set_queue_mode("default", mode)
        async with instance.worker(max_workers=40, max_attempts=1, invisibility=1.5, shutdown_grace=0) as proc:
            await until(lambda: free(proc, 40))
            endless = [await proc.enqueue_task("default", tenant, handlers.nap, 3600) for tenant in TENANTS]
            await until(lambda: free(proc, 4))
            chance = random.Random(3)
            for tenant in TENANTS:
                await proc.enqueue_task("default", tenant, chance.choice([handlers.mark, handlers.fail]))
            await until(lambda: ended(proc))
            await until(lambda: free(proc, 4))
            for number, task in enumerate(endless[:-1]):
                assert await proc.tenant(TENANTS[number]).cancel_task(task)
            await until(lambda: free(proc, 39))


async def ended(proc: TaskProcessor) -> bool:
    """Whether one task of each tenant has ended."""
    found = [await proc.get_tenant(tenant) for tenant in TENANTS]
    return all(info is not None and info.done + info.failed == 1 for info in found)


@pytest.mark.row("BN-30", "PJ-07")
async def test_a_limit_holds_over_all_tenants_and_processes_and_is_fully_used(instance: Instance, mode: Any) -> None:
    for _ in range(2):
        instance.process(max_workers=8, poll_interval=60)
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        mine = [
            await proc.enqueue_batch("default", tenant, lambda batch: [batch.enqueue(limited.two, 0.05) for _ in range(2)])
            for tenant in TENANTS[:15]
        ]
        others = [await proc.enqueue_batch("default", tenant, naps(3, 0.01)) for tenant in TENANTS[15:]]
        for batch in others:
            await proc.wait_batch(batch, 20)
        held = [record for record in instance.recorded("start") if record["name"].endswith(".two")]
        assert len(held) < 30, "those that have no limit waited for those that have one"
        for batch in mine:
            assert (await proc.wait_batch(batch, 20)).done == 2
    assert most_at_once(r for r in instance.records if r["name"].endswith(".two")) == 2


@pytest.mark.row("PJ-30")
async def test_a_bounded_queue_counts_the_tasks_of_all_tenants(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        await proc.set_queue_limit("default", 60)
        stored = []
        for number in range(60):
            tenant = TENANTS[number % 36]
            stored.append(await proc.options(delay=60 * (number % 2)).enqueue_task("default", tenant, handlers.mark))
        for tenant in TENANTS:
            with pytest.raises(QuotaExceeded):
                await proc.enqueue_task("default", tenant, handlers.mark)
        with pytest.raises(QuotaExceeded):
            await proc.enqueue_batch("default", "another", noops(2))
        for task in stored[:7]:
            assert await proc.cancel_task(task)
        with pytest.raises(QuotaExceeded):
            await proc.enqueue_batch("default", "another", noops(8))
        await proc.enqueue_batch("default", "another", noops(7))
        with pytest.raises(QuotaExceeded):
            await proc.enqueue_task("default", "another", handlers.mark)
        await proc.set_queue_limit("default", None)
