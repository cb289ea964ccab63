"""What features cost: tasks that use one beside plain tasks, drained by one worker process in turn, in one run.

python -m benchmarks.features [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from benchmarks.servers import serving
from taskproc import Batch, TaskProcessor, current_task, task

TASKS = 20_000

Figures = tuple[float, float, float]
"""Enqueued a second, drained a second, Redis µs a task."""


@task
async def plain(number: int) -> None:
    """Does nothing."""


@task(keep="all")
async def kept(number: int) -> None:
    """Does nothing, with a record."""


@task(keep="all")
async def kept_result(number: int) -> dict[str, int]:
    """Returns something."""
    return {"number": number, "twice": 2 * number}


@task
async def telling(number: int) -> None:
    """Tells of its progress, ten times, which is stored once."""
    context = current_task()
    for done in range(10):
        await context.progress(done, 10)


CASES: dict[str, Callable[..., Any]] = {
    "plain": plain,
    'keep="all", nothing returned': kept,
    'keep="all", a small result': kept_result,
    "progress told ten times": telling,
}


async def redis_us(proc: TaskProcessor) -> float:
    """The CPU time that the server has spent so far."""
    told: bytes = await proc._store.wire.command("INFO", "cpu", patience=5)
    values = dict(line.split(":") for line in told.decode().split() if ":" in line)
    return 1e6 * (float(values["used_cpu_user"]) + float(values["used_cpu_sys"]))


async def measure(url: str, handler: Callable[..., Any]) -> Figures:
    """Enqueue and drain a batch."""
    async with TaskProcessor(url, max_workers=100, retention=3600) as proc:
        before = await redis_us(proc)

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handler, ((n,) for n in range(TASKS)))

        began = time.perf_counter()
        batch_id = await proc.enqueue_batch("default", "acme", build)
        enqueued = time.perf_counter()
        running = asyncio.create_task(proc.run())
        await proc.wait_batch(batch_id, 600)
        drained = time.perf_counter()
        await proc.stop()
        await running
        spent = await redis_us(proc) - before
        return TASKS / (enqueued - began), TASKS / (drained - enqueued), spent / TASKS


async def main(rounds: int) -> None:
    """Print each case's medians, and their ratio to plain tasks of the same round."""
    found: dict[str, list[Figures]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, handler in CASES.items():
            with serving() as server:
                found[name].append(await measure(server.url, handler))
    print("| | enqueued/s | drained/s | Redis µs a task |\n|---|---|---|---|")
    for name, figures in found.items():
        cells = []
        for at, form in enumerate(("{:,.0f}", "{:,.0f}", "{:.1f}")):
            ratio = statistics.median(one[at] / base[at] for one, base in zip(figures, found["plain"], strict=True))
            cells.append(f"{form.format(statistics.median(one[at] for one in figures))} ({ratio:.2f})")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
