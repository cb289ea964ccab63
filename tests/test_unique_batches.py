"""Unique tasks of batches, appends and continuations; locks of what is being staged or was cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import Batch
from taskproc.errors import StagingLost
from tests import handlers
from tests.harness import Instance, counters, until
from tests.locking import drained, locks, noted

# batches


async def test_duplicates_of_a_batch_drop_and_are_not_in_its_total(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        single = await acme.enqueue(handlers.once, 1)

        def build(batch: Batch) -> None:
            for n in (1, 2, 2, 3):
                batch.enqueue(handlers.once, n)
            batch.options(delay=600, queue="late").enqueue(handlers.once, 3)
            batch.options(unique=False).enqueue(handlers.once, 3)
            batch.enqueue(handlers.once, 4, {"large": "x" * 20_000})
            batch.enqueue(handlers.once, 4, {"large": "x" * 20_000})
            batch.continue_with(handlers.after)

        batch_id = await acme.enqueue_batch(build)
        assert counters(await proc.get_batch(batch_id)) == (4, 0, 0, 0, 4)
        assert await acme.enqueue(handlers.once, 1) == single
        assert (await acme.enqueue(handlers.once, 2))[:22] == batch_id
        await acme.append(batch_id, lambda batch: [batch.enqueue(handlers.once, n) for n in (1, 2, 5, 5)])
        assert counters(await proc.get_batch(batch_id)) == (5, 0, 0, 0, 5)
        assert await proc.run_until_idle() == 7
        assert counters(await proc.get_batch(batch_id)) == (5, 5, 0, 0, 0)
        assert (locks(instance), noted(instance)) == ({}, [])
        assert (await proc.audit()).differences == ()


async def test_a_batch_of_nothing_but_duplicates_is_done_at_once(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.tenant("acme").enqueue(handlers.once, 1)

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.once, 1)
            batch.continue_with(handlers.mark, "next")

        info = await proc.get_batch(await proc.enqueue_batch("default", "acme", build))
        assert info is not None
        assert (info.state, info.total) == ("done", 0)
        assert await proc.run_until_idle() == 2


@pytest.mark.parametrize("append", [False, True])
async def test_large_batches_and_appends_drop_their_duplicates_chunk_by_chunk(instance: Instance, append: bool) -> None:
    async with instance.open(max_workers=50) as proc:
        acme = proc.tenant("acme")
        await acme.enqueue(handlers.once, 5)
        target = await acme.enqueue_batch(lambda batch: batch.enqueue(handlers.noop))

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handlers.once, ((n % 600,) for n in range(1_200)))
            await batch.options(queue="late", delay=0.001).enqueue_many(handlers.once, ((n,) for n in range(590, 610)))
            batch.enqueue(handlers.once, 5, {"large": "x" * 10_000})
            batch.enqueue(handlers.once, 5, {"large": "x" * 10_000})

        if append:
            await acme.append(target, build)
        else:
            target = await acme.enqueue_batch(build)
        assert counters(await proc.get_batch(target)) == (610 + append, 0, 0, 0, 610 + append)
        again = await acme.enqueue_batch(build)
        assert counters(await proc.get_batch(again)) == (0, 0, 0, 0, 0)
        assert (await proc.audit()).differences == ()
    async with instance.worker(max_workers=50, queues=["default", "late"]) as proc:
        info = await proc.wait_batch(target, 20)
        assert (info.done, info.total) == (610 + append, 610 + append)
        await until(lambda: locks(instance) == {})
        assert noted(instance) == []


async def test_a_cancelled_batchs_locks_hold_nothing_and_are_drained(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handlers.once, ((n,) for n in range(700)))
            batch.options(delay=600).enqueue(handlers.once, 1_000)

        first = await acme.enqueue_batch(build)
        await acme.append(first, lambda batch: batch.enqueue(handlers.once, 2_000))
        await acme.append(first, _many)
        assert await proc.cancel_batch(first)
        assert (await proc.audit()).differences == ()
        assert len(locks(instance)) == 702 + 1_200
        second = await acme.enqueue_batch(build)
        assert counters(await proc.get_batch(second)) == (701, 0, 0, 0, 701)
        await drained(proc)
        assert len(locks(instance)) == 701
        assert (await acme.enqueue(handlers.once, 1_000))[:22] == second
        assert (await proc.audit()).differences == ()
        await proc.cancel_batch(second)
        await drained(proc)
        assert (locks(instance), noted(instance)) == ({}, [])


async def _many(batch: Batch) -> None:
    await batch.enqueue_many(handlers.once, ((n,) for n in range(10_000, 11_200)))


async def test_an_exception_in_build_lets_go_of_what_was_staged(instance: Instance) -> None:
    async with instance.open() as proc:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with proc.batch("default", "acme") as batch:
                await batch.enqueue_many(handlers.once, ((n,) for n in range(600)))
                assert len(locks(instance)) >= 250
                _ = 1 / 0
        assert await proc.tenant("acme").enqueue(handlers.once, 1)
        await drained(proc)
        assert len(locks(instance)) == 1
        assert await proc.run_until_idle() == 1


async def test_who_meets_a_lock_that_is_being_staged_waits_for_its_commit_or_end(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        for commits in (True, False):
            met: list[asyncio.Task[Any]] = []
            try:
                async with acme.batch() as batch:
                    await batch.enqueue_many(handlers.once, ((n,) for n in range(600)))
                    met = [asyncio.create_task(acme.enqueue(handlers.once, n)) for n in (1, 2)]
                    met.append(asyncio.create_task(acme.enqueue_batch(lambda b: b.enqueue(handlers.once, 3))))
                    await asyncio.sleep(0.3)
                    assert not any(one.done() for one in met)
                    if not commits:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass
            one, two, small = await asyncio.gather(*met)
            assert (one[:22] == batch.id) == (two[:22] == batch.id) == commits
            assert counters(await proc.get_batch(small))[0] == (0 if commits else 1)
            await proc.cancel_batch(batch.id)
            await proc.run_until_idle()


async def test_of_two_that_are_stored_and_wait_for_each_other_one_gives_way_at_once(instance: Instance) -> None:
    async with instance.open(redis_patience=60) as proc:
        acme, both = proc.tenant("acme"), asyncio.Barrier(2)

        async def store(*keys: int) -> str:
            async with acme.batch() as batch:
                for key in keys:
                    batch.enqueue(handlers.once, key)
                    batch._segment.turn()
                    await batch.flush()
                    if key == keys[0]:
                        await both.wait()
            return batch.id

        async with asyncio.timeout(20):
            ended = await asyncio.gather(store(1, 2, 3), store(2, 1, 4), return_exceptions=True)
        (stored,) = [one for one in ended if isinstance(one, str)]
        (refused,) = [one for one in ended if not isinstance(one, str)]
        assert isinstance(refused, StagingLost)
        assert "give way" in str(refused)
        assert counters(await proc.get_batch(stored)) == (3, 0, 0, 0, 3)
        assert await proc.run_until_idle() == 3


async def test_a_producer_that_stays_away_has_its_lock_taken_and_its_commit_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        with pytest.raises(StagingLost):  # noqa: PT012
            async with acme.batch() as batch:
                await batch.enqueue_many(handlers.once, ((n,) for n in range(600)))
                staging = f"{{{instance.name}}}:staging"
                instance.client.zincrby(staging, -31_000, batch.id)
                taken = await acme.enqueue(handlers.once, 1)
                assert taken[:22] != batch.id
        assert await proc.get_batch(batch.id) is None
        assert await acme.enqueue(handlers.once, 1) == taken
        await drained(proc)
        assert len(locks(instance)) == 1


# continuations


async def test_a_continuation_whose_equal_is_there_is_not_enqueued(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.options(queue="later").continue_with(handlers.once, "end", tag=1)
            batch.options(queue="later", delay=600).continue_with(handlers.once, "end", tag=1)
            batch.continue_with(handlers.once, "end", tag=2)

        await acme.enqueue_batch(build)
        await acme.enqueue_batch(build)
        assert await proc.run_until_idle() == 3
        waiting = await proc.get_tasks_in_queue("later")
        assert [one.name for one in waiting] == ["tests.handlers.once"]
        assert await acme.options(queue="later").enqueue(handlers.once, "end", tag=1) == waiting[0].id
        assert (await proc.audit()).differences == ()
