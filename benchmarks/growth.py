"""How taskproc's cost grows: with the backlog, tenants, batches, what waits or is dead, slots, and queues.

usage: python -m benchmarks.growth [--rounds 3] [--only backlog,tenants] [--json FILE]
Each point drains no-op tasks with one worker process; the points of a series are measured round by round, so that a noisy
machine hurts all alike. Starts a server of its own on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from benchmarks.servers import Server, serving
from taskproc import Batch, Bury, TaskProcessor, task

TASKS = 50_000
FAR_SECONDS = 86_400


@task
async def noop(number: int) -> None:
    """The task."""


@task
async def bury(number: int) -> None:
    """Dies at once."""
    raise Bury


async def fill(proc: TaskProcessor, tasks: int, *, tenants: int = 1, size: int = TASKS, queues: int = 1) -> None:
    """Enqueue tasks in batches of a size, for tenants and to queues in turn."""
    for number, at in enumerate(range(0, tasks, size)):
        rows = [(n,) for n in range(at, min(tasks, at + size))]

        async def build(batch: Batch, rows: list[tuple[int]] = rows) -> None:
            await batch.enqueue_many(noop, rows)

        await proc.enqueue_batch(f"q{number % queues}", f"tenant-{number % tenants}", build)


async def drain(proc: TaskProcessor, tasks: int) -> float:
    """Run until so many tasks have been done; so many a second."""
    done = 0
    over = asyncio.Event()
    began = time.perf_counter()
    running = asyncio.create_task(proc.run())
    while not over.is_set():
        await asyncio.sleep(0.02)
        queues = await asyncio.gather(*(proc.get_queue(f"q{n}") for n in range(8)))
        done = tasks - sum(queue.ready + queue.running for queue in queues)
        if done >= tasks:
            over.set()
    rate = tasks / (time.perf_counter() - began)
    await proc.stop()
    await running
    return rate


def processor(server: Server, slots: int = 100) -> TaskProcessor:
    """A processor of the eight queues."""
    return TaskProcessor(server.url, max_workers=slots, queues=[f"q{n}" for n in range(8)], retention=3600)


async def plain(server: Server, tasks: int = TASKS, slots: int = 100, **shape: int) -> float:
    """Drain tasks of some shape."""
    async with processor(server, slots) as proc:
        await fill(proc, tasks, **shape)
        return await drain(proc, tasks)


async def beside_delayed(server: Server, waiting: int) -> float:
    """Drain while delayed tasks wait."""
    async with processor(server) as proc:

        async def build(batch: Batch) -> None:
            await batch.options(delay=FAR_SECONDS).enqueue_many(noop, ((n,) for n in range(waiting)))

        await proc.enqueue_batch("q0", "sleeper", build)
        await fill(proc, TASKS)
        return await drain(proc, TASKS)


async def beside_dead(server: Server, dead: int) -> float:
    """Drain while dead letters are kept."""
    async with processor(server) as proc:

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(bury, ((n,) for n in range(dead)))

        await proc.enqueue_batch("q0", "unlucky", build)
        await drain(proc, dead)
    return await plain(server)


Measure = Callable[[Server], Awaitable[float]]
SERIES: dict[str, dict[str, Measure]] = {
    "backlog": {f"{n:,}": lambda server, n=n: plain(server, n, size=n) for n in (10_000, 100_000, 1_000_000)},  # type: ignore[misc]
    "tenants": {f"{n:,}": lambda server, n=n: plain(server, tenants=n, size=TASKS // n) for n in (1, 100, 10_000)},  # type: ignore[misc]
    "batch size": {f"{n:,}": lambda server, n=n: plain(server, tasks=max(n, 20_000), size=n) for n in (1, 100, 100_000)},  # type: ignore[misc]
    "delayed tasks": {f"{n:,}": lambda server, n=n: beside_delayed(server, n) for n in (0, 1_000_000)},  # type: ignore[misc]
    "dead letters": {f"{n:,}": lambda server, n=n: beside_dead(server, n) for n in (0, 100_000)},  # type: ignore[misc]
    "slots": {f"{n:,}": lambda server, n=n: plain(server, slots=n) for n in (10, 100, 1_000)},  # type: ignore[misc]
    "queues": {f"{n:,}": lambda server, n=n: plain(server, size=TASKS // 8, queues=n) for n in (1, 2, 4, 8)},  # type: ignore[misc]
}
"""What is measured, by series and point; tasks drained per second."""


def measure(names: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    """All points of some series, round by round."""
    found: dict[str, dict[str, list[float]]] = {name: {point: [] for point in SERIES[name]} for name in names}
    for _ in range(rounds):
        for name in names:
            for point, run in SERIES[name].items():
                with serving(None) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    found[name][point].append(runner.run(run(server)))  # type: ignore[arg-type]
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="comma-separated series; all by default")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.getLogger("taskproc").setLevel(logging.ERROR)  # each task that dies is told
    names = given.only.split(",") if given.only else list(SERIES)
    found = measure(names, given.rounds)
    if given.json:
        given.json.write_text(json.dumps(found))
    for name, points in found.items():
        first = statistics.median(next(iter(points.values())))
        for point, rates in points.items():
            median = statistics.median(rates)
            print(
                f"{name:<14} {point:>10} {median:>10,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f})  {median / first:.2f}"
            )


if __name__ == "__main__":
    main()
