"""Unique tasks: while an equal one of the tenant's is there, none is stored, and its id is the answer."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from typing import Any

import pytest

from taskproc import ArgumentError, InvalidValue, TaskProcessor, task
from tests import handlers
from tests.harness import Instance, until
from tests.locking import locks

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


@pytest.mark.parametrize("key", [object(), {"SECRET"}, b"SECRET"])
async def test_a_key_that_is_none_is_refused_and_stores_nothing(instance: Instance, key: Any) -> None:
    async with instance.open() as proc:
        with pytest.raises(ArgumentError, match="unique=") as caught:
            await proc.tenant("acme").options(unique=lambda *_: key).enqueue(handlers.noop)
        assert "SECRET" not in str(caught.value)
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
        worker.signal(signal.SIGCONT)  # the first may come to its end, or be told before that its lease is lost
        await until(lambda: second in [record["id"] for record in instance.recorded("end")])
        await until(lambda: locks(instance) == {})
        starts = [record["id"] for record in instance.recorded("start")]
        assert starts == [first, second]
