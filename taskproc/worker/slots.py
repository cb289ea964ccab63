"""A worker's slots: a fixed pool of runners fed from memory, and everything that it holds a lease on.

A runner takes one task after the other for as long as there are any. It lets the event loop go on once it has kept it
for ``TURN`` seconds, not after each task: a turn of the loop costs as much as a tenth of a small task. The next runner is
woken when a task is taken and more are left, so that handlers which never wait are all run by one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import Context, copy_context

import anyio

from taskproc.store.work import Claims
from taskproc.worker.execution import Execution, Stop
from taskproc.worker.scope import Scope

logger = logging.getLogger("taskproc")

RUNNER = "taskproc-runner"
"""The name of the tasks of the event loop that run handlers."""

END_SECONDS = 0.3
"""How long cancelled handlers may take to end before they are left behind."""

TURN = 0.000_1

Run = Callable[[Execution, Scope], Awaitable[None]]


class Slots:
    """``size`` runners. A slot is taken from the claim until the handler has ended."""

    def __init__(self, size: int, run: Run) -> None:
        self.size = size
        self.held: dict[str, Execution] = {}  # by lease member, until its settlement is answered
        self.closed = False  # whether the runners are told to end
        self._run = run
        self._todo: deque[Execution] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._runners: set[asyncio.Task[None]] = set()
        self._base = copy_context()
        self._busy = 0
        self._ended = asyncio.Event()
        self._failed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return self._busy

    @property
    def free(self) -> int:
        """How many tasks may be claimed."""
        return self.size - self._busy

    def closing(self) -> bool:
        """Whether the runners are told to end; the end of a program tells them, as all tasks of its loop, before us."""
        return self.closed or (self._task is not None and self._task.cancelling() > 0)

    def feed(self, claims: Sequence[Claims]) -> None:
        """Take over claimed tasks, no more than there are free slots."""
        taken = self.hold(claims)
        self._todo.extend(taken)
        self._busy += len(taken)
        if taken:
            self._wake()

    def hold(self, claims: Sequence[Claims]) -> list[Execution]:
        """Hold claimed tasks, without a slot for them."""
        taken = [Execution(claim, body) for claim in claims for body in claim.bodies]
        self.held.update((execution.member, execution) for execution in taken)
        return taken

    async def run(self) -> None:
        """Run tasks until cancelled. A handler that goes on whatever cancels it is left behind."""
        self._base = copy_context()
        self._task = asyncio.current_task()
        self._failed = asyncio.get_running_loop().create_future()
        for _ in range(self.size):
            self._start()
        try:
            await self._failed
        finally:
            self.closed = True
            runners = list(self._runners)
            for runner in runners:
                runner.cancel()
            await _left(runners)

    def _start(self) -> None:
        runner = asyncio.create_task(self._runner(), name=RUNNER, context=self._base.copy())
        self._runners.add(runner)
        runner.add_done_callback(self._over)

    def _over(self, runner: asyncio.Task[None]) -> None:
        """A runner has ended: another takes its place, or what ended it ends the worker."""
        self._runners.discard(runner)
        error = None if runner.cancelled() else runner.exception()
        if self.closed or self._failed is None or self._failed.done():
            return
        if error is not None:
            self._failed.set_exception(error)
        else:
            self._start()

    async def _runner(self) -> None:
        """Run tasks, until one leaves something behind that others would see: variables of the context."""
        clean, until = copy_context(), 0.0
        with Scope() as scope:
            while not self.closed and _same(copy_context(), clean):
                if not self._todo:
                    await self._work()
                elif time.perf_counter() > until:
                    await asyncio.sleep(0)
                else:
                    await self._next(scope)
                    continue
                until = time.perf_counter() + TURN

    async def _work(self) -> None:
        """Wait until there is something to do, or may be."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    async def _next(self, scope: Scope) -> None:
        """Run the task whose turn it is."""
        execution = self._todo.popleft()
        if self._todo:
            self._wake()
        try:
            await self._run(execution, scope)
        finally:
            self._busy -= 1
            if not self._busy:
                self._ended.set()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(None)
                return

    def waiting(self) -> list[Execution]:
        """Take back what was claimed and has not begun."""
        taken = list(self._todo)
        self._todo.clear()
        self._busy -= len(taken)
        if not self._busy:
            self._ended.set()
        return taken

    def running(self) -> Iterator[Execution]:
        """What is held and has not ended; the caller may change it while it goes through."""
        return iter(list(self.held.values()))

    def halt(self, task_or_batch: str, stop: Stop) -> None:
        """Stop one task, or all tasks of a batch, by its id."""
        for execution in self.running():
            if execution.task_id == task_or_batch or execution.claims.batch == task_or_batch:
                execution.halt(stop)

    async def ended(self) -> None:
        """Wait until no slot is taken."""
        while self._busy:
            self._ended.clear()
            await self._ended.wait()


async def _left(runners: Sequence[asyncio.Task[None]]) -> None:
    """Wait a little for cancelled runners."""
    if not runners:
        return
    with anyio.CancelScope(shield=True):
        _, stuck = await asyncio.wait(runners, timeout=END_SECONDS)
    if stuck:
        logger.warning("%d handlers go on although they are cancelled; they are left behind", len(stuck))


def _same(now: Context, then: Context) -> bool:
    try:
        return now == then
    except Exception:  # values whose comparison raises
        return False
