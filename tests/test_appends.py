"""Appends: to live batches, to finished ones, to those that take no more, and by tasks to their own."""

from __future__ import annotations

import asyncio

import pytest

from taskproc import Batch, BatchCancelled, BatchState, InvalidValue, NotFound
from tests import handlers
from tests.building import marks, noops
from tests.harness import UNKNOWN, Instance, counters, until
from tests.watching import BARE, fired


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
