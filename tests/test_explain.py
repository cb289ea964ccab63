"""Why a batch hasn't settled: what `explain_batch` and `taskproc audit --batch` tell of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from taskproc import Batch, BatchExplanation, BatchState, TaskProcessor
from tests import handlers
from tests.building import naps, noops
from tests.commands import of, quick
from tests.harness import UNKNOWN, Instance, until


async def explained(proc: TaskProcessor, batch_id: str) -> BatchExplanation:
    """What is told of a batch."""
    found = await proc.explain_batch(batch_id)
    assert found is not None
    return found


def told(found: BatchExplanation, *parts: str) -> bool:
    """Whether one of the sentences has all parts."""
    return any(all(part in reason for part in parts) for reason in found.reasons)


async def test_ready_tasks_that_nobody_serves(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.options(queue="mail").enqueue(handlers.noop)

        before = await proc.enqueue_batch("default", "acme", noops(3))
        other = await proc.enqueue_batch("default", "beta", noops(4))
        batch_id = await proc.enqueue_batch("default", "acme", build)
        found = await explained(proc, batch_id)
        assert (found.batch.id, found.paused, found.running, found.missing) == (batch_id, False, (), 0)
        queues = {queue.name: queue for queue in found.queues}
        assert {name: (queue.ready, queue.workers, queue.in_line) for name, queue in queues.items()} == {
            "default": (1, (), True),
            "mail": (1, (), True),
        }
        assert (queues["default"].tenants_before, queues["default"].batches_before) == (0, 1)
        assert told(found, "2 tasks of 2 remain")
        assert told(found, "1 task is ready in queue default, with 0 tenants and 1 batch of acme before it in turn")
        assert told(found, "No live worker serves queue mail: start one with --queues mail")
        assert (await explained(proc, other)).queues[0].tenants_before == 1
        assert (await explained(proc, before)).queues[0].batches_before == 0
        assert await proc.explain_batch(UNKNOWN) is None
        assert await proc.explain_batch("no id") is None
        single = await proc.enqueue_task("default", "acme", handlers.noop)
        assert await proc.explain_batch(single[:22]) is None


async def test_a_strict_queue_tells_how_many_are_before(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", "fifo")
        for tenant in ("acme", "beta"):
            await proc.enqueue_batch("default", tenant, noops(5))
        batch_id = await proc.enqueue_batch("default", "acme", noops(2))
        found = await explained(proc, batch_id)
        assert (found.queues[0].mode, found.queues[0].tasks_before) == ("fifo", 10)
        assert told(found, "2 tasks are ready in queue default, which is strict, with 10 tasks before")


async def test_a_pause(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(2))
        await proc.pause()
        found = await explained(proc, batch_id)
        assert found.paused
        assert told(found, "The instance is paused", "taskproc resume")


async def test_running_delayed_and_dead_tasks(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        due = datetime.now(UTC) + timedelta(hours=1)

        def build(batch: Batch) -> None:
            batch.options(max_attempts=1).enqueue(handlers.fail)
            batch.enqueue(handlers.nap, 30)
            batch.enqueue(handlers.noop)
            batch.options(delay_until=due).enqueue(handlers.noop)
            batch.options(delay_until=due + timedelta(hours=1)).enqueue(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await until(lambda: len(instance.recorded("start")) == 2)

        async def slots_told() -> bool:
            return told(await explained(proc, batch_id), "All 1 slots")

        await until(slots_told)
        found = await explained(proc, batch_id)
        [queue], [task], [worker] = found.queues, found.running, await proc.get_workers()
        assert (queue.ready, queue.running, queue.delayed, queue.dead) == (1, 1, 2, 1)
        assert queue.next_due is not None
        assert abs((queue.next_due - due).total_seconds()) < 0.01
        assert queue.workers == (worker.name,)
        assert (task.id[:22], task.name, task.queue, task.attempt) == (batch_id, "tests.handlers.nap", "default", 1)
        assert (task.worker, task.worker_alive, task.cancelling) == (worker.name, True, False)
        assert 0 < task.lease_until.timestamp() - instance.now() <= 2
        assert told(found, f"Task {task.id} (tests.handlers.nap)", f"worker {worker.name}, attempt 1", "unless renewed")
        assert told(found, "2 tasks are delayed in queue default, the next is due in 3,", f"{due:%H:%M}")
        assert told(found, "1 task of queue default is dead", f"taskproc dead list --batch {batch_id}")
        assert await proc.cancel_task(task.id)


async def test_a_worker_that_is_gone(instance: Instance) -> None:
    killed = instance.process(max_workers=1, invisibility=600)
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", naps(1))
        await instance.wait_records(1, "start")
        found = await explained(proc, batch_id)
        assert found.running[0].worker_alive
        killed.kill()
        instance.forget_workers()
        found = await explained(proc, batch_id)
        [task] = found.running
        assert (task.worker_alive, len(task.worker)) == (False, 22)
        assert told(found, f"is leased to worker {task.worker}, which is gone", "then it comes back")
        prefix = f"{{{instance.name}}}:"
        [(member, _)] = instance.client.zscan_iter(prefix + "leases")
        instance.client.zadd(prefix + "leases", {member: 1_000})
        assert told(await explained(proc, batch_id), "was leased to worker", "rescue takes it back")
        async with instance.worker(max_workers=1):
            await instance.wait_records(2, "start")
            found = await explained(proc, batch_id)
            assert (found.running[0].attempt, found.running[0].worker_alive) == (2, True)
            assert await proc.cancel_batch(batch_id)


async def test_what_has_settled(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.options(max_attempts=1).enqueue(handlers.fail)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        found = await explained(proc, batch_id)
        assert found.batch.state is BatchState.FAILED
        assert found.reasons[0].startswith("It has settled: failed at 20")
        assert told(found, "1 task of queue default is dead")


async def test_cancelled_tasks_that_still_run(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.stubborn, 1.0))
        await instance.wait_records(1, "start")
        assert await proc.cancel_batch(batch_id)
        found = await explained(proc, batch_id)
        assert found.reasons[0].startswith("It has settled: cancelled")
        assert [task.cancelling for task in found.running] == [True]
        assert told(found, "told to stop")


async def test_what_is_nowhere_is_missing(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        prefix = f"{{{instance.name}}}:"
        body = instance.client.lpop(f"{prefix}b:{batch_id}:r:default")
        found = await explained(proc, batch_id)
        assert (found.missing, found.queues[0].ready) == (1, 2)
        assert told(found, "1 task of it is counted but nowhere to be found", "taskproc audit")
        instance.client.lpush(f"{prefix}b:{batch_id}:r:default", body)
        assert (await explained(proc, batch_id)).missing == 0
        instance.client.zrem(f"{prefix}ring:default", "acme")
        found = await explained(proc, batch_id)
        assert not found.queues[0].in_line
        assert told(found, "not in its line", "taskproc audit --repair")
        instance.client.zadd(f"{prefix}ring:default", {"acme": 0})


async def test_nothing_is_missing_while_workers_run(instance: Instance) -> None:
    async with instance.worker(max_workers=8) as proc:
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: [b.enqueue(handlers.step, 0.001) for _ in range(500)]
        )
        looked = 0
        while (found := await explained(proc, batch_id)).batch.state is BatchState.RUNNING:
            assert found.missing == 0
            assert sum(queue.ready + queue.running for queue in found.queues) <= 500
            looked += 1
            await asyncio.sleep(0)
        assert looked > 3


async def test_the_command(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(2))
        done = await quick("audit", "--batch", batch_id, **of(instance))
        assert done.code == 0
        assert "2 tasks are ready in queue default" in done.out
        found = await quick("audit", "--batch", batch_id, "--json", **of(instance))
        assert found.json["batch"]["id"] == batch_id
        assert found.json["queues"][0]["ready"] == 2
        assert orjson.dumps(found.json["reasons"])
        unknown = await quick("audit", "--batch", UNKNOWN, **of(instance))
        assert (unknown.code, unknown.out) == (1, "")
        assert "there is no batch" in unknown.err


@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_what_was_appended_is_in_line_too(instance: Instance, mode: str) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)  # type: ignore[arg-type]
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        await proc.append_batch("default", "acme", batch_id, noops(1_500))
        found = await explained(proc, batch_id)
        assert (found.queues[0].ready, found.queues[0].in_line) == (1_501, True)
