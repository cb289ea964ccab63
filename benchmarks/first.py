"""The worker beside the yardstick, round by round in one run: enqueueing and draining no-op tasks.

usage: python -m benchmarks.first [--tasks 50000] [--slots 100] [--rounds 5] [--redis URL] [--json]
Without a URL it starts an embedded server for the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence

from benchmarks.peers.yardstick import Yardstick
from taskproc import Batch, TaskProcessor, task
from taskproc.store.embedded import open_embedded


@task
async def noop(number: int, text: str) -> None:
    """The task."""


async def enqueue_and_drain(url: str, tasks: int, slots: int) -> tuple[float, float]:
    """Tasks enqueued and drained per second by one process."""
    async with TaskProcessor(url, prefix="first", max_workers=slots, retention=1) as proc:

        def build(batch: Batch) -> None:
            for number in range(tasks):
                batch.enqueue(noop, number, "hello")

        began = time.perf_counter()
        batch_id = await proc.enqueue_batch("default", "acme", build)
        enqueued = tasks / (time.perf_counter() - began)
        began = time.perf_counter()
        running = asyncio.create_task(proc.run())
        info = await proc.wait_batch(batch_id, 600)
        drained = tasks / (time.perf_counter() - began)
        assert info.done == tasks
        await proc.stop()
        await running
        return enqueued, drained


async def compare(url: str, tasks: int, slots: int, rounds: int) -> dict[str, list[float]]:
    """Rates of all rounds, one after the other so that a noisy machine hurts both alike."""
    found: dict[str, list[float]] = {name: [] for name in ("yardstick enqueue", "enqueue", "yardstick drain", "drain")}
    for _ in range(rounds):
        yardstick = Yardstick(url, tasks, slots)
        found["yardstick enqueue"].append(await yardstick.enqueue())
        found["yardstick drain"].append(await yardstick.drain())
        enqueued, drained = await enqueue_and_drain(url, tasks, slots)
        found["enqueue"].append(enqueued)
        found["drain"].append(drained)
    return found


def ratios(found: dict[str, list[float]], what: str) -> list[float]:
    """Ours over the yardstick's, round by round."""
    return [ours / best for ours, best in zip(found[what], found[f"yardstick {what}"], strict=True)]


def show(name: str, values: Sequence[float], form: str) -> None:
    """A line with median and range."""
    print(f"{name:<20} {statistics.median(values):>{form}}   ({min(values):{form}} to {max(values):{form}})")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--redis")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    server = None if given.redis else open_embedded("embedded://")
    url = given.redis or f"unix://{server.path}"
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(compare(url, given.tasks, given.slots, given.rounds))
    finally:
        if server is not None:
            server.close()
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.tasks:,} no-op tasks, {given.slots} slots, {given.rounds} rounds: median (range)")
    for name, values in found.items():
        show(f"{name}/s", values, "12,.0f")
    for what in ("enqueue", "drain"):
        show(f"{what}, share", ratios(found, what), "12.2f")


if __name__ == "__main__":
    main()
