"""What features cost: tasks that use one beside plain tasks, enqueued as a batch and drained by one worker, round by round.

usage: python -m benchmarks.features [--tasks 20000] [--rounds 5] [--only WORD]...
Taken is processor time, in which what else the machine does hardly shows. Each case has a server of its own in each round;
ratios are to the plain tasks of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import uvloop

from benchmarks.servers import serving
from taskproc import Batch, CallNext, TaskContext, TaskProcessor, current_task, inject, method, task

Figures = tuple[float, float, float]
"""Microseconds of processor time a task: of the client as it enqueues, of the worker, and of Redis for both."""


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


@task(keep="all")
async def kept(number: int, text: str) -> None:
    """The task, with a record."""


@task(keep="all")
async def kept_result(number: int, text: str) -> dict[str, int]:
    """The task, with a result."""
    return {"number": number, "twice": 2 * number}


@task
async def telling(number: int, text: str) -> None:
    """The task, telling of its progress ten times, which is stored once."""
    context = current_task()
    for done in range(10):
        await context.progress(done, 10)


@task(unique=True)
async def unique(number: int, text: str) -> None:
    """The task, one of each number at a time."""


@task(unique_for=3600)
async def unique_for(number: int, text: str) -> None:
    """The task, one of each number in an hour."""


@task(max_concurrency=1000)
async def limited(number: int, text: str) -> None:
    """The task, under a limit that is never reached."""


@task(max_concurrency=10)
async def held_up(number: int, text: str) -> None:
    """The task, under a limit of a tenth of the slots."""


@task(max_concurrency=100, concurrency_key=lambda number, text: number % 50)
async def keyed(number: int, text: str) -> None:
    """The task, under limits of fifty keys."""


@task(rate_limit="100000/s")
async def paced(number: int, text: str) -> None:
    """The task, under a rate that is never reached."""


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
    '`keep="all"`, nothing returned': (kept, {}),
    '`keep="all"`, a small result': (kept_result, {}),
    "progress told ten times": (telling, {}),
    "`unique=True`": (unique, {}),
    "`unique_for=3600`": (unique_for, {}),
    "`max_concurrency=1000`, never reached": (limited, {}),
    "`max_concurrency=10` of 100 slots": (held_up, {}),
    "`max_concurrency=100`, 50 keys": (keyed, {}),
    "`rate_limit`, never reached": (paced, {}),
}


async def redis_us(proc: TaskProcessor) -> float:
    """The CPU time that the server has spent so far."""
    told: bytes = await proc._store.wire.command("INFO", "cpu", patience=5)
    values = dict(line.split(":") for line in told.decode().split() if ":" in line)
    return 1e6 * (float(values["used_cpu_user"]) + float(values["used_cpu_sys"]))


async def measure(url: str, name: str, tasks: int) -> Figures:
    """Enqueue and drain a batch."""
    handler, options = FEATURES[name]
    async with TaskProcessor(url, max_workers=100, retention=3600, **options) as proc:
        before = await redis_us(proc)

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handler, ((number, "hello") for number in range(tasks)))

        began = time.process_time()
        batch_id = await proc.enqueue_batch("default", "acme", build)
        enqueued = time.process_time()
        running = asyncio.create_task(proc.run())
        await proc.wait_batch(batch_id, 600)
        drained = time.process_time()
        await proc.stop()
        await running
        spent = await redis_us(proc) - before
        return 1e6 * (enqueued - began) / tasks, 1e6 * (drained - enqueued) / tasks, spent / tasks


def cell(values: list[float], base: list[float]) -> str:
    """A median and its ratio to the plain tasks of the same rounds."""
    ratio = statistics.median(one / none for one, none in zip(values, base, strict=True))
    return f"{statistics.median(values):.1f} ({ratio:.2f})"


def main() -> None:
    """Print each case's medians, and their ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[])
    chosen = parser.parse_args()
    names = [name for name in FEATURES if name == "none" or not chosen.only or any(word in name for word in chosen.only)]
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(chosen.rounds):
        for name in names:
            with serving(None) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found[name].append(runner.run(measure(server.url, name, chosen.tasks)))
    print("| feature | client, µs a task | worker, µs a task | Redis, µs a task |\n|---|---|---|---|")
    base = list(zip(*found["none"], strict=True))
    for name, figures in found.items():
        columns = zip(zip(*figures, strict=True), base, strict=True)
        print(f"| {name} | {' | '.join(cell(list(values), list(none)) for values, none in columns)} |")


if __name__ == "__main__":
    main()
