"""Time limits of attempts: on the loop, in threads, in processes."""

from __future__ import annotations

import asyncio
import os
from statistics import median

import pytest

from taskproc import TaskState
from tests import breaking, handlers
from tests.harness import Instance, until
from tests.watching import dead


@pytest.mark.row("BE-18", "BR-16", "PJ-31")
async def test_a_time_limit_stops_each_attempt(instance: Instance) -> None:
    async with instance.worker(max_attempts=2) as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", breaking.slow, tag=n)
        letters = await dead(proc, 3)
        assert len(instance.recorded("start")) == len(instance.recorded("cancelled")) == 6
        assert instance.recorded("end") == []
        for letter in letters:
            assert [e.type for e in letter.errors] == ["taskproc.errors.TaskTimeout"] * 2
            assert all(e.message == "it ran longer than its limit of 0.3 s" for e in letter.errors)
        took = []
        for n in range(3):
            starts, stops = instance.recorded("start", tag=n), instance.recorded("cancelled", tag=n)
            took += [stop["at"] - start["at"] for start, stop in zip(starts, stops, strict=True)]
        assert median(took) <= 0.3 + 0.2


async def test_a_handler_within_its_limit_is_left_alone(instance: Instance) -> None:
    async with instance.open() as proc:
        for seconds in (0, 0.1):
            await proc.enqueue_task("default", "acme", breaking.slow, seconds)
        await proc.run_until_idle()
        assert len(instance.recorded("end")) == 2
        await asyncio.sleep(0.35)
        assert await proc.get_dead_tasks() == []


@pytest.mark.row("PJ-31")
async def test_a_time_limit_in_a_thread_sets_cancelled(instance: Instance) -> None:
    async with instance.worker(max_attempts=2) as proc:
        await proc.enqueue_task("default", "acme", breaking.slow_thread, 5)
        [letter] = await dead(proc)
        assert [e.type for e in letter.errors] == ["taskproc.errors.TaskTimeout"] * 2
        starts, stops = instance.recorded("start"), instance.recorded("cancelled")
        assert min(stop["at"] - start["at"] for start, stop in zip(starts, stops, strict=True)) <= 0.2 + 0.3


async def test_a_thread_that_ignores_its_limit_keeps_slot_and_lease_until_it_returns(instance: Instance) -> None:
    async with instance.worker(max_attempts=2, max_workers=1, invisibility=0.3) as proc:
        task_id = await proc.enqueue_task("default", "acme", breaking.slow_thread, 0.8, False)
        await instance.wait_records(1, "start")
        await proc.enqueue_task("default", "acme", handlers.mark)
        await asyncio.sleep(0.5)
        info = await proc.get_task(task_id)
        assert info is not None
        assert (info.state, info.attempt) == (TaskState.RUNNING, 1)
        assert len(instance.recorded("start")) == 1
        assert instance.recorded("ran") == []
        [letter] = await dead(proc)
        assert [e.type for e in letter.errors] == ["taskproc.errors.TaskTimeout"] * 2
        events = [r["event"] for r in instance.recorded("start", "end")]
        assert events == ["start", "end", "start", "end"]
        assert all(r["cancelled"] for r in instance.recorded("end"))


@pytest.mark.row("BE-18", "PJ-31")
async def test_a_time_limit_kills_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.worker(max_workers=1, max_attempts=2) as proc:
        await proc.enqueue_task("default", "acme", breaking.slow_process, 30)
        [letter] = await dead(proc)
        assert [e.type for e in letter.errors] == ["taskproc.errors.TaskTimeout"] * 2
        assert instance.recorded("end") == []
        pids = [r["pid"] for r in instance.recorded("start")]
        assert len(set(pids)) == len(pids)
        await until(lambda: not any(map(alive, pids)))
        await proc.enqueue_task("default", "acme", handlers.nap_process, 0, "next")
        await instance.wait_records(1, "end", tag="next")


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_slot_is_whole_again_after_a_time_limit(instance: Instance) -> None:
    async with instance.worker(max_workers=1, max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", breaking.slow)
        await proc.enqueue_task("default", "acme", breaking.break_down, "cancelled")
        await proc.enqueue_task("default", "acme", handlers.mark)
        letters = await dead(proc, 2)
        assert [d.errors[0].type.rpartition(".")[2] for d in letters] == ["TaskTimeout", "CancelledError"]
        await instance.wait_records(1, "ran")
