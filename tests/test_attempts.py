"""Attempts: how often a task runs, and how a handler may end."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskContext, TaskState
from tests import breaking, handlers
from tests.harness import Instance
from tests.watching import dead, gaps

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
        await acme.options(max_attempts=3).enqueue(breaking.fail_once_only, "call")
        await acme.enqueue(breaking.fail_once_only, "handler")
        await acme.enqueue(handlers.fail, tag="processor")
        await acme.enqueue_batch(lambda batch: batch.options(max_attempts=4).enqueue(breaking.fail_once_only, "batch"))
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
    "own": ("tests.breaking.LongText", "1 and 2"),
    "wordless": ("tests.breaking.Wordless", "can't be had"),
    "odd": ("tests.breaking.Odd", "odd"),
    "surrogate": ("ValueError", "a?b"),
    "long": ("ValueError", "x" * 2_000),
    "group": ("ExceptionGroup", "two (1 sub-exception)"),
}


@pytest.mark.row("BE-19", "BE-20", "BN-20")
@pytest.mark.parametrize("handler", [breaking.break_down, breaking.break_down_thread])
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
            "default", "acme", lambda batch: [batch.enqueue(breaking.break_down_process, kind) for kind in ENDS]
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
        await proc.enqueue_task("default", "acme", breaking.break_down_process, "exit process")
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
        await proc.enqueue_task("default", "acme", breaking.break_down_process, "signals")
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
        await proc.enqueue_task("default", "acme", breaking.fail_remotely, "refused")
        await proc.enqueue_task("default", "acme", breaking.fail_remotely, "value")
        await proc.run_until_idle()
        counts = {kind: len(instance.recorded("start", tag=kind)) for kind in ("refused", "value")}
        assert counts == {"refused": 3, "value": 1}
        assert {len(d.errors) for d in await proc.get_dead_tasks()} == {1, 3}


@pytest.mark.row("BR-17")
async def test_the_same_for_errors_in_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", breaking.fail_remotely_process, "refused")
        await proc.enqueue_task("default", "acme", breaking.fail_remotely_process, "value")
        await proc.run_until_idle()
        counts = {kind: len(instance.recorded("start", tag=kind)) for kind in ("refused", "value")}
        assert counts == {"refused": 3, "value": 1}


# a stop of the worker is none of these


@pytest.mark.row("PJ-25")
@pytest.mark.parametrize("handler", [handlers.nap, handlers.nap_thread])
async def test_a_stop_signals_what_runs_and_costs_no_attempt(instance: Instance, handler: Any) -> None:
    failures: list[BaseException] = []

    async def failed(ctx: TaskContext, error: BaseException) -> None:
        failures.append(error)

    async with instance.open() as client:
        async with instance.worker(shutdown_grace=0.1, on_task_error=failed):
            task_id = await client.options(max_attempts=1).enqueue_task("default", "acme", handler, 3)
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
