"""Where inputs are tried: an instance of its own for each group of them, a worker that is watched, and what it logs."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from taskproc import TaskprocError, TaskProcessor
from taskproc.store import WorkerStore
from tests.fuzz import handlers
from tests.fuzz.report import Broken, Tally
from tests.fuzz.values import CANARY
from tests.harness import Instance
from tests.servers import Server

HANG_SECONDS = 20.0
"""Nothing that is asked of a worker or of a call here takes a tenth of this."""

STALLED_SECONDS = 3.0
"""A worker that has changed nothing for so long will change nothing more."""

OPTIONS: dict[str, Any] = {
    "poll_interval": 0.1, "invisibility": 5, "retention": 600, "shutdown_grace": 3, "unknown_grace": 0, "backoff": 0,
    "max_workers": 50, "redis_patience": 2, "include": ["tests.fuzz.handlers"],
}  # fmt: skip


class Listener(logging.Handler):
    """Hears all that is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as it would be shown, its traceback too."""
        self.lines.append(self._format.format(record))

    def check(self) -> None:
        """Raises Broken where a payload was logged."""
        found = next((line for line in self.lines if CANARY in line), None)
        self.lines.clear()
        if found is not None:
            raise Broken(f"a log holds a payload: {found[:300]}")


@dataclass
class World:
    """A server, and the instance of the inputs at hand."""

    server: Server
    tally: Tally
    listener: Listener
    instance: Instance = field(init=False)
    _count: int = 0

    @property
    def seed(self) -> int:
        """That of the whole run."""
        return self.tally.seed

    def chance(self, number: int) -> random.Random:
        """All chance of an input."""
        return handlers.source(self.seed, number)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Instance]:
        """An instance for a group of inputs; nothing is left of it."""
        self._count += 1
        self.instance = Instance(self.server, f"fuzz{self._count}")
        handlers.ran.clear()
        self.listener.lines.clear()
        try:
            yield self.instance
            self.listener.check()
        finally:
            for proc in self.instance.processors:
                await proc.close()
            self.instance.client.flushall()
            self.instance.client.close()

    @asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[Watched]:
        """A worker in this process. Raises Broken where it ends by itself, or doesn't stop when it is told to."""
        proc = self.instance.processor(**{**OPTIONS, **options})
        await proc.open()
        running = asyncio.create_task(proc.run())
        try:
            yield Watched(self.instance, proc, running)
        finally:
            await _stop(proc, running)


@dataclass
class Watched:
    """A worker that runs in this process."""

    instance: Instance
    proc: TaskProcessor
    running: asyncio.Task[None]

    def alive(self) -> None:
        """Raises Broken where it has ended."""
        if self.running.done():
            error = None if self.running.cancelled() else self.running.exception()
            raise Broken(f"the worker has ended: {error!r}"[:500])

    async def until(self, check: Callable[[], Awaitable[str]], what: str, stalled: float = STALLED_SECONDS) -> None:
        """Wait until a check has nothing more to tell. Raises Broken when it takes too long, or the worker ends."""
        before, since = "", time.monotonic()
        while told := await check():
            self.alive()
            if told != before:
                before, since = told, time.monotonic()
            elif time.monotonic() - since > stalled:
                raise Broken(f"{what}: {told}"[:800])
            await asyncio.sleep(0.01)

    async def quiet(self, most: int = 40) -> None:
        """Raises Broken where it keeps Redis busy with nothing to do."""
        before = self._scripts()
        await asyncio.sleep(0.3)
        count = self._scripts() - before
        if count > most:
            raise Broken(f"the worker never rests: {count} scripts in 0.3 s with nothing to do")

    def _scripts(self) -> int:
        told = self.instance.client.info("commandstats")
        return sum(told.get(name, {"calls": 0})["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval"))


async def _stop(proc: TaskProcessor, running: asyncio.Task[None]) -> None:
    if running.done() and not running.cancelled() and running.exception() is not None:
        return
    try:
        async with asyncio.timeout(HANG_SECONDS):
            await proc.stop()
            await running
    except TimeoutError:
        running.cancel()
        raise Broken("the worker does not stop") from None


async def tried(call: Callable[[], Awaitable[Any]], what: str) -> TaskprocError | None:
    """The error of ours that a call raises, if any. Raises Broken for any other, for a hang, and for a payload in it."""
    try:
        async with asyncio.timeout(HANG_SECONDS) as limit:
            await call()
    except TaskprocError as error:
        told = f"{error} {error.__cause__ or ''}"
        if CANARY in told:
            raise Broken(f"{what}: the error holds a payload: {told[:300]}") from None
        if not str(error):
            raise Broken(f"{what}: {type(error).__name__} tells nothing") from None
        return error
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            raise Broken(f"{what} does not come back") from None
        raise Broken(f"{what} raises {type(error).__name__}: {error}"[:600]) from error
    return None


async def prune(instance: Instance, proc: TaskProcessor) -> None:
    """Prune all that has ended, in more rounds than it takes, whatever is raised over what is damaged."""
    store = WorkerStore(proc._store.target, instance.name, [], 1_000)
    for _ in range(30):
        with suppress(TaskprocError):
            await store.work.prune(0)
    await store.close()


def each_once(ids: Sequence[str], what: str) -> None:
    """Raises Broken where one of some tasks did not run exactly once."""
    wrong = {task: handlers.ran[task] for task in ids if handlers.ran[task] != 1}
    if wrong:
        raise Broken(f"{what}: {len(wrong)} of {len(ids)} healthy tasks did not run exactly once: {list(wrong.items())[:3]}")
