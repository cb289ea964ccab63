"""How long a unique task holds off its equals: until it ends, or within a time of its enqueue."""

from __future__ import annotations

import asyncio

import pytest

from tests import handlers
from tests.harness import Instance, counters, until
from tests.locking import locks

# as long as the task is there


async def test_it_is_held_while_delayed_ready_running_and_waiting_for_a_retry(instance: Instance) -> None:
    async with instance.open(backoff=600, max_attempts=2) as proc:
        acme = proc.tenant("acme")
        delayed = await acme.options(delay=600, unique=True).enqueue(handlers.noop)
        assert await acme.options(unique=True).enqueue(handlers.noop) == delayed
        failing = acme.options(unique="f")
        first = await failing.enqueue(handlers.fail)
        assert await failing.enqueue(handlers.fail) == first
        assert await proc.run_until_idle() == 1
        assert await failing.enqueue(handlers.fail) == first  # it waits for its second attempt
    async with instance.worker() as proc:
        napping = proc.tenant("acme").options(unique=True)
        first = await napping.enqueue(handlers.nap, 30)
        await instance.wait_records(2, "start")
        assert await napping.enqueue(handlers.nap, 30) == first
        assert await proc.cancel_task(first)
        await until(lambda: len(locks(instance)) == 2)
        assert await napping.enqueue(handlers.nap, 30) != first


@pytest.mark.parametrize("kind", ["bury", "cancel"])
@pytest.mark.parametrize("batched", [False, True])
async def test_bury_and_cancel_let_go(instance: Instance, kind: str, batched: bool) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        if batched:
            await acme.enqueue_batch(lambda batch: batch.options(unique="k").enqueue(handlers.signal, kind))
        else:
            await acme.options(unique="k").enqueue(handlers.signal, kind)
        assert len(locks(instance)) == 1
        assert await proc.run_until_idle() == 1
        assert locks(instance) == {}


async def test_a_death_lets_go_dropped_or_not(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        await proc.tenant("acme").options(unique="k").enqueue(handlers.fail)
        await proc.tenant("acme").options(unique="l", keep="none").enqueue(handlers.fail)
        assert len(locks(instance)) == 2
        assert await proc.run_until_idle() == 2
        assert len(await proc.get_dead_tasks()) == 1
        assert locks(instance) == {}
        assert await proc.discard_dead_tasks() == 1


async def test_a_snooze_and_a_retry_keep_it(instance: Instance) -> None:
    async with instance.open() as proc:
        for kind in ("snooze", "retry"):
            once = proc.tenant("acme").options(unique=True)
            first = await once.enqueue(handlers.signal, kind, 600)
            await proc.run_until_idle()
            assert len(instance.recorded("start")) == 1 + (kind == "retry")
            assert await once.enqueue(handlers.signal, kind, 600) == first


async def test_a_cancelled_task_lets_go(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme").options(unique="k")
        for options in ({}, {"delay": 600}):
            first = await proc.tenant("acme").options(unique="k", **options).enqueue(handlers.noop)
            assert await proc.cancel_task(first)
            assert locks(instance) == {}
        assert await acme.enqueue(handlers.mark) != first
        assert await proc.run_until_idle() == 1


# dead letters


async def test_a_dead_letter_takes_its_lock_again_or_stays_where_another_has_it(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        acme = proc.tenant("acme")
        failing = acme.options(unique="k")
        first = await failing.enqueue(handlers.fail)
        await acme.enqueue(handlers.fail, tag="other")
        await proc.run_until_idle()
        assert await failing.enqueue(handlers.mark) != first  # a key is a handler's own
        second = await acme.options(unique="k", delay=600).enqueue(handlers.fail)
        assert second != first
        assert await proc.retry_dead_tasks(count=None) == 1  # the other one
        assert [letter.id for letter in await proc.get_dead_tasks()] == [first]
        await proc.run_until_idle()
        assert await proc.retry_dead_tasks(count=1) == 1  # the one behind the one that stays
        assert await proc.cancel_task(second)
        assert await proc.retry_dead_tasks(count=None) == 1
        assert await failing.find_unique(handlers.fail) == first == await failing.enqueue(handlers.fail)
        assert await proc.retry_dead_tasks(count=None) == 0


async def test_of_two_dead_letters_with_one_key_one_is_retried(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        failing = proc.tenant("acme").options(unique="k")
        for _ in range(3):
            await failing.enqueue(handlers.fail)
            await proc.run_until_idle()
        assert len(await proc.get_dead_tasks()) == 3
        assert await proc.retry_dead_tasks() == 1
        assert len(await proc.get_dead_tasks()) == 2


# time windows


async def test_within_its_time_an_equal_task_is_not_stored_whether_the_first_has_ended_or_not(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        first = await acme.enqueue(handlers.each_minute, 1)
        assert await proc.run_until_idle() == 1
        assert await acme.enqueue(handlers.each_minute, 1) == first
        batch_id = await acme.enqueue_batch(lambda batch: batch.enqueue(handlers.each_minute, 1))
        assert counters(await proc.get_batch(batch_id))[0] == 0
        assert await proc.run_until_idle() == 0
        short = acme.options(unique_for=1)
        running = await short.enqueue(handlers.noop)
        assert await short.enqueue(handlers.noop) == running
        await asyncio.sleep(1.05)
        later = await short.enqueue(handlers.noop)  # though the first has not even begun
        assert later != running
        assert await proc.run_until_idle() == 2
        assert await short.enqueue(handlers.noop) == later  # the first one's end has not let go of it
        assert not await acme.cancel_unique(handlers.each_minute, 1)


@pytest.mark.parametrize("end", ["dead", "cancelled", "batch"])
async def test_what_fails_or_is_cancelled_holds_up_nothing_for_its_time(instance: Instance, end: str) -> None:
    async with instance.open(max_attempts=1) as proc:
        acme = proc.tenant("acme")
        once = acme.options(unique_for=600)
        if end == "batch":
            batch_id = await acme.enqueue_batch(lambda b: b.options(unique_for=600).enqueue(handlers.fail))
            assert await proc.cancel_batch(batch_id)
        else:
            first = await once.enqueue(handlers.fail)
            if end == "dead":
                await proc.run_until_idle()
            else:
                assert await proc.cancel_task(first)
            assert await once.enqueue(handlers.fail) != first
        assert await once.find_unique(handlers.noop) is None
