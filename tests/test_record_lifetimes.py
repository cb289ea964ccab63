"""How long records are kept, and that nothing is left of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import Batch, TaskId, TaskProcessor, TaskState
from tests import handlers, keeping
from tests.building import noops
from tests.harness import FAR, Instance, until
from tests.watching import dead, prune, record_of

pytestmark = pytest.mark.usefixtures("fresh_gates")


async def _ended(proc: TaskProcessor, count: int) -> bool:
    totals = await proc.get_tenant("acme")
    return totals is not None and (totals.total, totals.remaining) == (count, 0)


@pytest.mark.row("BE-24")
@pytest.mark.parametrize(("keep", "kept"), [("all", [0, 1]), ("none", []), ("failed", [1])])
async def test_retention_in_three_modes(instance: Instance, keep: Any, kept: list[int]) -> None:
    async with instance.worker(max_attempts=1) as proc:
        chosen = proc.options(keep=keep)
        ids = [
            await chosen.enqueue_task("default", "acme", keeping.triple, 1),
            await chosen.enqueue_task("default", "acme", handlers.fail),
        ]
        await until(lambda: _ended(proc, 2))
        found = [await proc.get_task(task_id) for task_id in ids]
        assert [n for n, info in enumerate(found) if info is not None] == kept
        assert [info.state.value for info in found if info] == [["done", "failed"][n] for n in kept]


async def test_records_of_single_tasks_end_by_age(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        old = [await proc.enqueue_task("default", "acme", keeping.text_of, 3_000) for _ in range(120)]
        old.append(await proc.options(max_attempts=1).enqueue_task("default", "acme", keeping.fail_below, 2, "y" * 9_000))
        waiting = await proc.enqueue_task("default", "acme", keeping.wait_for, "gate")
        await dead(proc)
        for task_id in old[:-1]:
            await proc.wait_result(task_id, 10)
        await prune(instance, proc)
        assert [await proc.get_task(task_id) for task_id in old] == [None] * 121
        assert (await record_of(proc, waiting)).state is TaskState.RUNNING
        left = {name: instance.client.hlen(name) for name in instance.names() if name.endswith((":rec", ":e", ":big"))}
        assert list(left.values()) == [1]
        keeping.gate("gate").set()
        await proc.wait_result(waiting, 10)
        assert (await proc.audit()).differences == ()


async def test_records_of_a_batch_end_with_it(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        ids: list[TaskId[Any]] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(keeping.fail_below, 1, "y" * 9_000) for _ in range(3))
            for _ in range(1_200):
                batch.enqueue(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.append_batch("default", "acme", batch_id, build)
        await proc.wait_batch(batch_id, 30)
        await asyncio.gather(*(proc.wait_result(task_id, 10) for task_id in ids))
        assert {len((await record_of(proc, task_id)).data) for task_id in ids} == {9_035}
        assert (await proc.audit()).differences == ()
        await prune(instance, proc)
        assert [await proc.get_task(task_id) for task_id in ids] == [None] * 6
        assert instance.names(batch_id) == []


async def test_records_that_were_never_committed_are_dropped(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(keeping.double, [(n,) for n in range(2_500)])
            assert instance.names(":rec")
            raise ValueError("no")

        for enqueue in (
            proc.enqueue_batch("default", "acme", build),
            proc.append_batch("default", "acme", batch_id, build),
        ):
            with pytest.raises(ValueError, match="no"):
                await enqueue
            assert instance.names(":rec") == []


async def test_an_audit_lets_records_be(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.double, 1)
        assert await proc.wait_result(task_id, 10) == 2

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(keeping.double, [(n,) for n in range(1_500)])
            assert (await proc.audit(repair=True)).differences == ()

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.append_batch("default", "acme", batch_id, build)
        assert (await proc.audit(repair=True)).differences == ()
        assert (await proc.wait_batch(batch_id, 20)).done == 3_000
        assert await proc.wait_result(task_id, 10) == 2
        await prune(instance, proc)
        assert instance.names(":rec") == []
