"""Wake-ups of idle workers: by event, and by the poll where no event came."""

from __future__ import annotations

import asyncio
import itertools
import statistics
from contextlib import suppress

import anyio
import pytest

from taskproc import TaskContext
from taskproc.store import WorkerStore
from taskproc.store.work import StaleStep
from tests import handlers
from tests.harness import FAR, LATE, Instance, until
from tests.measure import in_time
from tests.proxy import Cut, Proxy


@pytest.mark.row("CT-31", "BN-26")
async def test_an_idle_worker_starts_a_task_by_event(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        tries = iter(range(10))

        async def p95() -> float:
            delays, tag = [], next(tries)
            for n in range(20):
                before = instance.now()
                await proc.enqueue_task("default", "acme", handlers.mark, f"{tag} {n}")
                [ran] = await instance.wait_records(1, tag=f"{tag} {n}")
                delays.append(ran["at"] - before)
            return statistics.quantiles(delays, n=20)[-1]

        await in_time(p95, 0.1)


@pytest.mark.row("BN-26")
async def test_a_task_wakes_one_of_a_hundred_idle_workers(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as proc, anyio.create_task_group() as group:
        workers = [instance.processor(redis=proxy.url, **FAR) for _ in range(100)]
        for worker in workers:
            group.start_soon(worker.run)
        try:
            await until(lambda: all_wait(instance, 100) and listeners(instance) == 100, 30)
            await until(lambda: calm(proxy))
            steps = proxy.requests.count("step")
            for n in range(5):
                await proc.enqueue_task("default", "acme", handlers.mark, n)
                await instance.wait_records(n + 1)
                await until(lambda: all_wait(instance, 100))
                await asyncio.sleep(0.1)
            # One step claims, asked for ahead, and one settles; there may be one more where the worker looks again at once.
            assert proxy.requests.count("step") - steps <= 15
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))


async def calm(proxy: Proxy) -> bool:
    """Whether nobody looks for work for a while."""
    steps = proxy.requests.count("step")
    await asyncio.sleep(0.2)
    return proxy.requests.count("step") == steps


def all_wait(instance: Instance, count: int) -> bool:
    """Whether so many workers wait for a marker."""
    return sum(1 for c in instance.client.client_list() if c["cmd"] == "blpop") == count


def listeners(instance: Instance) -> int:
    """How many workers listen for messages."""
    [(_, count)] = instance.client.pubsub_numsub(f"{{{instance.name}}}:control")
    return int(count)


@pytest.mark.row("CT-33")
async def test_the_poll_finds_what_no_event_told(instance: Instance) -> None:
    async with instance.worker(poll_interval=0.5, invisibility=30) as proc:
        tags = itertools.count()

        async def untold() -> tuple[int, float]:
            """Store a task whose marker nobody gets; its tag and when. A worker that is back sooner has the task already."""
            while True:
                tag = next(tags)
                await until(lambda: all_wait(instance, 1))
                for client in instance.client.client_list():
                    if client["cmd"] in ("blpop", "subscribe"):
                        instance.client.client_kill_filter(_id=client["id"])
                await proc.enqueue_task("default", "acme", handlers.mark, tag)
                stored = instance.now()
                if instance.client.delete(f"{{{instance.name}}}:wake:default"):
                    return tag, stored

        async def lateness() -> float:
            tag, stored = await untold()
            [ran] = await instance.wait_records(1, tag=tag)
            return float(ran["at"]) - stored

        await in_time(lateness, 0.5 + LATE)


# asking ahead


async def test_an_idle_worker_has_its_next_step_done_with_the_marker(instance: Instance) -> None:
    steps: list[int] = []
    async with Proxy(instance.server) as proxy, instance.open() as producer:

        async def note(_: TaskContext) -> None:
            steps.append(proxy.requests.count("step"))

        async with instance.worker(redis=proxy.url, on_task_start=note, **FAR):
            for number in range(1, 4):
                await until(lambda: all_wait(instance, 1))
                await until(lambda: calm(proxy))
                steps.append(proxy.requests.count("step"))
                await producer.enqueue_task("default", "acme", handlers.mark, number)
                await instance.wait_records(number)
                assert steps[-2] == steps[-1], "a step was sent between the marker and the task"


async def test_what_was_asked_for_ahead_and_got_lost_is_asked_for_again(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as producer:
        async with instance.worker(redis=proxy.url, **FAR):
            await until(lambda: all_wait(instance, 1))
            await until(lambda: calm(proxy))
            proxy.cut("step", Cut.AFTER, skip=1, times=1)  # the next one settles the first task
            for number in range(2):
                await producer.enqueue_task("default", "acme", handlers.mark, number)
                await instance.wait_records(number + 1)
                await until(lambda: all_wait(instance, 1))
            await until(lambda: proxy.cuts == [("step", Cut.AFTER)])
        assert [record["tag"] for record in instance.recorded()] == [0, 1]


async def test_a_marker_that_was_taken_for_a_step_of_the_past_is_left_again(instance: Instance) -> None:
    marker = f"{{{instance.name}}}:wake:default"
    async with instance.open() as proc:
        store = WorkerStore(proc._store.target, instance.name, ["default"], 60_000)
        work = store.work
        await work.step(1, [])
        await work.step(1, [])
        await proc.enqueue_task("default", "acme", handlers.noop)
        for at in (work._seq, work._seq - 1):
            assert instance.client.lpop(marker)
            work._seq = at
            with suppress(StaleStep):
                assert (await work.again(1)).claims == []
            assert instance.client.llen(marker) == 1
        await store.close()
        await proc.run_until_idle()
