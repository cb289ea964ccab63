"""What an ordeal is tried on: batches that are enqueued until they are acknowledged, and what must have come of them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from taskproc import Batch, BatchInfo, NotFound, NotReady, RedisUnavailable, TaskProcessor
from tests import handlers
from tests.conftest import fresh
from tests.harness import Instance, Record, until
from tests.servers import Server

TENANTS = ("acme", "beta", "core")
PATIENT = {"retention": 6000, "redis_patience": 30}
SETTLE_SECONDS = 60.0


@dataclass
class Result:
    """What an ordeal has found. All that must be nothing is ``lost``, ``doubled``, ``leaked`` and ``failure``."""

    faults: int = 0
    """How often it struck."""
    tasks: int = 0
    """Tasks that Redis acknowledged."""
    lost: int = 0
    """Of these, those that no worker has ended, or that no counter counts."""
    doubled: int = 0
    """Batches with a counter too high, and continuations that ran for a second firing."""
    extra: int = 0
    """Executions beyond one a task: what ran in a killed worker runs again."""
    leaked: int = 0
    """Keys that were left at the end."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from a fault, or its end, until tasks ran again."""
    notes: dict[str, float] = field(default_factory=dict)
    """Further figures."""
    failure: str = ""

    @property
    def fine(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.doubled or self.leaked or self.failure)


@dataclass(frozen=True)
class Trial:
    """How hard an ordeal is to be."""

    seed: int
    long: bool
    seconds: float | None = None
    """How long, for ordeals that last as long as they are told."""

    def dice(self) -> random.Random:
        """Its random choices."""
        return random.Random(self.seed)

    def times(self, long: int, short: int) -> int:
        """How often."""
        return long if self.long else short

    def lasting(self, long: float, short: float) -> float:
        """For how many seconds."""
        return self.seconds or (long if self.long else short)


class Field:
    """An instance under trial, whose tasks record themselves where nothing is lost."""

    def __init__(self, instance: Instance, book: Instance, proc: TaskProcessor, trial: Trial, result: Result) -> None:
        self.instance, self.book, self.proc, self.result = instance, book, proc, result
        self.dice = trial.dice()
        self.batches: dict[str, int] = {}
        self.acknowledged: dict[str, float] = {}
        self.kills: list[float] = []
        """When servers were killed."""
        self.gone: dict[int, float] = {}
        """When workers were killed, by their process ids."""
        self.grace: float | None = None
        """Where it is set, a batch may be gone that was acknowledged no longer than this before the server was killed."""
        self.handlers: list[Callable[..., Any]] = [handlers.step]
        """What the tasks of a batch call, in turn."""
        self._names = 0

    async def enqueue(
        self, tasks: int = 40, longest: float = 0.05, more: Callable[[Batch], object] | None = None, least: float = 0.0
    ) -> str:
        """Enqueue a batch until it is acknowledged, with one key however often it is sent; its id."""
        self._names += 1
        name, tenant = f"batch {self._names}", self.dice.choice(TENANTS)
        naps = [self.dice.uniform(least, longest) for _ in range(tasks)]

        def build(batch: Batch) -> None:
            for number, nap in enumerate(naps):
                batch.enqueue(self.handlers[number % len(self.handlers)], nap, number)
            batch.options(on="settled").continue_with(handlers.after, name)
            if more is not None:
                more(batch)

        while True:
            try:
                batch_id = await self.proc.enqueue_batch("default", tenant, build, idempotency_key=name)
                break
            except RedisUnavailable:
                await asyncio.sleep(0.1)
        self.batches[batch_id] = tasks
        self.acknowledged[batch_id] = self.book.now()
        self.result.tasks += tasks
        return batch_id

    async def keep_busy(self, least: int = 100, **shape: Any) -> None:
        """Enqueue when little is left, until cancelled."""
        while True:
            try:
                waiting = (await self.proc.get_queue("default")).ready
            except RedisUnavailable:
                waiting = 0
            if waiting < least:
                await self.enqueue(**shape)
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def busy(self, **shape: Any) -> AsyncIterator[None]:
        """There is something to do meanwhile."""
        working = asyncio.create_task(self.keep_busy(**shape))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def settle(self, seconds: float = SETTLE_SECONDS, failed: int = 0) -> None:
        """Wait for all batches, and count what is wrong. ``failed``: how many tasks of each end as dead letters."""
        for batch_id, tasks in list(self.batches.items()):
            info = await self._ended(batch_id, seconds)
            if info is None:
                del self.batches[batch_id]
                self._gone(batch_id, tasks)
                continue
            self.result.lost += max(0, tasks - info.done - info.failed + failed) if info.remaining == 0 else info.remaining
            self.result.doubled += info.done > tasks or info.total > tasks + failed or info.failed > failed
        await until(self.quiet, seconds)
        self._compare()

    def _gone(self, batch_id: str, tasks: int) -> None:
        at = self.acknowledged[batch_id]
        if self.grace is not None and any(0 <= kill - at <= self.grace for kill in self.kills):
            name = f"batches gone that were acknowledged {self.grace:g} s before a kill at most"
            self.result.notes[name] = self.result.notes.get(name, 0) + 1
        else:
            self.result.lost += tasks

    async def _ended(self, batch_id: str, seconds: float) -> BatchInfo | None:
        try:
            return await self.proc.wait_batch(batch_id, seconds)
        except NotReady:
            return await self.proc.get_batch(batch_id)
        except NotFound:
            return None

    async def quiet(self) -> bool:
        """Whether nothing is left to run."""
        queue = await self.proc.get_queue("default")
        return queue.ready == queue.running == queue.delayed == 0

    def _compare(self) -> None:
        """Hold what tasks recorded against what was enqueued."""
        starts: dict[str, int] = defaultdict(int)
        ended: dict[str, set[str]] = defaultdict(set)
        fired: dict[str, set[str]] = defaultdict(set)
        for record in self.book.records:
            if record["name"] == "tests.handlers.after":
                fired[record["batch"]].add(record["id"])
            elif record["event"] == "start":
                starts[record["id"]] += 1
            elif record["event"] == "end":
                ended[record["batch"]].add(record["id"])
        for batch_id, tasks in self.batches.items():
            self.result.lost += tasks - len(ended[batch_id]) + (not fired[batch_id])
            self.result.doubled += len(fired[batch_id]) > 1
        self.result.extra += sum(starts.values()) - len(starts)

    def runs_after(self, moment: float) -> float | None:
        """How long after a moment the first task was started, if one was."""
        later = [record["at"] for record in self.book.records if record["event"] == "start" and record["at"] > moment]
        return min(later) - moment if later else None

    async def recovered(self, moment: float, seconds: float = 60.0) -> None:
        """Wait for a task that was started after a moment, and note how long that took."""
        found = await until(lambda: self.runs_after(moment), seconds)
        self.result.recoveries.append(found)

    def rerun(self) -> list[float]:
        """How long after a worker was killed each task that ran there was started again."""
        last: dict[str, Record] = {}
        found = []
        for record in self.book.records:
            if record["event"] == "start":
                before = last.get(record["id"])
                if before is not None and before["pid"] in self.gone:
                    found.append(record["at"] - self.gone[before["pid"]])
            last[record["id"]] = record
        return found

    def most_at_once(self, records: Iterable[Record]) -> int:
        """How many of these ran at once at most; what ran in a worker that was killed ended then."""
        open_: dict[tuple[str, int], float] = {}
        events: list[tuple[float, int]] = []
        for record in records:
            place = (record["id"], record["pid"])
            if record["event"] == "start":
                open_[place] = record["at"]
                events.append((record["at"], 1))
            elif place in open_:
                del open_[place]
                events.append((record["at"], -1))
        events += [(max(at, self.gone.get(pid, at)), -1) for (_, pid), at in open_.items()]
        running = most = 0
        for _, change in sorted(events):
            running += change
            most = max(most, running)
        return most

    def hold_rate(self, started: int, what: str, rate: float, burst: int, seconds: float) -> None:
        """Hold how many have started in all against a rate a second."""
        allowed = burst + rate * seconds
        self.result.notes["starts of a rate, of those allowed"] = round(started / allowed, 3)
        if started > allowed:
            self.result.failure = f"{started} {what} started in {seconds:.1f} s, {rate:g} a second may"

    async def audit(self) -> None:
        """Hold what is stored against itself."""
        differences = (await self.proc.audit()).differences
        if differences:
            self.result.failure = f"an audit finds {[d.found for d in differences][:3]}"


@asynccontextmanager
async def trying(
    server: Server, trial: Trial, result: Result, book: Server | None = None, **options: Any
) -> AsyncIterator[Field]:
    """A field on a server. ``book``: where tasks record themselves, if not on the same one."""
    try:
        async with fresh(server) as instance:
            records = instance if book is None else Instance(book, instance.name)
            async with instance.open(**{**PATIENT, **options}) as proc:
                yield Field(instance, records, proc, trial, result)
            if book is not None:
                await records.close()
    except AssertionError as error:
        if "keys are left" not in str(error):
            raise
        result.leaked += str(error).count(" (")
        result.failure = str(error)[:300]
