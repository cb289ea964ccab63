"""Running until idle, in the process that enqueues."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskContext, TaskprocError, TaskProcessor
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


@pytest.mark.row("PJ-33")
async def test_the_errors_of_a_run_come_together_once_all_has_ended(instance: Instance) -> None:
    async with instance.open(max_attempts=1, max_workers=5) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.fail, "one")
            for _ in range(3):
                batch.enqueue(handlers.nap, 0.3)
            batch.enqueue(handlers.fail, "two")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        with pytest.raises(ExceptionGroup, match="2 of 5 tasks failed") as caught:
            await proc.run_until_idle(raise_errors=True)
        assert [type(error) for error in caught.value.exceptions] == [ValueError] * 2
        assert sorted(str(error) for error in caught.value.exceptions) == ["one", "two"]
        assert len(instance.recorded("end")) == 3
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.done, info.failed, info.remaining) == (3, 2, 0)


@pytest.mark.row("PJ-33")
async def test_or_each_error_goes_to_its_handler(instance: Instance) -> None:
    told: list[tuple[str, str]] = []

    async def on_error(ctx: TaskContext, error: BaseException) -> None:
        told.append((ctx.name, str(error)))

    async with instance.open(max_attempts=1, on_task_error=on_error) as proc:
        for number in range(5):
            await proc.enqueue_task("default", "acme", handlers.fail, str(number), below=2 if number in (1, 3) else 0)
        assert await proc.run_until_idle() == 5
        assert sorted(told) == [("tests.handlers.fail", "1"), ("tests.handlers.fail", "3")]


# by hand, from an endpoint


@pytest.mark.row("PJ-21")
async def test_a_call_runs_what_is_due_and_returns_when_it_is_done(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.nap, 0.2, "ready")
        await proc.options(delay=0.05).enqueue_task("default", "acme", handlers.nap, 0.2, "due")
        await proc.options(delay=60).enqueue_task("default", "acme", handlers.mark, "later")
        await asyncio.sleep(0.06)
        assert await proc.run_until_idle() == 2
        assert sorted(r["tag"] for r in instance.recorded("end")) == ["due", "ready"]
        assert (await proc.get_queue("default")).delayed == 1
        assert await proc.get_workers() == []


@pytest.mark.row("PJ-21")
async def test_calls_at_the_same_time_run_each_task_once(instance: Instance) -> None:
    async with instance.open(max_workers=3) as proc:
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.step, 0.05) for _ in range(9)]
        )
        ran = await asyncio.gather(*(proc.run_until_idle() for _ in range(4)))
        assert sorted(ran) == [0, 0, 0, 9]
        assert len({r["id"] for r in instance.recorded("start")}) == len(instance.recorded("start")) == 9
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.state is BatchState.DONE
        assert not proc.is_running


@pytest.mark.row("PJ-21")
async def test_a_call_whose_client_is_gone_leaves_the_rest_to_the_next(instance: Instance) -> None:
    async with instance.open(max_workers=2, shutdown_grace=0.1) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.linger, 30, n) for n in range(4)])
        gone = asyncio.create_task(proc.run_until_idle())
        await instance.wait_records(2, "start")
        following = asyncio.create_task(proc.run_until_idle())
        waiting = asyncio.create_task(proc.run_until_idle())
        await asyncio.sleep(0.05)
        waiting.cancel()  # one that has not begun takes nobody's turn
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        again = (await instance.wait_records(6, "start"))[2:]  # those that were handed back end at once
        assert len({r["id"] for r in again}) == 4
        for record in again:
            await proc.cancel_task(record["id"])
        assert await following == 4
        assert not proc.is_running


async def test_a_handler_does_not_wait_for_the_call_that_runs_it(instance: Instance) -> None:
    async def run_more(ctx: TaskContext) -> None:
        with pytest.raises(TaskprocError, match="runs already"):
            await ctx.processor.run_until_idle()
        told.append(ctx.name)

    told: list[str] = []
    async with instance.open(execute=run_more) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark)
        assert await proc.run_until_idle() == 1
        assert told == ["tests.handlers.mark"]


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
