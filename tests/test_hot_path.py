"""What is done once for a handler, and not for each of its tasks."""

from __future__ import annotations

import inspect
import sys
import time
from types import FrameType
from typing import Any

import pytest

from taskproc import CallNext, TaskContext, TaskProcessor, method
from tests import handlers, services
from tests.harness import Instance
from tests.measure import in_time


async def fill(proc: TaskProcessor, handler: Any, count: int, *args: object) -> None:
    """Enqueue so many tasks."""
    async with proc.batch("default", "acme") as batch:
        await batch.enqueue_many(handler, [args] * count)


@pytest.mark.row("BR-25")
async def test_a_task_costs_little_more_than_its_call(instance: Instance) -> None:
    async with instance.open(max_workers=100) as proc:

        async def us_more() -> float:
            await fill(proc, handlers.noop, 10_000)
            began = time.process_time()
            for _ in range(10_000):
                await handlers.noop()
            direct = time.process_time() - began
            began = time.process_time()
            assert await proc.run_until_idle() == 10_000
            return (time.process_time() - began - direct) / 10_000 * 1e6

        await in_time(us_more, 50)


async def wrap(ctx: TaskContext, call_next: CallNext) -> Any:
    """Middleware."""
    return await call_next(ctx)


@pytest.mark.row("BR-25")
@pytest.mark.parametrize("options", [{}, {"middleware": [wrap], "resolver": lambda cls, ctx: cls()}])
async def test_nothing_is_inspected_for_each_task(instance: Instance, options: dict[str, Any]) -> None:
    async with instance.open(max_workers=100, **options) as proc:

        async def looks(count: int) -> int:
            for handler, args in (
                (handlers.noop, ()),
                (handlers.nap_thread, (0,)),
                *([(services.send_nobody, ("to",)), (method(services.Shop.visit), ())] if options else []),
            ):
                await fill(proc, handler, count, *args)
            found = 0

            def look(frame: FrameType, event: str, _: object) -> None:
                nonlocal found
                if event == "call" and frame.f_code.co_filename == inspect.__file__:
                    found += 1

            sys.setprofile(look)
            try:
                await proc.run_until_idle()
            finally:
                sys.setprofile(None)
            return found

        await looks(1)
        assert await looks(100) - await looks(1) < 50
