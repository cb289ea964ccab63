"""Unique tasks: while an equal one of the tenant's is there, none is stored, and its id is the answer."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from typing import Any

import pytest

from taskproc import ArgumentError, Batch, InvalidValue, TaskProcessor, task
from taskproc.errors import StagingLost
from tests import handlers
from tests.harness import Instance, counters, until


def locks(instance: Instance) -> dict[bytes, bytes]:
    """The locks that are stored."""
    return instance.client.hgetall(f"{{{instance.name}}}:uniq")


# what is equal


async def test_an_equal_task_is_not_stored_and_the_first_ones_id_is_the_answer(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        first = await acme.enqueue(handlers.once, 1, tag="a")
        assert await acme.enqueue(handlers.once, 1, tag="a") == first
        assert await proc.enqueue_task("other", "acme", handlers.once, 1, tag="a") == first
        others = {
            await acme.enqueue(handlers.once, 2, tag="a"),
            await acme.enqueue(handlers.once, 1, tag="b"),
            await acme.enqueue(handlers.once, True, tag="a"),
            await acme.enqueue(handlers.once, "1", tag="a"),
            await proc.tenant("other").enqueue(handlers.once, 1, tag="a"),
            await acme.options(unique=False).enqueue(handlers.once, 1, tag="a"),
        }
        assert len(others | {first}) == 7
        assert await proc.run_until_idle() == 7
        assert locks(instance) == {}


@pytest.mark.row("BE-08")
async def test_the_key_is_made_of_the_arguments_whatever_their_order(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        words = {"b": {"y": 1, "x": [2, 1]}, "a": "ü" * 500}
        first = await acme.enqueue(handlers.once, 1, words)
        turned = {"a": "ü" * 500, "b": {"x": [2, 1], "y": 1}}
        assert await acme.enqueue(handlers.once, words=turned, n=1) == first
        assert await acme.enqueue(handlers.once, 1, turned, None) == first  # a default, given
        assert await acme.enqueue(handlers.once, 1, {**words, "b": {"y": 1, "x": [1, 2]}}) != first
        assert await acme.enqueue(handlers.once, 1, {**words, "a": "ü" * 499 + "x"}) != first
        assert await acme.enqueue(handlers.once) == await acme.enqueue(handlers.once, 0)
        assert len({await acme.enqueue(handlers.once, n) for n in (1, 2)}) == 2
        assert await proc.run_until_idle() == 6


async def test_sets_are_equal_whatever_the_order_of_their_members(instance: Instance) -> None:
    ids = set()
    for seed in ("1", "2", "3"):
        code = (
            "import asyncio, os, sys; from taskproc import TaskProcessor; from tests import handlers\n"
            "async def main():\n"
            "  async with TaskProcessor(sys.argv[1], prefix=sys.argv[2]) as proc:\n"
            "    print(await proc.tenant('acme').enqueue(handlers.tagged, {'one', 'two', 'three', 'four', 'five'}))\n"
            "asyncio.run(main())"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, instance.server.app_url, instance.name,
            env={**os.environ, "PYTHONHASHSEED": seed}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        ids.add((await process.communicate())[0])
    assert len(ids) == 1
    assert len(ids.pop().strip()) == 32


async def test_a_function_of_the_arguments_gives_the_key_and_none_is_no_key(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        first = await acme.enqueue(handlers.by_name, "x" * 100)
        assert await acme.enqueue(handlers.by_name, "x" * 100, version=2) == first
        assert await acme.options(unique="x" * 100).enqueue(handlers.by_name, "whatever") == first
        assert await acme.enqueue(handlers.by_name, "x" * 99 + "y") != first
        assert await acme.enqueue(handlers.by_name, "any") != await acme.enqueue(handlers.by_name, "any")
        assert await acme.options(unique="k").enqueue(handlers.noop, 1) == await acme.options(unique="k").enqueue(
            handlers.noop, 2
        )
        assert await acme.options(unique=True).enqueue(handlers.noop, "k") != await acme.options(unique="k").enqueue(
            handlers.noop
        )
        by_sum = acme.options(unique=lambda a, b: a + b)
        assert await by_sum.enqueue(handlers.noop, 1, 2) == await by_sum.enqueue(handlers.noop, 2, 1)
        await proc.run_until_idle()


async def test_raw_work_is_unique_by_its_bytes_or_a_key(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme").options(unique=True)
        first = await acme.enqueue_raw("tests.handlers.bytes_in", b"1\n2")
        assert await acme.enqueue_raw("tests.handlers.bytes_in", b"1\n2") == first
        assert await acme.enqueue_raw("tests.handlers.bytes_in", b"1\n3") != first
        assert await acme.enqueue_raw("tests.handlers.bytes", b"_in1\n2") != first
        by_first = proc.tenant("acme").options(unique=lambda data: data[:1].decode())
        assert await by_first.enqueue_raw("x", b"12") == await by_first.enqueue_raw("x", b"13")
        assert len(locks(instance)) == 4


@pytest.mark.parametrize("key", [object(), {1, 2}, b"bytes"])
async def test_a_key_that_is_none_is_refused_and_stores_nothing(instance: Instance, key: Any) -> None:
    async with instance.open() as proc:
        with pytest.raises(ArgumentError, match="unique="):
            await proc.tenant("acme").options(unique=lambda *_: key).enqueue(handlers.noop)
        assert instance.names("uniq") == []


@pytest.mark.parametrize(
    ("options", "told"),
    [({"unique": 5}, "unique=5"), ({"unique": ""}, "unique=''"), ({"unique_for": 0}, "unique_for=0"),
     ({"unique_for": -1}, "unique_for=-1"), ({"unique_for": "1"}, "unique_for='1'"),
     ({"unique": False, "unique_for": 5}, "unique=False"), ({"unique": "\ud800"}, "UTF-8")],
)  # fmt: skip
async def test_options_that_make_no_sense_are_refused(instance: Instance, options: Any, told: str) -> None:
    async with instance.open() as proc:
        with pytest.raises(InvalidValue, match=told):
            proc.options(**options)
        with pytest.raises(InvalidValue, match=told):
            proc.tenant("acme").options(**options)
        with pytest.raises(InvalidValue, match=told):
            task(**options)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_sealed_tasks_are_unique_too_and_an_encrypted_argument_can_not_be_guessed(
    instance: Instance, encrypted: bool
) -> None:
    sealing: dict[str, Any] = {"signing_key": "s" * 32}
    if encrypted:
        sealing["encryption_key"] = base64.b64encode(b"k" * 32).decode()
    async with instance.open(**sealing) as proc, instance.open() as plain:
        first = await proc.tenant("acme").enqueue(handlers.once, 7)
        assert await proc.tenant("acme").enqueue(handlers.once, n=7) == first
        guessed = await plain.tenant("acme").find_unique(handlers.once, 7)
        assert guessed == (None if encrypted else first)
        assert await proc.run_until_idle() == 1


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
        assert (locks(instance), instance.names(":u")) == ({}, [])
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
        assert instance.names(":u") == []


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
        assert len(locks(instance)) == 702 + 1_200
        second = await acme.enqueue_batch(build)
        assert counters(await proc.get_batch(second)) == (701, 0, 0, 0, 701)
        await _drained(instance, proc)
        assert len(locks(instance)) == 701
        assert (await acme.enqueue(handlers.once, 1_000))[:22] == second
        assert (await proc.audit()).differences == ()
        await proc.cancel_batch(second)
        await _drained(instance, proc)
        assert (locks(instance), instance.names(":u")) == ({}, [])


async def _many(batch: Batch) -> None:
    await batch.enqueue_many(handlers.once, ((n,) for n in range(10_000, 11_200)))


async def _drained(instance: Instance, proc: TaskProcessor) -> None:
    """Upkeep takes away what holds nothing."""
    while (await proc._store._scripts.unique_prune(500))[1] >= 500:
        pass


async def test_an_exception_in_build_lets_go_of_what_was_staged(instance: Instance) -> None:
    async with instance.open() as proc:
        with pytest.raises(ZeroDivisionError):
            async with proc.batch("default", "acme") as batch:
                await batch.enqueue_many(handlers.once, ((n,) for n in range(600)))
                assert len(locks(instance)) >= 250
                _ = 1 / 0
        assert await proc.tenant("acme").enqueue(handlers.once, 1)
        await _drained(instance, proc)
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


async def test_a_producer_that_stays_away_has_its_lock_taken_and_its_commit_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        with pytest.raises(StagingLost):
            async with acme.batch() as batch:
                await batch.enqueue_many(handlers.once, ((n,) for n in range(600)))
                staging = f"{{{instance.name}}}:staging"
                instance.client.zincrby(staging, -31_000, batch.id)
                taken = await acme.enqueue(handlers.once, 1)
                assert taken[:22] != batch.id
        assert await proc.get_batch(batch.id) is None
        assert await acme.enqueue(handlers.once, 1) == taken
        await _drained(instance, proc)
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
        short = acme.options(unique_for=0.2)
        running = await short.enqueue(handlers.noop)
        assert await short.enqueue(handlers.noop) == running
        await asyncio.sleep(0.25)
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


# by key


@pytest.mark.row("BE-25")
async def test_tasks_are_removed_by_id_by_key_by_type_and_all_of_a_batch(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        one = await acme.enqueue(handlers.once, 1)
        two = await acme.options(delay=600).enqueue(handlers.once, 2)
        assert await acme.find_unique(handlers.once, n=2) == two
        assert await acme.find_unique(handlers.once, 3) is None
        assert not await proc.tenant("other").cancel_unique(handlers.once, 1)
        assert not await acme.cancel_unique(handlers.once, 3)
        assert await proc.cancel_unique("acme", handlers.once, 2)
        assert not await acme.cancel_unique(handlers.once, 2)
        assert await proc.cancel_task(one)
        assert not await proc.cancel_task(one)
        assert not await proc.cancel_task("0" * 32)
        keyed = acme.options(unique="import")
        three = await keyed.enqueue(handlers.noop, 5)
        assert await proc.options(unique="import").find_unique("acme", handlers.noop) == three
        assert await keyed.cancel_unique(handlers.noop)
        for n in range(3):
            await acme.enqueue(handlers.mark, n)
            await acme.enqueue(handlers.noop, n)
        marks = [t.id for t in await proc.get_tasks_in_queue("default") if t.name == "tests.handlers.mark"]
        assert [await proc.cancel_task(task_id) for task_id in marks] == [True] * 3
        later = await acme.enqueue_batch(lambda b: [b.options(delay=600).enqueue(handlers.mark, n) for n in range(4)])
        assert await proc.cancel_batch(later)
        info = await proc.get_batch(later)
        assert info is not None
        assert info.cancelled == 4
        assert not await proc.cancel_batch("0" * 22)
        assert await proc.run_until_idle() == 3
        assert {record["name"] for record in instance.records} == set()


# races


@pytest.mark.row("BE-07")
async def test_of_many_equal_tasks_enqueued_at_once_from_two_processes_one_is_stored_and_runs_once(
    instance: Instance,
) -> None:
    code = (
        "import asyncio, sys; from taskproc import TaskProcessor; from tests import handlers\n"
        "async def main():\n"
        "  async with TaskProcessor(sys.argv[1], prefix=sys.argv[2]) as proc:\n"
        "    acme = proc.tenant('acme')\n"
        "    print(*await asyncio.gather(*(acme.enqueue(handlers.once, 1) for _ in range(50))))\n"
        "asyncio.run(main())"
    )
    command = (sys.executable, "-c", code, instance.server.app_url, instance.name)
    both = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    told = [(await process.communicate())[0].split() for process in both]
    assert [len(ids) for ids in told] == [50, 50]
    assert len({*told[0], *told[1]}) == 1
    async with instance.open() as proc:
        assert await proc.run_until_idle() == 1
        assert len(instance.recorded("ran")) == 1


async def _rescued(proc: TaskProcessor) -> bool:
    return bool((await proc._store._scripts.upkeep_rescue(100))[1])


async def test_a_worker_that_reports_late_lets_go_of_nobodys_lock(instance: Instance) -> None:
    worker = await asyncio.to_thread(instance.process, invisibility=0.5, max_attempts=1)
    async with instance.open(invisibility=0.5) as proc:
        acme = proc.tenant("acme").options(unique="k")
        first = await acme.enqueue(handlers.nap, 0.3)
        await instance.wait_records(1, "start")
        worker.signal(signal.SIGSTOP)
        await until(lambda: _rescued(proc))
        assert await proc.cancel_task(first)
        second = await acme.enqueue(handlers.nap, 0.3)
        assert second != first
        worker.signal(signal.SIGCONT)
        await instance.wait_records(2, "end")
        await until(lambda: locks(instance) == {})
        starts = [record["id"] for record in instance.recorded("start")]
        assert starts == [first, second]
