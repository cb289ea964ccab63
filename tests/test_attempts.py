"""Attempts: how a handler may end, retries and their delays, time limits, dead letters, errors, hooks."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskContext, TaskInfo, TaskProcessor, TaskState
from taskproc.backoff import Exponential
from tests import handlers
from tests.harness import LATE, Instance, until


def gaps(instance: Instance, *, tag: object = None) -> list[float]:
    """The times between starts."""
    at = [r["at"] for r in instance.recorded("start", tag=tag)]
    return [later - earlier for earlier, later in pairwise(at)]


async def dead(proc: TaskProcessor, count: int = 1) -> list[TaskInfo]:
    """The dead letters, once there are so many."""

    async def check() -> list[TaskInfo]:
        found = await proc.get_dead_tasks(take=1_000)
        return found if len(found) >= count else []

    found: list[TaskInfo] = await until(check)
    assert len(found) == count
    return found


# how often


@pytest.mark.row("CT-20", "PJ-08", "PJ-23", "BE-20")
async def test_a_task_that_always_fails_runs_three_times_and_is_dead(instance: Instance) -> None:
    async with instance.worker(backoff=0.05) as proc:
        states: list[tuple[TaskState, int]] = []
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.fail, "it broke"))
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.FAILED
        [letter] = await dead(proc)
        states.append((letter.state, letter.attempt))
        assert [(r["attempt"], r["delivery"]) for r in instance.recorded("start")] == [(1, 1), (2, 2), (3, 3)]
        assert states == [(TaskState.FAILED, 3)]
        assert [(e.attempt, e.type, e.message) for e in letter.errors] == [(n, "ValueError", "it broke") for n in (1, 2, 3)]
        assert all("raise ValueError(message)" in e.traceback for e in letter.errors)
        assert letter.errors[0].at < letter.errors[1].at < letter.errors[2].at
        await asyncio.sleep(0.3)
        assert len(instance.recorded("start")) == 3


@pytest.mark.row("CT-19", "BE-10")
@pytest.mark.parametrize("executions", [1, 2, 5])
async def test_the_call_says_how_often(instance: Instance, executions: int) -> None:
    async with instance.open(backoff=0) as proc:
        task_id = await proc.options(max_attempts=executions).enqueue_task("default", "acme", handlers.fail)
        await proc.run_until_idle()
        assert [r["attempt"] for r in instance.recorded("start")] == list(range(1, executions + 1))
        info = await proc.get_task(task_id)
        assert info is not None
        assert (info.state, info.attempt, len(info.errors)) == (TaskState.FAILED, executions, executions)


@pytest.mark.row("PJ-12", "CT-18")
async def test_a_call_overrides_its_handler_and_the_next_plain_call_does_not(instance: Instance) -> None:
    async with instance.open(backoff=0, max_attempts=2) as proc:
        acme = proc.tenant("acme")
        await acme.options(max_attempts=3).enqueue(handlers.fail_once_only, "call")
        await acme.enqueue(handlers.fail_once_only, "handler")
        await acme.enqueue(handlers.fail, tag="processor")
        await acme.enqueue_batch(lambda batch: batch.options(max_attempts=4).enqueue(handlers.fail_once_only, "batch"))
        await proc.run_until_idle()
        counts = {tag: len(instance.recorded("start", tag=tag)) for tag in ("call", "handler", "processor", "batch")}
        assert counts == {"call": 3, "handler": 1, "processor": 2, "batch": 4}


async def test_a_task_that_succeeds_in_the_end_leaves_nothing(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.fail, "no", 3)
        await proc.run_until_idle()
        assert [r["attempt"] for r in instance.recorded("end")] == [3]
        assert await proc.get_task(task_id) is None
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed) == (1, 0)


# how an attempt ends


ENDS = {
    "value": ("ValueError", "x"),
    "exit": ("SystemExit", "3"),
    "cancelled": ("asyncio.exceptions.CancelledError", ""),
    "base": ("BaseException", "b"),
    "stop": ("RuntimeError", "raised StopIteration"),
    "generator": ("GeneratorExit", ""),
    "own": ("tests.handlers.LongText", "1 and 2"),
    "wordless": ("tests.handlers.Wordless", "can't be had"),
    "surrogate": ("ValueError", "a?b"),
    "long": ("ValueError", "x" * 2_000),
    "group": ("ExceptionGroup", "two (1 sub-exception)"),
}


@pytest.mark.row("BE-19", "BE-20", "BN-20")
@pytest.mark.parametrize("handler", [handlers.break_down, handlers.break_down_thread])
async def test_whatever_a_handler_raises_is_its_error_and_the_worker_lives(instance: Instance, handler: Any) -> None:
    async with instance.worker(max_workers=1, max_attempts=1) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handler, kind) for kind in ENDS])
        await proc.enqueue_task("default", "acme", handlers.mark)
        letters = await dead(proc, len(ENDS))
        await instance.wait_records(1, "ran")
        for record, letter in zip(instance.recorded("start"), letters, strict=True):
            [error] = letter.errors
            kind, text = ENDS[record["tag"]]
            assert (error.type, error.attempt) == (kind, 1), record["tag"]
            assert text in error.message
            assert len(error.message) <= 2_000
        [worker] = await proc.get_workers()
        assert worker.slots == 1


@pytest.mark.row("BE-19", "BE-20")
async def test_the_same_in_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.worker(max_workers=1, max_attempts=1) as proc:
        await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.break_down_process, kind) for kind in ENDS]
        )
        await proc.enqueue_task("default", "acme", handlers.mark)
        letters = await dead(proc, len(ENDS))
        await instance.wait_records(1, "ran")
        for record, letter in zip(instance.recorded("start"), letters, strict=True):
            [error] = letter.errors
            kind, text = ENDS[record["tag"]]
            assert error.type == kind
            assert text in error.message or kind.endswith("Wordless")
            assert "raise_it" in error.traceback or record["tag"] == "stop"
        assert all(r["pid"] != os.getpid() for r in instance.recorded("start"))


@pytest.mark.row("BE-19")
async def test_a_process_that_ends_itself_fails_the_attempt(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.worker(max_workers=1, max_attempts=2) as proc:
        await proc.enqueue_task("default", "acme", handlers.break_down_process, "exit process")
        await proc.enqueue_task("default", "acme", handlers.nap_process, 0)
        [letter] = await dead(proc)
        assert len(letter.errors) == 2
        assert len({r["pid"] for r in instance.recorded("start", tag="exit process")}) == 2
        await instance.wait_records(1, "end")
        assert len(await proc.get_workers()) == 1


@pytest.mark.parametrize("kind", ["retry", "snooze", "bury", "cancel"])
async def test_signals_of_a_handler(instance: Instance, kind: str) -> None:
    outcomes: list[str] = []
    failures: list[BaseException] = []

    async def ended(ctx: TaskContext) -> None:
        outcomes.append(repr(ctx.outcome))

    async def failed(ctx: TaskContext, error: BaseException) -> None:
        failures.append(error)

    async with instance.worker(on_task_end=ended, on_task_error=failed) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.signal, kind, 0.2))
        info = await proc.wait_batch(batch_id, 10)
        started = [(r["attempt"], r["delivery"]) for r in instance.recorded("start")]
        counts = (info.state.value, info.done, info.failed, info.cancelled)
        letters = await proc.get_dead_tasks()
        if kind == "retry":
            assert (started, counts) == ([(1, 1), (2, 2)], ("done", 1, 0, 0))
            assert gaps(instance)[0] >= 0.2
            assert failures == []
        elif kind == "snooze":
            assert (started, counts) == ([(1, 1), (1, 2)], ("done", 1, 0, 0))
            assert gaps(instance)[0] >= 0.2
            assert failures == []
        elif kind == "bury":
            assert (started, counts) == ([(1, 1)], ("failed", 0, 1, 0))
            assert [(e.type, e.message) for e in letters[0].errors] == [("taskproc.outcome.Bury", "no use")]
            assert len(failures) == 1
        else:
            assert (started, counts) == ([(1, 1)], ("done", 0, 0, 1))
            assert outcomes == ["Cancelled(reason='not needed')"]
            assert failures == []
        assert bool(letters) == (kind == "bury")


async def test_a_retry_counts_and_a_snooze_does_not(instance: Instance) -> None:
    async with instance.open(max_attempts=3) as proc:
        await proc.enqueue_task("default", "acme", handlers.signal, "retry", 0, times=5)
        await proc.enqueue_task("default", "acme", handlers.signal, "snooze", 0, times=5)
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        assert [e.type for e in letter.errors] == ["taskproc.outcome.Retry"]
        started = [(r["attempt"], r["delivery"]) for r in instance.recorded("start")]
        assert sorted(started) == sorted([(1, 1), (2, 2), (3, 3)] + [(1, n) for n in range(1, 7)])


async def test_signals_of_a_handler_in_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.break_down_process, "signals")
        await proc.run_until_idle()
        assert [(r["attempt"], r["delivery"]) for r in instance.recorded("start")] == [(1, 1), (2, 2), (2, 3)]
        [letter] = await proc.get_dead_tasks()
        assert [(e.type, e.message) for e in letter.errors] == [("taskproc.outcome.Bury", "no use")]


@pytest.mark.row("PJ-24")
async def test_a_task_cancels_itself_for_good(instance: Instance) -> None:
    reasons: list[Any] = []

    async def ended(ctx: TaskContext) -> None:
        reasons.append(ctx.outcome)

    async with instance.worker(on_task_end=ended, backoff=0) as proc:

        def build(batch: Batch) -> None:
            batch.options(max_attempts=100).enqueue(handlers.give_up)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.state, info.done, info.failed, info.cancelled) == (BatchState.DONE, 0, 0, 1)
        assert reasons[0].reason == "nothing to do any more"
        await instance.wait_records(1, "ran")
        assert len(instance.recorded("start")) == 1


@pytest.mark.row("BR-17")
async def test_only_some_errors_are_worth_another_try(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.fail_remotely, "refused")
        await proc.enqueue_task("default", "acme", handlers.fail_remotely, "value")
        await proc.run_until_idle()
        counts = {kind: len(instance.recorded("start", tag=kind)) for kind in ("refused", "value")}
        assert counts == {"refused": 3, "value": 1}
        assert {len(d.errors) for d in await proc.get_dead_tasks()} == {1, 3}


@pytest.mark.row("BR-17")
async def test_the_same_for_errors_in_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.fail_remotely_process, "refused")
        await proc.enqueue_task("default", "acme", handlers.fail_remotely_process, "value")
        await proc.run_until_idle()
        counts = {kind: len(instance.recorded("start", tag=kind)) for kind in ("refused", "value")}
        assert counts == {"refused": 3, "value": 1}


# the delay before the next attempt


@pytest.mark.row("PJ-09")
async def test_a_fixed_delay_between_attempts(instance: Instance) -> None:
    async with instance.worker(backoff=timedelta(seconds=0.4)) as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", handlers.fail, tag=n)
        await dead(proc, 3)
        found = [gap for n in range(3) for gap in gaps(instance, tag=n)]
        assert len(found) == 6
        assert min(found) >= 0.4
        assert median(found) <= 0.4 + LATE


@pytest.mark.row("PJ-09")
async def test_no_delay_where_none_is_wanted(instance: Instance) -> None:
    async with instance.worker(backoff=0) as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", handlers.fail, tag=n)
        await dead(proc, 3)
        assert median(gap for n in range(3) for gap in gaps(instance, tag=n)) <= 0.1


@pytest.mark.row("BE-11")
@pytest.mark.parametrize(
    "backoff", [lambda attempt: 0.05 * 2**attempt, [0.1, 0.2, 0.4], [0.1, timedelta(milliseconds=200), 0.4]]
)
async def test_delays_of_ones_own(instance: Instance, backoff: Any) -> None:
    async with instance.worker(backoff=backoff, max_attempts=4) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail)
        await dead(proc)
        found = gaps(instance)
        assert all(gap >= wanted for gap, wanted in zip(found, (0.1, 0.2, 0.4), strict=True)), found
        assert median(gap - wanted for gap, wanted in zip(found, (0.1, 0.2, 0.4), strict=True)) <= LATE


@pytest.mark.row("BE-11", "BR-15")
async def test_exponential_delays_with_jitter(instance: Instance) -> None:
    delays: dict[int, list[int]] = {1: [], 2: [], 3: []}

    async def ended(ctx: TaskContext) -> None:
        if ctx.attempt < 4:
            delays[ctx.attempt].append(ctx.outcome.delay_ms)  # type: ignore[union-attr]

    options: dict[str, Any] = {"backoff": Exponential(0.1), "max_attempts": 4, "max_workers": 50, "on_task_end": ended}
    async with instance.worker(**options) as proc:
        await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.fail, tag=n) for n in range(50)], label="50"
        )
        await dead(proc, 50)
        assert len(instance.recorded("start")) == 200
        for attempt, found in delays.items():
            base = 100 * 2 ** (attempt - 1)
            assert len(found) == 50
            assert all(base <= delay <= 1.25 * base + 1 for delay in found)
            assert len(set(found)) >= 5
        for n in range(50):
            assert all(gap >= 0.1 * 2**number for number, gap in enumerate(gaps(instance, tag=n)))


@pytest.mark.row("BE-11", "BE-12")
def test_the_default_doubles_from_one_second_to_ten_minutes() -> None:
    random.seed(1)
    for attempt in range(1, 10):
        assert all(2 ** (attempt - 1) <= Exponential()(attempt) <= 1.25 * 2 ** (attempt - 1) for _ in range(20))
    for attempt in (11, 100, 1_000, 10**9):
        assert 600 <= Exponential()(attempt) <= 750
    assert Exponential(jitter=0)(7) == 64


@pytest.mark.row("BE-12", "BE-13", "BR-18")
async def test_a_task_that_waits_for_its_retry_shows_it_and_takes_no_slot(instance: Instance) -> None:
    async with instance.worker(max_workers=1, backoff=20) as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.fail, "the reason")

        async def waits() -> TaskInfo | None:
            found = await proc.get_task(task_id)
            return found if found is not None and found.state is TaskState.DELAYED else None

        info: TaskInfo = await until(waits)
        assert (info.attempt, info.name, info.tenant) == (1, "tests.handlers.fail", "acme")
        assert [(e.attempt, e.type, e.message) for e in info.errors] == [(1, "ValueError", "the reason")]
        assert info.scheduled_for is not None
        assert 0 <= info.scheduled_for.timestamp() - info.errors[0].at.timestamp() - 20 <= 1
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running, queue.delayed, queue.dead) == (0, 0, 1, 0)
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1, "ran")
        assert len(instance.recorded("start")) == 1


@pytest.mark.row("BE-27")
async def test_a_retried_task_does_not_jump_the_line(instance: Instance) -> None:
    async with instance.open(max_workers=1, backoff=0) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail, "once", 2, "first")
        for tag in ("second", "third"):
            await proc.enqueue_task("default", "acme", handlers.mark, tag)
        await proc.run_until_idle()
        assert [r["tag"] for r in instance.recorded("start", "ran")] == ["first", "second", "third", "first"]


@pytest.mark.row("CT-21")
async def test_a_callback_gives_the_delay_and_is_told_what_is_left(instance: Instance) -> None:
    told: list[tuple[int, int]] = []

    async def delay(ctx: TaskContext, left: int) -> float | timedelta | None:
        told.append((ctx.attempt, left))
        return {3: timedelta(seconds=0.3), 2: 0.6, 1: None}[left]

    async with instance.worker(on_task_failed_delay=delay, backoff=60, max_attempts=4) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail)
        await dead(proc)
        assert told == [(1, 3), (2, 2), (3, 1)]
        found = gaps(instance)
        assert found[0] >= 0.3
        assert found[1] >= 0.6
        assert median(gap - wanted for gap, wanted in zip(found, (0.3, 0.6, 0), strict=True)) <= LATE


async def raising(*args: Any) -> Any:
    raise RuntimeError("a hook is broken")


async def ending(*args: Any) -> Any:
    raise SystemExit(1)


async def cancelling(*args: Any) -> Any:
    raise asyncio.CancelledError


async def negative(*args: Any) -> Any:
    return -1


async def nonsense(*args: Any) -> Any:
    return "soon"


def not_async(*args: Any) -> Any:
    return 5


@pytest.mark.row("CT-22")
@pytest.mark.parametrize("hook", [raising, ending, cancelling, negative, nonsense, not_async])
async def test_a_callback_that_fails_means_at_once(
    instance: Instance, hook: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with instance.worker(on_task_failed_delay=hook, backoff=60, max_workers=1) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail)
        assert len((await dead(proc))[0].errors) == 3
        assert "its backoff can't be had" in caplog.text
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1, "ran")


@pytest.mark.row("CT-22")
@pytest.mark.parametrize("backoff", [lambda attempt: 1 / 0, lambda attempt: -1, lambda attempt: "soon", lambda: 1])
async def test_a_backoff_that_fails_means_at_once(instance: Instance, backoff: Any) -> None:
    async with instance.worker(backoff=backoff, max_workers=1) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail)
        assert len((await dead(proc))[0].errors) == 3


# time limits


@pytest.mark.row("BE-18", "BR-16", "PJ-31")
async def test_a_time_limit_stops_each_attempt(instance: Instance) -> None:
    async with instance.worker(max_attempts=2) as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", handlers.slow, tag=n)
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
            await proc.enqueue_task("default", "acme", handlers.slow, seconds)
        await proc.run_until_idle()
        assert len(instance.recorded("end")) == 2
        await asyncio.sleep(0.35)
        assert await proc.get_dead_tasks() == []


@pytest.mark.row("PJ-31")
async def test_a_time_limit_in_a_thread_sets_cancelled(instance: Instance) -> None:
    async with instance.worker(max_attempts=2) as proc:
        await proc.enqueue_task("default", "acme", handlers.slow_thread, 5)
        [letter] = await dead(proc)
        assert [e.type for e in letter.errors] == ["taskproc.errors.TaskTimeout"] * 2
        starts, stops = instance.recorded("start"), instance.recorded("cancelled")
        assert min(stop["at"] - start["at"] for start, stop in zip(starts, stops, strict=True)) <= 0.2 + 0.3


async def test_a_thread_that_ignores_its_limit_keeps_slot_and_lease_until_it_returns(instance: Instance) -> None:
    async with instance.worker(max_attempts=2, max_workers=1, invisibility=0.3) as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.slow_thread, 0.8, False)
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
        await proc.enqueue_task("default", "acme", handlers.slow_process, 30)
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
        await proc.enqueue_task("default", "acme", handlers.slow)
        await proc.enqueue_task("default", "acme", handlers.break_down, "cancelled")
        await proc.enqueue_task("default", "acme", handlers.mark)
        letters = await dead(proc, 2)
        assert [d.errors[0].type.rpartition(".")[2] for d in letters] == ["TaskTimeout", "CancelledError"]
        await instance.wait_records(1, "ran")


# a stop of the worker is none of these


@pytest.mark.row("PJ-25")
@pytest.mark.parametrize("handler", [handlers.nap, handlers.nap_thread])
async def test_a_stop_signals_what_runs_and_costs_no_attempt(instance: Instance, handler: Any) -> None:
    failures: list[BaseException] = []

    async def failed(ctx: TaskContext, error: BaseException) -> None:
        failures.append(error)

    async with instance.open() as client:
        async with instance.worker(shutdown_grace=0.1, on_task_error=failed):
            task_id = await client.options(max_attempts=1).enqueue_task("default", "acme", handler, 1)
            await instance.wait_records(1, "start")
            stop_at = instance.now()
        [signalled] = await instance.wait_records(1, "cancelled")
        assert signalled["at"] - stop_at < 0.1 + 0.5
        info = await client.get_task(task_id)
        assert info is not None
        assert (info.state, info.attempt, info.errors) == (TaskState.READY, 0, ())
        assert failures == []
        async with instance.worker():
            await instance.wait_records(1, "end")
        assert [(r["attempt"], r["delivery"]) for r in instance.recorded("start")] == [(1, 1), (1, 2)]


# dead letters


@pytest.mark.row("CT-23")
async def test_dead_letters_keep_all_that_is_known(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("mail", "acme", lambda batch: batch.enqueue(handlers.fail, "in a batch"))
        single = await proc.enqueue_task("mail", "umbrella", handlers.fail, "single")
        raw = await proc.enqueue_raw("mail", "acme", "raw.echo.unknown", b"\x00\xff")
        other = await proc.enqueue_task("default", "acme", handlers.fail, "elsewhere")
        async with instance.open(queues=["mail", "default"], max_attempts=1, unknown_grace=0) as worker:
            await worker.run_until_idle()
        assert [(q.name, q.dead) for q in await proc.get_queues()] == [("default", 1), ("mail", 3)]
        letters = {d.data: d for d in await proc.get_dead_tasks("mail")}
        assert len(letters) == 3
        assert letters[b"\x00\xff"].id == raw
        by_batch = letters[b'["tests.handlers.fail",["in a batch"]]']
        assert (by_batch.batch_id, by_batch.tenant, by_batch.queue) == (batch_id, "acme", "mail")
        assert by_batch.id.startswith(batch_id)
        alone = letters[b'["tests.handlers.fail",["single"]]']
        assert (alone.id, alone.batch_id, alone.tenant, alone.state) == (single, None, "umbrella", TaskState.FAILED)
        assert [(e.type, e.message) for e in alone.errors] == [("ValueError", "single")]
        assert [d.id for d in await proc.get_dead_tasks("default")] == [other]
        assert [d.id for d in await proc.get_dead_tasks(tenant="umbrella")] == [single]
        assert [d.id for d in await proc.get_dead_tasks(batch_id=batch_id)] == [by_batch.id]
        assert len(await proc.get_dead_tasks()) == 4
        assert len(await proc.get_dead_tasks(skip=1, take=2)) == 2
        assert await proc.get_task(single) == alone


@pytest.mark.row("CT-24")
@pytest.mark.parametrize("how", ["processor", "call", "call of one"])
async def test_without_a_dead_letter_nothing_of_the_task_is_left(instance: Instance, how: str) -> None:
    keep = "none" if how != "processor" else None
    async with instance.open(deadletter=how != "processor", max_attempts=2, backoff=0) as proc:
        text = "x" * 20_000

        def build(batch: Batch) -> None:
            batch.options(keep=keep).enqueue(handlers.fail, text)
            batch.enqueue(handlers.mark)
            batch.options(on="failed").continue_with(handlers.after)

        if how == "call of one":
            await proc.options(keep=keep).enqueue_task("default", "acme", handlers.fail, text)
            await proc.run_until_idle()
        else:
            batch_id = await proc.enqueue_batch("default", "acme", build)
            await proc.run_until_idle()
            info = await proc.get_batch(batch_id)
            assert info is not None
            assert (info.state, info.done, info.failed, info.remaining) == (BatchState.FAILED, 1, 1, 0)
            assert [r["event"] for r in instance.recorded("start", "ran")].count("ran") == 2
        assert len(instance.recorded("start")) == 2
        assert await proc.get_dead_tasks() == []
        assert (await proc.get_queue("default")).dead == 0
        assert not rest(instance)
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.failed, totals.remaining) == (1, 0)


def rest(instance: Instance) -> list[bytes]:
    """Keys that hold something of single tasks."""
    return [name for name in sorted(instance.keys()) if name.endswith((b":w", b":e", b":big", b":x:default"))]


@pytest.mark.row("CT-25")
@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_dead_tasks_are_retried_oldest_first_with_fresh_attempts(instance: Instance, mode: Any) -> None:
    async with instance.open(max_attempts=1, max_workers=1) as proc:
        await proc.set_queue_mode("default", mode)
        for n in range(30):
            await proc.enqueue_task("default", "acme", handlers.fail, tag=f"single {n}")
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.fail, tag=f"batch {n}") for n in range(120)]
        )
        await proc.run_until_idle()
        letters = await proc.get_dead_tasks(take=1_000)
        assert len(letters) == 150
        assert [d.errors[0].at for d in letters] == sorted(d.errors[0].at for d in letters)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.FAILED, 120, 0)

        assert await proc.retry_dead_tasks() == 100
        left = await proc.get_dead_tasks(take=1_000)
        assert {d.id for d in left} == {d.id for d in letters[100:]} or same_time(letters)
        mine = sum(d.batch_id is not None for d in left)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.RUNNING, mine, 120 - mine)
        assert await proc.retry_dead_tasks(max_attempts=2) == 50
        assert await proc.retry_dead_tasks() == 0
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.dead) == (150, 0)

        async with instance.open(max_attempts=1, backoff=0, max_workers=20) as worker:
            await worker.run_until_idle()
        again = await proc.get_dead_tasks(take=1_000)
        assert sorted(d.attempt for d in again) == [1] * 100 + [2] * 50
        assert {d.attempt for d in again if d.id in {kept.id for kept in left}} == {2}
        assert len(instance.recorded("start")) == 150 + 100 + 2 * 50
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.FAILED, 120, 0)


def same_time(letters: list[TaskInfo]) -> bool:
    """Whether the two around the hundredth died in the same millisecond, so that either may go first."""
    return letters[99].errors[0].at == letters[100].errors[0].at


async def test_a_dead_task_that_is_retried_can_be_done(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance.open(max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark)
            batch.enqueue(handlers.fail, "x", 1_000)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        assert instance.recorded("ran", tag=None)[-1].get("continuation") is None
        spoil = f"{{{instance.name}}}:b:{batch_id}:w"
        [(field, body)] = instance.client.hgetall(spoil).items()
        instance.client.hset(spoil, field, body.replace(b",1000", b",1"))
        assert await proc.retry_dead_tasks(batch_id=batch_id) == 1
        assert (await proc.get_task(letter.id)) is not None
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.done, info.failed) == (BatchState.DONE, 2, 0)
        [after] = [r for r in instance.recorded("ran") if r.get("continuation")]
        assert after["counters"] == [2, 2, 0, 0, 0]


@pytest.mark.row("CT-26")
async def test_discarded_dead_tasks_stay_counted_as_failed(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            for n in range(3):
                batch.enqueue(handlers.mark, n)
            batch.enqueue(handlers.fail, "x" * 20_000)
            batch.continue_with(handlers.after, "done")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        single = await proc.enqueue_task("default", "acme", handlers.fail)
        await proc.run_until_idle()
        assert await proc.discard_dead_tasks(count=1) == 1
        assert await proc.discard_dead_tasks() == 1
        assert await proc.discard_dead_tasks() == 0
        assert await proc.retry_dead_tasks() == 0
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.total, info.done, info.failed, info.remaining) == (BatchState.FAILED, 4, 3, 1, 0)
        assert await proc.get_task(single) is None
        assert await proc.run_until_idle() == 0
        assert instance.recorded("ran", tag="done") == []
        assert (await proc.get_queue("default")).dead == 0
        assert not rest(instance)


@pytest.mark.row("CT-26")
async def test_a_hundred_are_discarded_at_once(instance: Instance) -> None:
    async with instance.open(max_attempts=1, max_workers=20) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.fail) for _ in range(130)])
        await proc.run_until_idle()
        assert [await proc.discard_dead_tasks() for _ in range(3)] == [100, 30, 0]
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.fail) for _ in range(130)])
        await proc.run_until_idle()
        assert [await proc.discard_dead_tasks(count=None) for _ in range(2)] == [130, 0]


async def test_errors_are_kept_up_to_a_bound(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:
        await proc.options(max_attempts=30).enqueue_task("default", "acme", handlers.break_down, "long")
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        attempts = [e.attempt for e in letter.errors]
        assert 5 <= len(attempts) <= 20
        assert attempts == list(range(31 - len(attempts), 31))
        assert sum(len(e.message) + len(e.traceback) for e in letter.errors) <= 20 * 7_000


# hooks


@pytest.mark.row("CT-60")
async def test_hooks_see_every_task_and_its_batch(instance: Instance) -> None:
    seen: list[tuple[str, int, str, int]] = []

    async def started(ctx: TaskContext) -> None:
        info = await ctx.batch()
        assert info is not None
        seen.append(("start", ctx.attempt, "", info.total))

    async def ended(ctx: TaskContext) -> None:
        info = await ctx.batch()
        assert info is not None
        seen.append(("end", ctx.attempt, type(ctx.outcome).__name__, info.total))

    async def failed(ctx: TaskContext, error: BaseException) -> None:
        info = await ctx.batch()
        assert info is not None
        seen.append(("error", ctx.attempt, str(error), info.total))

    hooks: dict[str, Any] = {"on_task_start": started, "on_task_end": ended, "on_task_error": failed}
    async with instance.open(backoff=0, max_attempts=2, **hooks) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.peek_batch)
            batch.enqueue(handlers.peek_batch, broken=True)
            batch.enqueue(handlers.give_up)

        await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert sorted(seen) == sorted(
            [
                *[("start", attempt, "", 3) for attempt in (1, 1, 1, 2)],
                ("end", 1, "Done", 3),
                ("end", 1, "Cancelled", 3),
                ("end", 1, "Again", 3),
                ("end", 2, "Dead", 3),
                ("error", 1, "broken", 3),
                ("error", 2, "broken", 3),
            ]
        )


@pytest.mark.row("CT-60")
async def test_the_end_hook_comes_after_the_start_and_before_the_settling(instance: Instance) -> None:
    order: list[str] = []

    async def started(ctx: TaskContext) -> None:
        assert (ctx.outcome, ctx.name, ctx.cancelled) == (None, "tests.handlers.mark", False)
        order.append("start")

    async def ended(ctx: TaskContext) -> None:
        info = await ctx.batch()
        assert info is not None
        order.append(f"end, {info.remaining} left")

    async with instance.open(on_task_start=started, on_task_end=ended) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.mark))
        await proc.run_until_idle()
        assert order == ["start", "end, 1 left"]


@pytest.mark.row("CT-22")
@pytest.mark.parametrize("hook", [raising, ending, cancelling, not_async])
@pytest.mark.parametrize("name", ["on_task_start", "on_task_end", "on_task_error"])
async def test_a_hook_that_fails_changes_nothing(
    instance: Instance, name: str, hook: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with instance.worker(max_workers=1, backoff=0, max_attempts=2, **{name: hook}) as proc:
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.fail, "x", below) for below in (1, 2, 3)]
        )
        info = await proc.wait_batch(batch_id, 10)
        assert (info.done, info.failed) == (2, 1)
        assert "a hook failed" in caplog.text
        assert len(instance.recorded("start")) == 5
