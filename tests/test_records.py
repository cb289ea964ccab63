"""Records of tasks with keep="all": found in every state, until their retention ends and not longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskId, TaskProcessor, TaskState
from tests import handlers, keeping
from tests.harness import Instance, until
from tests.watching import dead, emptied, record_of

pytestmark = pytest.mark.usefixtures("fresh_gates")


# states


@pytest.mark.row("BE-14", "BE-26", "BR-19", "BR-14")
async def test_a_task_is_found_in_every_state(instance: Instance) -> None:
    async with instance.open() as proc:
        before = datetime.now(UTC)
        task_id = await proc.options(delay=0.3).enqueue_task("default", "acme", keeping.wait_for, "gate", 5)
        first = await record_of(proc, task_id)
        assert (first.id, first.name, first.queue, first.tenant) == (task_id, "tests.keeping.wait_for", "default", "acme")
        assert first.data == b'["tests.keeping.wait_for",["gate",5]]'
        assert abs(first.created_at - before) < timedelta(seconds=0.05)
        assert (first.state, first.kept, first.batch_id) == (TaskState.DELAYED, True, None)
        seen = [first]
        async with instance.worker():
            await instance.wait_records(1, "start")
            seen.append(await record_of(proc, task_id))
            keeping.gate("gate").set()
            assert await proc.wait_result(task_id, 10) == 5
            ended = datetime.now(UTC)
        seen.append(await record_of(proc, task_id))
        assert [info.state for info in seen] == [TaskState.DELAYED, TaskState.RUNNING, TaskState.DONE]
        assert {(i.id, i.name, i.data, i.created_at, i.queue) for i in seen} == {
            (task_id, first.name, first.data, first.created_at, "default")
        }
        last = seen[-1]
        assert (last.result, last.attempt) == (5, 1)
        assert last.started_at is not None
        assert last.ended_at is not None
        assert last.created_at <= last.started_at <= last.ended_at
        assert abs(ended - last.ended_at) < timedelta(seconds=0.05)
        assert seen[1].started_at == last.started_at
        assert await proc.get_task("0" * 32) is None
        assert await proc.get_task("no id") is None
        assert await proc.get_task(task_id[:-1] + "~") is None


async def test_a_ready_task_is_found_however_deep_it_lies(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[TaskId[Any]] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(keeping.double, n) for n in range(1_500))
            for n in range(1_500):
                batch.enqueue(handlers.noop, n)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        more = await proc.append_batch("default", "acme", batch_id, build)
        assert more
        found = [await record_of(proc, ids[at]) for at in (0, 1, 777, 1_499, 1_500, 2_250, 2_999)]
        assert [info.data for info in found] == [
            f'["tests.keeping.double",[{n}]]'.encode() for n in (0, 1, 777, 1_499, 0, 750, 1_499)
        ]
        assert {(info.state, info.kept, info.batch_id) for info in found} == {(TaskState.READY, True, batch_id)}
        assert await proc.cancel_batch(batch_id)
        found = [await record_of(proc, ids[at]) for at in (0, 777, 1_500, 2_999)]
        assert {(info.state, info.batch_id) for info in found} == {(TaskState.CANCELLED, batch_id)}
        assert all(info.ended_at is not None for info in found)
        assert (await proc.audit()).differences == ()


@pytest.mark.row("BR-18", "BN-20", "PJ-23")
async def test_errors_of_all_attempts_stay(instance: Instance) -> None:
    async with instance.worker(max_workers=1, backoff=0.4) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.fail_below, 3)
        await until(lambda: _in_state(proc, task_id, TaskState.DELAYED))
        waiting = await record_of(proc, task_id)
        assert (waiting.attempt, len(waiting.errors)) == (1, 1)
        assert waiting.scheduled_for is not None
        assert await proc.wait_result(await proc.enqueue_task("default", "acme", keeping.double, 2), 0.4) == 4
        assert await proc.wait_result(task_id, 10) == "attempt 3"
        info = await record_of(proc, task_id)
        assert (info.state, info.attempt) == (TaskState.DONE, 3)
        assert [(e.attempt, e.type, e.message) for e in info.errors] == [(1, "ValueError", "x"), (2, "ValueError", "x")]
        once = await proc.options(max_attempts=1).enqueue_task("default", "acme", keeping.fail_below, 9)
        await until(lambda: _in_state(proc, once, TaskState.FAILED))
        info = await record_of(proc, once)
        assert [(e.type, e.message) for e in info.errors] == [("ValueError", "x")]
        thrice = await proc.options(max_attempts=3).enqueue_task("default", "acme", keeping.fail_below, 9)
        await until(lambda: _in_state(proc, thrice, TaskState.FAILED))
        errors = (await record_of(proc, thrice)).errors
        assert len(errors) == 3
        assert errors[0].at < errors[1].at < errors[2].at


async def _in_state(proc: TaskProcessor, task_id: str, state: TaskState) -> bool:
    info = await proc.get_task(task_id)
    return info is not None and info.state is state


async def test_a_dead_letter_that_runs_again_has_no_end(instance: Instance) -> None:
    async with instance.worker(max_attempts=1) as proc:
        ids: list[TaskId[str]] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(keeping.fail_below, 2)))
        ids.append(await proc.enqueue_task("default", "acme", keeping.fail_below, 2))
        await dead(proc, 2)
        await proc.pause()
        assert await proc.retry_dead_tasks(max_attempts=5) == 2
        infos = [await record_of(proc, task_id) for task_id in ids]
        assert [(i.state, i.ended_at) for i in infos] == [(TaskState.READY, None)] * 2
        assert (await proc.audit()).differences == ()
        await proc.resume()
        for task_id in ids:
            assert await proc.wait_result(task_id, 10) == "attempt 2"
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE
        assert len((await record_of(proc, ids[0])).errors) == 2


async def test_a_discarded_dead_letter_is_still_told_of(instance: Instance) -> None:
    async with instance.worker(max_attempts=1) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.fail_below, 2)
        await dead(proc)
        assert await proc.discard_dead_tasks() == 1
        info = await record_of(proc, task_id)
        assert (info.state, len(info.errors)) == (TaskState.FAILED, 1)


async def test_without_dead_letters_a_record_tells_the_errors(instance: Instance) -> None:
    async with instance.worker(max_attempts=1, deadletter=False) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.fail_below, 2, "it broke")
        await until(lambda: _in_state(proc, task_id, TaskState.FAILED))
        assert await proc.get_dead_tasks() == []
        assert [e.message for e in (await record_of(proc, task_id)).errors] == ["it broke"]


async def test_a_cancel_of_a_batch_keeps_what_had_ended(instance: Instance) -> None:
    async with instance.worker(max_attempts=1, max_workers=1) as proc:
        ids: list[TaskId[Any]] = []

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue(keeping.text_of, 10_000))
            ids.append(batch.enqueue(keeping.fail_below, 2, "y" * 9_000))
            ids.append(batch.enqueue(keeping.wait_for, "gate"))
            ids.append(batch.enqueue(keeping.fail_below, 2, "z" * 9_000))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await instance.wait_records(1, "start", tag="gate")
        assert await proc.cancel_batch(batch_id)
        infos = [await record_of(proc, task_id) for task_id in ids]
        states = [TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED, TaskState.CANCELLED]
        assert [info.state for info in infos] == states
        assert infos[0].result == "x" * 10_000
        assert len(infos[1].errors) == 1
        assert [len(info.data) > 9_000 for info in infos] == [False, True, False, True]
        await emptied(proc)
        assert [(await record_of(proc, task_id)).state for task_id in ids] == states
        assert (await proc.audit()).differences == ()


async def test_a_cancel_of_many_looks_at_none_of_them(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[TaskId[Any]] = []
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: ids.extend(b.enqueue(keeping.double, n) for n in range(20_000))
        )
        calls = _commands(instance)
        assert await proc.cancel_batch(batch_id)
        assert _commands(instance) - calls < 60
        assert (await record_of(proc, ids[12_345])).state is TaskState.CANCELLED


def _commands(instance: Instance) -> int:
    return int(sum(entry["calls"] for entry in instance.client.info("commandstats").values()))


async def test_a_continuation_has_a_record(instance: Instance) -> None:
    async with instance.worker() as proc:
        await proc.enqueue_batch("default", "acme", lambda b: b.continue_with(keeping.wait_for, "gate", 3))
        [started] = await instance.wait_records(1, "start")
        keeping.gate("gate").set()
        assert await proc.wait_result(started["id"], 10) == 3
        info = await record_of(proc, started["id"])
        assert (info.batch_id, info.result) == (started["batch"], 3)
