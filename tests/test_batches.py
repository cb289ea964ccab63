"""Batches from enqueue to settled."""

from __future__ import annotations

import pytest

from taskproc import Batch, BatchState
from tests import handlers
from tests.harness import Instance


@pytest.mark.row("CT-01", "CT-02")
async def test_a_batch_is_stored_whole_with_its_counters(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for n in range(3):
                batch.enqueue(handlers.mark, n)

        batch_id = await proc.enqueue_batch("default", "acme", build, label="three")
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.total, info.remaining, info.done, info.failed, info.cancelled) == (3, 3, 0, 0, 0)
        assert (info.state, info.ended_at, info.tenant, info.label) == (BatchState.RUNNING, None, "acme", "three")


@pytest.mark.row("CT-06", "CT-07", "CT-08")
async def test_continuations_start_when_all_tasks_are_done(instance: Instance) -> None:
    async with instance.worker() as proc:

        def build(batch: Batch) -> None:
            for n in range(5):
                batch.enqueue(handlers.nap, 0.05 * n)
            batch.continue_with(handlers.after, "one")
            batch.options(queue="default").continue_with(handlers.after, "two")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.state, info.total, info.done) == (BatchState.DONE, 5, 5)
        ran = await instance.wait_records(2, "ran")
        assert min(r["at"] for r in ran) >= max(r["at"] for r in instance.recorded("end"))
        assert all(r["continuation"] and r["batch"] == batch_id and r["counters"] == [5, 5, 0, 0, 0] for r in ran)
