"""taskproc beside the yardstick in one process, round by round: enqueueing and draining no-op tasks.

usage: python -m benchmarks.first [--tasks 50000] [--slots 100] [--rounds 5] [--redis URL] [--json]
Without a URL it starts a server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from rich.console import Console

from benchmarks.peers.yardstick import Yardstick
from benchmarks.results import Results
from benchmarks.sections import Run, looped, show_values
from benchmarks.servers import Server, serving
from taskproc import Batch, TaskProcessor, task

NAME = "yardstick"
SHAPES = {"100 slots": (50_000, 100, 1), "10 slots": (30_000, 10, 1), "100 tenants": (50_000, 100, 100),
          "10,000 tenants": (50_000, 100, 10_000)}  # fmt: skip
"""Tasks, slots, tenants of one batch each."""
BATCH = 100_000


@task
async def noop(number: int, text: str) -> None:
    """The task."""


def processor(url: str, slots: int) -> TaskProcessor:
    """One whose batches are soon forgotten."""
    return TaskProcessor(url, prefix="first", max_workers=slots, retention=1)


@asynccontextmanager
async def working(proc: TaskProcessor) -> AsyncIterator[None]:
    """A worker runs meanwhile."""
    running = asyncio.create_task(proc.run())
    try:
        yield
    finally:
        await proc.stop()
        await running


async def enqueue(proc: TaskProcessor, tasks: int, tenants: int = 1) -> float:
    """Tasks enqueued per second, each with a call of its own."""

    def build(batch: Batch) -> None:
        for number in range(tasks // tenants):
            batch.enqueue(noop, number, "hello")

    began = time.perf_counter()
    for tenant in range(tenants):
        await proc.enqueue_batch("default", f"tenant-{tenant}", build)
    return tasks / (time.perf_counter() - began)


async def enqueue_many(url: str, tasks: int) -> float:
    """Tasks enqueued per second with one call."""
    async with processor(url, 1) as proc:
        began = time.perf_counter()
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(noop, ((number, "hello") for number in range(tasks)))
        return tasks / (time.perf_counter() - began)


async def drained(proc: TaskProcessor, tasks: int) -> float:
    """Tasks drained per second, until all are settled."""
    began = time.perf_counter()
    async with working(proc):
        while (queue := await proc.get_queue("default")).ready + queue.running:
            await asyncio.sleep(0.01)
        return tasks / (time.perf_counter() - began)


async def enqueue_and_drain(url: str, tasks: int, slots: int, tenants: int = 1) -> tuple[float, float]:
    """Tasks enqueued and drained per second by one process."""
    async with processor(url, slots) as proc:
        return await enqueue(proc, tasks, tenants), await drained(proc, tasks)


async def compare(url: str, tasks: int, slots: int, tenants: int = 1) -> dict[str, float]:
    """Rates of a round."""
    yardstick = Yardstick(url, tasks, slots, tenants)
    found = {"yardstick enqueue": await yardstick.enqueue(), "yardstick drain": await yardstick.drain()}
    found["enqueue"], found["drain"] = await enqueue_and_drain(url, tasks, slots, tenants)
    return found


async def processor_time(server: Server, tasks: int) -> dict[str, float]:
    """What Redis takes to fill and drain, in µs a task."""
    start = server.read().cpu
    yardstick = Yardstick(server.url, tasks, 100)
    await yardstick.enqueue()
    await yardstick.drain()
    between = server.read().cpu
    await enqueue_and_drain(server.url, tasks, 100)
    end = server.read().cpu
    return {"yardstick Redis µs": (between - start) * 1e6 / tasks, "Redis µs": (end - between) * 1e6 / tasks}


async def batch_of_many(server: Server, tasks: int) -> dict[str, float]:
    """Both ways to fill a batch, beside the yardstick."""
    found = {"yardstick": await Yardstick(server.url, tasks, 1).enqueue()}
    found["enqueue_many"] = await enqueue_many(server.url, tasks)
    async with processor(server.url, 1) as proc:
        found["batch.enqueue"] = await enqueue(proc, tasks)
    return found


def measure(run: Run, number: int) -> None:
    """A round of all shapes."""
    for shape, (tasks, slots, tenants) in SHAPES.items():
        with serving(run.binary) as server:
            for name, value in looped(compare(server.url, max(run.tasks(tasks), tenants), slots, tenants)).items():
                run.note(NAME, f"{shape}: {name}", value)
    with serving(run.binary) as server:
        for name, value in looped(processor_time(server, run.tasks(SHAPES["100 slots"][0]))).items():
            run.note(NAME, name, value)
    with serving(run.binary) as server:
        for name, value in looped(batch_of_many(server, run.tasks(BATCH))).items():
            run.note(NAME, f"batch of {BATCH:,}: {name}", value)


def ratios(found: dict[str, list[float]], ours: str, best: str) -> list[float]:
    """One value over another, round by round."""
    return [mine / other for mine, other in zip(found[ours], found[best], strict=True)]


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    show_values("Beside the yardstick, in one process: tasks per second", results.sections[NAME], console)


def main() -> None:
    """Compare one shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--redis")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    with nullcontext() if given.redis else serving() as server:
        url = given.redis or server.url
        for _ in range(given.rounds):
            for name, value in looped(compare(url, given.tasks, given.slots)).items():
                found.setdefault(name, []).append(value)
    for what in ("enqueue", "drain"):
        found[f"{what}, share"] = ratios(found, what, f"yardstick {what}")
    if given.json:
        print(json.dumps(found))
    else:
        show_values(f"{given.tasks:,} no-op tasks, {given.slots} slots, per second", found, Console())


if __name__ == "__main__":
    main()
