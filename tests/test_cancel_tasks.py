"""Cancelling single tasks, wherever they wait and while they run."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from time import monotonic
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskContext, TaskState
from taskproc.ids import new_id
from taskproc.store import WorkerStore
from tests import handlers
from tests.harness import MODES, UNKNOWN, Instance, counters
from tests.measure import in_time
from tests.watching import counts, emptied, prune, state_of


@pytest.mark.parametrize("mode", MODES)
async def test_a_ready_task_deep_in_a_long_list_can_be_cancelled(instance: Instance, mode: Any) -> None:
    async with instance.open(max_workers=100) as proc:
        await proc.set_queue_mode("default", mode)
        ids: list[str] = []

        chosen = {0, 1, 1_234, 2_500, 4_998, 4_999}

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(handlers.mark if n in chosen else handlers.noop, n) for n in range(5_000))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        for n in sorted(chosen):
            assert await proc.cancel_task(ids[n]) is True
            assert await proc.cancel_task(ids[n]) is False
        assert counters(await proc.get_batch(batch_id)) == (5_000, 0, 0, 6, 4_994)
        assert await counts(proc) == (4_994, 0, 0, 0)
        listed = [task.id for task in await proc.get_tasks_in_queue("default", 0, 5_000)]
        assert listed == [task_id for n, task_id in enumerate(ids) if n not in chosen]
        assert await proc.run_until_idle() == 4_994
        assert counters(await proc.get_batch(batch_id)) == (5_000, 4_994, 0, 6, 0)
        assert await state_of(proc, batch_id) is BatchState.DONE
        assert not instance.records


async def test_a_ready_task_is_found_wherever_it_lies(instance: Instance) -> None:
    """Tasks of two queues in turn, of appends, and single ones of two producers: no place can be told from an id."""
    async with instance.open() as proc, instance.open() as other:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            for n in range(3_000):
                queue = "default" if n % 2 else "other"
                task_id = batch.options(queue=queue).enqueue(handlers.noop, n)
                if n % 500 in (0, 1):
                    ids.append(task_id)

        def one_more(batch: Batch) -> None:
            ids.append(batch.enqueue(handlers.noop))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.append_batch("default", "acme", batch_id, build)
        for n in range(3):
            assert await other.append_batch("default", "acme", batch_id, one_more)
            ids += [await one.enqueue_task("default", "acme", handlers.noop, n) for one in (proc, other)]
        for task_id in ids:
            assert await proc.cancel_task(task_id) is True
        waiting = 6_000 - 24
        assert counters(await proc.get_batch(batch_id)) == (6_003, 0, 0, 27, waiting)
        assert (await counts(proc))[0] + (await counts(proc, "other"))[0] == waiting
        assert await proc.cancel_batch(batch_id)
        assert await counts(proc) == await counts(proc, "other") == (0, 0, 0, 0)


async def test_a_delayed_task_can_be_cancelled(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.append(batch.options(delay=0.4).enqueue(handlers.mark))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, build)
        await proc.append_batch(
            "default", "acme", batch_id, lambda b: [build(b), *(b.enqueue(handlers.noop) for _ in range(1_000))]
        )
        ids.append(await proc.options(delay=0.4).enqueue_task("default", "acme", handlers.mark))
        for task_id in ids:
            assert await proc.cancel_task(task_id) is True
            assert await proc.cancel_task(task_id) is False
        assert (await proc.get_queue("default")).delayed == 0
        assert counters(await proc.wait_batch(batch_id, 10)) == (1_003, 1_000, 0, 3, 0)
        await asyncio.sleep(0.6)
        assert not instance.records


@pytest.mark.row("BN-09")
@pytest.mark.parametrize("handler", [handlers.nap, handlers.nap_thread])
async def test_a_running_task_that_is_cancelled_is_told_and_never_runs_again(instance: Instance, handler: Any) -> None:
    outcomes: list[str] = []

    async def end(ctx: TaskContext) -> None:
        outcomes.append(str(ctx.outcome))

    async with instance.worker(on_task_end=end, backoff=0.05, invisibility=1) as proc:
        task_id = await proc.options(max_attempts=5).enqueue_task("default", "acme", handler, 30)
        await instance.wait_records(1, "start")
        called = instance.now()
        assert await proc.cancel_task(task_id) is True
        [told] = await instance.wait_records(1, "cancelled")
        assert told["id"] == task_id
        assert told["at"] - called < 1
        await emptied(proc)
        await asyncio.sleep(1.5)
        assert len(instance.recorded("start")) == 1
        assert [outcome.partition("(")[0] for outcome in outcomes] == ["Cancelled"]
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed, totals.cancelled, totals.remaining) == (0, 0, 1, 0)
        assert await proc.get_dead_tasks() == []
        assert await proc.get_task(task_id) is None


@pytest.mark.row("BN-10")
async def test_the_cancel_of_a_task_that_nobody_knows_is_false_at_once(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.pause()  # the first call of a producer makes the record of its calls
        await proc.resume()
        before = instance.keys()

        async def seconds() -> float:
            began = monotonic()
            assert await proc.cancel_task(new_id() + new_id()[:10]) is False
            return monotonic() - began

        await in_time(seconds, 0.1)
        assert instance.keys() == before


@pytest.mark.row("BN-11")
async def test_a_task_that_is_cancelled_before_it_starts_never_runs(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[str] = [await proc.enqueue_task("default", "acme", handlers.mark)]
        ids.append(await proc.options(delay=0.2).enqueue_task("default", "acme", handlers.mark))
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: ids.append(batch.enqueue(handlers.mark)))
        assert [await proc.cancel_task(task_id) for task_id in ids] == [True] * 3
        async with instance.worker():
            await asyncio.sleep(2)
        assert not instance.records
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.cancelled, totals.done, totals.remaining) == (3, 3, 0, 0)
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)
        assert [await proc.get_task(task_id) for task_id in ids] == [None] * 3


async def test_a_running_task_can_be_cancelled_and_its_batch_goes_on(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.nap, 30)
            batch.enqueue(handlers.mark)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        (start,) = await instance.wait_records(1, "start")
        assert await proc.cancel_task(start["id"]) is True
        assert await proc.cancel_task(start["id"]) in (True, False)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.state, counters(info)) == (BatchState.DONE, (2, 1, 0, 1, 0))
        ran = await instance.wait_records(2, "ran")
        assert ran[-1]["counters"] == [2, 1, 0, 1, 0]
        assert await proc.cancel_task(start["id"]) is False


async def test_a_dead_task_cannot_be_cancelled_nor_one_that_is_done_or_unknown(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        done = await proc.enqueue_task("default", "acme", handlers.noop)
        dead = await proc.enqueue_task("default", "acme", handlers.fail)
        await proc.run_until_idle()
        before = instance.keys()
        for task_id in (done, done[:22] + "0" * 10, UNKNOWN + "0" * 10, "no id at all", "", done[:22]):
            assert await proc.cancel_task(task_id) is False
        assert instance.keys() == before
        assert await proc.cancel_task(dead) is False
        assert [(letter.id, letter.state) for letter in await proc.get_dead_tasks()] == [(dead, TaskState.FAILED)]
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.done, totals.failed, totals.cancelled) == (2, 1, 1, 0)


async def test_a_retried_task_can_be_cancelled_again(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.fail)))
        await proc.run_until_idle()
        assert await proc.retry_dead_tasks() == 1
        assert await proc.cancel_task(ids[0]) is True
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)
        assert await state_of(proc, batch_id) is BatchState.DONE
        assert await proc.run_until_idle() == 0


async def test_a_batch_whose_last_task_is_cancelled_settles(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        ids: list[str] = []

        def build(batch: Batch, *, broken: bool) -> None:
            batch.enqueue(handlers.fail if broken else handlers.noop)
            ids.append(batch.options(delay=60).enqueue(handlers.mark))
            for on in ("done", "failed", "settled", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        for broken, fires in [(False, ["done", "settled"]), (True, ["failed", "settled"])]:
            batch_id = await proc.enqueue_batch("default", "acme", lambda b, broken=broken: build(b, broken=broken))
            await proc.run_until_idle()
            assert await state_of(proc, batch_id) is BatchState.RUNNING
            assert await proc.cancel_task(ids[-1])
            assert await state_of(proc, batch_id) == ("failed" if broken else "done")
            await proc.run_until_idle()
            assert sorted(r["tag"] for r in instance.recorded("ran") if r["batch"] == batch_id) == fires


async def test_tasks_cancelled_while_workers_claim_end_in_one_way_each(instance: Instance) -> None:
    async with instance.worker(max_workers=5) as proc, instance.open() as other:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(handlers.mark, n) for n in range(1_500))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        told: dict[str, bool] = {}
        for share in (ids[0::6], ids[3::6]):
            told |= zip(share, await asyncio.gather(*(other.cancel_task(one) for one in share)), strict=True)
        info = await proc.wait_batch(batch_id, 20)
        ran = {r["id"] for r in instance.recorded("ran")}
        assert len(instance.recorded("ran")) == len(ran)
        assert {task_id for task_id in ids if not told.get(task_id)} <= ran
        assert 0 < info.cancelled <= sum(told.values())
        assert counters(info) == (1_500, 1_500 - info.cancelled, 0, info.cancelled, 0)
        assert len(ran) >= info.done


async def test_in_a_strict_queue_nobody_takes_the_place_of_a_cancelled_task(instance: Instance) -> None:
    async with instance.open(max_workers=1) as proc:
        await proc.set_queue_mode("default", "fifo")
        enqueue = partial(proc.enqueue_task, "default")
        await enqueue("acme", handlers.mark, "A1")
        await enqueue("beta", handlers.mark, "B")
        second = await enqueue("acme", handlers.mark, "A2")
        assert await proc.cancel_task(second)
        work = WorkerStore(proc._store.target, instance.name, ["default"], 30_000).work
        [claims] = (await work.step(1, [])).claims
        assert b"A1" in claims.bodies[0]
        await enqueue("core", handlers.mark, "C")
        await enqueue("acme", handlers.mark, "A3")
        assert await proc.run_until_idle() == 3
        assert [r["tag"] for r in instance.recorded("ran")] == ["B", "C", "A3"]


@pytest.mark.parametrize("size", [10, 7_000])
async def test_a_task_is_found_wherever_it_waits(instance: Instance, size: int) -> None:
    async with instance.open() as proc:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.options(queue=f"q{n % 3}").enqueue(handlers.swallow, "x" * size) for n in range(900))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.append_batch("default", "acme", batch_id, build)
        lists = [name for name in instance.names(":r:") if batch_id in name]
        chosen = {ids[0], ids[899], ids[900], ids[-1], *random.Random(1).sample(ids, 40)}
        for task_id in chosen:
            found = await proc.get_task(task_id)
            assert found is not None
            assert (found.id, found.state) == (task_id, TaskState.READY)
        for name in lists:
            for _ in range(20):  # as rescues do, which bring tasks back to the head
                instance.client.lmove(name, name, "RIGHT", "LEFT")
        for task_id in chosen:
            assert await proc.cancel_task(task_id)
            assert await proc.get_task(task_id) is None
        assert counters(await proc.get_batch(batch_id))[3] == len(chosen)
        assert not await proc.cancel_task(ids[5][:22] + "zzzzzzzzzz")


@pytest.mark.parametrize("end", ["prune", "mode"])
async def test_nothing_is_left_of_tasks_cancelled_in_a_strict_queue(instance: Instance, end: str) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", "fifo")
        for _ in range(3):
            assert await proc.cancel_task(await proc.enqueue_task("default", "acme", handlers.mark))
        assert instance.names(":r:")
        if end == "mode":
            await proc.set_queue_mode("default", "fair")
        else:
            await prune(instance, proc)
            assert instance.names(":t:") == []
        assert instance.names(":r:") == instance.names(":fifo:") == []
        await proc.enqueue_task("default", "acme", handlers.mark)
        assert await proc.run_until_idle() == 1
