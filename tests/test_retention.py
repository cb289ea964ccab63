"""What is kept for how long: settled batches, dead letters, idempotency keys, tenants, staged tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from taskproc import Batch, BatchInfo, BatchState, NotFound, RedisUnavailable, TaskProcessor
from tests import handlers
from tests.harness import Instance, counters, until
from tests.measure import in_time

RETENTION = 0.6
CLEANUP = 0.25
"""How often a worker with such a short retention prunes, at the least."""

FAST: dict[str, Any] = {"retention": RETENTION, "max_attempts": 1}
LARGE = "x" * 20_000


def some(batch: Batch) -> None:
    """One of each: what ends well, what dies, large payloads, several queues."""
    batch.enqueue(handlers.swallow, LARGE)
    batch.enqueue(handlers.swallow, LARGE, fails=9)
    batch.options(queue="other").enqueue(handlers.noop)
    batch.options(delay=0.05).enqueue(handlers.noop)


def everything(batch: Batch) -> None:
    """And continuations that fire and that don't."""
    some(batch)
    for on in ("done", "settled", "failed", "cancelled"):
        batch.options(on=on).continue_with(handlers.noop)


def noop(batch: Batch) -> None:
    """Does nothing."""
    batch.enqueue(handlers.noop)


async def ended(proc: TaskProcessor, batch_id: str) -> float:
    """When a batch settled, once it has, by the server's clock in whole milliseconds."""
    info = await proc.wait_batch(batch_id, 10)
    assert info.ended_at is not None
    return int(info.ended_at.timestamp() * 1000) / 1000


def gone(proc: TaskProcessor, batch_id: str) -> Callable[[], Awaitable[bool]]:
    """Whether there is no batch by an id."""

    async def check() -> bool:
        return await proc.get_batch(batch_id) is None

    return check


KEPT = ("p", "w", "worker", "workers", "stats", "sums", "sum", "summed", "periods")


def left(instance: Instance) -> list[str]:
    """Keys beyond those of the instance itself, of live workers and of open clients, and history, which ends by itself."""
    plain = [name.partition(":")[2] for name in instance.names()]
    return [key for key in plain if key != "m" and key.partition(":")[0] not in KEPT]


@pytest.mark.row("CT-59", "CT-43")
async def test_a_settled_batch_is_gone_after_the_retention_with_all_that_belongs_to_it(instance: Instance) -> None:
    async with instance.worker(queues=["default", "other"], **FAST) as proc:

        async def measure() -> float:
            batch_id = await proc.enqueue_batch("default", "acme", everything, idempotency_key="key")
            assert await proc.append_batch("default", "acme", batch_id, noop, idempotency_key="append")
            at = await ended(proc, batch_id)
            kept = await proc.get_batch(batch_id)
            assert counters(kept) == (5, 4, 1, 0, 0)
            await until(gone(proc, batch_id))
            now = instance.now()
            assert now >= at + RETENTION
            assert instance.belonging(batch_id) == []
            assert await proc.get_dead_tasks(batch_id=batch_id) == []
            assert (await proc.get_queue("default")).dead == 0
            assert await proc.cancel_batch(batch_id) is False
            assert await proc.append_batch("default", "acme", batch_id, noop) is False
            with pytest.raises(NotFound):
                await proc.wait_batch(batch_id, 1)
            assert await proc.get_batches("acme") == []
            assert await proc.count_batches("acme") == 0
            return now - at

        await in_time(measure, RETENTION + CLEANUP + 0.5)


@pytest.mark.row("CT-59")
@pytest.mark.parametrize("state", ["done", "failed", "cancelled", "empty"])
async def test_a_batch_is_kept_until_then_however_it_ended(instance: Instance, state: str) -> None:
    async with instance.worker(queues=["default", "other"], **FAST) as proc:

        def build(batch: Batch) -> None:
            if state in ("failed", "cancelled"):
                everything(batch)
            elif state == "done":
                noop(batch)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        if state == "cancelled":
            assert await proc.cancel_batch(batch_id)
        at = await ended(proc, batch_id)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.state == ("done" if state == "empty" else state)
        seen: set[BatchInfo] = set()

        async def pruned() -> bool:
            found = await proc.get_batch(batch_id)
            if found is not None:
                seen.add(replace(found, run_seconds=0))  # what runs at a cancel still takes some time
            return found is None

        await until(pruned)
        assert instance.now() >= at + RETENTION
        assert seen == {replace(info, run_seconds=0)}


@pytest.mark.row("CT-59")
async def test_a_live_batch_stays_whole_however_old_it_is(instance: Instance) -> None:
    async with instance.worker(**FAST) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.swallow, LARGE, fails=9)
            batch.enqueue(handlers.noop)
            batch.options(queue="nobody").enqueue(handlers.swallow, LARGE)
            batch.options(delay=60).enqueue(handlers.noop)
            batch.continue_with(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", build, idempotency_key="key")

        async def two_ended() -> bool:
            return counters(await proc.get_batch(batch_id)) == (4, 1, 1, 0, 2)

        await until(two_ended)
        before, letters, keys = await proc.get_batch(batch_id), await proc.get_dead_tasks(), instance.belonging(batch_id)
        assert before is not None
        assert before.state is BatchState.RUNNING
        other = await proc.enqueue_batch("default", "acme", noop)
        await until(gone(proc, other))
        await asyncio.sleep(CLEANUP)
        assert await proc.get_batch(batch_id) == before
        assert await proc.get_dead_tasks() == letters
        assert instance.belonging(batch_id) == keys
        assert await proc.enqueue_batch("default", "acme", build, idempotency_key="key") == batch_id
        assert await proc.retry_dead_tasks() == 1


async def test_the_retention_counts_from_the_last_time_a_batch_settled(instance: Instance) -> None:
    async with instance.worker(**FAST) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noop)
        first = await ended(proc, batch_id)
        await asyncio.sleep(RETENTION / 2)
        assert await proc.append_batch("default", "acme", batch_id, lambda b: b.enqueue(handlers.nap, RETENTION))
        assert await ended(proc, batch_id) > first + RETENTION  # it would be gone by now
        last = await ended(proc, batch_id)
        await until(gone(proc, batch_id))
        assert instance.now() >= last + RETENTION


async def test_dead_letters_of_single_tasks_go_one_by_one(instance: Instance) -> None:
    async with instance.worker(**FAST) as proc:
        await proc.enqueue_task("default", "acme", handlers.swallow, LARGE, fails=9)

        async def dead() -> int:
            count = len(await proc.get_dead_tasks())
            assert (await proc.get_queue("default")).dead in (count, count - 1, count + 1)
            return count

        await until(dead)
        (first,) = await proc.get_dead_tasks()
        await asyncio.sleep(RETENTION / 2)
        young = await proc.enqueue_task("default", "acme", handlers.swallow, LARGE, fails=9)

        async def one_of_two() -> bool:
            letters = await proc.get_dead_tasks()
            if first.id in [letter.id for letter in letters]:
                return False
            assert instance.now() >= first.errors[-1].at.timestamp() + RETENTION
            return [letter.id for letter in letters] == [young]

        await until(one_of_two)
        (large,) = instance.names(":big")
        assert instance.client.hlen(large) == 1
        assert LARGE.encode() in (await proc.get_dead_tasks())[0].data

        async def none() -> bool:
            return await dead() == 0

        await until(none)
        assert (await proc.get_queue("default")).dead == 0
        await until(lambda: not left(instance))


async def test_a_cancelled_batch_is_kept_while_one_of_its_tasks_goes_on(instance: Instance) -> None:
    async with instance.worker(retention=0.2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.stubborn, 1))
        other = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.nap, 30))
        await instance.wait_records(2, "start")
        assert await proc.cancel_batch(batch_id)
        assert await proc.cancel_batch(other)
        await until(gone(proc, other))
        while True:
            info = await proc.get_batch(batch_id)
            if instance.recorded("end"):
                break
            assert counters(info) == (1, 0, 0, 1, 0)

        async def settled() -> bool:
            return (await proc.get_queue("default")).running == 0

        await until(settled)
        instance.client.zadd(f"{{{instance.name}}}:settled", {batch_id: 0}, xx=True)  # it is looked at again after a while
        await until(gone(proc, batch_id))


async def test_many_batches_that_settled_together_go_together(instance: Instance) -> None:
    async with instance.open() as proc:
        for _ in range(250):
            await proc.enqueue_batch("default", "acme", lambda batch: None)
        async with instance.worker(retention=0.2):

            async def none() -> bool:
                return await proc.count_batches("acme") == 0

            await until(none)


async def test_nothing_is_left_once_everything_has_settled_and_is_past_its_retention(instance: Instance) -> None:
    async with instance.open(**FAST) as proc:
        await proc.set_queue_mode("strict", "fifo")
        batches: list[str] = []
        for tenant in ("acme", "other"):
            for queue in ("default", "other", "strict"):
                batch_id = await proc.enqueue_batch(queue, tenant, everything, idempotency_key=queue)
                assert await proc.append_batch(queue, tenant, batch_id, some, idempotency_key="append")
                batches.append(batch_id)
            assert await proc.append_batch("default", tenant, batch_id, lambda b: [some(b) for _ in range(300)])
            assert await proc.cancel_batch(batches.pop(-2))
            await proc.options(idempotency_key="one").enqueue_task("strict", tenant, handlers.swallow, LARGE, fails=9)
            await proc.options(delay=0.1).enqueue_task("default", tenant, handlers.noop)
        async with instance.worker(queues=["default", "other", "strict"], **FAST):
            infos = await asyncio.gather(*(proc.wait_batch(batch_id, 20) for batch_id in batches))
            assert {info.state for info in infos} == {BatchState.FAILED}
            await proc.retry_dead_tasks(count=50)
            await until(lambda: left(instance) == ["q:strict"], 20)  # how a queue is shared is a setting
            assert await proc.get_tenants() == []
            assert await proc.get_tenant("acme") is None
            assert await proc.get_queues() == []
            assert await proc.get_dead_tasks() == []


async def test_a_tenant_is_kept_while_it_has_something_to_run(instance: Instance) -> None:
    async with instance.worker(retention=0.3) as proc:
        await proc.enqueue_task("default", "waits", handlers.mark)
        await instance.wait_records(1, "ran")
        task_id = await proc.options(delay=60).enqueue_task("default", "waits", handlers.noop)
        batch_id = await proc.enqueue_batch("default", "ends", noop)
        await until(gone(proc, batch_id))

        async def one_is_gone() -> bool:
            return await proc.get_tenant("ends") is None

        await until(one_is_gone)
        assert [info.tenant for info in await proc.get_tenants()] == ["waits"]
        assert await proc.cancel_task(task_id)
        await until(lambda: not left(instance))


# idempotency keys


async def test_an_idempotency_key_is_forgotten_with_its_batch(instance: Instance) -> None:
    async with instance.worker(**FAST) as proc:
        first = await proc.enqueue_batch("default", "acme", noop, idempotency_key="key")
        await ended(proc, first)
        assert await proc.enqueue_batch("default", "acme", noop, idempotency_key="key") == first
        await until(gone(proc, first))
        second = await proc.enqueue_batch("default", "acme", noop, idempotency_key="key")
        assert second != first
        assert counters(await proc.wait_batch(second, 10)) == (1, 1, 0, 0, 0)


# staged tasks


@pytest.mark.parametrize("count", [2_000, 2_100])
async def test_what_was_staged_and_never_committed_is_dropped(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A later commit is refused, whether all of it had been staged or the rest follows at the commit."""
    monkeypatch.setattr("taskproc.store.work.STAGED_MS", 300)
    async with instance.open() as proc:
        live = await proc.enqueue_batch("nobody", "acme", noop)
        before = left(instance)

        async def stage(batch: Batch) -> None:
            await batch.enqueue_many(handlers.swallow, ((LARGE,) for _ in range(27)))  # one chunk
            await batch.options(delay=1).enqueue_many(handlers.noop, ((n,) for n in range(250)))  # another
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(count)))

        block = proc.batch("default", "acme")
        batch = await block.__aenter__()
        await stage(batch)
        last = instance.now()
        assert instance.belonging(batch.id)

        async def append(more: Batch) -> None:
            await stage(more)
            await until(lambda: not any(name.startswith("+") for name in instance.belonging(live)))

        async with instance.worker(retention=0.2):
            with pytest.raises(RedisUnavailable, match="nothing was stored"):
                await proc.append_batch("default", "acme", live, append)
            await until(lambda: not instance.belonging(batch.id))
            assert instance.now() >= last + 0.29
        with pytest.raises(RedisUnavailable, match="nothing was stored"):
            await block.__aexit__(None, None, None)
        assert await proc.get_batch(batch.id) is None
        assert counters(await proc.get_batch(live)) == (1, 0, 0, 0, 1)
        assert left(instance) == before


async def test_a_rescue_that_fails_holds_up_no_pruning(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: None)
        run, leases = f"{{{instance.name}}}:run", f"{{{instance.name}}}:leases"
        instance.client.set(run, "of a wrong type")
        instance.client.zadd(leases, {"x" * 55: 1})
        async with instance.worker(retention=0.1):

            async def none() -> bool:
                return await proc.count_batches("acme") == 0

            await until(none)
            instance.client.delete(run)
            await until(lambda: not instance.client.exists(leases))
