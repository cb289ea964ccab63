"""Results of tasks with keep="all": waited for, typed, told as missing, never a danger to the task."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from taskproc import (
    NotFound,
    NotReady,
    ResultNotKept,
    TaskCancelled,
    TaskFailed,
    TaskId,
    TaskprocError,
    TaskState,
    WaitCancelled,
)
from tests import handlers, keeping
from tests.harness import FAR, Instance, until
from tests.proxy import Proxy

pytestmark = pytest.mark.usefixtures("fresh_gates")


# what comes back


@pytest.mark.row("PJ-05")
@pytest.mark.parametrize("handler", [keeping.invoice, keeping.in_thread, keeping.in_process])
async def test_a_result_comes_back_as_its_type(instance: Instance, handler: Any) -> None:
    async with instance.worker() as proc:
        task_id = await proc.enqueue_task("default", "acme", handler, 7)
        found = await proc.wait_result(task_id, 10)
        assert found == keeping.Invoice(7, datetime(2030, 1, 2, tzinfo=UTC))
        assert type(found) is keeping.Invoice
        info = await proc.get_task(task_id)
        assert info is not None
        assert (info.state, info.result, info.result_problem) == (TaskState.DONE, found, None)


@pytest.mark.row("PJ-06")
async def test_what_waiting_for_a_result_raises(instance: Instance) -> None:
    async with instance.worker(backoff=0, max_attempts=2) as proc:
        with pytest.raises(NotFound, match="there is no task") as unknown:
            await proc.wait_result(TaskId[Any]("0" * 32), 5)
        assert isinstance(unknown.value, LookupError)
        with pytest.raises(NotFound):
            await proc.wait_result("no id", 5)
        waiting = await proc.enqueue_task("default", "acme", keeping.wait_for, "gate", 5)
        with pytest.raises(NotReady, match=r"had not ended after 0\.1 s") as late:
            await proc.wait_result(waiting, 0.1)
        assert isinstance(late.value, TimeoutError)
        failing = await proc.enqueue_task("default", "acme", keeping.fail_below, 9, "it broke")
        with pytest.raises(TaskFailed, match="failed: ValueError: it broke") as failed:
            await proc.wait_result(failing, 10)
        assert [(e.type, e.message) for e in failed.value.errors] == [("ValueError", "it broke")] * 2
        assert await proc.wait_result(await proc.enqueue_task("default", "acme", keeping.nothing), 10) is None
        keeping.gate("gate").set()
        assert await proc.wait_result(waiting, 10) == 5


async def test_a_cancelled_task_is_told_as_an_exception_of_both_kinds(instance: Instance) -> None:
    async with instance.worker() as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.wait_for, "gate")
        wait = asyncio.create_task(proc.wait_result(task_id, 10))
        await instance.wait_records(1, "start")
        assert await proc.cancel_task(task_id)
        with pytest.raises(WaitCancelled) as raised:
            await wait
        assert isinstance(raised.value, TaskCancelled)
        assert isinstance(raised.value, TaskprocError)
        later = await proc.options(delay=60).enqueue_task("default", "acme", keeping.nothing)
        assert await proc.cancel_task(later)
        with pytest.raises(TaskCancelled):
            await proc.wait_result(later, 10)


async def test_a_wait_ends_when_the_batch_is_cancelled(instance: Instance) -> None:
    async with instance.open(**FAR) as proc:
        ids: list[TaskId[int]] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(keeping.double, 1)))
        wait = asyncio.create_task(proc.wait_result(ids[0], 10))
        await until(lambda: instance.client.hexists(instance.key("b", batch_id), "watched"))
        await proc.cancel_batch(batch_id)
        with pytest.raises(TaskCancelled):
            await wait


async def test_a_result_is_there_within_milliseconds(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        await proc.wait_result(await proc.enqueue_task("default", "acme", keeping.double, 1), 10)
        took = []
        for number in range(10):
            began = time.monotonic()
            task_id = await proc.enqueue_task("default", "acme", keeping.double, number)
            assert await proc.wait_result(task_id, 10) == 2 * number
            took.append(time.monotonic() - began)
        assert sorted(took)[5] < 0.1


async def test_many_wait_for_one_and_one_for_many(instance: Instance) -> None:
    async with instance.worker(max_workers=50, **FAR) as proc:
        one = await proc.enqueue_task("default", "acme", keeping.wait_for, "gate", 5)
        ids: list[TaskId[int]] = []
        await proc.enqueue_batch("default", "acme", lambda b: ids.extend(b.enqueue(keeping.double, n) for n in range(40)))
        waits = asyncio.gather(*(proc.wait_result(one, 10) for _ in range(5)))
        assert await asyncio.gather(*(proc.wait_result(task_id, 10) for task_id in ids)) == [2 * n for n in range(40)]
        keeping.gate("gate").set()
        assert await waits == [5] * 5


async def test_a_wait_outlives_a_broken_subscription(instance: Instance) -> None:
    async with (
        Proxy(instance.server) as proxy,
        instance.worker(**FAR) as worker,
        instance.open(redis=proxy.url, **FAR) as proc,
    ):
        task_id = await worker.enqueue_task("default", "acme", keeping.wait_for, "gate", 5)
        wait = asyncio.create_task(proc.wait_result(task_id, 10))
        await until(lambda: instance.client.hexists(instance.key("b", task_id[:22], "rec"), task_id[22:] + "w"))
        proxy.refuse()
        keeping.gate("gate").set()
        assert await worker.wait_result(task_id, 10) == 5
        assert not wait.done()
        proxy.heal()
        assert await wait == 5


@pytest.mark.row("PJ-04")
async def test_an_id_can_not_be_awaited(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id: Any = await proc.enqueue_task("default", "acme", keeping.double, 1)
        with pytest.raises(TypeError):
            await task_id
        info = await proc.get_task(task_id)
        assert info is not None
        assert (info.ended, info.result, info.errors) == (False, None, ())


# of tasks that have no record


async def test_waiting_for_a_task_without_a_record(instance: Instance) -> None:
    async with instance.worker(max_attempts=1) as proc:
        plain = await proc.enqueue_task("default", "acme", keeping.wait_plainly, "gate")
        wait = asyncio.create_task(proc.wait_result(plain, 10))
        await instance.wait_records(1, "start")
        await asyncio.sleep(0.1)
        keeping.gate("gate").set()
        began = time.monotonic()
        with pytest.raises(ResultNotKept, match="only keep='all' keeps results"):
            await wait
        assert time.monotonic() - began < 1
        with pytest.raises(ResultNotKept):
            await proc.wait_result(plain, 10)
        failing = await proc.enqueue_task("default", "acme", handlers.fail, "dead")
        with pytest.raises(TaskFailed, match="ValueError: dead"):
            await proc.wait_result(failing, 10)
        dropped = await proc.enqueue_task("default", "acme", keeping.fail_unkept)
        with pytest.raises(ResultNotKept):
            await proc.wait_result(dropped, 10)


async def test_the_call_may_ask_for_a_record(instance: Instance) -> None:
    async with instance.worker() as proc:
        acme = proc.tenant("acme")
        assert await acme.wait_result(await acme.options(keep="all").enqueue(keeping.triple, 2), 10) == 6
        task_id = await acme.options(keep="failed").enqueue(keeping.double, 2)
        with pytest.raises(ResultNotKept):
            await acme.wait_result(task_id, 10)
        raw = await proc.options(keep="all").enqueue_raw("default", "acme", "tests.keeping.unknown", b"x")
        info = await proc.get_task(raw)
        assert info is not None
        assert (info.kept, info.data) == (True, b"x")
        assert await proc.cancel_task(raw)


async def test_another_tenants_result_is_not_found(instance: Instance) -> None:
    async with instance.worker() as proc:
        task_id = await proc.tenant("acme").enqueue(keeping.double, 2)
        other = proc.tenant("other")
        with pytest.raises(NotFound):
            await other.wait_result(task_id, 10)
        assert await proc.tenant("acme").wait_result(task_id, 10) == 4
        with pytest.raises(NotFound):
            await other.wait_result(task_id, 10)
        assert await other.get_task(task_id) is None
