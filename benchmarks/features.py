"""What features cost: one worker runs no-op tasks without any and with each, round by round.

Taken is the processor time of the worker's process, in which what else the machine does hardly shows.

usage: python -m benchmarks.features [--tasks 30000] [--rounds 7] [--redis URL]
Without a URL it starts a server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import msgpack
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.servers import Server, serving
from taskproc import CallNext, TaskContext, TaskProcessor, inject, method, task


class Mailer:
    """A service."""

    @task
    async def send(self, number: int, text: str) -> None:
        """The task, as a method."""


async def session() -> AsyncIterator[int]:
    """A provider with an end."""
    yield 1


@task
async def plain(number: int, text: str) -> None:
    """The task."""


@task
async def injected(number: int, text: str, mailer: Mailer = inject()) -> None:
    """The task, with a service."""


@task
async def provided(number: int, text: str, opened: int = inject(session)) -> None:
    """The task, with something that is opened and closed."""


async def through(ctx: TaskContext, call_next: CallNext) -> Any:
    """Middleware that does nothing."""
    return await call_next(ctx)


@asynccontextmanager
async def opened(cls: type, ctx: TaskContext) -> AsyncIterator[Any]:
    """A resolver whose instances are closed."""
    yield cls()


FEATURES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "none": (plain, {}),
    "one middleware": (plain, {"middleware": [through]}),
    "three": (plain, {"middleware": [through] * 3}),
    "a method, its instance constructed": (method(Mailer.send), {}),
    "a parameter by `inject()`": (injected, {}),
    "the same from a resolver, opened and closed": (injected, {"resolver": opened}),
    "a parameter by an async generator": (provided, {}),
    "`serializer=msgpack`": (plain, {"serializer": msgpack}),
}


async def once(url: str, name: str, tasks: int) -> float:
    """Microseconds of processor time a task."""
    handler, options = FEATURES[name]
    async with TaskProcessor(url, prefix="features", max_workers=100, retention=1, **options) as proc:
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handler, ((number, "hello") for number in range(tasks)))
        began = time.process_time()
        assert await proc.run_until_idle() == tasks
        return (time.process_time() - began) / tasks * 1e6


async def measure(url: str, tasks: int, rounds: int) -> dict[str, list[float]]:
    """Every feature in each round."""
    found: dict[str, list[float]] = {name: [] for name in FEATURES}
    for number in range(rounds + 1):
        for name, values in found.items():
            us = await once(url, name, tasks)
            if number:  # the first is for warming up
                values.append(us)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--redis")
    chosen = parser.parse_args()
    with nullcontext(Server) if chosen.redis else serving(None) as server:
        url = chosen.redis or server.url
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(url, chosen.tasks, chosen.rounds))
    table = Table("feature", "µs a task", "more", "ratio")
    for name, values in found.items():
        more = statistics.median(us - none for us, none in zip(values, found["none"], strict=True))
        ratio = statistics.median(us / none for us, none in zip(values, found["none"], strict=True))
        table.add_row(name, f"{statistics.median(values):.1f}", f"{more:+.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
