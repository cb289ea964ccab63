"""What is done to all of a tenant at once, in bounded steps: cancelling.

Each step is whole by itself, so that a call which ends in the middle has done a part, and the same call again does the rest.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from taskproc.ids import is_home_id
from taskproc.store.ledger import Ledger
from taskproc.store.scripts import Json, Reply, Scripts

logger = logging.getLogger("taskproc")

AT_ONCE = 100
READY, DELAYED, DEAD = "r", "d", "x"


@dataclass(frozen=True, slots=True)
class TaskList:
    """One of a tenant's lists of waiting or dead tasks, with how many there are."""

    segment: str
    kind: str
    queue: str
    size: int

    @property
    def single(self) -> bool:
        """Whether it is of single tasks and continuations."""
        return is_home_id(self.segment[:22])


class Control:
    """Steers whole tenants."""

    def __init__(self, scripts: Scripts, ledger: Ledger) -> None:
        self._scripts = scripts
        self._ledger = ledger

    async def lists(self, tenant: str, queue: str | None = None, *, single: bool = False) -> AsyncIterator[TaskList]:
        """A tenant's lists of tasks, single ones' first; ``single``: no others. What comes later isn't looked for."""
        after, until = "", ""
        while True:
            reply = await self._scripts.tenant_lists(tenant, queue or "", after, until)
            after, until = reply[0].decode(), reply[1].decode()
            for segment, kind, of, size in reply[2:]:
                found = TaskList(segment.decode(), kind.decode(), of.decode(), int(size))
                if found.single or not single:
                    yield found
            if not after or single:
                return

    async def cancel(self, tenant: str, queue: str | None, entry: str, *, fire: bool = True) -> int:
        """Cancel what a tenant has, or has in a queue; how many tasks. ``fire``: continuations of batches that end by it."""
        batches = queue is not None  # else they are cancelled as a whole
        count = await self._stop(tenant, queue or "", batches, entry)
        async for tasks in self.lists(tenant, queue, single=not batches):
            if tasks.kind != DEAD:
                count += await self._drop(tenant, tasks, entry)
        count += await self._stop(tenant, queue or "", batches, entry)
        return count if batches else count + await self._batches(tenant, entry, fire)

    async def _drop(self, tenant: str, tasks: TaskList, entry: str) -> int:
        """Cancel as many tasks of a list as it had, from its head."""
        count = first = 0
        while first >= 0 and count < tasks.size:
            most = min(AT_ONCE, tasks.size - count)
            reply = await self._ledger.call(partial(self._drop_some, tenant, tasks, first, most, entry))
            if reply[0] != b"ok":
                break
            count, first = count + int(reply[1]), int(reply[2])
        return count

    async def _drop_some(self, tenant: str, tasks: TaskList, first: int, most: int, entry: str, call: Json) -> Reply:
        return await self._scripts.tasks_cancel(
            call, tenant, tasks.segment, tasks.kind, tasks.queue, first, most, entry
        )  # fmt: skip

    async def _stop(self, tenant: str, queue: str, batches: bool, entry: str) -> int:
        """Tell running tasks to stop."""
        cursor, count = "0", 0
        while True:
            send = partial(self._stop_some, tenant, queue, batches, cursor, entry)
            reply = await self._ledger.call(send)
            cursor, count = reply[1].decode(), count + int(reply[2])
            if cursor == "0":
                return count

    async def _stop_some(self, tenant: str, queue: str, batches: bool, cursor: str, entry: str, call: Json) -> Reply:
        return await self._scripts.tenant_stop(call, tenant, queue, int(batches), cursor, entry)

    async def _batches(self, tenant: str, entry: str, fire: bool) -> int:
        """Cancel batches that are there now."""
        after, until, count = "", "", 0
        while True:
            reply = await self._ledger.call(partial(self._cancel_some, tenant, after, until, fire, entry))
            count, after, until = count + int(reply[1]), reply[2].decode(), reply[3].decode()
            for what in reply[4]:
                logger.error("left out of cancelling all of a tenant: %s", what.decode("utf-8", "replace"))
            if not after:
                return count

    async def _cancel_some(self, tenant: str, after: str, until: str, fire: bool, entry: str, call: Json) -> Reply:
        return await self._scripts.tenant_cancel(call, tenant, after, until, int(fire), entry)
