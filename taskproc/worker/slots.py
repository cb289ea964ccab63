"""A worker's slots: a fixed pool of runners fed from memory, and everything that it holds a lease on."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

import anyio

from taskproc.store.work import Claims
from taskproc.worker.execution import Execution, Stop

logger = logging.getLogger("taskproc")

RUNNER = "taskproc-runner"
"""The name of the tasks of the event loop that run handlers."""

END_SECONDS = 0.3
"""How long cancelled handlers may take to end before they are left behind."""

Run = Callable[[Execution], Awaitable[None]]


class Slots:
    """``size`` runners. A slot is taken from the claim until the handler has ended."""

    def __init__(self, size: int, run: Run) -> None:
        self.size = size
        self.held: dict[str, Execution] = {}  # by lease member, until its settlement is answered
        self._run = run
        self._todo: deque[Execution] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._busy = 0
        self._closed = False
        self._ended = asyncio.Event()

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return self._busy

    @property
    def free(self) -> int:
        """How many tasks may be claimed."""
        return self.size - self._busy

    def feed(self, claims: Sequence[Claims]) -> None:
        """Take over claimed tasks, no more than there are free slots."""
        taken = self.hold(claims)
        self._todo.extend(taken)
        self._busy += len(taken)
        for waiter in self._waiting[: len(taken)]:
            if not waiter.done():
                waiter.set_result(None)
        del self._waiting[: len(taken)]

    def hold(self, claims: Sequence[Claims]) -> list[Execution]:
        """Hold claimed tasks, without a slot for them."""
        taken = [Execution(claim, body) for claim in claims for body in claim.bodies]
        self.held.update((execution.member, execution) for execution in taken)
        return taken

    async def run(self) -> None:
        """Run tasks until cancelled. A handler that goes on whatever cancels it is left behind."""
        runners = [asyncio.create_task(self._runner(), name=RUNNER) for _ in range(self.size)]
        try:
            await asyncio.gather(*runners)
        finally:
            self._closed = True
            for runner in runners:
                runner.cancel()
            with anyio.CancelScope(shield=True):
                _, stuck = await asyncio.wait(runners, timeout=END_SECONDS)
            if stuck:
                logger.warning("%d handlers go on although they are cancelled; they are left behind", len(stuck))

    async def _runner(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            while not self._todo:
                waiter: asyncio.Future[None] = loop.create_future()
                self._waiting.append(waiter)
                await waiter
            execution = self._todo.popleft()
            try:
                await self._run(execution)
            finally:
                self._busy -= 1
                if not self._busy:
                    self._ended.set()
            await asyncio.sleep(0)

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
