"""What schedules cost: storing them, having 100,000 of which none is due, and firing 10,000 that are due in one moment.

They are cron expressions in ten time zones, of 1,000 tenants. Firing is measured in one process, where processor time can be
told apart, and with worker processes that run the tasks as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import redis
from rich.console import Console

from benchmarks.handlers import noop
from benchmarks.processes import wait_until
from benchmarks.results import Results, percentile
from benchmarks.sections import Run, looped, show_values
from benchmarks.servers import Server, serving
from benchmarks.stalls import Found, probed
from benchmarks.workers import worker
from taskproc import Schedule, TaskProcessor
from taskproc.store.scripts import SCRIPTS

NAME = "schedules"
STORED, DUE, TENANTS = 100_000, 10_000, 1_000
AT_ONCE = 50
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo",
         "Africa/Cairo", "Pacific/Auckland", "Europe/London")  # fmt: skip
IDLE_SECONDS, QUICK_SECONDS, SETTLE_SECONDS = 10.0, 1.0, 2.0
READY_SECONDS, FIRE_SECONDS = 4, 120
SLOW_US = 100


def nightly(number: int, zone: str) -> str:
    """A cycle that isn't due while this runs."""
    hour = (datetime.now(ZoneInfo(zone)).hour + 2 + number % 12) % 24
    return f"0 {number % 60} {hour} * * *"


def at(moment: datetime, zone: str) -> str:
    """A daily cycle that is due at a moment."""
    wall = moment.astimezone(ZoneInfo(zone))
    return f"{wall.second} {wall.minute} {wall.hour} * * *"


@asynccontextmanager
async def processor(server: Server) -> AsyncIterator[TaskProcessor]:
    """One that takes cycles with seconds."""
    async with TaskProcessor(server.url, cron_seconds=True, retention=3600) as proc:
        yield proc


async def store(proc: TaskProcessor, count: int, due: datetime | None = None) -> None:
    """Store schedules, some at once."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            zone = ZONES[number % len(ZONES)]
            cron = at(due, zone) if due else nightly(number, zone)
            id = f"{'due' if due else 'far'}-{number}"
            await proc.upsert_schedule(Schedule(id, f"tenant-{number % TENANTS}", cron, timezone=zone), noop)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def stored(server: Server, count: int, found: Found) -> None:
    """What storing takes."""
    async with processor(server) as proc:
        before, began, worked = server.read(), time.perf_counter(), time.process_time()
        await store(proc, count)
        seconds, worked, after = time.perf_counter() - began, time.process_time() - worked, server.read()
    found[f"upserts/s, {AT_ONCE} at once"] = count / seconds
    found["upsert: Redis µs"] = (after.cpu - before.cpu) * 1e6 / count
    found["upsert: Python µs"] = worked * 1e6 / count
    found["Redis bytes a schedule"] = (after.memory - before.memory) / count


def idle(server: Server, found: Found, name: str, seconds: float) -> None:
    """What a worker takes while nothing is due."""
    with worker(server) as (process, _):
        await_workers(server, 1)
        time.sleep(SETTLE_SECONDS)
        before, cpu, began = server.read(), process.cpu(), time.perf_counter()
        time.sleep(seconds)
        seconds, after = time.perf_counter() - began, server.read()
        found[f"idle, {name}: Redis commands/s"] = (after.commands - before.commands) / seconds
        found[f"idle, {name}: Redis µs/s"] = (after.cpu - before.cpu) * 1e6 / seconds
        found[f"idle, {name}: worker, % of a core"] = (process.cpu() - cpu) / seconds * 100


def await_workers(server: Server, count: int) -> None:
    """Wait until so many serve."""
    with client(server) as raw:
        wait_until(lambda: raw.zcard("{taskproc}:workers") == count, 20, "the workers")


@contextmanager
def client(server: Server) -> Iterator[Any]:
    """A plain client."""
    with redis.Redis.from_url(server.url) as raw:
        yield raw


async def begin(server: Server, count: int) -> datetime:
    """Store schedules that are due soon, all at the same second; when."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=READY_SECONDS + count // 1_000)
    async with processor(server) as proc:
        await store(proc, count, due)
    return due


def past(due: datetime) -> float:
    """Seconds since a moment; below zero before it."""
    return time.time() - due.timestamp()


async def alone(server: Server, count: int, found: Found) -> None:
    """Fire them in this process, which runs no tasks, and tell whose time it takes."""
    due = await begin(server, count)
    async with processor(server) as proc:
        scheduler = proc._scheduler()
        await scheduler.step()
        await asyncio.sleep(max(0.0, -past(due)) + 0.05)
        before, began, worked = server.read(), time.perf_counter(), time.process_time()
        await scheduler.step()
        seconds, worked, after = time.perf_counter() - began, time.process_time() - worked, server.read()
        fired = (await proc.get_queue("default")).ready
    assert fired == count, f"{fired} of {count} were fired"
    found["fired/s, one process that does nothing else"] = count / seconds
    found["an occurrence: Redis µs"] = (after.cpu - before.cpu) * 1e6 / count
    found["an occurrence: Redis commands"] = (after.commands - before.commands) / count
    found["an occurrence: Python µs"] = worked * 1e6 / count


async def together(server: Server, count: int, workers: int, found: Found) -> None:
    """Let worker processes fire and run them, and see how long scripts take, and what another client waits."""
    name = f"{count:,} due at once, {workers} worker{'s' if workers > 1 else ''}"
    due = await begin(server, count)
    with client(server) as raw, ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(worker(server))
        await_workers(server, workers)
        await asyncio.sleep(max(0.0, -past(due) - 1))
        raw.config_set("slowlog-log-slower-than", SLOW_US)
        raw.config_set("slowlog-max-len", 100_000)
        raw.slowlog_reset()
        async with probed(server, found, name):
            while raw.zcount("{taskproc}:schedules", "-inf", due.timestamp() * 1000):
                assert past(due) < FIRE_SECONDS
                await asyncio.sleep(0.01)
            found[f"{name}: seconds until all are fired"] = past(due)
            while int(raw.hget("{taskproc}:q:default", "settled") or 0) < count:
                assert past(due) < FIRE_SECONDS
                await asyncio.sleep(0.01)
            found[f"{name}: seconds until all have run"] = past(due)
        for script, times in durations(raw).items():
            found[f"{name}: {script}, p99 ms"] = percentile(times, 99)
            found[f"{name}: {script}, longest ms"] = max(times)


def durations(raw: Any) -> dict[str, list[float]]:
    """How long the calls of the scripts that fire took, in ms, but for the shortest."""
    entries = [entry for entry in raw.slowlog_get(100_000) if entry["command"].upper().startswith(b"EVALSHA")]
    return {
        name: found
        for name in ("schedule_due", "schedule_move")
        if (found := [entry["duration"] / 1000 for entry in entries if SCRIPTS[name].sha in entry["command"]])
    }


def measure(run: Run, number: int) -> None:
    """A round: what many cost that are not due, then beside them what firing costs."""
    found: Found = {}
    many, due = run.tasks(STORED), run.tasks(DUE)
    with serving(run.binary) as server:
        seconds = QUICK_SECONDS if run.quick else IDLE_SECONDS
        idle(server, found, "none stored", seconds)
        looped(stored(server, many, found))
        idle(server, found, f"{many:,} stored", seconds)
        looped(alone(server, due, found))
        for workers in (1, 2):
            with client(server) as raw:
                clear(raw)
            looped(together(server, due, workers, found))
    for name, value in found.items():
        run.note(NAME, name, value)


def clear(raw: Any) -> None:
    """Forget the tasks, but not the schedules."""
    for name in raw.scan_iter("{taskproc}:*", count=10_000):
        if name.split(b":")[1] not in (b"s", b"ts", b"schedules", b"m"):
            raw.unlink(name)


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    title = f"Schedules: {STORED:,} stored, of which {DUE:,} are due in one moment"
    show_values(title, results.sections[NAME], console)
