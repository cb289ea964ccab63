"""Ordeals of schedules: workers killed and all gone for a while, clocks that are wrong, a server that is restarted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle

from taskproc import Schedule, TaskProcessor
from tests import ticking
from tests.chaos.field import PATIENT, TENANTS, Field, Result, Trial, trying
from tests.chaos.servers import mortal, restart
from tests.chaos.timing import Judge, Line, Span, patience
from tests.chaos.workers import HARDY, crew, started
from tests.harness import Record, until
from tests.nursery import Nursery
from tests.servers import Server

TIMED = {"cron_seconds": True}
START = datetime(2020, 1, 1, tzinfo=UTC)
LINES = (
    Line("seconds", {"cron": "* * * * * *", "timezone": "Europe/Berlin", "expire": 30}),
    Line("cycles", {"cron": "*/2 * * * * *|1/2 * * * * *"}),
    Line("even", {"every": 1, "start": START, "misfire": "all"}),
    Line("often", {"every": 0.1, "start": START, "misfire": "all"}, 100),
    Line("one by one", {"cron": "* * * * * *", "unique": True}, nap=0.2),
)
SLOW = 90
"""A run that is told to take so many seconds twice has a real outage of more than a minute."""


def skipping(late: int) -> Line:
    """A schedule that leaves out what is missed."""
    step = 5_000 if late < 60_000 else SLOW * 1_000
    return Line("rare", {"every": step / 1000, "start": START, "misfire": "skip"}, step)


class Timing:
    """Schedules under trial, and what became of them."""

    def __init__(self, field: Field, proc: TaskProcessor, lines: Sequence[Line], late: int = 60_000) -> None:
        self.field, self.proc, self.lines, self.late = field, proc, lines, late
        self.dark: list[Span] = []
        self.returns: list[float] = []

    def now(self) -> float:
        """The server's time in ms."""
        return 1000 * self.field.book.now()

    async def begin(self) -> None:
        """Store the schedules; each is its tenant's."""
        for line, tenant in zip(self.lines, cycle(TENANTS), strict=False):
            made = Schedule(line.id, tenant, **line.given)
            await self.proc.upsert_schedule(made, ticking.tick, line.id, line.nap)
        self.began = self.now()

    async def end(self) -> None:
        """Wait for an occurrence of each that is due after now and all darkness, then end them; all tasks come to an end."""
        ended = max([self.now(), *(over for _, over in self.dark)])
        short = {line.id for line in self.lines if line.step < SLOW * 1_000}
        await until(lambda: self._later(ended) >= short, 30)
        for line, tenant in zip(self.lines, cycle(TENANTS), strict=False):
            await self.proc.pause_schedule(line.id, tenant)
        await until(self.field.quiet, 30)
        for line, tenant in zip(self.lines, cycle(TENANTS), strict=False):
            info = await self.proc.get_schedule(line.id, tenant)
            assert info is not None
            tasks = {record["id"] for record in self.ticks() if record["tag"] == line.id}
            if len(tasks) != info.runs:
                self.field.result.failure = f"{line.id}: {info.runs} runs are counted, {len(tasks)} were there"
            await self.proc.cancel_schedule(line.id, tenant)
        self.ended = ended

    def _later(self, moment: float) -> set[str]:
        return {record["tag"] for record in self.ticks() if record["due"] >= moment}

    def ticks(self) -> list[Record]:
        """What the tasks of schedules recorded."""
        return [record for record in self.field.book.records if record["name"].endswith(".tick")]

    def judge(self, slack: float) -> None:
        """Hold what was recorded against what ought to have been."""
        judge = Judge(self.field.result, self.began, self.ended, self.dark, slack, self.late)
        judge.hold(self.lines, self.ticks())
        judge.recovered(self.returns, self.ticks())


@asynccontextmanager
async def timed(field: Field, lines: Sequence[Line], late: int = 60_000) -> AsyncIterator[Timing]:
    """Schedules that fire while the block lasts, and are judged at its end."""
    async with field.instance.open(**PATIENT, **TIMED) as proc, patience() as waited:
        timing = Timing(field, proc, lines, late)
        await timing.begin()
        yield timing
        await timing.end()
        timing.judge(waited.longest)


async def killed(server: Server, trial: Trial) -> Result:
    """Workers are killed while schedules fire, and at times all are gone: each occurrence is fired once, or by its rule."""
    result, seconds = Result(), trial.lasting(60, 9)
    late = 60_000 if seconds >= 2 * SLOW else 2_000
    outages = [4.0] if seconds < 30 else [5.0, 12.0] if seconds < 2 * SLOW else [5.0, 12.0, 75.0]
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, env={"TASKPROC_TEST_LATE_MS": str(late)}, **HARDY) as nursery:
            crew(nursery)
            await until(lambda: serving(field, nursery), 30)
            async with timed(field, [*LINES, skipping(late)], late) as timing:
                over, spread = timing.began + 1000 * seconds, 1000 * (seconds - sum(outages)) / (len(outages) + 1)
                due = timing.began + spread
                while outages or timing.now() < over:
                    crew(nursery)
                    await asyncio.sleep(field.dice.uniform(0.1, 0.8))
                    if outages and timing.now() > due and await fits(timing, outages[0]):
                        await outage(timing, nursery, outages.pop(0))
                        due = timing.now() + spread
                    else:
                        await strike(field, nursery)
                crew(nursery)
    return result


async def fits(timing: Timing, seconds: float) -> bool:
    """Whether an outage may begin: one that makes the rare occurrence be missed does so just before that."""
    step = timing.lines[-1].step
    left = (-timing.now() - 500) % step
    if 1000 * seconds > timing.late and left < 1_000:
        await asyncio.sleep(left / 1000)
    return 1000 * seconds <= timing.late or left < 1_000


async def serving(field: Field, nursery: Nursery) -> list[int]:
    """The workers that are alive and have begun to serve."""
    return sorted(nursery.living & {info.pid for info in await field.proc.get_workers()})


async def strike(field: Field, nursery: Nursery) -> None:
    """Kill some of the workers, but not all that serve."""
    there = await serving(field, nursery)
    for victim in field.dice.sample(there, min(max(0, len(there) - 1), field.dice.choice([1, 1, 1, 2, 3]))):
        nursery.kill(victim)
        field.result.faults += 1


async def outage(timing: Timing, nursery: Nursery, seconds: float) -> None:
    """No worker lives for a while."""
    began = timing.now()
    for victim in sorted(nursery.living):
        nursery.kill(victim)
        timing.field.result.faults += 1
    await asyncio.sleep(seconds)
    crew(nursery)
    await until(lambda: serving(timing.field, nursery), 30)
    timing.returns.append(timing.now())
    timing.dark.append((began, timing.returns[-1]))


async def wrong_clocks(server: Server, trial: Trial) -> Result:
    """Workers whose clocks are an hour off, forwards, backwards and both beside each other, fire as if they were right."""
    result, each = Result(), trial.lasting(24, 7.5) / 3
    async with trying(server, trial, result) as field:
        workers = [await started(field, 3600)]
        async with timed(field, [*LINES, skipping(2_000)]):
            for shifts in ((-3600,), (3600, -3600)):
                await asyncio.sleep(each)
                others = [await started(field, shift) for shift in shifts]
                for worker in workers:
                    worker.signal(signal.SIGTERM)
                result.faults += len(workers)
                if any([await asyncio.to_thread(worker.wait) for worker in workers]):
                    result.failure = "a worker ended with an error"
                workers = others
            await asyncio.sleep(each)
            result.faults += len(workers)
    return result


async def struck(book: Server, trial: Trial) -> Result:
    """The server is restarted, forgets its scripts and cuts subscriptions under load while schedules fire each second."""
    result, lines = Result(), LINES[1:4]
    kept = ("--appendonly", "yes", "--appendfsync", "always")
    async with mortal(book, trial, result, *kept) as (server, field, _), timed(field, lines) as timing, field.busy():
        over = timing.now() + 1000 * trial.lasting(30, 7)
        for fault in cycle((restart, forget, cut)):
            await asyncio.sleep(field.dice.uniform(0.2, 0.8))
            began = timing.now()
            if began > over:
                break
            await fault(server)
            result.faults += 1
            if fault is restart:
                timing.returns.append(timing.now())
                timing.dark.append((began, timing.returns[-1] + RECONNECTED))
    return result


RECONNECTED = 1_000
"""Within so many ms of its return all are connected to a server again."""


async def forget(server: Server) -> None:
    """Let it forget all scripts."""
    with server.client() as client:
        client.script_flush()


async def cut(server: Server) -> None:
    """Cut all subscriptions."""
    with server.client() as client:
        client.client_kill_filter(_type="pubsub")
