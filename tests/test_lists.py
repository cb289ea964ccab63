"""Lists and counts: batches of a tenant, and what a queue holds, by page."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import Any

import pytest

from taskproc import Batch, InvalidValue, NotFound, TaskInfo, TaskState
from tests import handlers
from tests.building import noops
from tests.harness import MODES, Instance, until
from tests.watching import prune

# lists of batches


@pytest.mark.row("CT-40")
async def test_lists_and_counts_of_tenants_do_not_mix(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = {
            tenant: [await proc.enqueue_batch("default", tenant, noops(2), label=f"{tenant} {n}") for n in range(count)]
            for tenant, count in [("t1", 3), ("t2", 2)]
        }
        for tenant, mine in ids.items():
            listed = await proc.get_batches(tenant)
            assert [info.id for info in listed] == mine[::-1]
            assert [info.label for info in listed] == [f"{tenant} {n}" for n in reversed(range(len(mine)))]
            assert {info.tenant for info in listed} == {tenant}
            assert await proc.count_batches(tenant) == len(mine)
            assert await proc.tenant(tenant).get_batches() == listed
            assert await proc.tenant(tenant).count_batches() == len(mine)
        assert await proc.get_batches("t3") == []
        assert await proc.count_batches("t3") == 0


@pytest.mark.row("CT-41")
async def test_batches_are_listed_by_page_newest_first(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(1)) for _ in range(120)]
        pages = [await proc.get_batches("acme", skip, 50) for skip in (0, 50, 100, 150)]
        assert [len(page) for page in pages] == [50, 50, 20, 0]
        assert [info.id for page in pages for info in page] == ids[::-1]
        assert await proc.get_batches("acme") == pages[0]
        assert await proc.get_batches("acme", take=1_000) == pages[0] + pages[1] + pages[2]
        assert await proc.get_batches("acme", 119, 5) == pages[2][-1:]
        assert await proc.get_batches("acme", take=0) == []
        created = [info.created_at for page in pages for info in page]
        assert created == sorted(created, reverse=True)
        assert len(set(created)) == 120


async def test_a_page_may_be_longer_than_one_answer(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(0)) for _ in range(620)]
        assert [info.id for info in await proc.get_batches("acme", take=600)] == ids[:19:-1]
        assert [info.id for info in await proc.get_batches("acme", 10, 500, before=ids[600])] == ids[589:89:-1]


async def test_pages_before_a_batch_stay_as_they_are_while_batches_come_and_go(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(1)) for _ in range(12)]
        found: list[str] = []
        for size in (5, 5, 2, 0):
            page = await proc.get_batches("acme", take=5, before=found[-1] if found else None)
            assert len(page) == size
            found += [info.id for info in page]
            await proc.enqueue_batch("default", "acme", noops(1))
            await proc.cancel_batch(ids[0])
        assert found == ids[::-1]
        assert await proc.get_batches("acme", before=ids[0]) == []
        other = await proc.enqueue_batch("default", "other", noops(1))
        assert await proc.get_batches("acme", before=other) == []
        assert await proc.get_batches("acme", before="0" * 22) == []


@pytest.mark.parametrize("bounds", [(-1, 5), (0, -1), (0, 10_001), (0.5, 1), ("0", 1), (True, 1), (None, 1)])
async def test_pages_that_make_no_sense(instance: Instance, bounds: tuple[Any, Any]) -> None:
    async with instance.open() as proc:
        for call in (
            lambda: proc.get_batches("acme", *bounds),
            lambda: proc.get_tasks_in_queue("default", *bounds),
            lambda: proc.get_tenants(*bounds),
            lambda: proc.get_dead_tasks(skip=bounds[0], take=bounds[1]),
        ):
            with pytest.raises(InvalidValue, match=r"skip|take"):
                await call()


async def test_tenants_of_many_queues_are_told_in_full_and_pruned(instance: Instance) -> None:
    async with instance.open() as proc:
        for tenant in ("a", "b", "c"):
            await asyncio.gather(*(proc.enqueue_task(f"{tenant}{n}", tenant, handlers.noop) for n in range(550)))
        assert [(info.tenant, info.ready) for info in await proc.get_tenants()] == [("a", 550), ("b", 550), ("c", 550)]
        for tenant in ("a", "b", "c"):
            for n in range(0, 550, 50):
                async with instance.open(queues=[f"{tenant}{m}" for m in range(n, n + 50)]) as worker:
                    assert await worker.run_until_idle() == 50
        await prune(instance, proc)
        assert instance.names(":t:") == []
        assert await proc.get_queues() == []


@pytest.mark.row("CT-43")
async def test_an_unknown_batch_is_none(instance: Instance) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        for unknown in ("0" * 22, "no id at all", "", "0" * 23, "*" * 22):
            assert await proc.get_batch(unknown) is None
            with pytest.raises(NotFound):
                await proc.wait_batch(unknown, 1)
        single = await proc.enqueue_task("default", "acme", handlers.noop)
        assert await proc.get_batch(single[:22]) is None  # single tasks share one, which is nobody's business
        assert await proc.cancel_batch(single[:22]) is False
        assert await proc.append_batch("default", "acme", single[:22], noops(1)) is False
        assert await proc.run_until_idle() == 1
        assert set(before) <= set(instance.keys())


# queues


@pytest.mark.row("CT-44")
@pytest.mark.parametrize("mode", MODES)
async def test_a_queue_tells_exactly_what_it_holds(instance: Instance, mode: Any) -> None:
    async with instance.worker(queues=["work"], max_workers=2, max_attempts=1) as proc:
        await proc.set_queue_mode("work", mode)

        def build(batch: Batch) -> None:
            for _ in range(6):
                batch.enqueue(handlers.nap, 30)
            batch.options(delay=60).enqueue(handlers.noop)

        async def told() -> tuple[int, ...]:
            info = await proc.get_queue("work")
            assert [info.name, info.mode] == ["work", mode]
            return info.ready, info.running, info.delayed, info.dead

        await proc.enqueue_task("work", "acme", handlers.fail)

        async def dead() -> bool:
            return await told() == (0, 0, 0, 1)

        await until(dead)
        ids = [await proc.enqueue_batch("work", tenant, build) for tenant in ("acme", "other")]
        await proc.options(delay=60).enqueue_task("work", "acme", handlers.noop)
        await instance.wait_records(3, "start")
        assert await told() == (10, 2, 3, 1)
        assert [(info.name, info.ready, info.running) for info in await proc.get_queues()] == [("work", 10, 2)]
        assert await proc.cancel_batch(ids[0])

        async def others() -> bool:
            return await told() == (4, 2, 2, 1)

        await until(others)
        assert await proc.cancel_batch(ids[1])

        async def left() -> bool:
            return await told() == (0, 0, 1, 1)

        await until(left)
        assert await proc.discard_dead_tasks("work") == 1
        assert await told() == (0, 0, 1, 0)
        unused = await proc.get_queue("unused")
        assert (unused.ready, unused.running, unused.delayed, unused.dead, unused.oldest_ready_seconds) == (0, 0, 0, 0, None)


async def test_a_queue_tells_how_long_its_oldest_task_has_waited(instance: Instance) -> None:
    async with instance.open() as proc:
        begun = instance.now()
        await proc.enqueue_batch("default", "acme", noops(3))
        enqueued = instance.now()
        await asyncio.sleep(0.2)
        await proc.enqueue_task("default", "other", handlers.noop)
        asked = instance.now()
        waited = (await proc.get_queue("default")).oldest_ready_seconds
        assert waited is not None
        assert asked - enqueued - 0.002 <= waited <= instance.now() - begun + 0.002


@pytest.mark.row("CT-45")
@pytest.mark.parametrize("mode", MODES)
async def test_tasks_in_a_queue_are_listed_by_page_oldest_first(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.options(max_attempts=7).enqueue(handlers.noop, n, b="x") for n in range(60))
            batch.options(queue="other").enqueue(handlers.noop)
            batch.options(delay=60).enqueue(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        pages = [await proc.get_tasks_in_queue("default", skip, 25) for skip in (0, 25, 50, 75)]
        assert [len(page) for page in pages] == [25, 25, 10, 0]
        listed = [task for page in pages for task in page]
        assert [task.id for task in listed] == ids
        for n, task in enumerate(listed):
            assert (task.name, task.queue, task.tenant, task.batch_id) == (
                "tests.handlers.noop",
                "default",
                "acme",
                batch_id,
            )
            assert (task.state, task.attempt, task.max_attempts) == (TaskState.READY, 0, 7)
            assert task.data == b'["tests.handlers.noop",[%d],{"b":"x"}]' % n
            assert (task.scheduled_for, task.progress, task.errors) == (None, None, ())
        assert len(await proc.get_tasks_in_queue("default")) == 50


@pytest.mark.row("CT-45")
@pytest.mark.parametrize("mode", MODES)
async def test_pages_of_a_queue_show_each_task_once_whosever_it_is(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(handlers.noop, n) for n in range(7))

        for n in range(4):
            batch_id = await proc.enqueue_batch("default", f"tenant {n % 3}", build)
            assert await proc.append_batch("default", f"tenant {n % 3}", batch_id, build)
            ids.append(await proc.enqueue_task("default", f"tenant {n % 2}", handlers.noop))
        found: list[TaskInfo] = []
        while page := await proc.get_tasks_in_queue("default", len(found), 9):
            found += page
        assert sorted(task.id for task in found) == sorted(ids)
        assert await proc.get_tasks_in_queue("default", 0, 1_000) == found
        for _, group in groupby(sorted(found, key=lambda task: task.id[:22]), key=lambda task: task.id[:22]):
            listed = [task.id for task in group]
            assert [task_id for task_id in ids if task_id in listed] == [task.id for task in found if task.id in listed]
