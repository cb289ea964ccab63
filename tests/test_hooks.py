"""Hooks: what they see, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskproc import Batch, TaskContext
from tests import handlers
from tests.harness import Instance
from tests.hooks import cancelling, ending, not_async, raising


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
