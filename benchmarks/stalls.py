"""The worst stall that another client of Redis sees in the three cases with a million tasks, and how fast a cancel is.

usage: python -m benchmarks.stalls [--rounds 3] [--tasks 1000000] [--json FILE]
A process of its own sends PING after PING and keeps the longest answer. Without any load it is measured as well: on a busy
machine the scheduler alone makes an answer late.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import redis
import uvloop

from benchmarks.servers import Server, serving
from taskproc import Batch, TaskProcessor, task

PROBE_PAUSE = 0.0005
DUE_SECONDS = 15.0

Found = dict[str, float]


@task
async def noop(number: int) -> None:
    """The task."""


def probe(url: str) -> None:
    """Send PINGs until a line comes on standard input; print the longest answer and the 99.9th percentile, in ms."""
    client, waits, over = redis.Redis.from_url(url), list[float](), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    while not over.is_set():
        began = time.perf_counter()
        client.ping()
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(PROBE_PAUSE)
    waits.sort()
    print(json.dumps([waits[-1], waits[int(len(waits) * 0.999)]]))


@contextlib.asynccontextmanager
async def probed(server: Server, found: Found, name: str) -> AsyncIterator[None]:
    """Probe meanwhile."""
    command = [sys.executable, "-m", "benchmarks.stalls", "--probe", server.url]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        out, _ = await process.communicate(b"\n")
    found[f"{name}: longest, ms"], found[f"{name}: p99.9, ms"] = json.loads(out)


async def enqueue(proc: TaskProcessor, tasks: int, delay: float | None = None) -> str:
    """One batch of so many tasks."""

    async def build(batch: Batch) -> None:
        await (batch if delay is None else batch.options(delay=delay)).enqueue_many(noop, ((n,) for n in range(tasks)))

    return await proc.enqueue_batch("default", "acme", build)


async def quiet(server: Server, tasks: int, found: Found) -> None:
    """Nothing else happens."""
    async with probed(server, found, "nothing"):
        await asyncio.sleep(3)


async def enqueued(server: Server, tasks: int, found: Found) -> None:
    """A batch is enqueued, and then cancelled."""
    async with TaskProcessor(server.url) as proc:
        async with probed(server, found, "enqueue"):
            batch_id = await enqueue(proc, tasks)
        async with probed(server, found, "cancel"):
            began = time.perf_counter()
            await proc.cancel_batch(batch_id)
            info = await proc.get_batch(batch_id)
            found["cancel: counters right after, ms"] = (time.perf_counter() - began) * 1000
            assert info is not None
            assert info.cancelled == tasks
            await asyncio.sleep(1)


async def due_at_once(server: Server, tasks: int, found: Found) -> None:
    """Delayed tasks fall due together, and a worker runs them."""
    async with TaskProcessor(server.url, max_workers=100) as proc:
        began = time.perf_counter()
        batch_id = await enqueue(proc, tasks, DUE_SECONDS)
        running = asyncio.create_task(proc.run())
        await asyncio.sleep(max(0.0, DUE_SECONDS - 1 - (time.perf_counter() - began)))
        async with probed(server, found, "due at once"):
            info = await proc.wait_batch(batch_id, 600)
            found["due at once: seconds"] = time.perf_counter() - began - DUE_SECONDS
        assert info.done == tasks
        await proc.stop()
        await running


CASES: tuple[Callable[[Server, int, Found], Awaitable[None]], ...] = (quiet, enqueued, due_at_once)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.probe:
        probe(given.probe)
        return
    rounds: list[Found] = []
    for _ in range(given.rounds):
        found: Found = {}
        for case in CASES:
            with serving(None) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(case(server, given.tasks, found))  # type: ignore[arg-type]
        rounds.append(found)
    if given.json:
        given.json.write_text(json.dumps(rounds))
    for name in rounds[0]:
        values = [found[name] for found in rounds]
        print(f"{name:<34} {statistics.median(values):10.2f}   ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
