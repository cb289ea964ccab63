"""The delay before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

import pytest

from taskproc import TaskContext, TaskInfo, TaskState
from taskproc.backoff import Exponential
from tests import handlers
from tests.harness import LATE, Instance, until
from tests.hooks import cancelling, ending, negative, nonsense, not_async, raising
from tests.watching import dead, gaps


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
