"""Fair shares on a real worker, whose handlers sleep.

A tenant of a million tasks beside 99 of ten tasks each that come at random, and how long those wait; the same where the
slots are taken by one more tenant that has no backlog. Handler time of tenants over any ten seconds, for task lengths from a
millisecond to ten seconds. Slots that were free while somebody's task was ready. A batch of ten tasks, and single ones,
beside their own tenant's million.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console

from benchmarks.results import Results, percentile
from benchmarks.sections import Run, looped, show_values
from benchmarks.servers import serving
from benchmarks.timeline import Timeline
from taskproc import TaskProcessor, current_task, task

NAME = "fairness"
MILLION, SMALL, EACH = 1_000_000, 99, 10
SLOTS, NAP, SECONDS = 50, 0.1, 30.0
TENANTS, WARM = 20, 20.0
LEAST, MOST = 0.001, 10.0
WEIGHTS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Ran:
    """A task that has run: whose it was, when it was ready, began and ended, by the clock of this machine."""

    tenant: str
    kind: str
    ready: float
    began: float
    ended: float


@dataclass
class Log:
    """What tasks have noted, in the order of their ends."""

    ran: list[Ran] = field(default_factory=list)

    def waits(self, kind: str) -> list[float]:
        """How long tasks of a kind waited, in seconds."""
        return [one.began - one.ready for one in self.ran if one.kind == kind]


LOG = Log()


@task
async def rest(seconds: float, kind: str) -> None:
    """Sleep, and note it."""
    began, info = time.time(), current_task()
    try:
        await asyncio.sleep(seconds)
    finally:
        LOG.ran.append(Ran(info.tenant, kind, info.created_at.timestamp(), began, time.time()))


@asynccontextmanager
async def working(url: str, prefix: str, slots: int) -> AsyncIterator[TaskProcessor]:
    """A worker of so many slots in this process; at the end what is left is cancelled."""
    LOG.ran.clear()
    async with TaskProcessor(url, prefix=prefix, max_workers=slots, retention=0, shutdown_grace=1) as proc:
        running = asyncio.create_task(proc.run())
        try:
            yield proc
        finally:
            for info in await proc.get_tenants(0, 1000):
                for batch in await proc.get_batches(info.tenant, 0, 1000):
                    await proc.cancel_batch(batch.id)
            await proc.stop()
            await running


async def put(proc: TaskProcessor, tenant: str, lengths: Sequence[float], kind: str, together: bool = True) -> None:
    """Enqueue tasks, as a batch or one by one."""
    if not together:
        for length in lengths:
            await proc.enqueue_task("default", tenant, rest, length, kind)
        return
    async with proc.batch("default", tenant) as batch:
        await batch.enqueue_many(rest, ((length, kind) for length in lengths))


async def fill(proc: TaskProcessor, slots: int) -> None:
    """One tenant takes all slots, and has never more than as many tasks ready; until cancelled."""
    sent = 0
    while True:
        ended = sum(1 for one in LOG.ran if one.kind == "taker")
        if sent - ended < 2 * slots:
            more = 2 * slots - sent + ended
            sent += more
            await put(proc, "taker", [NAP] * more, "taker")
        await asyncio.sleep(NAP / 10)


async def arrivals(
    url: str, backlog: int, *, slots: int = SLOTS, small: int = SMALL, seconds: float = SECONDS
) -> list[float]:
    """The waits of small tenants' tasks, which come within some seconds, beside one of a backlog, or of none."""
    chance = random.Random(7)
    async with working(url, f"arrivals{backlog}", slots) as proc:
        other = put(proc, "large", [NAP] * backlog, "taker") if backlog else fill(proc, slots)
        taking = asyncio.create_task(other)
        while len(LOG.ran) < slots:
            await asyncio.sleep(0.01)
        if backlog:
            await taking
        began = time.time()
        for number, at in enumerate(sorted(chance.uniform(0, seconds) for _ in range(small))):
            await asyncio.sleep(max(0.0, began + at - time.time()))
            await put(proc, f"small{number}", [NAP] * EACH, "small")
        while len(LOG.waits("small")) < small * EACH:
            await asyncio.sleep(0.05)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return LOG.waits("small")


async def shared(url: str, weights: Sequence[float], slots: int, seconds: float, seed: int) -> Timeline:
    """Handler time of tenants that all have work of all lengths; each has as many tasks of each order of magnitude."""
    chance, found = random.Random(seed), Timeline(weights)
    count = int(3 * seconds * slots * max(weights) / sum(weights)) + 50
    async with working(url, f"shared{seed}", slots) as proc:
        for tenant, weight in enumerate(weights):
            if weight != 1:
                await proc.set_tenant_limits(str(tenant), weight=weight)
            lengths = [LEAST * (MOST / LEAST) ** chance.random() for _ in range(count)]
            await put(proc, str(tenant), lengths, "shared")
        began = time.time()
        await asyncio.sleep(seconds)
    for one in LOG.ran:  # those that were cancelled at the end too
        start = one.began - began
        found.count(int(one.tenant), max(0.0, start), max(0.0, min(one.ended - began, seconds)))
    return found


async def probe(found: list[float]) -> None:
    """How much longer than it should a short sleep takes: how long this process, or its event loop, had to wait."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        found.append(time.perf_counter() - began - 0.002)


async def idle(url: str, slots: int, seconds: float) -> tuple[list[float], list[float]]:
    """How long slots were free while a task was ready, in a run of tenants that come and go; and how late the loop was."""
    late: list[float] = []
    probing = asyncio.create_task(probe(late))
    chance, due = random.Random(3), 0.0
    async with working(url, "idle", slots) as proc:
        began = time.time()
        while due < seconds:
            due += chance.expovariate(8)
            await asyncio.sleep(max(0.0, began + due - time.time()))
            lengths = [0.002 * 500 ** chance.random() for _ in range(chance.choice([1, 2, slots // 3]))]
            await put(proc, f"t{chance.randrange(30)}", lengths, "idle", chance.random() < 0.8)
        while await left(proc):
            await asyncio.sleep(0.05)
    probing.cancel()
    return gaps(LOG.ran, slots), late


async def left(proc: TaskProcessor) -> int:
    """How many tasks are ready or run."""
    info = await proc.get_queue("default")
    return info.ready + info.running


def gaps(ran: Sequence[Ran], slots: int) -> list[float]:
    """For each task, how long the slot that it took was free while a task was ready."""
    free, found = deque([0.0] * slots), list[float]()
    ready = [(one.ready, number) for number, one in enumerate(ran)]
    heapq.heapify(ready)
    begun: set[int] = set()
    events = sorted([(one.ended, 0, n) for n, one in enumerate(ran)] + [(one.began, 1, n) for n, one in enumerate(ran)])
    for at, begins, number in events:
        if not begins:
            free.append(at)
            continue
        oldest = ready[0][0]
        found.append(at - max(oldest, free.popleft()))
        begun.add(number)
        while ready and ready[0][1] in begun:
            heapq.heappop(ready)
    return found


async def within(url: str, backlog: int, slots: int = SLOTS) -> tuple[list[float], list[float]]:
    """The waits of a batch of ten tasks, and of ten single ones, beside their own tenant's large batch."""
    async with working(url, "within", slots) as proc:
        await put(proc, "acme", [NAP] * backlog, "large")
        await asyncio.sleep(1)
        await put(proc, "acme", [NAP] * EACH, "batch")
        await put(proc, "acme", [NAP] * EACH, "single", together=False)
        while len(LOG.waits("batch")) + len(LOG.waits("single")) < 2 * EACH:
            await asyncio.sleep(0.05)
        return LOG.waits("batch"), LOG.waits("single")


def measure(run: Run, number: int) -> None:
    """A round."""
    million, small = run.tasks(MILLION), run.tasks(SMALL)
    seconds = SECONDS * (0.2 if run.quick else 1)
    with serving(run.binary) as server:
        for name, backlog in (("slots taken by one more tenant", 0), (f"beside {million:,} tasks", million)):
            waits = looped(arrivals(server.url, backlog, small=small, seconds=seconds))
            run.note(NAME, f"{small} small tenants, {name}: wait p50, s", percentile(waits, 50))
            run.note(NAME, f"{small} small tenants, {name}: wait p99, s", percentile(waits, 99))
        for slots in (50, 100):
            length = 2 * WARM + (10 if run.quick else 30)
            found = looped(shared(server.url, [1.0] * TENANTS, slots, length, number))
            name = f"{TENANTS} tenants, {slots} slots, 1 ms to 10 s: lowest index of any 10 s"
            run.note(NAME, name, found.jain(WARM, length))
        length = 2 * WARM + (10 if run.quick else 30)
        parts = looped(shared(server.url, WEIGHTS, 40, length, 100 + number)).shares(WARM, length)
        for weight, part in zip(WEIGHTS, parts, strict=True):
            run.note(NAME, f"weights 1, 2 and 5, 40 slots, 1 ms to 10 s: share of weight {weight:g}", part)
        waited, late = looped(idle(server.url, SLOTS, seconds))
        run.note(NAME, "the same run, the event loop was kept waiting: longest, ms", max(late) * 1e3)
        run.note(NAME, "free slot while a task is ready: p50, ms", percentile(waited, 50) * 1e3)
        run.note(NAME, "free slot while a task is ready: p99, ms", percentile(waited, 99) * 1e3)
        run.note(NAME, "free slot while a task is ready: longest, ms", max(waited) * 1e3)
        batch, single = looped(within(server.url, million))
        run.note(NAME, f"ten of a batch beside their tenant's {million:,}: longest wait, s", max(batch))
        run.note(NAME, f"ten single tasks beside their tenant's {million:,}: longest wait, s", max(single))


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    title = f"Fair shares: {SLOTS} slots, handlers that sleep {NAP} s where nothing else is said"
    show_values(title, results.sections[NAME], console)
