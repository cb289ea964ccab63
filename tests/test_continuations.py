"""Continuations: when they start, which of them fire, and what they are told."""

from __future__ import annotations

import pytest

from taskproc import Batch, BatchState, InvalidValue
from taskproc.batch import Build
from tests import handlers
from tests.building import marks, noops
from tests.harness import Instance, counters
from tests.watching import fired


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
