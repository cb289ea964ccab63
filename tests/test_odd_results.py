"""Results that can't be kept, come back as something else, or are large: no task fails for them."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from taskproc import (
    Batch,
    BatchState,
    ResultNotKept,
    TaskId,
    TaskProcessor,
    TaskState,
)
from tests import keeping
from tests.harness import FAR, Instance, until

pytestmark = pytest.mark.usefixtures("fresh_gates")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (threading.Lock(), "a value of type lock can't be stored as JSON"),
        (2**70, "a value of type int can't be stored"),
        ({1: 2}, "a value of type dict can't be stored"),
        ("\ud800", "a value of type str can't be stored"),
        ("x" * 5_000, r"it has 5,002 bytes; at most 4,000 \(max_payload\)"),
    ],
    ids=["lock", "long", "keys", "surrogate", "large"],
)
async def test_what_can_not_be_kept_is_told_and_costs_nothing(instance: Instance, value: Any, problem: str) -> None:
    keeping.made.append(value)
    async with instance.worker(max_payload=4_000) as proc:
        ids: list[TaskId[Any]] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(keeping.whatever)))
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE
        with pytest.raises(ResultNotKept, match=problem):
            await proc.wait_result(ids[0], 10)
        info = await proc.get_task(ids[0])
        assert info is not None
        assert (info.state, info.attempt, info.result) == (TaskState.DONE, 1, None)
        assert info.result_problem
        assert len(instance.recorded("ran")) == 1


@pytest.mark.parametrize(
    ("value", "back"),
    [((1, 2), [1, 2]), (datetime(2030, 1, 2, tzinfo=UTC), "2030-01-02T00:00:00+00:00"), ({"a": [None]}, {"a": [None]}),
     (0, 0), (False, False), ("", ""), ([], [])],
)  # fmt: skip
async def test_a_result_of_no_type_comes_back_as_json(instance: Instance, value: Any, back: Any) -> None:
    keeping.made.append(value)
    async with instance.worker() as proc:
        assert await proc.wait_result(await proc.enqueue_task("default", "acme", keeping.whatever), 10) == back


async def test_a_result_of_another_type_comes_back_as_it_is(instance: Instance) -> None:
    async with instance.worker() as proc:
        assert await proc.wait_result(await proc.enqueue_task("default", "acme", keeping.wrong), 10) == "seven"


async def test_a_process_tells_what_it_can_not_return(instance: Instance) -> None:
    async with instance.worker() as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.unkept_in_process)
        with pytest.raises(ResultNotKept, match="can't be stored as JSON"):
            await proc.wait_result(task_id, 20)


@pytest.mark.parametrize("size", [2_000, 2_046, 2_047, 900_000])
async def test_large_results_go_apart_from_steps(instance: Instance, size: int) -> None:
    async with instance.worker() as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.text_of, size)
        assert await proc.wait_result(task_id, 10) == "x" * size
        apart = instance.client.hexists(instance.key("b", task_id[:22], "rec"), task_id[22:] + "r")
        assert apart is (size > 2_046)


async def test_a_full_redis_costs_a_large_result_and_not_its_task(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        ids = [await proc.enqueue_task("default", "acme", keeping.wait_for_text, "gate", size) for size in (100, 50_000)]
        await instance.wait_records(2, "start")
        instance.client.config_set("maxmemory", 1)
        try:
            keeping.gate("gate").set()
            await until(lambda: _both_done(proc, ids))
        finally:
            instance.client.config_set("maxmemory", 0)
        assert await proc.wait_result(ids[0], 10) == "x" * 100
        with pytest.raises(ResultNotKept, match=r"Redis could not take it \(RedisFull\)"):
            await proc.wait_result(ids[1], 10)
        assert len(instance.recorded("start")) == 2


async def _both_done(proc: TaskProcessor, ids: list[TaskId[str]]) -> bool:
    infos = [await proc.get_task(task_id) for task_id in ids]
    return all(info is not None and info.state is TaskState.DONE for info in infos)


@pytest.mark.row("BR-06")
async def test_an_enqueued_task_is_known_at_once_by_an_id_of_its_own(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        acme = proc.tenant("acme")
        began = time.monotonic()
        slow = await acme.enqueue(keeping.wait_for, "gate")
        assert time.monotonic() - began < 0.05
        await instance.wait_records(1, "start")
        ids = [await asyncio.gather(*(acme.enqueue(keeping.double, n) for n in range(500))) for _ in range(20)]
        every = {task_id for some in ids for task_id in some}
        assert len(every) == 10_000
        for task_id in (ids[0][0], ids[7][250], ids[-1][-1]):
            info = await acme.get_task(task_id)
            assert info is not None
            assert (info.id, info.state) == (task_id, TaskState.READY)
        assert not (await acme.get_task(slow)).ended  # type: ignore[union-attr]
        keeping.gate("gate").set()
        assert await acme.wait_result(ids[-1][-1], 30) == 998


async def test_a_batch_of_large_results(instance: Instance) -> None:
    async with instance.worker(max_workers=100) as proc:
        ids: list[TaskId[str]] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(keeping.text_of, 1_000 + 100 * n) for n in range(100))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.wait_batch(batch_id, 20)
        assert [len(await proc.wait_result(task_id, 10)) for task_id in ids] == [1_000 + 100 * n for n in range(100)]
