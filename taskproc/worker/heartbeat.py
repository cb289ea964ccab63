"""Renews the leases of what runs, from a thread of its own: a handler that blocks the event loop doesn't lose them.

It learns what the event loop must know: lost leases and cancelled tasks. A loop that stays blocked is
reported with the place where it hangs; past a limit its leases are let go, since nothing will end there.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from taskproc.worker.execution import Execution, Stop

if TYPE_CHECKING:
    from taskproc.store.leases import Leases

logger = logging.getLogger("taskproc")

RENEWALS = 3
"""Renewals in the length of a lease."""

BLOCKED_LEASES = 10
"""After how many lease lengths of a blocked event loop its leases are let go."""

RETRY_SECONDS = 0.2


class Heartbeat:
    """The thread. ``describe`` gives what the list of workers shows."""

    def __init__(
        self,
        leases: Leases,
        held: dict[str, Execution],
        worker: Callable[[], str],
        describe: Callable[[], dict[str, object]],
        lease_ms: int,
        renew: bool,
    ) -> None:
        self._leases = leases
        self._held = held
        self._worker = worker
        self._describe = describe
        self._lease_ms = lease_ms
        self._renew = renew
        self._period = lease_ms / 1000 / RENEWALS
        self._wake = threading.Event()
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._seen = time.monotonic()
        self._told = False
        self._thread = threading.Thread(target=self._run, name="taskproc-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat()
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether the thread was started."""
        return self._loop is not None

    def poke(self) -> None:
        """Renew now, as after a subscription was lost and is back."""
        self._wake.set()

    async def stop(self) -> None:
        """End the thread and wait for it."""
        self._ending = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, 5.0)

    def _beat(self) -> None:
        self._seen = time.monotonic()
        if self._loop is not None and not self._ending:
            self._loop.call_later(min(1.0, self._period / 2), self._beat)

    def _run(self) -> None:
        while not self._ending:
            pause = self._period
            try:
                self._round()
            except Exception as error:  # whatever happens here, the next renewal must be tried
                logger.warning("leases could not be renewed: %s: %s", type(error).__name__, str(error)[:200])
                pause = min(self._period, RETRY_SECONDS)
            self._wake.wait(pause)
            self._wake.clear()

    def _round(self) -> None:
        blocked = time.monotonic() - self._seen
        if blocked > max(1.0, self._period * RENEWALS):
            self._report(blocked)
            if blocked > self._period * RENEWALS * BLOCKED_LEASES:
                return
        else:
            self._told = False
        members = list(self._held)
        info = orjson.dumps({**self._describe(), "lease": self._lease_ms}).decode()
        lost, cancelled = self._leases.renew(self._worker(), info, self._lease_ms, members if self._renew else [])
        if not self._renew and members:  # a lease is never shortened: this only asks what is lost and cancelled
            lost, cancelled = self._leases.renew(self._worker(), "", 1, members)
        if (lost or cancelled) and self._loop is not None and not self._ending:
            self._loop.call_soon_threadsafe(self._tell, lost, cancelled)

    def _tell(self, lost: list[str], cancelled: list[str]) -> None:
        stopped = set(cancelled)
        for execution in list(self._held.values()):
            if execution.task_id in stopped:
                execution.halt(Stop.CANCELLED)
        for member in lost:
            if member in self._held:
                self._held[member].halt(Stop.LOST)

    def _report(self, blocked: float) -> None:
        if self._told:
            return
        self._told = True
        frame = sys._current_frames().get(self._loop_thread)
        where = "".join(traceback.format_stack(frame, limit=8)) if frame is not None else ""
        logger.error("a handler has blocked the event loop for %.1f s; run it in a thread. It is here:\n%s", blocked, where)
