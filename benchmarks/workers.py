"""Worker processes: their start, what an idle one takes, several beside each other, and how soon a cancel stops handlers."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.arena import Arena
from benchmarks.first import noop, processor, working
from benchmarks.growth import OUR_ADAPTER
from benchmarks.handlers import first, wait_for_cancel
from benchmarks.hits import Hits
from benchmarks.peers.recorder import now
from benchmarks.processes import Process, running, wait_until
from benchmarks.results import Results, percentile
from benchmarks.sections import Run, looped, show_values
from benchmarks.servers import Server, serving
from taskproc import Batch, TaskProcessor

NAME = "workers"
ROOT = str(Path(__file__).parent.parent)
SECONDS = 30
IDLE_SECONDS, SETTLE_SECONDS = 10.0, 2.0
NAP_MS, NAPS = 5, 5_000
SLOTS, BATCHES = 100, 5


@contextlib.contextmanager
def worker(server: Server) -> Iterator[tuple[Process, Hits]]:
    """A ``taskproc worker`` of ``benchmarks.worker_app``."""
    with tempfile.TemporaryDirectory() as folder:
        hits = Hits(Path(folder))
        environment = {**hits.environment, "TASKPROC_REDIS_URL": server.url, "PYTHONPATH": ROOT}
        command = [sys.executable, "-m", "taskproc", "worker", "benchmarks.worker_app:proc"]
        with running(command, environment) as process:
            yield process, hits


async def send_first(url: str) -> None:
    """Enqueue a task that tells how long it has waited."""
    async with TaskProcessor(url) as proc:
        await proc.enqueue_task("default", "acme", first, now())


def start(run: Run) -> None:
    """From the start of a worker process to its first task."""
    with serving(run.binary) as server:
        looped(send_first(server.url))
        began = now()
        with worker(server) as (_, hits):
            wait_until(lambda: hits.seen().calls, SECONDS, "the first task")
            run.note(NAME, "start to first task, s", (hits.seen().first - began) / 1e9)


def idle(run: Run) -> None:
    """What a worker with nothing to do takes."""
    with serving(run.binary) as server, worker(server) as (process, hits):
        looped(send_first(server.url))
        wait_until(lambda: hits.seen().calls, SECONDS, "the first task")
        time.sleep(SETTLE_SECONDS)
        commands, cpu, began = server.read().commands, process.cpu(), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        seconds = time.perf_counter() - began
        run.note(NAME, "idle: % of a core", (process.cpu() - cpu) / seconds * 100)
        run.note(NAME, "idle: Redis commands/s", (server.read().commands - commands) / seconds)
        run.note(NAME, "idle: MB", process.peak_memory() / 1e6)


def side_by_side(run: Run) -> None:
    """1, 2 and 4 processes of 10 slots each, handlers that sleep."""
    alone = 0.0
    for processes in (1, 2, 4):
        with serving(run.binary) as server:
            arena, tasks = Arena(OUR_ADAPTER, server), run.tasks(NAPS) * processes
            arena.adapter("naps", tasks, NAP_MS)
            with arena.workers("naps", processes, slots=10) as workers:
                rate = workers.drained(tasks)
        alone = alone or rate
        run.note(NAME, f"{processes} of 10 slots, {NAP_MS} ms sleeps: tasks/s", rate)
        if processes > 1:
            run.note(NAME, f"{processes} processes over one", rate / alone)


async def cancel_batches(url: str, hits: Hits) -> list[float]:
    """How long after the call of a cancel each running handler had stopped, in ms."""
    found: list[float] = []

    def build(batch: Batch) -> None:
        for _ in range(SLOTS):
            batch.enqueue(wait_for_cancel)

    async with TaskProcessor(url) as proc:
        for number in range(BATCHES):
            batch_id = await proc.enqueue_batch("default", "acme", build)
            while (await proc.get_queue("default")).running < SLOTS:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            left_out, began = hits.calls(), time.monotonic_ns()
            await proc.cancel_batch(batch_id)
            while hits.seen().calls < SLOTS * (number + 1):
                await asyncio.sleep(0.005)
            found += [(at - began) / 1e6 for at in hits.waits(left_out)]
            while (await proc.get_queue("default")).running:
                await asyncio.sleep(0.02)
    return found


def cancel(run: Run) -> None:
    """A batch is cancelled while its handlers run."""
    with serving(run.binary) as server, worker(server) as (_, hits):
        waits = looped(cancel_batches(server.url, hits))
    for share in (50, 99):
        run.note(NAME, f"cancel: running handlers stopped, ms, p{share}", percentile(waits, share))


async def hundred(url: str) -> tuple[float, float]:
    """Seconds for 100 awaited enqueues, and for a worker's run of them from its start."""
    async with processor(url, 100) as proc:
        began = time.perf_counter()
        for number in range(100):
            await proc.enqueue_task("default", "acme", noop, number, "hello")
        enqueued = time.perf_counter() - began
        async with working(proc):
            while (queue := await proc.get_queue("default")).ready + queue.running:
                await asyncio.sleep(0.001)
            return enqueued, time.perf_counter() - began


def measure(run: Run, number: int) -> None:
    """A round of all."""
    for step in (start, idle, side_by_side, cancel):
        step(run)
    with serving(run.binary) as server:
        enqueued, ran = looped(hundred(server.url))
    run.note(NAME, "100 awaited enqueues, s", enqueued)
    run.note(NAME, "100 tasks enqueued one by one and run, s", ran)


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    show_values("Worker processes", results.sections[NAME], console)
