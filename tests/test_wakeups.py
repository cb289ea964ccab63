"""Wake-ups of idle workers: by event, and by the poll where no event came."""

from __future__ import annotations

import asyncio
import statistics

import anyio
import pytest

from tests import handlers
from tests.harness import FAR, LATE, Instance, until
from tests.measure import in_time
from tests.proxy import Proxy


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
        tries = iter(range(10))

        async def lateness() -> float:
            tag = next(tries)
            await until(lambda: all_wait(instance, 1))
            for client in instance.client.client_list():
                if client["cmd"] in ("blpop", "subscribe"):
                    instance.client.client_kill_filter(_id=client["id"])
            await proc.enqueue_task("default", "acme", handlers.mark, tag)
            told = instance.now()
            assert instance.client.delete(f"{{{instance.name}}}:wake:default")
            [ran] = await instance.wait_records(1, tag=tag)
            return float(ran["at"]) - told

        await in_time(lateness, 0.5 + LATE)
