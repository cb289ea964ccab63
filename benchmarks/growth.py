"""How taskproc's cost grows: with the backlog, tenants, batches, what waits or is dead, slots, and queues.

Each point drains no-op tasks with one worker process, if it doesn't say otherwise.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine

from rich.console import Console
from rich.table import Table

from benchmarks.arena import Arena
from benchmarks.catalogue import OURS, chosen
from benchmarks.environments import command_of
from benchmarks.results import Results
from benchmarks.sections import Run, looped, spread
from benchmarks.servers import Server, serving
from taskproc import Batch, Bury, TaskProcessor, task

NAME = "growth"
TASKS = 50_000
FAR_SECONDS = 86_400
OUR_ADAPTER = tuple(command_of(chosen(OURS)[0]))


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


Measure = Callable[[Server], Coroutine[None, None, float]]
SERIES: dict[str, dict[str, Measure]] = {
    "backlog": {f"{n:,}": lambda server, n=n: plain(server, n, size=n) for n in (10_000, 100_000, 1_000_000)},
    "tenants": {f"{n:,}": lambda server, n=n: plain(server, tenants=n, size=TASKS // n) for n in (1, 100, 10_000)},
    "batch size": {f"{n:,}": lambda server, n=n: plain(server, tasks=max(n, 20_000), size=n) for n in (1, 100, 100_000)},
    "delayed tasks": {f"{n:,}": lambda server, n=n: beside_delayed(server, n) for n in (0, 1_000_000)},
    "dead letters": {f"{n:,}": lambda server, n=n: beside_dead(server, n) for n in (0, 100_000)},
    "slots": {f"{n:,}": lambda server, n=n: plain(server, slots=n) for n in (10, 100, 1_000)},
    "queues": {f"{n:,}": lambda server, n=n: plain(server, size=TASKS // 8, queues=n) for n in (1, 2, 4, 8)},
}
"""What is measured, by series and point; tasks drained per second."""


def measure(run: Run, number: int) -> None:
    """A round of all points."""
    for series, points in SERIES.items():
        for point, measured in list(points.items())[: 2 if run.quick else None]:
            with serving(run.binary) as server:
                run.note(NAME, f"{series}: {point}", looped(measured(server)))
    for processes in (1, 2, 4):
        with serving(run.binary) as server:
            run.note(NAME, f"worker processes: {processes}", by_processes(server, run.tasks(140_000), processes))


def by_processes(server: Server, tasks: int, processes: int) -> float:
    """No-op tasks drained by some processes together."""
    arena = Arena(OUR_ADAPTER, server)
    arena.enqueue("bulk", tasks * processes, 100)
    with arena.workers("noop", processes) as workers:
        return workers.drained(tasks * processes)


def show(results: Results, console: Console) -> None:
    """Print all of it, each point with what it is of its series' first."""
    table = Table(title="Growth: tasks drained per second by one worker process", title_justify="left", show_edge=False)
    for title in ("", "tasks/s", "of the first"):
        table.add_column(title, justify="left" if not title else "right")
    bases: dict[str, float] = {}
    for name, values in results.sections[NAME].items():
        median = statistics.median(values)
        base = bases.setdefault(name.split(":")[0], median)
        table.add_row(name, spread(values), f"{median / base:.2f}")
    console.print(table)
