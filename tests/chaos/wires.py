"""Ordeals of connections: subscriptions that are cut, and every request cut before, within and after it was done."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskproc import Batch, TaskProcessor
from taskproc.store.scripts import READS, SCRIPTS
from tests import handlers
from tests.chaos.field import PATIENT, Result, Trial, trying
from tests.conftest import fresh
from tests.harness import FAST, Instance, counters, until
from tests.proxy import Cut, Proxy
from tests.recording import record_key
from tests.servers import Server

QUICK = {**FAST, "invisibility": 1.5, "poll_interval": 0.1, "max_workers": 50, "backoff": 0.01, "redis_patience": 20,
         "retention": 600}  # fmt: skip
LARGE = 1_050
"""As many tasks as are staged in two chunks."""


async def subscriptions(server: Server, trial: Trial) -> Result:
    """Subscriptions are cut while batches are cancelled; every running task must be stopped all the same."""
    result, lease = Result(), 1.0
    async with trying(server, trial, result) as field:
        field.book.client.client_kill_filter(_type="pubsub")
        async with field.instance.worker(max_workers=50, invisibility=lease, poll_interval=0.2) as worker:
            for number in range(trial.times(200, 5)):
                batch_id = await worker.enqueue_batch("default", "acme", sleepers(3, number))
                await field.book.wait_records(3, "start", tag=number)
                began = field.book.now()
                cut = field.dice.random() < 0.5
                if cut:
                    field.instance.client.client_kill_filter(_type="pubsub")
                await field.proc.cancel_batch(batch_id)
                if not cut:
                    field.instance.client.client_kill_filter(_type="pubsub")
                stopped = await field.book.wait_records(3, "cancelled", tag=number)
                result.recoveries += [record["at"] - began for record in stopped]
                result.faults += 1
                result.tasks += 3
                field.book.client.delete(record_key(field.book.name))
            await until(field.quiet)
    late = [seconds for seconds in result.recoveries if seconds > lease]
    if late:
        result.failure = f"{len(late)} tasks were stopped later than a lease after their batch was cancelled"
    return result


def sleepers(count: int, tag: object) -> Any:
    """Fills a batch with tasks that would sleep for long."""
    return lambda batch: [batch.enqueue(handlers.nap, 30, tag) for _ in range(count)]


# every request


class Tour:
    """One of everything that a producer and a worker do; the same each time, so that its end can be compared."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def run(self, url: str) -> tuple[Any, ...]:
        """Do it all through a connection, and tell how it has ended."""
        async with self.instance.open(redis=url, **QUICK) as proc:
            ids = await self._produce(proc)
            async with self.instance.worker(redis=url, **QUICK) as worker:
                await self._settle(worker, ids)
            dead = [letter.name for letter in await proc.get_dead_tasks(take=100)]
            retried = await proc.retry_dead_tasks(count=1)
            await proc.run_until_idle()
            discarded = await proc.discard_dead_tasks(count=None)
            infos = [await proc.get_batch(batch_id) for batch_id in ids]
            queue = await proc.get_queue("default")
            tenant = await proc.get_tenant("acme")
            assert tenant is not None
            return (
                [(info.state.value, counters(info)) for info in infos if info is not None],
                (queue.ready, queue.running, queue.delayed, queue.dead),
                (tenant.total, tenant.done, tenant.failed, tenant.cancelled, tenant.remaining),
                dead, retried, discarded,
            )  # fmt: skip

    async def _produce(self, proc: TaskProcessor) -> list[str]:
        def small(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.enqueue(handlers.swallow, "x" * 10_000)
            batch.options(delay=0.05).enqueue(handlers.noop)
            batch.options(max_attempts=1).enqueue(handlers.fail)
            batch.options(max_attempts=2).enqueue(handlers.fail, "at first", 2)
            batch.options(on="settled").continue_with(handlers.noop)

        async def large(batch: Batch) -> None:
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(LARGE)))

        first = await proc.enqueue_batch("default", "acme", small, idempotency_key="small")
        second = await proc.enqueue_batch("default", "acme", large, idempotency_key="large")
        third = await proc.enqueue_batch("default", "acme", large)
        await proc.append_batch("default", "acme", first, lambda batch: batch.enqueue(handlers.noop))
        await proc.append_batch("default", "acme", second, large)
        single = await proc.options(delay=60).enqueue_task("default", "acme", handlers.noop)
        await proc.enqueue_task("default", "acme", handlers.noop)
        await proc.cancel_task(single)
        await proc.cancel_batch(third)
        await proc.pause()
        await proc.resume()
        return [first, second, third]

    async def _settle(self, worker: TaskProcessor, ids: list[str]) -> None:
        for batch_id in ids[:2]:
            await worker.wait_batch(batch_id, 30)
        await until(lambda: self._quiet(worker), 30)

    @staticmethod
    async def _quiet(proc: TaskProcessor) -> bool:
        queue = await proc.get_queue("default")
        return queue.ready == queue.running == queue.delayed == 0


async def each_request(server: Server, trial: Trial) -> Result:
    """Tours in each of which one request is cut: of every script in turn, on each side, its first and a later one."""
    result, struck = Result(), Counter[str]()
    async with fresh(server) as instance, Proxy(server) as proxy:
        right = await Tour(instance).run(proxy.url)
        asked = Counter(proxy.requests)
    names = sorted(name for name in asked if name in SCRIPTS)
    names = names if trial.long else trial.dice().sample(names, 3)
    for name in names:
        for cut in Cut:
            for skip in sorted({0, asked[name] // 2}) if trial.long else [0]:
                result.tasks += right[2][0]
                result.faults += await _one_cut(server, name, cut, skip, right, result)
                struck[name] += 1
    result.notes["scripts"] = len(struck)
    return result


async def _one_cut(server: Server, name: str, cut: Cut, skip: int, right: tuple[Any, ...], result: Result) -> int:
    try:
        async with fresh(server) as instance, Proxy(server) as proxy:
            proxy.cut(name, cut, skip=skip, times=1)
            found = await Tour(instance).run(proxy.url)
            if found != right and not (name in READS and found[:3] == right[:3]):
                result.doubled += 1
                result.failure = f"{name} cut {cut.name}: {found} instead of {right}"
            return len(proxy.cuts)
    except AssertionError as error:
        if "keys are left" not in str(error):
            raise
        result.leaked += 1
        return 1


async def random_requests(server: Server, trial: Trial) -> Result:
    """A share of all requests is cut, of producers and workers alike, while batches come and go."""
    result = Result()
    async with Proxy(server) as proxy, trying(server, trial, result, redis=proxy.url, **PATIENT) as field:
        options = {**PATIENT, "max_workers": 10, "redis": proxy.url, "max_attempts": 1000, "invisibility": 2}
        async with field.instance.worker(**options):
            proxy.cut_randomly(0.1, trial.seed)
            for _ in range(trial.times(60, 6)):
                await field.enqueue(30, 0.01)
                await until(lambda: len(proxy.cuts) > result.faults)
                result.faults = len(proxy.cuts)
            proxy.heal()
            await field.settle()
        result.faults = len(proxy.cuts)
    return result
