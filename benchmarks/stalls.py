"""The worst stall that another client of Redis sees in the cases with a million tasks, and how fast a cancel is.

A process of its own sends PING after PING and keeps the longest answer. Without any load it is measured as well: on a busy
machine the scheduler alone makes an answer late.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

from rich.console import Console

from benchmarks.results import Results
from benchmarks.sections import Run, looped, show_values
from benchmarks.servers import Server, serving
from taskproc import Batch, TaskProcessor, task

NAME = "stalls"
TASKS = 1_000_000
DUE_SECONDS = 15.0
"""In how long 1,000,000 delayed tasks fall due: they are enqueued by then."""

Found = dict[str, float]


@task
async def noop(number: int) -> None:
    """The task."""


@contextlib.asynccontextmanager
async def probed(server: Server, found: Found, name: str) -> AsyncIterator[None]:
    """Probe meanwhile."""
    command = [sys.executable, "-m", "benchmarks.probe", server.url]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
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
        wait = max(3.0, DUE_SECONDS * tasks / TASKS)
        batch_id = await enqueue(proc, tasks, wait)
        running = asyncio.create_task(proc.run())
        await asyncio.sleep(max(0.0, wait - 1 - (time.perf_counter() - began)))
        async with probed(server, found, "due at once"):
            info = await proc.wait_batch(batch_id, 600)
            found["due at once: seconds"] = time.perf_counter() - began - wait
        assert info.done == tasks
        await proc.stop()
        await running


async def steered(server: Server, tasks: int, found: Found) -> None:
    """A tenant's tasks are moved, and the tenant is purged: of one batch, of single tasks, and of 10,000 batches."""
    async with TaskProcessor(server.url) as proc:
        for case in ("one batch", "single tasks", "10,000 batches"):
            if case == "one batch":
                await enqueue(proc, tasks)
            elif case == "single tasks":
                await asyncio.gather(*(singles(proc, tasks // 10 // 50) for _ in range(50)))
            else:
                for _ in range(100):
                    await asyncio.gather(*(enqueue(proc, max(1, tasks // 10_000)) for _ in range(100)))
            await proc.enqueue_task("default", "neighbour", noop, 1)
            if case == "one batch":
                async with timed(server, found, "move"):
                    moved = await proc.move_tasks("acme", "default", "other")
                assert moved == tasks
            if case == "single tasks":
                async with timed(server, found, "cancel all of single tasks"):
                    assert await proc.cancel_tenant("acme") == tasks // 10 // 50 * 50
            async with timed(server, found, f"purge of {case}"):
                report = await proc.purge_tenant("acme", timeout=600)
            assert report.is_gone
            found[f"purge of {case}: keys"] = report.keys
        tenants = await proc.get_tenants()
        assert [(info.tenant, info.remaining) for info in tenants] == [("neighbour", 3)]


async def singles(proc: TaskProcessor, count: int) -> None:
    """So many single tasks, one after the other."""
    for n in range(count):
        await proc.enqueue_task("default", "acme", noop, n)


@contextlib.asynccontextmanager
async def timed(server: Server, found: Found, name: str) -> AsyncIterator[None]:
    """Probe meanwhile, and note how long it takes."""
    async with probed(server, found, name):
        began = time.perf_counter()
        yield
        found[f"{name}: seconds"] = time.perf_counter() - began


Case = Callable[[Server, int, Found], Coroutine[None, None, None]]
CASES: tuple[Case, ...] = (quiet, enqueued, due_at_once, steered)


def measure(run: Run, number: int, cases: Sequence[Case] = CASES) -> None:
    """A round of all cases, or of some."""
    found: Found = {}
    for case in cases:
        with serving(run.binary) as server:
            looped(case(server, run.tasks(TASKS), found))
    for name, value in found.items():
        run.note(NAME, name, value)


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    show_values("Stalls: the longest answer to another client's PING, 1,000,000 tasks", results.sections[NAME], console)
