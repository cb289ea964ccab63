"""A task sees nothing of those that ran before it in its slot, and can't end the slot."""

from __future__ import annotations

import asyncio

import pytest

from taskproc import Batch, BatchState
from tests import handlers, leaving
from tests.harness import Instance
from tests.watching import dead


async def test_a_variable_of_the_context_is_gone_with_the_task_that_set_it(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:

        def build(batch: Batch) -> None:
            for n in range(20):
                batch.enqueue(leaving.greet, f"customer {n}")

        await proc.wait_batch(await proc.enqueue_batch("default", "acme", build), 10)
        assert [r["tag"] for r in instance.recorded("start")] == ["nobody"] * 20


async def test_what_a_task_starts_keeps_its_context(instance: Instance) -> None:
    async with instance.worker(max_workers=3) as proc:

        def build(batch: Batch) -> None:
            for n in range(30):
                batch.enqueue(leaving.who, n)

        await proc.wait_batch(await proc.enqueue_batch("default", "acme", build), 10)
        assert [r["tag"] for r in instance.recorded("later")] == [True] * 30


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_handler_that_cancels_its_own_loop_task_has_failed(instance: Instance, slots: int) -> None:
    async with instance.worker(max_workers=slots) as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", leaving.cancel_own, n)
        letters = await dead(proc, 3)
        assert {letter.errors[0].type for letter in letters} == {"asyncio.exceptions.CancelledError"}
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE


async def test_a_scope_that_a_cancelled_handler_never_left_ends_no_other(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        task_id = await proc.enqueue_task("default", "acme", leaving.leave_scope, 30, 0.5)
        await instance.wait_records(1, "start")
        assert await proc.cancel_task(task_id)
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.nap, 1.0))
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE
        assert len(instance.recorded("start", tag=None)) == 2


async def test_a_scope_that_a_handler_never_left_does_not_end_the_worker(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        for _ in range(2):
            batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(leaving.leave_scope, 0.0, 30, "x"))
            assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE


async def test_slots_wait_side_by_side(instance: Instance) -> None:
    async with instance.worker(max_workers=50) as proc:

        def build(batch: Batch) -> None:
            for _ in range(50):
                batch.enqueue(handlers.nap, 0.5)

        await proc.wait_batch(await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.noop)), 10)
        began = asyncio.get_running_loop().time()
        await proc.wait_batch(await proc.enqueue_batch("default", "acme", build), 40)
        assert asyncio.get_running_loop().time() - began < 5  # one after the other: 25
