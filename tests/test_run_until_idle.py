"""Running until idle, in the process that enqueues."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskProcessor
from tests import handlers
from tests.building import marks
from tests.harness import Instance
from tests.measure import in_time


async def test_run_until_idle_runs_what_is_ready_and_what_that_makes_ready(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for n in range(10):
                batch.enqueue(handlers.mark, n)
            batch.enqueue(handlers.grow, 3)
            batch.options(delay=3600).enqueue(handlers.mark, "later")
            batch.options(on="settled").continue_with(handlers.after, "end")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.enqueue_batch("default", "acme", lambda batch: batch.continue_with(handlers.after, "empty"))
        assert await proc.run_until_idle() == 10 + 1 + 3 + 1
        assert await proc.run_until_idle() == 0
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.done, info.remaining) == (14, 1)
        assert not proc.is_running


async def test_run_until_idle_raises_what_tasks_died_of(instance: Instance) -> None:
    async with instance.open(max_attempts=2, backoff=0) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail, "one")
        await proc.enqueue_task("default", "acme", handlers.fail, "two")
        await proc.enqueue_task("default", "acme", handlers.mark)
        with pytest.raises(ExceptionGroup) as caught:
            await proc.run_until_idle(raise_errors=True)
        assert sorted(str(error) for error in caught.value.exceptions) == ["one", "two"]
        assert len(instance.recorded("start")) == 4
        assert len(instance.recorded("ran")) == 1


@pytest.mark.row("PJ-34")
async def test_running_until_idle_with_nothing_to_do_returns_at_once(instance: Instance) -> None:
    async with instance.open() as proc:

        async def seconds() -> float:
            began = monotonic()
            assert await proc.run_until_idle() == 0
            return monotonic() - began

        await in_time(seconds, 0.05, tries=10)


@pytest.mark.row("BR-23")
async def test_a_private_server_runs_in_one_process(anyio_backend: str) -> None:
    async with TaskProcessor("embedded://") as proc, TaskProcessor("embedded://") as other:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        assert await other.get_batch(batch_id) is None
        assert await other.run_until_idle() == 0
        assert await proc.run_until_idle() == 1
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.state is BatchState.DONE


@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_what_is_left_of_cancelled_batches_hides_no_work(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids = [await proc.enqueue_batch("default", "acme", marks(1)) for _ in range(1_000)]
        for batch_id in ids[:-1]:
            assert await proc.cancel_batch(batch_id)
        assert await proc.run_until_idle() == 1
        info = await proc.get_batch(ids[-1])
        assert info is not None
        assert info.state is BatchState.DONE
