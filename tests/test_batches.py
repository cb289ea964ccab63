"""Batches: building and staging them, and the queues of their tasks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from taskproc import Batch, BatchState, InvalidValue, TaskContext, TaskState
from taskproc.batch import fill
from tests import handlers
from tests.building import marks
from tests.harness import Instance, counters, until
from tests.watching import fired

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


async def test_rows_may_come_from_several_places_at_once(instance: Instance) -> None:
    async with instance.open() as proc:

        async def build(batch: Batch) -> None:
            rows = [((n,) for n in range(start, start + 5_000)) for start in range(0, 20_000, 5_000)]
            assert await asyncio.gather(*(batch.enqueue_many(handlers.noop, some) for some in rows)) == [5_000] * 4
            await asyncio.gather(batch.flush(), batch.flush())

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert counters(await proc.get_batch(batch_id)) == (20_000, 0, 0, 0, 20_000)
