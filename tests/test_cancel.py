"""Cancelling batches: what waits never runs, what runs is told at once, everything stays counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskContext
from taskproc.outcome import Cancelled
from tests import handlers
from tests.building import marks, naps
from tests.harness import MODES, UNKNOWN, Instance, counters, until
from tests.proxy import Cut, Proxy
from tests.watching import counts, emptied, state_of


@pytest.mark.row("CT-13")
async def test_tasks_of_a_cancelled_batch_that_have_not_started_never_run(instance: Instance) -> None:
    async with instance.worker(max_workers=2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: [marks(3)(b), naps(17)(b)])
        await instance.wait_records(2, "start")
        assert await proc.cancel_batch(batch_id)
        info = await proc.get_batch(batch_id)
        assert counters(info) == (20, 3, 0, 17, 0)
        assert info is not None
        assert info.state is BatchState.CANCELLED
        assert info.ended_at is not None
        await instance.wait_records(2, "cancelled")
        await emptied(proc)
        await asyncio.sleep(0.3)
        assert len(instance.recorded("start")) == 2
        assert not instance.recorded("end")
        assert await proc.get_batch(batch_id) is not None
        assert counters(await proc.get_batch(batch_id)) == (20, 3, 0, 17, 0)


@pytest.mark.row("CT-14", "PJ-32")
async def test_running_tasks_are_told_at_once_in_every_process(instance: Instance) -> None:
    workers = [instance.process(wait=False, max_workers=3) for _ in range(3)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        # nine slots: whichever task goes where, each process runs one of the batch
        other = await proc.enqueue_batch("default", "acme", naps(2, "other"))
        batch_id = await proc.enqueue_batch("default", "acme", naps(7, "cancelled"))
        starts = await instance.wait_records(7, "start", tag="cancelled")
        await instance.wait_records(2, "start", tag="other")
        assert {r["pid"] for r in starts} == {worker.pid for worker in workers}
        assert await proc.cancel_batch(batch_id)
        returned = instance.now()
        told = await instance.wait_records(7, "cancelled")
        assert {r["tag"] for r in told} == {"cancelled"}
        assert max(r["at"] for r in told) < returned + 1

        async def two_running() -> bool:
            return await counts(proc) == (0, 2, 0, 0)

        await until(two_running)
        assert counters(await proc.get_batch(other)) == (2, 0, 0, 0, 2)
        task_id = instance.recorded("start", tag="other")[0]["id"]
        assert await proc.cancel_task(task_id)
        returned = instance.now()
        (told_other,) = await instance.wait_records(1, "cancelled", tag="other")
        assert told_other["id"] == task_id
        assert told_other["at"] < returned + 1
        assert await proc.cancel_batch(other)
        await emptied(proc)
        assert counters(await proc.get_batch(other)) == (2, 0, 0, 2, 0)


@pytest.mark.row("PJ-32")
async def test_a_cancel_takes_effect_within_milliseconds_in_one_process(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        late: dict[str, list[float]] = {"task": [], "batch": []}
        for n in range(6):
            kind = "task" if n % 2 else "batch"
            batch_id = await proc.enqueue_batch("default", "acme", naps(1))
            running = (await instance.wait_records(n + 1, "start"))[-1]["id"]
            waiting = await proc.enqueue_task("default", "acme", handlers.mark)
            assert await proc.cancel_task(waiting)
            called = instance.now()
            assert await (proc.cancel_task(running) if kind == "task" else proc.cancel_batch(batch_id))
            told = await instance.wait_records(n + 1, "cancelled")
            late[kind].append(told[-1]["at"] - called)
            await emptied(proc)
        assert max(min(times) for times in late.values()) < 0.05, late
        assert not instance.recorded("ran")


@pytest.mark.parametrize("handler", [handlers.nap, handlers.nap_thread, handlers.nap_process])
@pytest.mark.parametrize("kind", ["batch", "task"])
async def test_running_tasks_of_every_kind_end_at_a_cancel(
    instance: Instance, handler: Callable[[float], Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)  # for a handler in a process of its own
    async with instance.worker() as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handler, 30)))
        await instance.wait_records(1, "start")
        assert await (proc.cancel_batch(batch_id) if kind == "batch" else proc.cancel_task(ids[0]))
        await emptied(proc)
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)
        assert await state_of(proc, batch_id) == ("cancelled" if kind == "batch" else "done")
        assert not instance.recorded("end")


@pytest.mark.row("CT-15")
async def test_cancel_tells_whether_it_cancelled_anything(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        before = instance.keys()
        for unknown in (UNKNOWN, "no id at all", ""):
            assert await proc.cancel_batch(unknown) is False
        assert instance.keys() == before
        live = await proc.enqueue_batch("default", "acme", marks(2))
        assert await proc.cancel_batch(live, tenant="other") is False
        assert await proc.cancel_batch(live, tenant="acme") is True
        ended = await proc.get_batch(live)
        assert await proc.cancel_batch(live) is False
        assert await proc.get_batch(live) == ended
        done = await proc.enqueue_batch("default", "acme", marks(2))
        assert await proc.run_until_idle() == 2
        assert await proc.cancel_batch(done) is False
        assert await state_of(proc, done) is BatchState.DONE


@pytest.mark.row("CT-15")
async def test_of_many_cancels_at_once_one_is_the_one(instance: Instance) -> None:
    async with instance.open() as proc, instance.open() as other:
        batch_id = await proc.enqueue_batch("default", "acme", marks(5))
        told = await asyncio.gather(*(one.cancel_batch(batch_id) for one in (proc, other) for _ in range(10)))
        assert sorted(told) == [False] * 19 + [True]
        assert counters(await proc.get_batch(batch_id)) == (5, 0, 0, 5, 0)


@pytest.mark.row("CT-15", "CT-16")
async def test_a_failed_batch_can_be_cancelled_while_it_has_dead_tasks(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        failed = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.fail), b.enqueue(handlers.noop)])
        discarded = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.fail))
        await proc.run_until_idle()
        assert await proc.discard_dead_tasks(batch_id=discarded) == 1
        assert await proc.cancel_batch(discarded) is False
        assert await state_of(proc, discarded) is BatchState.FAILED
        assert await proc.cancel_batch(failed) is True
        assert counters(await proc.get_batch(failed)) == (2, 1, 1, 0, 0)
        assert await state_of(proc, failed) is BatchState.CANCELLED
        assert await counts(proc) == (0, 0, 0, 0)
        assert await proc.get_dead_tasks() == []
        assert await proc.retry_dead_tasks(batch_id=failed) == 0
        assert await proc.cancel_batch(failed) is False


@pytest.mark.row("CT-16")
async def test_cancel_covers_delayed_tasks_and_those_that_wait_for_a_retry(instance: Instance) -> None:
    async with instance.worker(backoff=0.5, max_attempts=2) as proc:

        def build(batch: Batch) -> None:
            batch.options(max_attempts=1).enqueue(handlers.fail)
            batch.enqueue(handlers.fail)
            batch.options(delay=60).enqueue(handlers.mark)
            batch.options(delay=0.5).enqueue(handlers.mark)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, lambda b: b.options(delay=60).enqueue(handlers.mark))

        async def waits() -> bool:
            return await counts(proc) == (0, 0, 4, 1)

        await until(waits)
        assert await proc.cancel_batch(batch_id)
        assert counters(await proc.get_batch(batch_id)) == (5, 0, 1, 4, 0)
        assert await counts(proc) == (0, 0, 0, 0)
        assert await proc.get_dead_tasks() == []
        await asyncio.sleep(0.8)
        assert len(instance.recorded("start")) == 2
        assert not instance.recorded("ran")


@pytest.mark.row("CT-17")
@pytest.mark.parametrize("handler", [handlers.nap, handlers.nap_thread, handlers.nap_process, handlers.fail_late])
async def test_a_cancelled_run_is_no_error_and_costs_no_retry(
    instance: Instance, handler: Callable[[float], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    errors: list[BaseException] = []
    ends: list[TaskContext] = []

    async def on_error(ctx: TaskContext, error: BaseException) -> None:
        errors.append(error)

    async def on_end(ctx: TaskContext) -> None:
        ends.append(ctx)

    seconds = 0.4 if handler is handlers.fail_late else 30
    async with instance.worker(on_task_error=on_error, on_task_end=on_end, backoff=0) as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handler, seconds)))
        other = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handler, seconds)))
        await instance.wait_records(2, "start")
        assert await proc.cancel_batch(batch_id)
        assert await proc.cancel_task(ids[1])
        await emptied(proc)
        await until(lambda: len(ends) == 2)
        assert [(ctx.attempt, ctx.cancelled, type(ctx.outcome)) for ctx in ends] == [(1, True, Cancelled)] * 2
        assert not errors
        assert counters(await proc.get_batch(batch_id)) == counters(await proc.get_batch(other)) == (1, 0, 0, 1, 0)
        assert len(instance.recorded("start")) == 2


async def test_a_thread_that_goes_on_changes_nothing_after_its_batch_was_cancelled(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids: list[str] = []
        cancelled = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.stubborn, 0.5))
        single = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.stubborn, 0.5)))
        await instance.wait_records(2, "start")
        assert await proc.cancel_batch(cancelled)
        assert await proc.cancel_task(ids[0])
        assert counters(await proc.get_batch(cancelled)) == (1, 0, 0, 1, 0)
        assert counters(await proc.get_batch(single)) == (1, 0, 0, 0, 1)
        assert await counts(proc) == (0, 2, 0, 0)
        await instance.wait_records(2, "end")
        await emptied(proc)
        assert counters(await proc.get_batch(cancelled)) == (1, 0, 0, 1, 0)
        assert counters(await proc.get_batch(single)) == (1, 1, 0, 0, 0)  # it did end before it could be stopped


@pytest.mark.parametrize("kind", ["batch", "task"])
async def test_a_cancel_during_the_start_hook_is_not_lost(instance: Instance, kind: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def on_start(ctx: TaskContext) -> None:
        begun.set()
        await go_on.wait()
        assert ctx.cancelled

    async with instance.worker(on_task_start=on_start) as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.nap, 30)))
        await begun.wait()
        assert await (proc.cancel_batch(batch_id) if kind == "batch" else proc.cancel_task(ids[0]))
        await asyncio.sleep(0.1)
        go_on.set()
        await emptied(proc)
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("kind", ["batch", "task"])
async def test_a_worker_that_missed_the_message_learns_of_a_cancel_at_its_next_renewal(
    instance: Instance, kind: str
) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as proc:
        proxy.cut("SUBSCRIBE", Cut.BEFORE)
        async with instance.worker(redis=proxy.url, invisibility=0.9):
            ids: list[str] = []
            batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.nap, 30)))
            await instance.wait_records(1, "start")
            assert await (proc.cancel_batch(batch_id) if kind == "batch" else proc.cancel_task(ids[0]))
            returned = instance.now()
            (told,) = await instance.wait_records(1, "cancelled")
            assert told["at"] < returned + 2
            await emptied(proc)
            assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)


async def test_tasks_that_were_cancelled_when_their_worker_died_do_not_run_again(instance: Instance) -> None:
    killed = instance.process(invisibility=0.6, max_workers=3)
    async with instance.open() as proc:
        ids: list[str] = []
        cancelled = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.stubborn, 30))
        single = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.stubborn, 30)))
        ids.append(await proc.enqueue_task("default", "acme", handlers.stubborn, 30))
        await instance.wait_records(3, "start")
        assert await proc.cancel_batch(cancelled)
        for task_id in ids:
            assert await proc.cancel_task(task_id)
        killed.kill()
        async with instance.worker(invisibility=0.6):
            await emptied(proc)
        assert counters(await proc.get_batch(cancelled)) == (1, 0, 0, 1, 0)
        assert counters(await proc.get_batch(single)) == (1, 0, 0, 1, 0)
        assert len(instance.recorded("start")) == 3


async def test_a_batch_cancelled_while_an_append_is_being_staged_takes_nothing_of_it(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(1))

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handlers.mark, ((n,) for n in range(2_500)))
            assert await proc.cancel_batch(batch_id)

        assert await proc.append_batch("default", "acme", batch_id, build) is False
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)
        assert instance.belonging(batch_id) == [""]
        assert await proc.run_until_idle() == 0


@pytest.mark.parametrize("mode", MODES)
async def test_other_batches_keep_their_place_when_one_is_cancelled(instance: Instance, mode: Any) -> None:
    async with instance.open(max_workers=1) as proc:
        await proc.set_queue_mode("default", mode)
        ids = [
            await proc.enqueue_batch("default", "acme", lambda b, n=n: [b.enqueue(handlers.mark, n) for _ in range(3)])
            for n in range(4)
        ]
        assert await proc.cancel_batch(ids[1])
        assert await counts(proc) == (9, 0, 0, 0)
        assert [task.batch_id for task in await proc.get_tasks_in_queue("default")] == [
            ids[n] for n in (0, 0, 0, 2, 2, 2, 3, 3, 3)
        ]
        assert await proc.run_until_idle() == 9
        tags = [r["tag"] for r in instance.recorded("ran")]
        assert tags == sorted(tags) if mode == "fifo" else sorted(tags) == [0, 0, 0, 2, 2, 2, 3, 3, 3]
