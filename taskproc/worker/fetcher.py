"""Claims tasks up to the free slots, and carries the settlements of the moment with it.

Claiming and settling share one call, so the loop below is all that goes between a worker and Redis while
tasks run: as soon as an answer is there, the next step goes out with what has ended meanwhile. With
nothing to settle and nothing to claim it waits: for a task to end, for a wake-up marker, or for the poll.

A worker where nothing runs asks for its next step ahead: Redis does it in the moment in which the marker comes. It counts
as a step that has not been answered: where another has to go first, the same is sent again, and what Redis has done is
not done twice.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from taskproc.errors import SchemaMismatch, ServerRefused, TaskprocError
from taskproc.outcome import Released
from taskproc.store.waits import Marker
from taskproc.store.work import MOST, StaleStep, Step, Turn, Work
from taskproc.worker.loop import Loop
from taskproc.worker.quantum import Quantum
from taskproc.worker.settler import Entry, Settler
from taskproc.worker.slots import Slots
from taskproc.worker.turns import Turns

logger = logging.getLogger("taskproc")

PAUSE = 1.0


class Fetcher:
    """The loop of steps. What a step tells of due tasks is passed on to ``upkeep``."""

    def __init__(
        self,
        work: Work,
        slots: Slots,
        settler: Settler,
        marker: Marker,
        upkeep: Loop,
        poll_ms: int,
        turns: Turns | None = None,
    ) -> None:
        """``turns`` says whose turn it is, where that is not just the first queue with ready work."""
        self._turns = turns
        self._work = work
        self._slots = slots
        self._settler = settler
        self._marker = marker
        self._upkeep = upkeep
        self._poll = poll_ms / 1000
        self._quantum = Quantum(slots.held)
        self._news = asyncio.Event()
        self._hungry = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()
        self._claiming = True
        self._look = True  # whether there may be something to claim
        self._took = False
        self._unanswered: list[Entry] | None = None
        self._ahead = False  # whether a step is asked for that Redis does when a marker comes
        self._doubtful = 0  # how many settlements go one by one, since a step with them was refused
        self.paused = False
        self.more = False  # whether the last step left something that may be claimed

    @property
    def pending(self) -> bool:
        """Whether something has to be settled, or a step has not been answered."""
        return len(self._settler) > 0 or self._unanswered is not None or self._ahead

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
            if self._due(want):
                await self.step(want)
            else:
                await self._wait(want)
        self._over.set()

    def _due(self, want: int) -> bool:
        """Whether a step has to go out."""
        waits = self._claiming and self._ahead
        return len(self._settler) > 0 or self._took or (want > 0 and self._look) or (self.pending and not waits)

    async def step(self, want: int) -> int:
        """One step; how many tasks were claimed. One that got no answer is sent again, the same, before another."""
        self._look = self._took = False
        if self._ahead:
            self._ahead, self._unanswered = False, []
            await self._marker.drop()
        try:
            if self._unanswered is None:
                want = 0 if self._doubtful else want
                self._unanswered, groups = self._settler.take(1 if self._doubtful else MOST)
                self._quantum.note(self._unanswered)
                self._work.at_once = self._quantum.at_once(self._work.horizon.server_ms)
                step = await self._work.step(want, groups, self._plan(want))
            else:
                step = await self._work.again(want, self._plan(want))
        except SchemaMismatch:
            raise
        except TaskprocError as error:
            logger.error("settling and claiming: %s", error)
            self._look = True
            if isinstance(error, StaleStep):
                self._settler.put_back(self._answered())
            elif isinstance(error, ServerRefused):
                await self._refused(self._answered(), want)
            else:
                await asyncio.sleep(PAUSE)
            return 0
        self._doubtful = max(0, self._doubtful - 1)
        self._settler.settled(self._answered(), step.lost, step.again)
        return self._claimed(step, want)

    def _plan(self, want: int) -> list[Turn] | None:
        return None if self._turns is None or not want else self._turns.plan(want, self._slots.free)

    def _take(self, answer: list[Any]) -> None:
        """Take the answer to the step that was asked for ahead."""
        self._ahead = False
        try:
            self._claimed(self._work.read(answer), min(self._slots.free, MOST))
        except StaleStep:
            self._look = True
        self._news.set()

    def _answered(self) -> list[Entry]:
        """The entries of the step at hand, which has been answered."""
        taken, self._unanswered = self._unanswered or [], None
        return taken

    async def _refused(self, taken: list[Entry], want: int) -> None:
        """See that what Redis refuses holds up nothing else: settlements go on one by one, and without claims."""
        alone = len(taken) == 1 and not want
        if alone and await self._takes_steps():
            if not self._settler.simplify(taken[0]):
                self._doubtful -= 1
            return
        self._settler.put_back(taken)
        self._doubtful = len(taken)
        if alone or not taken:
            await asyncio.sleep(PAUSE)

    async def _takes_steps(self) -> bool:
        """Whether Redis takes a step of nothing: then what it refused is to blame."""
        try:
            await self._work.step(0, [])
        except TaskprocError:
            return False
        return True

    def _claimed(self, step: Step, want: int) -> int:
        self._upkeep.by(self._work.horizon.due)
        self._upkeep.by(self._work.horizon.ends)
        self._upkeep.by(self._work.horizon.sums)
        if step.paused != self.paused:
            self.paused = step.paused
            logger.info("the instance is %s", "paused" if step.paused else "resumed")
        count = sum(len(claims.bodies) for claims in step.claims)
        self.more = step.more or (want > 0 and count >= want)
        self._look = self._look or self.more
        if self._turns is not None and not step.paused:
            self._turns.claimed(want, step.claims)
        if self._claiming:
            self._slots.feed(step.claims)
        else:  # it was on its way when the worker was told to stop
            for execution in self._slots.hold(step.claims):
                self._settler.add(execution, Released(), 0)
        return count

    async def _wait(self, want: int) -> None:
        if want and not self._slots.busy:
            self._quantum.rest()
            self._work.at_once = 1
        if want and not self.paused:
            if self._turns is not None:
                await self._marker.only(self._turns.open(self._slots.free))
            if not (self._slots.busy or self._ahead or self._marker.taken):
                self._ahead = True
                await self._work.ask(want, self._plan(want))
            self._hungry.set()
        try:
            async with asyncio.timeout(None if self._ahead else self._poll):  # what is asked for ahead comes by the poll
                await self._news.wait()
        except TimeoutError:
            self._look = True

    async def watch(self) -> None:
        """Wait for wake-up markers while there are free slots and nothing to claim; until cancelled."""
        while True:
            await self._hungry.wait()
            self._hungry.clear()
            came, answer = await self._marker.wait(self._poll)
            if self._ahead and answer is not None:
                self._take(answer)
            elif came:
                self._took = True  # a step leaves another marker where work is left, even if no slot is free by now
                self.look()
            elif self._ahead:
                self.look()
            elif self._slots.free and not self.paused and self._claiming:
                self._hungry.set()
