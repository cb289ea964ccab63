"""Batches from enqueue to settled: building, staging, continuations, appends, counters."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from taskproc import (
    Batch,
    BatchCancelled,
    BatchInfo,
    BatchState,
    InvalidValue,
    NotFound,
    PayloadTooLarge,
    TaskContext,
    TaskProcessor,
    TaskState,
)
from taskproc.batch import Build, fill
from tests import handlers
from tests.harness import Instance, Record, counters, until

UNKNOWN = "0" * 22

BARE = {"", ":a"}
"""Keys of a batch that has nothing more to run: its record, and what was appended to it."""


def marks(count: int) -> Build:
    """Fills a batch with tasks that record themselves."""
    return lambda batch: [batch.enqueue(handlers.mark, n) for n in range(count)]


def noops(count: int) -> Build:
    """Fills a batch with tasks that do nothing."""
    return lambda batch: [batch.enqueue(handlers.noop, n) for n in range(count)]


def fired(instance: Instance) -> list[Record]:
    """The continuations that have run."""
    return [r for r in instance.recorded("ran") if r.get("continuation")]


# creation


@pytest.mark.row("CT-01", "CT-02")
async def test_a_batch_is_stored_whole_with_its_counters(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(3), label="three")
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.total, info.remaining, info.done, info.failed, info.cancelled) == (3, 3, 0, 0, 0)
        assert (info.state, info.ended_at, info.tenant, info.label) == (BatchState.RUNNING, None, "acme", "three")


@pytest.mark.row("CT-02")
async def test_every_form_of_building_stores_the_same(instance: Instance) -> None:
    async def slowly(batch: Batch) -> None:
        assert await batch.enqueue_many(handlers.mark, ((n,) for n in range(3))) == 3
        await batch.flush()
        batch.continue_with(handlers.after)

    def plainly(batch: Batch) -> None:
        marks(3)(batch)
        batch.continue_with(handlers.after)

    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", build) for build in (slowly, plainly)]
        async with proc.batch("default", "acme") as batch:
            plainly(batch)
        async with proc.tenant("acme").batch() as other:
            await slowly(other)
        ids += [batch.id, other.id, await proc.tenant("acme").enqueue_batch(plainly)]
        assert [counters(await proc.get_batch(batch_id)) for batch_id in ids] == [(3, 0, 0, 0, 3)] * 5
        assert await proc.run_until_idle() == 20
        assert Counter(r["batch"] for r in fired(instance)) == Counter(ids)


@pytest.mark.row("CT-02")
@pytest.mark.parametrize("count", [3, 2_500])
async def test_an_exception_while_building_stores_nothing(instance: Instance, count: int) -> None:
    def build(batch: Batch) -> None:
        marks(count)(batch)
        batch.continue_with(handlers.after)
        raise ValueError("enough")

    async def stage(batch: Batch) -> None:
        marks(count)(batch)
        await batch.flush()
        assert bool(instance.belonging(batch.id)) == (count > 1_000)
        raise ValueError("enough")

    async with instance.open() as proc:
        before = instance.keys()
        for broken in (build, stage):
            with pytest.raises(ValueError, match="enough"):
                await proc.enqueue_batch("default", "acme", broken)
            with pytest.raises(ValueError, match="enough"):
                async with proc.batch("default", "acme") as batch:
                    await fill(batch, broken)
        assert instance.keys() == before


async def test_an_exception_among_20_000_rows_stores_nothing(instance: Instance) -> None:
    def rows() -> Iterator[tuple[object]]:
        for n in range(20_000):
            if n == 15_000:
                assert len(instance.keys()) > len(before)
                raise OSError("the file ends here")
            yield (n,)

    async with instance.open() as proc:
        before, acme = instance.keys(), proc.tenant("acme")
        with pytest.raises(OSError, match="ends here"):
            async with acme.batch("default", label="import") as batch:
                await batch.enqueue_many(handlers.noop, rows())
        with pytest.raises(TypeError, match="noop"):
            async with acme.batch("default", label="import") as batch:
                await batch.enqueue_many(handlers.noop, ((object() if n == 15_000 else n,) for n in range(20_000)))
        assert instance.keys() == before
        assert await acme.count_batches() == 0


async def test_a_large_batch_appears_whole(instance: Instance) -> None:
    async with instance.open() as proc, instance.open() as other:
        seen: set[tuple[int, int]] = set()

        async def look() -> None:
            while True:
                totals = await other.get_tenant("acme")
                seen.add((0, 0) if totals is None else (totals.batches, totals.total))
                assert all(info.total == 20_000 for info in await other.get_batches("acme"))
                assert (await other.get_queue("default")).ready in (0, 20_000)

        looking = asyncio.create_task(look())
        async with proc.tenant("acme").batch("default") as batch:
            assert await batch.enqueue_many(handlers.noop, ((n,) for n in range(20_000))) == batch.total == 20_000
        await until(lambda: looking.done() or (1, 20_000) in seen)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert seen == {(0, 0), (1, 20_000)}
        assert counters(await proc.get_batch(batch.id)) == (20_000, 0, 0, 0, 20_000)
        assert await proc.cancel_batch(batch.id)
        assert (await proc.get_queue("default")).ready == 0


async def test_a_staged_batch_runs_each_of_its_tasks_once(instance: Instance) -> None:
    ran: Counter[str] = Counter()

    async def count(ctx: TaskContext) -> None:
        ran[ctx.id] += 1

    async with instance.worker(queues=["default", "other"], max_workers=100, on_task_start=count) as proc:
        async with proc.batch("default", "acme") as batch:
            ids = [batch.enqueue(handlers.noop, n) for n in range(1_500)]
            await batch.options(queue="other").enqueue_many(handlers.noop, ((n,) for n in range(1_000)))
            ids += [batch.options(delay=0.2).enqueue(handlers.noop, n) for n in range(300)]
            batch.continue_with(handlers.after)
        info = await proc.wait_batch(batch.id, 20)
        assert (info.state, info.total, info.done) == (BatchState.DONE, 2_800, 2_800)
        await instance.wait_records(1, "ran")
        assert set(ran.values()) == {1}
        assert set(ids) <= ran.keys()
        assert len(ran) == 2_801


async def test_a_batch_of_no_tasks_is_done_at_once_and_its_continuations_fire(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for on in ("done", "settled", "failed", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        info = await proc.get_batch(batch_id)
        assert counters(info) == (0, 0, 0, 0, 0)
        assert info is not None
        assert info.state is BatchState.DONE
        assert info.ended_at is not None
        assert info.ended_at >= info.created_at
        assert await proc.wait_batch(batch_id, 1) == info
        assert await proc.run_until_idle() == 2
        assert sorted(r["tag"] for r in fired(instance)) == ["done", "settled"]
        assert not await proc.cancel_batch(batch_id)


async def test_a_batch_takes_no_more_once_it_is_built(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            batch.enqueue(handlers.noop)
        with pytest.raises(InvalidValue, match="append_batch"):
            batch.enqueue(handlers.noop)
        with pytest.raises(InvalidValue, match="append_batch"):
            await batch.flush()
        assert counters(await proc.get_batch(batch.id)) == (1, 0, 0, 0, 1)


async def test_enqueue_gives_the_id_under_which_the_task_runs(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: ids.append(b.enqueue(handlers.mark)))
        await proc.append_batch("default", "acme", batch_id, lambda b: ids.append(b.enqueue(handlers.mark)))
        ids.append(await proc.enqueue_task("default", "acme", handlers.mark))
        for task_id in ids:
            info = await proc.get_task(task_id)
            assert info is not None
            assert (info.id, info.state) == (task_id, TaskState.READY)
        await proc.run_until_idle()
        assert sorted(r["id"] for r in instance.records) == sorted(ids)


# queues


@pytest.mark.row("CT-03")
async def test_a_worker_on_one_queue_runs_just_the_tasks_of_that_queue(instance: Instance) -> None:
    async with instance.worker(queues=["high"]) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, "default")
            batch.options(queue="high").enqueue(handlers.mark, "high")

        batch_id = await proc.enqueue_batch("default", "acme", build)

        async def one_done() -> bool:
            return counters(await proc.get_batch(batch_id)) == (2, 1, 0, 0, 1)

        await until(one_done)
        await asyncio.sleep(0.3)
        assert [(r["tag"], r["queue"]) for r in instance.records] == [("high", "high")]
        info = await proc.get_batch(batch_id)
        assert counters(info) == (2, 1, 0, 0, 1)
        assert info is not None
        assert info.state is BatchState.RUNNING


async def test_the_calls_queue_goes_before_the_handlers_and_that_before_the_batchs(instance: Instance) -> None:
    async with instance.open(queues=["batch", "own", "call"]) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, "batch")
            batch.enqueue(handlers.mark_own, "own")
            batch.options(queue="call").enqueue(handlers.mark_own, "call")
            batch.continue_with(handlers.mark, "batch")
            batch.continue_with(handlers.mark_own, "own")
            batch.options(queue="call").continue_with(handlers.mark_own, "call")

        await proc.enqueue_batch("batch", "acme", build)
        assert await proc.run_until_idle() == 6
        assert all(r["queue"] == r["tag"] for r in instance.records)


# continuations


@pytest.mark.row("CT-06", "CT-08")
async def test_continuations_start_when_all_tasks_are_done(instance: Instance) -> None:
    async with instance.worker(max_workers=3, queues=["default", "reports"]) as proc:

        def build(batch: Batch) -> None:
            for n in range(1, 6):
                batch.enqueue(handlers.nap, 0.1 * n)
            batch.continue_with(handlers.after, "default")
            batch.options(queue="reports").continue_with(handlers.after, "reports")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.state, info.total, info.done) == (BatchState.DONE, 5, 5)
        ran = await instance.wait_records(2, "ran")
        ends = instance.recorded("end")
        assert len(ends) == 5
        assert min(r["at"] for r in ran) >= max(r["at"] for r in ends)
        assert sorted((r["tag"], r["queue"]) for r in ran) == [("default", "default"), ("reports", "reports")]
        assert all(r["continuation"] and r["batch"] == batch_id and r["counters"] == [5, 5, 0, 0, 0] for r in ran)


@pytest.mark.row("CT-08")
async def test_a_continuation_carries_batch_and_tenant_and_is_not_counted(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            marks(2)(batch)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert counters(await proc.get_batch(batch_id)) == (2, 0, 0, 0, 2)
        assert await proc.run_until_idle() == 3
        assert counters(await proc.get_batch(batch_id)) == (2, 2, 0, 0, 0)
        assert [(r["batch"], r["tenant"], r["continuation"], r["counters"]) for r in fired(instance)] == [
            (batch_id, "acme", True, [2, 2, 0, 0, 0])
        ]
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.done) == (3, 3)


@pytest.mark.row("CT-07")
@pytest.mark.parametrize("count", [1, 1_100])
async def test_a_batch_takes_100_continuations_and_not_101(instance: Instance, count: int) -> None:
    def build(continuations: int) -> Build:
        def fill(batch: Batch) -> None:
            noops(count)(batch)
            for n in range(continuations):
                batch.continue_with(handlers.mark, n)

        return fill

    async with instance.open(max_workers=50) as proc:
        before = instance.keys()
        with pytest.raises(InvalidValue, match="at most 100 continuations"):
            await proc.enqueue_batch("default", "acme", build(101))
        assert instance.keys() == before
        await proc.enqueue_batch("default", "acme", build(100))
        assert await proc.run_until_idle() == count + 100
        assert sorted(r["tag"] for r in instance.recorded("ran")) == list(range(100))


@pytest.mark.parametrize(
    ("end", "fires"),
    [("done", ["done", "settled"]), ("failed", ["failed", "settled"]), ("cancelled", ["cancelled", "settled"])],
)
@pytest.mark.parametrize("count", [1, 1_100])
async def test_the_way_a_batch_ends_says_which_continuations_fire(
    instance: Instance, end: str, fires: list[str], count: int
) -> None:
    async with instance.open(max_attempts=1, max_workers=50) as proc:

        def build(batch: Batch) -> None:
            noops(count)(batch)
            if end == "failed":
                batch.enqueue(handlers.fail)
            for on in ("done", "settled", "failed", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        if end == "cancelled":
            assert await proc.cancel_batch(batch_id)
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.state == end
        assert sorted(r["tag"] for r in fired(instance)) == fires
        assert all((r["state"], r["batch"]) == (end, batch_id) for r in fired(instance))


async def test_each_continuation_fires_once_in_the_batchs_life(instance: Instance) -> None:
    async with instance.open(max_attempts=1, backoff=0) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.fail, below=2)
            for on in ("done", "settled", "failed", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        async def run() -> list[str]:
            await proc.run_until_idle()
            return sorted(r["tag"] for r in fired(instance))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await run() == ["failed", "settled"]
        assert await proc.retry_dead_tasks(batch_id=batch_id) == 1
        assert await run() == ["failed", "settled"]
        assert await proc.retry_dead_tasks(batch_id=batch_id, max_attempts=2) == 1
        assert await run() == ["done", "failed", "settled"]
        assert counters(await proc.get_batch(batch_id)) == (1, 1, 0, 0, 0)
        for handler in (handlers.noop, handlers.fail):
            assert await proc.append_batch("default", "acme", batch_id, lambda b, handler=handler: b.enqueue(handler))
            assert await run() == ["done", "failed", "settled"]
        assert await proc.cancel_batch(batch_id)
        assert await run() == ["cancelled", "done", "failed", "settled"]
        assert counters(await proc.get_batch(batch_id)) == (3, 2, 1, 0, 0)


async def test_discarding_dead_tasks_leaves_the_batch_failed_and_fires_nothing(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.fail)
            batch.continue_with(handlers.after, "done")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert await proc.discard_dead_tasks(batch_id=batch_id) == 1
        assert await proc.run_until_idle() == 0
        info = await proc.get_batch(batch_id)
        assert counters(info) == (1, 0, 1, 0, 0)
        assert info is not None
        assert info.state is BatchState.FAILED
        assert not await proc.cancel_batch(batch_id)
        assert not fired(instance)


async def test_a_continuation_retries_and_dies_like_any_task(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.options(max_attempts=2).continue_with(handlers.fail, tag="dies")
            batch.continue_with(handlers.fail, below=3, tag="lives")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert [r["attempt"] for r in instance.recorded("start", tag="dies")] == [1, 2]
        assert [r["attempt"] for r in instance.recorded("start", tag="lives")] == [1, 2, 3]
        assert [r["attempt"] for r in instance.recorded("end")] == [3]
        dead = await proc.get_dead_tasks()
        assert [(letter.batch_id, letter.tenant, len(letter.errors)) for letter in dead] == [(batch_id, "acme", 2)]
        assert counters(await proc.get_batch(batch_id)) == (1, 1, 0, 0, 0)


async def test_a_delayed_continuation_waits_from_when_the_batch_has_settled(instance: Instance) -> None:
    async with instance.worker() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.nap, 0.2)
            batch.options(delay=0.3).continue_with(handlers.after)

        info = await proc.wait_batch(await proc.enqueue_batch("default", "acme", build), 10)
        assert info.ended_at is not None
        (ran,) = await instance.wait_records(1, "ran")
        assert ran["at"] >= int(info.ended_at.timestamp() * 1000) / 1000 + 0.3


# appends


@pytest.mark.row("CT-09")
@pytest.mark.parametrize("count", [2, 1_600])
async def test_an_append_to_a_live_batch_raises_total_and_remaining_together(instance: Instance, count: int) -> None:
    async with instance.open(max_workers=100) as proc, instance.open() as other:

        def build(batch: Batch) -> None:
            noops(3)(batch)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        seen: set[tuple[int, ...]] = set()

        async def look() -> None:
            while True:
                seen.add(counters(await other.get_batch(batch_id)))

        looking = asyncio.create_task(look())
        await until(lambda: seen)
        assert await proc.append_batch("default", "acme", batch_id, noops(count)) is True
        await until(lambda: len(seen) > 1)
        looking.cancel()
        assert seen == {(3, 0, 0, 0, 3), (count + 3, 0, 0, 0, count + 3)}
        assert (await proc.get_queue("default")).ready == count + 3
        assert await proc.run_until_idle() == count + 4
        assert [r["counters"] for r in fired(instance)] == [[count + 3, count + 3, 0, 0, 0]]
        assert set(instance.belonging(batch_id)) <= BARE


@pytest.mark.row("CT-09")
async def test_continuations_wait_for_what_was_appended_while_the_batch_ran(instance: Instance) -> None:
    async with instance.worker() as proc:

        def build(batch: Batch) -> None:
            for _ in range(3):
                batch.enqueue(handlers.nap, 0.3)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await instance.wait_records(3, "start")
        assert await proc.append_batch(
            "default", "acme", batch_id, lambda b: [b.enqueue(handlers.nap, 0.5) for _ in range(2)]
        )
        assert counters(await proc.get_batch(batch_id)) == (5, 0, 0, 0, 5)
        (ran,) = await instance.wait_records(1, "ran")
        assert ran["counters"] == [5, 5, 0, 0, 0]
        ends = instance.recorded("end")
        assert len(ends) == 5
        assert ran["at"] >= max(r["at"] for r in ends)


@pytest.mark.row("CT-10")
@pytest.mark.parametrize("count", [1, 1_600])
async def test_an_append_to_a_finished_batch_opens_it_again(instance: Instance, count: int) -> None:
    async with instance.open(max_workers=100) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == 2
        first = await proc.get_batch(batch_id)
        assert first is not None
        assert first.state is BatchState.DONE
        assert await proc.append_batch("default", "acme", batch_id, noops(count))
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.ended_at) == (BatchState.RUNNING, None)
        assert counters(info) == (count + 1, 1, 0, 0, count)
        assert await proc.run_until_idle() == count
        info = await proc.get_batch(batch_id)
        assert counters(info) == (count + 1, count + 1, 0, 0, 0)
        assert info is not None
        assert info.state is BatchState.DONE
        assert info.ended_at is not None
        assert first.ended_at is not None
        assert info.ended_at > first.ended_at
        assert len(fired(instance)) == 1


@pytest.mark.row("CT-11")
@pytest.mark.parametrize("count", [0, 1, 1_600])
async def test_an_append_to_an_unknown_or_cancelled_batch_stores_nothing(instance: Instance, count: int) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        live = await proc.enqueue_batch("default", "other", noops(1))
        cancelled = await proc.enqueue_batch("default", "acme", noops(1))
        assert await proc.cancel_batch(cancelled)
        before = instance.keys()
        for batch_id in (UNKNOWN, "no id at all", "", cancelled, live):
            assert await proc.append_batch("default", "acme", batch_id, marks(count)) is False
            assert await acme.append_batch(batch_id, marks(count)) is False
            with pytest.raises(BatchCancelled if batch_id == cancelled else NotFound):
                await acme.append(batch_id, marks(count))
        assert instance.keys() == before
        assert counters(await proc.get_batch(cancelled)) == (1, 0, 0, 1, 0)
        assert counters(await proc.get_batch(live)) == (1, 0, 0, 0, 1)
        assert await proc.run_until_idle() == 1
        assert not instance.records


@pytest.mark.row("CT-12")
@pytest.mark.parametrize("count", [3, 1_200])
async def test_a_task_may_append_to_its_own_batch(instance: Instance, count: int) -> None:
    async with instance.worker(max_workers=50) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.grow, count)
            batch.continue_with(handlers.after, "after")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        (ran,) = await instance.wait_records(1, "ran", tag="after", seconds=20)
        assert ran["counters"] == [count + 1, count + 1, 0, 0, 0]
        assert len(instance.recorded("ran")) == count + 1
        assert all(r["batch"] == batch_id for r in instance.records)


async def test_an_append_of_no_tasks_changes_nothing(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        await proc.run_until_idle()
        before = await proc.get_batch(batch_id)
        assert await proc.append_batch("default", "acme", batch_id, lambda batch: None)
        assert await proc.get_batch(batch_id) == before


@pytest.mark.parametrize("count", [2, 2_500])
async def test_an_exception_while_building_an_append_stores_nothing(instance: Instance, count: int) -> None:
    async def build(batch: Batch) -> None:
        await batch.enqueue_many(handlers.noop, ((n,) for n in range(count)))
        raise ValueError("enough")

    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        before = instance.keys()
        with pytest.raises(ValueError, match="enough"):
            await proc.append_batch("default", "acme", batch_id, build)
        with pytest.raises(InvalidValue, match="creation"):
            await proc.append_batch("default", "acme", batch_id, lambda b: b.continue_with(handlers.after))
        assert instance.keys() == before
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 0, 1)


# what a batch tells of itself


@pytest.mark.row("CT-42")
async def test_run_seconds_are_the_handlers_time(instance: Instance) -> None:
    async with instance.worker(max_workers=6) as proc:

        def build(batch: Batch) -> None:
            for _ in range(12):
                batch.enqueue(handlers.nap, 0.2)

        batch_id = await proc.enqueue_batch("default", "acme", build, label="naps")
        info = await proc.wait_batch(batch_id, 20)
        starts, ends = ({r["id"]: r["at"] for r in instance.recorded(event)} for event in ("start", "end"))
        spent = sum(ends[task_id] - start for task_id, start in starts.items())
        assert spent * 0.99 <= info.run_seconds <= spent * 1.1
        assert (info.id, info.label, info.tenant, info.state) == (batch_id, "naps", "acme", BatchState.DONE)
        assert info.ended_at is not None
        assert info.created_at.timestamp() <= min(starts.values())
        assert info.ended_at.timestamp() >= max(ends.values())


@pytest.mark.row("CT-42")
async def test_the_counters_add_up_at_every_moment_of_a_chaotic_run(instance: Instance) -> None:
    options = {"max_attempts": 3, "backoff": 0.02, "invisibility": 0.5, "max_workers": 5}
    killed = instance.process(**options)
    async with instance.worker(**options) as proc:

        def build(batch: Batch) -> None:
            for n in range(25):
                batch.enqueue(handlers.nap, 0.02 * (n % 3))
                batch.enqueue(handlers.fail)
                batch.enqueue(handlers.fail, below=2)
                batch.options(delay=0.01 * n).enqueue(handlers.signal, "cancel", times=9)

        ids = [await proc.enqueue_batch("default", tenant, build) for tenant in ("acme", "other")]
        seen: list[BatchInfo] = []
        settled = False
        for moment in range(1_000_000):
            for batch_id in ids:
                info = await proc.get_batch(batch_id)
                assert info is not None
                assert info.total == info.done + info.failed + info.cancelled + info.remaining
                assert min(counters(info)) >= 0
                seen.append(info)
            if moment == 10:
                killed.kill()
                assert await proc.append_batch("default", "acme", ids[0], build)
            if moment == 20:
                assert await proc.cancel_batch(ids[1])
            settled = moment > 20 and all(info.state is not BatchState.RUNNING for info in seen[-2:])
            if settled:
                break
            await asyncio.sleep(0.01)
        first, second = [await proc.get_batch(batch_id) for batch_id in ids]
        assert counters(first) == (200, 100, 50, 50, 0)
        assert first is not None
        assert second is not None
        assert (first.state, second.state) == (BatchState.FAILED, BatchState.CANCELLED)
        assert len({counters(info) for info in seen}) > 5


MOVES = {
    "delayed": {"ready", "cancelled"},
    "ready": {"running", "cancelled"},
    "running": {"done", "ready", "delayed", "failed", "cancelled"},
    "failed": set(),
    "done": set(),
    "cancelled": set(),
}
"""The moves of a task that nobody retries."""


def reachable(state: str) -> set[str]:
    """The states in which a task may be found later, itself included."""
    found = {state}
    while more := {after for before in found for after in MOVES[before]} - found:
        found |= more
    return found


@pytest.mark.row("BE-39")
async def test_tasks_make_only_the_documented_moves(instance: Instance) -> None:
    dice = random.Random(39)
    fates: dict[str, str] = {}

    def build(batch: Batch) -> None:
        for _ in range(200):
            fate = dice.choice(["done", "retry", "failed", "bury", "cancel", "snooze", "cancelled"])
            calls = batch.options(delay=dice.choice([0, 0, 0.1, 0.3]) if fate != "cancelled" else dice.choice([0, 60]))
            match fate:
                case "done":
                    task_id: str = calls.enqueue(handlers.nap, 0.02)
                case "retry":
                    task_id = calls.enqueue(handlers.fail, below=3)
                case "failed":
                    task_id = calls.enqueue(handlers.fail)
                case "cancelled":
                    task_id = calls.enqueue(handlers.mark)
                case kind:
                    task_id = calls.enqueue(handlers.signal, kind, 0.05)
            fates[task_id] = fate

    async def look(proc: TaskProcessor, log: dict[str, list[str]]) -> None:
        for task_id, states in log.items():
            info = await proc.get_task(task_id)
            states.append("gone" if info is None else info.state.value)

    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", build)
        log: dict[str, list[str]] = {task_id: [] for task_id in fates}
        await look(proc, log)
        assert {states[0] for states in log.values()} == {"ready", "delayed"}
        for task_id in [task_id for task_id, fate in fates.items() if fate == "cancelled"]:
            assert await proc.cancel_task(task_id)
        async with instance.worker(max_workers=4, backoff=0.05):
            while (await proc.get_batch(batch_id)).remaining:  # type: ignore[union-attr]
                await look(proc, log)
        await look(proc, log)
        count = Counter(fates.values())
        failed, cancelled = count["failed"] + count["bury"], count["cancel"] + count["cancelled"]
        assert counters(await proc.get_batch(batch_id)) == (200, 200 - failed - cancelled, failed, cancelled, 0)
    ends = {"failed": "failed", "bury": "failed", "cancel": "cancelled", "cancelled": "cancelled"}
    starts = Counter(r["id"] for r in instance.recorded("start", "ran"))
    for task_id, fate in fates.items():
        states = [ends.get(fate, "done") if state == "gone" else state for state in log[task_id]]
        assert states[-1] == ends.get(fate, "done"), (fate, states)
        for state, later in pairwise(states):
            assert later in reachable(state), (fate, states)
        assert starts[task_id] == {"retry": 3, "failed": 3, "snooze": 2, "cancelled": 0}.get(fate, 1), fate


@pytest.mark.row("BN-15")
async def test_claims_are_exclusive(instance: Instance) -> None:
    workers = [instance.process(wait=False, max_workers=5) for _ in range(4)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        for _ in range(5):
            await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.nap, 0.05) for _ in range(10)])
        ends = await instance.wait_records(50, "end", seconds=20)
        starts = instance.recorded("start")
        assert len(starts) == len({r["id"] for r in starts}) == 50
        assert len(ends) == 50
        assert all(r["delivery"] == 1 for r in starts)
        assert len({r["pid"] for r in starts}) > 1


# payloads that are kept apart from their tasks


def large(size: int) -> str:
    """A text for which the payload of ``swallow`` has exactly so many bytes."""
    return "x" * (size - len('["tests.handlers.swallow",[""]]'))


def kept_apart(instance: Instance) -> list[str]:
    """The keys of large payloads."""
    return instance.names(":big")


async def test_a_payload_may_have_one_megabyte_and_no_byte_more(instance: Instance) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        for refused in (
            proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.swallow, large(1_000_001))),
            proc.enqueue_task("default", "acme", handlers.swallow, large(1_000_001)),
        ):
            with pytest.raises(PayloadTooLarge, match=r"swallow: its payload has 1,000,001 bytes; at most 1,000,000"):
                await refused
        assert instance.keys() == before
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: [b.enqueue(handlers.swallow, large(1_000_000)) for _ in range(3)]
        )
        assert await proc.append_batch(
            "default", "acme", batch_id, lambda b: [b.enqueue(handlers.swallow, large(1_000_000)) for _ in range(3)]
        )
        await proc.enqueue_task("default", "acme", handlers.swallow, large(1_000_000))
        assert len(kept_apart(instance)) == 3
        assert await proc.run_until_idle() == 7
        assert [r["size"] for r in instance.recorded("end")] == [len(large(1_000_000))] * 7
        assert not kept_apart(instance)
        assert set(instance.belonging(batch_id)) <= BARE


@pytest.mark.parametrize("size", [8_192, 8_193, 300_000])
async def test_a_large_payload_survives_retries_death_and_a_retry_by_hand(instance: Instance, size: int) -> None:
    async with instance.open(backoff=0, max_attempts=2) as proc:
        text = large(size)
        options: dict[str, Any] = {"fails": 2}
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.swallow, text, **options))
        await proc.append_batch("default", "acme", batch_id, lambda b: b.enqueue(handlers.swallow, text, **options))
        await proc.append_batch(
            "default", "acme", batch_id, lambda b: [noops(1_100)(b), b.enqueue(handlers.swallow, text, **options)]
        )
        await proc.enqueue_task("default", "acme", handlers.swallow, text, **options)
        await proc.run_until_idle()
        assert len(instance.recorded("failed")) == 8
        dead = await proc.get_dead_tasks()
        assert len(dead) == 4
        assert all(text.encode() in letter.data and letter.name == "tests.handlers.swallow" for letter in dead)
        assert await proc.retry_dead_tasks(batch_id=batch_id, max_attempts=3) == 3
        await proc.run_until_idle()
        assert [r["size"] for r in instance.recorded("end")] == [len(text)] * 3
        assert counters(await proc.get_batch(batch_id)) == (1_103, 1_103, 0, 0, 0)
        assert set(instance.belonging(batch_id)) <= BARE
        assert await proc.discard_dead_tasks() == 1
        assert not kept_apart(instance)


@pytest.mark.parametrize("count", [1, 1_100])
async def test_cancelling_a_batch_drops_its_large_payloads_at_once(instance: Instance, count: int) -> None:
    async with instance.worker(max_workers=2, max_attempts=1) as proc:
        text = large(20_000)

        def wait(batch: Batch) -> None:
            for n in range(count):
                batch.enqueue(handlers.swallow, text if n % 100 == 0 else "", seconds=30)
            batch.options(delay=60).enqueue(handlers.swallow, text)

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.swallow, text, fails=9)  # dies
            batch.options(max_attempts=2).enqueue(handlers.swallow, text, fails=9)  # waits for its next attempt
            batch.enqueue(handlers.swallow, text, seconds=30)
            wait(batch)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, wait)
        await instance.wait_records(2, "failed")
        await instance.wait_records(2, "start")
        assert kept_apart(instance)
        assert await proc.cancel_batch(batch_id)
        assert not kept_apart(instance)
        assert set(instance.belonging(batch_id)) <= BARE
        await instance.wait_records(2, "cancelled")
        total = 2 * count + 5
        assert counters(await proc.get_batch(batch_id)) == (total, 0, 1, total - 1, 0)


async def test_cancelling_tasks_drops_their_large_payloads(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        text, ids = large(20_000), list[str]()
        running = await proc.enqueue_task("default", "acme", handlers.swallow, text, seconds=30)
        await instance.wait_records(1, "start")

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue(handlers.swallow, text))
            ids.append(batch.options(delay=60).enqueue(handlers.swallow, text))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, build)
        await proc.append_batch("default", "acme", batch_id, lambda b: [build(b), noops(1_100)(b)])
        ids += [await proc.enqueue_task("default", "acme", handlers.swallow, text)]
        assert len(kept_apart(instance)) == 3
        for task_id in ids:
            assert await proc.cancel_task(task_id)
        assert len(kept_apart(instance)) == 1
        assert await proc.cancel_task(running)
        await until(lambda: not kept_apart(instance))
        assert counters(await proc.wait_batch(batch_id, 20)) == (1_106, 1_100, 0, 6, 0)
        assert set(instance.belonging(batch_id)) <= BARE
        assert [r["id"] for r in instance.recorded("start")] == [running]


async def test_a_continuation_may_have_a_large_payload_too(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.continue_with(handlers.swallow, large(900_000))

        await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == 2
        assert [r["size"] for r in instance.recorded("end")] == [len(large(900_000))]
