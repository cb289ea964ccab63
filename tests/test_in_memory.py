"""One suite of what a store must do, on Redis and on the server in memory that ``embedded://`` brings along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import Batch, BatchState, NotFound, NotReady, TaskInfo, TaskProcessor, TaskState, current_task, task
from tests.harness import FAST, Instance, counters

ran: list[Any] = []
"""What has run in this process."""

pytestmark = [pytest.mark.row("BR-22", "BR-23"), pytest.mark.usefixtures("nothing_ran")]


@pytest.fixture
def nothing_ran() -> None:
    """Each test begins with nothing."""
    ran.clear()


@task(name="in_memory.note")
async def jot(tag: object) -> None:
    """Notes that it ran."""
    ran.append(tag)


@task(name="in_memory.look")
async def look(tag: object) -> None:
    """Notes how its processor sees it while it runs."""
    info = await current_task().processor.get_task(current_task().id)
    ran.append((tag, info and info.state))


@task(name="in_memory.stumble")
async def stumble(below: int) -> None:
    """Fails in its first attempts."""
    ran.append(current_task().attempt)
    if current_task().attempt < below:
        raise ValueError("not yet")


@pytest.fixture(params=["redis", "memory"])
async def proc(
    request: pytest.FixtureRequest, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TaskProcessor]:
    """A processor on each."""
    monkeypatch.delenv("TASKPROC_REDIS_URL", raising=False)
    if request.param == "redis":
        async with instance.open(backoff=0) as found:
            yield found
    else:
        async with TaskProcessor("embedded://", **{**FAST, "backoff": 0}) as found:
            assert found.is_private
            yield found


async def known(proc: TaskProcessor, task_id: str) -> TaskInfo:
    """What is known of a task."""
    info = await proc.get_task(task_id)
    assert info is not None
    return info


async def test_what_is_stored_is_read_again(proc: TaskProcessor) -> None:
    task_id = await proc.enqueue_task("default", "acme", jot, {"a": [1, None]})
    info = await known(proc, task_id)
    assert (info.id, info.name, info.queue, info.tenant, info.state) == (
        task_id, "in_memory.note", "default", "acme", TaskState.READY
    )  # fmt: skip
    assert info.data == b'["in_memory.note",[{"a":[1,null]}]]'
    assert abs(info.created_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert await proc.get_task(task_id[:22] + "0" * 10) is None


async def test_what_runs_is_seen_as_running_and_then_is_gone(proc: TaskProcessor) -> None:
    task_id = await proc.enqueue_task("default", "acme", look, "x")
    assert await proc.run_until_idle() == 1
    assert ran == [("x", TaskState.RUNNING)]
    assert await proc.get_task(task_id) is None


async def test_an_attempt_that_fails_is_noted_and_followed_by_the_next(proc: TaskProcessor) -> None:
    batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(stumble, 3))
    assert await proc.run_until_idle() == 3
    assert ran == [1, 2, 3]
    assert counters(await proc.get_batch(batch_id)) == (1, 1, 0, 0, 0)
    dead = await proc.options(max_attempts=2).enqueue_task("default", "acme", stumble, 9)
    await proc.run_until_idle()
    [letter] = await proc.get_dead_tasks()
    assert (letter.id, [error.attempt for error in letter.errors]) == (dead, [1, 2])
    assert await proc.retry_dead_tasks(max_attempts=9) == 1
    await proc.run_until_idle()
    assert await proc.get_dead_tasks() == []


async def test_what_waits_and_what_runs_is_listed(proc: TaskProcessor) -> None:
    ids = [await proc.enqueue_task("default", "acme", jot, n) for n in range(5)]
    assert [info.id for info in await proc.get_tasks_in_queue("default", 1, 3)] == ids[1:4]
    queue = await proc.get_queue("default")
    assert (queue.ready, queue.running, queue.delayed, queue.dead) == (5, 0, 0, 0)
    assert [queue.name for queue in await proc.get_queues()] == ["default"]


async def test_what_is_due_is_found_and_nothing_else(proc: TaskProcessor) -> None:
    later = await proc.options(delay=60).enqueue_task("default", "acme", jot, "later")
    await proc.options(delay=1).enqueue_task("default", "acme", jot, "soon")
    await proc.options(delay_until=datetime.now(UTC) - timedelta(1)).enqueue_task("default", "acme", jot, "long ago")
    assert await proc.run_until_idle() == 1
    await asyncio.sleep(1.02)
    assert await proc.run_until_idle() == 1
    assert ran == ["long ago", "soon"]
    assert (await known(proc, later)).state is TaskState.DELAYED


async def test_batches_count_continue_and_are_cancelled(proc: TaskProcessor) -> None:
    def build(batch: Batch) -> None:
        for n in range(3):
            batch.enqueue(jot, n)
        batch.continue_with(jot, "end")

    batch_id = await proc.enqueue_batch("default", "acme", build, idempotency_key="once")
    assert await proc.enqueue_batch("default", "acme", build, idempotency_key="once") == batch_id
    assert await proc.append_batch("default", "acme", batch_id, lambda batch: batch.enqueue(jot, 3))
    with pytest.raises(NotReady):
        await proc.wait_batch(batch_id, 0.01)
    assert await proc.run_until_idle() == 5
    assert sorted(ran[:4]) == [0, 1, 2, 3]
    assert ran[4] == "end"
    assert (await proc.wait_batch(batch_id, 1)).state is BatchState.DONE
    cancelled = await proc.enqueue_batch("default", "acme", build)
    assert await proc.cancel_batch(cancelled)
    assert counters(await proc.get_batch(cancelled)) == (3, 0, 0, 3, 0)
    with pytest.raises(NotFound):
        await proc.wait_batch("0" * 22, 0.01)
    assert [info.id for info in await proc.get_batches("acme")] == [cancelled, batch_id]


async def test_a_worker_serves_it(proc: TaskProcessor) -> None:
    running = asyncio.create_task(proc.run())
    batch_id = await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(jot, n) for n in range(50)])
    assert (await proc.wait_batch(batch_id, 10)).done == 50
    assert sorted(ran) == list(range(50))
    await proc.stop()
    await running


async def test_a_server_in_memory_is_nobody_elses_and_ends_with_its_processor() -> None:
    async with TaskProcessor("embedded://") as one, TaskProcessor("embedded://") as other:
        task_id = await one.enqueue_task("default", "acme", jot, 1)
        assert await other.get_task(task_id) is None
    async with one:
        assert await one.get_task(task_id) is None
