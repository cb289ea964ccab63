"""Running and stopping: what runs gets its time, the rest is handed back, and no attempt is spent."""

from __future__ import annotations

import asyncio
import random
import signal
from time import monotonic

import anyio
import pytest

from taskproc import Batch, BatchState, TaskprocError, TaskProcessor, task
from tests import handlers, recording
from tests.harness import Instance, until
from tests.measure import in_time
from tests.recording import record_key


@task
async def stop_from_within() -> None:
    """Stops the worker that runs it."""
    recording.note("start")
    await handlers.current_task().processor.stop()
    recording.note("end")


async def naps(proc: TaskProcessor, *seconds: float) -> str:
    """Enqueue a batch of naps that are tagged with their seconds."""

    def build(batch: Batch) -> None:
        for each in seconds:
            batch.enqueue(handlers.nap, each, each)

    return await proc.enqueue_batch("default", "acme", build)


# in one process


@pytest.mark.row("BN-05")
async def test_is_running_tells_and_a_start_is_waited_for(instance: Instance) -> None:
    async with instance.open() as proc, anyio.create_task_group() as group:
        assert not proc.is_running
        await group.start(proc.run)
        assert proc.is_running
        await until(proc.get_workers)
        with pytest.raises(TaskprocError, match="runs already"):
            await proc.run()
        await proc.stop()
        assert not proc.is_running


@pytest.mark.row("BN-06")
async def test_a_processor_runs_again_after_its_stop(instance: Instance) -> None:
    async with instance.open() as proc:
        for n in range(2):
            running = asyncio.create_task(proc.run())
            await proc.enqueue_task("default", "acme", handlers.mark, n)
            await instance.wait_records(n + 1)
            await proc.stop()
            await running
            assert not proc.is_running
            assert await proc.get_workers() == []
        await proc.stop()


async def test_run_opens_and_closes_a_processor_that_is_not_open(instance: Instance) -> None:
    proc = instance.processor()
    async with anyio.create_task_group() as group:
        await group.start(proc.run)
        assert proc.is_open
        await proc.stop()
    assert not proc.is_open


@pytest.mark.row("BN-06")
async def test_cancelling_run_stops_cleanly(instance: Instance) -> None:
    async with instance.open(invisibility=30) as proc:
        running = asyncio.create_task(proc.run())
        await naps(proc, 3600)
        await instance.wait_records(1, "start")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not proc.is_running
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running) == (1, 0)
        assert [r["event"] for r in instance.records] == ["start", "cancelled"]


async def test_a_program_that_ends_with_a_worker_at_work_spends_no_attempt(instance: Instance) -> None:
    """Its loop tells all its tasks to end at once: the worker, and those in which its handlers run."""
    ids: list[str] = []

    async def program() -> None:
        async with instance.open(max_attempts=1) as proc:
            worker = asyncio.create_task(proc.run())
            ids.append(await naps(proc, 30, 30))
            await instance.wait_records(2)
            assert not worker.done()

    await asyncio.to_thread(asyncio.run, program())
    async with instance.open() as proc:
        queue, info = await proc.get_queue("default"), await proc.get_batch(ids[0])
        assert (queue.ready, queue.running, queue.dead) == (2, 0, 0)
        assert info is not None
        assert (info.remaining, info.failed) == (2, 0)
        assert [one.attempt for one in await proc.get_tasks_in_queue("default")] == [0, 0]
        await proc.cancel_batch(ids[0])


async def test_a_stop_is_clean_however_often_it_is_cancelled(instance: Instance) -> None:
    async with instance.open(invisibility=30, shutdown_grace=0) as proc:
        await naps(proc, 3600)
        for n in range(60):
            running = asyncio.create_task(proc.run())
            await instance.wait_records(n + 1, "start")
            stopping = asyncio.create_task(proc.stop())
            for _ in range(n):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.sleep(0.001)
            running.cancel()
            await asyncio.wait([running, stopping])
            assert not proc.is_running
            assert await proc.get_workers() == []
            queue = await proc.get_queue("default")
            assert (queue.ready, queue.running) == (1, 0)
        assert {r["attempt"] for r in instance.records} == {1}


async def test_a_handler_may_stop_its_worker(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", stop_from_within)
        await asyncio.wait_for(proc.run(), 10)
        assert [r["event"] for r in instance.records] == ["start", "end"]
        assert (await proc.get_queue("default")).running == 0


@pytest.mark.row("BE-22", "BN-06")
async def test_an_idle_worker_stops_at_once(instance: Instance) -> None:
    async def seconds() -> float:
        async with instance.worker(poll_interval=30, shutdown_grace=30) as proc:
            began = monotonic()
            await proc.stop()
            assert not proc.is_running
            return monotonic() - began

    await in_time(seconds, 1)


@pytest.mark.row("BE-21")
async def test_what_runs_ends_and_nothing_new_starts(instance: Instance) -> None:
    async with instance.open() as client:
        async with instance.worker(max_workers=1) as proc:
            batch_id = await naps(proc, 0.6, 0)
            await instance.wait_records(1)
            await proc.stop()
            assert [(r["event"], r["tag"]) for r in instance.records] == [("start", 0.6), ("end", 0.6)]
        info = await client.get_batch(batch_id)
        assert info is not None
        assert (info.done, info.remaining) == (1, 1)
        assert (await client.get_queue("default")).ready == 1


@pytest.mark.row("BE-23")
async def test_a_queue_that_never_empties_does_not_hold_up_the_stop(instance: Instance) -> None:
    async def seconds() -> float:
        async with instance.open() as client:
            async with instance.worker() as proc:
                await client.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.step, 0.1) for _ in range(1000)])
                await instance.wait_records(25, "end")
                began = monotonic()
                await proc.stop()
                spent = monotonic() - began
            assert len(instance.recorded("start")) == len(instance.recorded("end"))
            ended = len(instance.recorded("end"))
            queue = await client.get_queue("default")
            assert (queue.ready + ended, queue.running) == (1000, 0)
            [batch] = await client.get_batches("acme")
            assert (batch.done, batch.remaining) == (ended, 1000 - ended)
            assert await client.cancel_batch(batch.id)
            instance.client.delete(record_key(instance.name))
            return spent

    await in_time(seconds, 0.5)


@pytest.mark.row("CT-70", "BN-07")
async def test_what_does_not_end_in_time_is_signalled_and_goes_on_elsewhere(instance: Instance) -> None:
    async with instance.open() as client:
        async with instance.worker(invisibility=30, shutdown_grace=0.8) as proc:
            await naps(client, 0.5, 3600)
            await instance.wait_records(2, "start")
            async with instance.worker(max_workers=1, shutdown_grace=0):
                stopped, began = instance.now(), monotonic()
                await proc.stop()
                assert monotonic() - began < 0.8 + 2
                await until(lambda: len(instance.recorded("start", tag=3600)) == 2)
        assert [r["event"] for r in instance.recorded(tag=0.5)] == ["start", "end"]
        first, signalled, again = instance.recorded(tag=3600)[:3]
        assert [first["event"], signalled["event"], again["event"]] == ["start", "cancelled", "start"]
        assert signalled["at"] >= stopped + 0.8
        assert (again["attempt"], again["delivery"]) == (1, 2)


@pytest.mark.row("BN-08")
@pytest.mark.parametrize("kind", ["nap", "stubborn", "deaf", "nap_process"])
async def test_a_task_that_never_ends_does_not_hold_up_the_stop(instance: Instance, kind: str) -> None:
    arguments = () if kind == "deaf" else (3600,)
    worker = await asyncio.to_thread(instance.process, shutdown_grace=0.3, invisibility=30)
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(getattr(handlers, kind), *arguments))
        await instance.wait_records(1, "start")
        began = monotonic()
        worker.signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait) == 0
        # A second each to cancel handlers and to leave those behind that go on.
        assert monotonic() - began < 0.3 + 1 + 2
        assert (await proc.get_queue("default")).ready == 1
        assert await proc.get_workers() == []
        await proc.cancel_batch(batch_id)


# worker processes


@pytest.mark.row("BN-12", "BR-27", "CT-70")
@pytest.mark.parametrize("kind", ["nap", "nap_thread", "stubborn", "nap_process"])
async def test_sigterm_hands_back_and_another_process_goes_on(instance: Instance, kind: str) -> None:
    worker = await asyncio.to_thread(instance.process, shutdown_grace=0.2, invisibility=30)
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(getattr(handlers, kind), 3600))
        [first] = await instance.wait_records(1, "start")
        other = await asyncio.to_thread(instance.process, shutdown_grace=0.2, invisibility=30)
        told = instance.now()
        worker.signal(signal.SIGTERM)
        _, second = await instance.wait_records(2, "start")
        assert second["at"] < told + 10  # and not when the lease ends
        assert (first["attempt"], second["attempt"]) == (1, 1)
        assert await asyncio.to_thread(worker.wait) == 0
        signals = instance.recorded("cancelled")
        assert len(signals) == (kind in ("nap", "nap_thread"))
        assert all(told + 0.2 <= r["at"] for r in signals)
        other.signal(signal.SIGTERM)
        assert await asyncio.to_thread(other.wait) == 0
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.remaining) == (BatchState.RUNNING, 1)


@pytest.mark.row("BN-12", "BR-27", "BN-07")
async def test_the_signal_and_the_next_start_come_soon_after_the_grace(instance: Instance) -> None:
    spent: list[float] = []

    async def seconds() -> float:
        async with instance.open() as client, instance.worker(invisibility=30, shutdown_grace=0.2) as proc:
            before = len(instance.records)
            batch_id = await naps(client, 3600)
            await instance.wait_records(before + 1)
            async with instance.worker(invisibility=30, shutdown_grace=0):
                stopped = instance.now()
                await proc.stop()
                records = await instance.wait_records(before + 3)
                await client.cancel_batch(batch_id)
            first, signalled, again = records[before:][:3]
            assert [first["event"], signalled["event"], again["event"]] == ["start", "cancelled", "start"]
            assert signalled["at"] >= stopped + 0.2
            spent.append(again["at"] - stopped - 0.2)
            return float(signalled["at"]) - stopped - 0.2

    await in_time(seconds, 0.5)
    assert min(spent) < 1


async def test_a_second_signal_hands_back_at_once(instance: Instance) -> None:
    worker = await asyncio.to_thread(instance.process, shutdown_grace=60, invisibility=30)
    async with instance.open() as proc:
        await naps(proc, 3600)
        await instance.wait_records(1, "start")
        worker.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert worker.process.poll() is None
        worker.signal(signal.SIGINT)
        assert await asyncio.to_thread(worker.wait) == 0
        assert (await proc.get_queue("default")).ready == 1
    async with instance.worker(shutdown_grace=0):
        assert [r["attempt"] for r in await instance.wait_records(2, "start")] == [1, 1]


async def test_a_storm_of_sigterms_loses_and_doubles_nothing(instance: Instance) -> None:
    dice = random.Random(7)
    async with instance.open() as proc:
        options = {"shutdown_grace": 0.05, "invisibility": 30, "max_attempts": 1, "retention": 600}
        workers = [instance.process(wait=False, **options) for _ in range(3)]

        def build(batch: Batch) -> None:
            for n in range(400):
                batch.enqueue(handlers.step, 0.1, n)
            batch.options(on="settled").continue_with(handlers.after, "end")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await instance.wait_records(1)
        for _ in range(9):
            await asyncio.sleep(dice.uniform(0.1, 0.3))
            oldest = workers.pop(0)
            await asyncio.to_thread(oldest.wait_ready)
            workers.append(instance.process(wait=False, **options))
            while oldest.process.poll() is None:
                oldest.signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
                await asyncio.sleep(0.001)
            assert oldest.wait() == 0
        info = await proc.wait_batch(batch_id, 30)
        assert (info.state, info.total, info.done) == (BatchState.DONE, 400, 400)
        [ran] = await instance.wait_records(1, "ran")
        assert ran["counters"] == [400, 400, 0, 0, 0]
        starts, ends = instance.recorded("start"), instance.recorded("end")
        assert sorted(r["tag"] for r in ends) == list(range(400))
        assert len({r["id"] for r in starts}) == 400
        assert {r["attempt"] for r in instance.records} == {1}
