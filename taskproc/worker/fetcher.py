"""Claims tasks up to the free slots, and carries the settlements of the moment with it.

Claiming and settling share one call, so the loop below is all that goes between a worker and Redis while
tasks run: as soon as an answer is there, the next step goes out with what has ended meanwhile. With
nothing to settle and nothing to claim it waits: for a task to end, for a wake-up marker, or for the poll.
"""

from __future__ import annotations

import asyncio
import logging

from taskproc.errors import SchemaMismatch, TaskprocError
from taskproc.store.waits import Marker
from taskproc.store.work import MOST, StaleStep, Step, Work
from taskproc.worker.loop import Loop
from taskproc.worker.settler import Entry, Settler
from taskproc.worker.slots import Slots

logger = logging.getLogger("taskproc")

PAUSE = 1.0


class Fetcher:
    """The loop of steps. What a step tells of due tasks is passed on to ``upkeep``."""

    def __init__(self, work: Work, slots: Slots, settler: Settler, marker: Marker, upkeep: Loop, poll_ms: int) -> None:
        self._work = work
        self._slots = slots
        self._settler = settler
        self._marker = marker
        self._upkeep = upkeep
        self._poll = poll_ms / 1000
        self._news = asyncio.Event()
        self._hungry = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()
        self._claiming = True
        self._look = True  # whether there may be something to claim
        self._took = False
        self._unanswered: list[Entry] | None = None
        self.paused = False

    @property
    def pending(self) -> bool:
        """Whether something has to be settled, or a step has not been answered."""
        return len(self._settler) > 0 or self._unanswered is not None

    def poke(self) -> None:
        """Something has ended: there is something to settle, or a slot is free."""
        self._news.set()

    def look(self) -> None:
        """There may be something to claim."""
        self._look = True
        self._news.set()

    def end(self) -> None:
        """Claim no more, settle what ends; ``run`` returns when nothing is left to settle and no slot is taken."""
        self._claiming = False
        self._news.set()

    async def ended(self) -> None:
        """Wait until ``run``, if it runs, has come to its end."""
        await self._over.wait()

    async def news(self) -> None:
        """Wait until something ends or is announced."""
        self._news.clear()
        await self._news.wait()

    async def run(self) -> None:
        """Step until cancelled, or to the end. Raises SchemaMismatch."""
        self._over.clear()
        while self._claiming or self._slots.busy or self.pending:
            self._news.clear()
            want = min(self._slots.free, MOST) if self._claiming else 0
            if self.pending or (want and self._look) or self._took:
                await self.step(want)
            else:
                await self._wait(want)
        self._over.set()

    async def step(self, want: int) -> int:
        """One step; how many tasks were claimed. One that got no answer is sent again, the same, before another."""
        self._look = self._took = False
        try:
            if self._unanswered is None:
                self._unanswered, groups = self._settler.take(MOST)
                step = await self._work.step(want, groups)
            else:
                step = await self._work.again()
        except StaleStep as error:
            logger.error("settling and claiming: %s", error)
            self._settler.put_back(self._unanswered or [])
            self._unanswered = None
            self._look = True
            return 0
        except SchemaMismatch:
            raise
        except TaskprocError as error:
            logger.error("settling and claiming: %s", error)
            self._look = True
            await asyncio.sleep(PAUSE)
            return 0
        taken, self._unanswered = self._unanswered or [], None
        self._settler.settled(taken, step.lost, step.again)
        self._upkeep.by(self._work.horizon.due)
        self._upkeep.by(self._work.horizon.ends)
        return self._claimed(step, want)

    def _claimed(self, step: Step, want: int) -> int:
        if step.paused != self.paused:
            self.paused = step.paused
            logger.info("the instance is %s", "paused" if step.paused else "resumed")
        self._slots.feed(step.claims)
        count = sum(len(claims.bodies) for claims in step.claims)
        if want and count >= want:
            self._look = True
        return count

    async def _wait(self, want: int) -> None:
        if want and not self.paused:
            self._hungry.set()
        try:
            async with asyncio.timeout(self._poll):
                await self._news.wait()
        except TimeoutError:
            self._look = True

    async def watch(self) -> None:
        """Wait for wake-up markers while there are free slots and nothing to claim; until cancelled."""
        while True:
            await self._hungry.wait()
            self._hungry.clear()
            if await self._marker.wait(self._poll):
                self._took = True  # a step leaves another marker where work is left, even if no slot is free by now
                self.look()
            elif self._slots.free and not self.paused and self._claiming:
                self._hungry.set()
