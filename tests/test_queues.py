"""Queues and slots: order, how many run at once, several processes, pause and resume."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from taskproc import Batch, TaskProcessor
from tests import handlers
from tests.harness import FAR, LATE, Instance, until
from tests.measure import in_time, overlap, wall
from tests.proxy import Proxy


async def naps(proc: TaskProcessor, count: int, seconds: float, tag: object = None) -> None:
    """Enqueue a batch of naps."""

    def build(batch: Batch) -> None:
        for _ in range(count):
            batch.enqueue(handlers.nap, seconds, tag)

    await proc.enqueue_batch("default", "acme", build)


# order


@pytest.mark.row("CT-29")
async def test_the_first_queue_that_is_not_empty_wins(instance: Instance) -> None:
    async with instance.worker(queues=["high", "default", "low"], max_workers=1) as proc:
        await proc.pause()

        def build(batch: Batch) -> None:
            for name in ("low", "default", "high"):
                for n in range(5):
                    batch.options(queue=name).enqueue(handlers.mark, n)

        await proc.enqueue_batch("low", "acme", build)
        await proc.resume()
        ran = await instance.wait_records(15)
        assert [(r["queue"], r["tag"]) for r in ran] == [(q, n) for q in ("high", "default", "low") for n in range(5)]


@pytest.mark.row("CT-29")
async def test_what_comes_to_an_earlier_queue_goes_next(instance: Instance) -> None:
    async with instance.worker(queues=["high", "default"], max_workers=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, 1)
            batch.enqueue(handlers.sow, "high", "added")
            batch.enqueue(handlers.mark, 2)

        await proc.enqueue_batch("default", "acme", build)
        assert [r.get("tag") for r in await instance.wait_records(4)] == [1, None, "added", 2]


@pytest.mark.row("BE-05", "BR-26")
async def test_a_worker_serves_only_its_queues(instance: Instance) -> None:
    async with instance.worker(queues=["mail"]) as proc:
        await proc.enqueue_task("mail", "acme", handlers.mark, 1)
        await proc.enqueue_task("default", "acme", handlers.mark, 2)
        await proc.enqueue_task("mail", "acme", handlers.mark, 3)
        await instance.wait_records(2)
        await until(lambda: settled(proc, "mail"))
        assert (await proc.get_queue("default")).ready == 1
        assert sorted(r["tag"] for r in instance.records) == [1, 3]
        async with instance.worker(queues=["default"]):
            assert [r["tag"] for r in await instance.wait_records(1, tag=2)] == [2]


async def settled(proc: TaskProcessor, queue: str = "default") -> bool:
    """Whether nothing waits or runs in a queue."""
    info = await proc.get_queue(queue)
    return info.ready == info.running == info.delayed == 0


@pytest.mark.row("CT-74")
@pytest.mark.parametrize("first", ["worker", "task"])
async def test_a_queue_that_only_holds_delayed_tasks_is_served(instance: Instance, first: str) -> None:
    tries = iter(range(10))

    async def lateness() -> float:
        queue = f"fresh-{next(tries)}"
        async with AsyncExitStack() as stack:
            if first == "worker":
                await stack.enter_async_context(instance.worker(queues=[queue]))
            proc = await stack.enter_async_context(instance.open())
            task_id = await proc.options(delay=0.4).enqueue_task(queue, "acme", handlers.mark, queue)
            info = await proc.get_task(task_id)
            assert info is not None
            assert info.scheduled_for is not None
            if first == "task":
                await stack.enter_async_context(instance.worker(queues=[queue]))
            [ran] = await instance.wait_records(1, tag=queue)
            late = float(ran["at"]) - info.scheduled_for.timestamp()
            assert late >= 0
            return late

    await in_time(lateness, LATE)


# slots


@pytest.mark.row("CT-30", "BE-01", "BR-09", "PJ-22")
@pytest.mark.parametrize(("slots", "count"), [(4, 40), (5, 20), (8, 20)])
async def test_so_many_run_at_the_same_time(instance: Instance, slots: int, count: int) -> None:
    async with instance.worker(max_workers=slots) as proc:
        tries = iter(range(10))

        async def seconds() -> float:
            tag = next(tries)
            await naps(proc, count, 0.1, tag)
            records = await instance.wait_records(2 * count, tag=tag)
            assert overlap(records) == slots
            assert len({r["pid"] for r in records}) == 1
            return wall(records)

        rounds = -(-count // slots)
        await in_time(seconds, 0.1 * rounds * 1.3 + 0.1)
        assert wall(instance.recorded(tag=0)) >= 0.1 * rounds


@pytest.mark.row("CT-32")
async def test_a_batch_fills_all_slots_of_an_idle_worker_at_once(instance: Instance) -> None:
    async with instance.worker(max_workers=8, **FAR) as proc:
        await naps(proc, 24, 1)
        records = await instance.wait_records(48)
        assert [r["event"] for r in records[:8]] == ["start"] * 8
        assert wall(records) < 3 * 1 + 1


@pytest.mark.row("BE-02")
async def test_a_blocking_handler_holds_up_no_other(instance: Instance) -> None:
    async with instance.worker(max_workers=5) as proc:
        await proc.enqueue_task("default", "acme", handlers.stubborn, 1.0, "blocking")
        await instance.wait_records(1)
        await naps(proc, 10, 0.05, "quick")
        records = await instance.wait_records(22)
        assert records[-1]["event"] == "end"
        assert records[-1]["tag"] == "blocking"


@pytest.mark.row("BN-27")
async def test_a_slot_is_free_again_however_its_task_ended(instance: Instance) -> None:
    async with instance.worker(max_workers=20, invisibility=1.5, shutdown_grace=0) as proc:
        await until(lambda: free(proc, 20))
        endless = await proc.enqueue_task("default", "acme", handlers.nap, 3600)
        await until(lambda: free(proc, 19))
        await proc.enqueue_task("default", "acme", handlers.mark)
        await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.fail)
        await until(lambda: done_and_failed(proc, 1, 1))
        await until(lambda: free(proc, 19))
        assert await proc.cancel_task(endless)
        await until(lambda: free(proc, 20))


async def free(proc: TaskProcessor, count: int) -> bool:
    """Whether the only worker has so many free slots."""
    [worker] = await proc.get_workers()
    return worker.slots - worker.running == count


async def done_and_failed(proc: TaskProcessor, done: int, failed: int) -> bool:
    """Whether the tenant's totals are these."""
    totals = await proc.get_tenant("acme")
    return totals is not None and (totals.done, totals.failed) == (done, failed)


@pytest.mark.row("BN-27")
async def test_a_full_worker_claims_no_more_and_still_stops(instance: Instance) -> None:
    async with instance.open() as client:
        async with instance.worker(max_workers=20, shutdown_grace=0.2) as proc:
            await naps(proc, 21, 3600)
            await instance.wait_records(20, "start")
            await asyncio.sleep(0.3)
            assert (await client.get_queue("default")).ready == 1
            assert len(instance.recorded("start")) == 20
            began = asyncio.get_running_loop().time()
            await proc.stop()
            assert asyncio.get_running_loop().time() - began < 0.2 + 1
        assert (await client.get_queue("default")).ready == 21


# several processes


@pytest.mark.row("BE-37", "BN-04")
async def test_tasks_are_enqueued_before_there_is_a_worker(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for n in range(10):
                batch.enqueue(handlers.mark, n)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.get_batch(batch_id)
        assert instance.client.client_list(_type="pubsub") == []
        assert not [c for c in instance.client.client_list() if c["cmd"] == "blpop"]
        worker = instance.process()
        records = await instance.wait_records(10)
        [info] = await proc.get_workers()
        assert sorted(r["tag"] for r in records) == list(range(10))
        assert {r["pid"] for r in records} == {worker.pid} == {info.pid}
        assert records[-1]["at"] < info.started_at.timestamp() + 1


@pytest.mark.row("BN-03")
async def test_more_processes_are_as_much_faster(instance: Instance) -> None:
    walls: dict[int, list[float]] = {1: [], 2: [], 4: []}
    async with instance.open() as proc:
        for processes, found in walls.items():
            while len(instance.workers) < processes:
                instance.process("--max-workers", "4", wait=False)
            for worker in instance.workers:
                await asyncio.to_thread(worker.wait_ready)
            tries = iter(range(10))

            async def seconds(tries: object = tries, found: list[float] = found, processes: int = processes) -> float:
                tag = f"{processes} {next(tries)}"  # type: ignore[call-overload]
                await naps(proc, 48, 0.1, tag)
                records = await instance.wait_records(96, tag=tag)
                assert overlap(records) <= 4 * processes
                found.append(wall(records))
                return min(found)

            await in_time(seconds, 1.2 / processes * 1.25 + 0.1)
            assert min(found) >= 1.2 / processes


@pytest.mark.row("PJ-27")
async def test_two_processors_at_the_same_moment_run_each_task_once(instance: Instance) -> None:
    async with instance.open() as one, instance.open() as two:

        def build(batch: Batch) -> None:
            for n in range(100):
                batch.enqueue(handlers.mark, n)

        batch_id = await one.enqueue_batch("default", "acme", build)
        ran = await asyncio.gather(one.run_until_idle(), two.run_until_idle())
        assert sum(ran) == 100
        assert sorted(r["tag"] for r in instance.records) == list(range(100))
        info = await one.get_batch(batch_id)
        assert info is not None
        assert info.done == 100


# pause


@pytest.mark.row("CT-38")
async def test_a_pause_holds_all_processes_and_those_that_come_later(instance: Instance) -> None:
    async with instance.open() as proc:
        assert not await proc.is_paused()
        early = [instance.process("--max-workers", "2", wait=False) for _ in range(2)]
        for worker in early:
            await asyncio.to_thread(worker.wait_ready)
        await naps(proc, 4, 0.6, "before")
        await instance.wait_records(4, "start")
        await proc.pause()
        assert await proc.is_paused()
        await naps(proc, 1, 0, "held")
        await proc.options(delay=0.1).enqueue_task("default", "acme", handlers.nap, 0, "held")
        late = await asyncio.to_thread(instance.process, "--max-workers", "2")
        await instance.wait_records(4, "end")
        await asyncio.sleep(0.6)
        assert {r["tag"] for r in instance.records} == {"before"}
        await proc.resume()
        await instance.wait_records(2, "end", tag="held")
        tries = iter(range(10))

        async def seconds() -> float:
            tag = next(tries)
            await proc.pause()
            await naps(proc, 6, 0.6, tag)
            resumed = instance.now()
            await proc.resume()
            started = await instance.wait_records(6, "start", tag=tag)
            assert {r["pid"] for r in started} <= {worker.pid for worker in [*early, late]}
            await instance.wait_records(6, "end", tag=tag)
            return float("inf") if len({r["pid"] for r in started}) < 3 else float(started[-1]["at"]) - resumed

        await in_time(seconds, 0.5)


@pytest.mark.row("CT-39")
async def test_a_pause_is_noticed_after_the_connection_was_lost(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as other, instance.worker(redis=proxy.url) as proc:
        await naps(proc, 1, 0, "before")
        await instance.wait_records(1, "end")
        proxy.refuse()
        await other.pause()
        await asyncio.sleep(0.7)
        proxy.heal()
        seen = len(proxy.requests)
        await until(lambda: {"step", "SUBSCRIBE"} <= set(proxy.requests[seen:]))
        await naps(other, 5, 0, "held")
        await asyncio.sleep(0.8)
        assert not instance.recorded(tag="held")
        await other.resume()
        await instance.wait_records(10, tag="held")
