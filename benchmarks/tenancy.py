"""What many tenants cost, and what statistics and a rule for all of them add: batches of tenants, drained by one worker.

usage: python -m benchmarks.tenancy [--tasks 50000] [--rounds 3]
No-op tasks are given to tenants eight at a turn, those of 10 ms one by one (docs/fairness.md). Each case has a server of its
own in each round; ratios are to the same round without statistics.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import uvloop

from benchmarks.features import redis_us
from benchmarks.servers import serving
from taskproc import Batch, TaskProcessor, task

Figures = tuple[float, float, float]
"""Tasks a second; microseconds of processor time a task of Redis and of the worker."""

TENANTS = (1, 100, 10_000)
MODES = ("without", "statistics", "and a rule for all tenants")


@task
async def short(number: int) -> None:
    """A task that does nothing."""


@task
async def longer(number: int) -> None:
    """A task that waits."""
    await asyncio.sleep(0.01)


async def measure(url: str, tenants: int, mode: str, tasks: int, longs: bool) -> Figures:
    """Fill and drain a queue."""
    handler = longer if longs else short
    async with TaskProcessor(url, max_workers=100) as proc:
        if mode == "without":
            await proc.set_statistics(False)
        elif mode != "statistics":
            await proc.set_tenant_limits(None, max_running=1000, weight=2)

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handler, ((number,) for number in range(tasks // tenants)))

        for first in range(0, tenants, 16):
            names = [f"tenant{n}" for n in range(first, min(first + 16, tenants))]
            await asyncio.gather(*(proc.enqueue_batch("default", name, build) for name in names))
        began, spent, taken = time.perf_counter(), await redis_us(proc), time.process_time()
        running = asyncio.create_task(proc.run())
        while (info := await proc.get_queue("default")) is not None and info.ready + info.running:
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        spent, taken = await redis_us(proc) - spent, time.process_time() - taken
        await proc.stop()
        await running
        return tasks / seconds, spent / tasks, 1e6 * taken / tasks


def line(values: list[Figures], base: list[Figures]) -> str:
    """Medians, and the ratios of tasks a second."""
    rates, redis, python = (statistics.median(column) for column in zip(*values, strict=True))
    ratios = sorted(one[0] / none[0] for one, none in zip(values, base, strict=True))
    shares = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"{rates:,.0f} | {shares} | {redis:.1f} | {python:.1f}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print("| tenants | | tasks/s | ratio | Redis, µs a task | worker, µs a task |\n|---|---|---|---|---|---|")
    for longs in (False, True):
        for tenants in TENANTS:
            found: dict[str, list[Figures]] = {mode: [] for mode in MODES}
            for _ in range(chosen.rounds):
                for mode in MODES:
                    with serving(None) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        found[mode].append(runner.run(measure(server.url, tenants, mode, chosen.tasks, longs)))
            for mode in MODES:
                kind = "10 ms" if longs else "no-op"
                print(f"| {tenants:,}, {kind} | {mode} | {line(found[mode], found[MODES[0]])} |", flush=True)


if __name__ == "__main__":
    main()
