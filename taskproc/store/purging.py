"""Deleting all of a tenant, in bounded steps, and the proof that nothing is left.

The order lets a purge that was cut short be taken up by the next: first nothing new comes; what waits is cancelled and what
runs is waited for; what is the tenant's only by its batches' ids goes while their records are there; then the batches,
then the rest.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial

from taskproc.errors import NotReady
from taskproc.journal import Noted
from taskproc.steering import PurgeReport
from taskproc.store.belongings import Walk
from taskproc.store.control import Control
from taskproc.store.ledger import Ledger
from taskproc.store.queues import Queues
from taskproc.store.reading import chunks
from taskproc.store.scripts import Json, Reply, Scripts
from taskproc.store.statistics import Statistics
from taskproc.store.wire import Wire

LOOSE_AT_ONCE = 250
PAUSE, LONGEST_PAUSE = 0.02, 0.5
BATCH = 22


class Purging:
    """Deletes tenants."""

    def __init__(
        self, wire: Wire, prefix: str, scripts: Scripts, ledger: Ledger, control: Control, queues: Queues, patience: float,
        statistics: Statistics,
    ) -> None:  # fmt: skip
        self._wire = wire
        self._prefix = prefix
        self._scripts = scripts
        self._ledger = ledger
        self._control = control
        self._queues = queues
        self._patience = patience
        self._statistics = statistics

    async def purge(self, tenant: str, noted: Noted, timeout: float) -> PurgeReport:
        """Delete a tenant. Raises NotReady where tasks of it still run when the time is over."""
        deadline = time.monotonic() + timeout
        known: set[bytes] = set()
        begun = noted.entry(step="begun")
        await self._ledger.call(lambda call: self._scripts.purge_begin(call, tenant, begun))
        schedules = await self._schedules(tenant)
        cancelled = await self._quiet(tenant, deadline)
        await self._drain_locks()
        await self._statistics.catch_up()
        walk = self._walk(tenant, known)
        had = await walk.run(partial(self._loose, tenant), rules=False)
        await self._tickets(tenant)
        batches = await self._batches(tenant, known, deadline)
        await self._rest(tenant, known, deadline)
        await self._drain_locks()
        left = await self._walk(tenant, known).run(rules=False)
        if left.told:  # such as what its last tasks have told statistics meanwhile
            await self._statistics.catch_up()
            await self._walk(tenant, known).run(partial(self._loose, tenant), rules=False)
            left = await self._walk(tenant, known).run(rules=False)
        told: dict[str, object] = {
            "cancelled": cancelled,
            "batches": batches,
            "schedules": schedules,
            "keys": had.keys,
            "left": len(left.told),
        }
        entry = replace(noted, detail=told).entry()
        if not left.told:
            await self._ledger.call(lambda call: self._scripts.purge_end(call, tenant, entry, cancelled))
        return PurgeReport(
            tenant, cancelled, batches, schedules, had.keys, had.fields, left.looked, tuple(left.told)
        )  # fmt: skip

    def _walk(self, tenant: str, known: set[bytes]) -> Walk:
        return Walk(self._wire, self._prefix, self._scripts, self._patience, tenant, known)

    async def _schedules(self, tenant: str) -> int:
        count = 0
        while True:
            reply = await self._ledger.call(lambda call: self._scripts.purge_schedules(call, tenant))
            count += int(reply[1])
            if not int(reply[2]):
                return count

    async def _quiet(self, tenant: str, deadline: float) -> int:
        """Cancel until nothing waits or runs; how many tasks."""
        count, pause = 0, PAUSE
        while True:
            count += await self._control.cancel(tenant, None, "", fire=False)
            info = await self._queues.tenant(tenant)
            if info is None or (not info.ready and not info.running and not info.remaining):
                return count
            if time.monotonic() > deadline:
                raise NotReady(
                    f"tenant {tenant}: {info.remaining + info.running} of its tasks still wait or run; purge it again"
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _drain_locks(self) -> None:
        """Take away unique locks that hold nothing any more."""
        while int((await self._scripts.unique_prune(LOOSE_AT_ONCE))[1]):
            pass

    async def _loose(self, tenant: str, kind: str, members: list[bytes]) -> None:
        for some in chunks(members, LOOSE_AT_ONCE):
            await self._ledger.call(partial(self._loose_some, tenant, kind, some))

    async def _loose_some(self, tenant: str, kind: str, some: list[bytes], call: Json) -> Reply:
        return await self._scripts.purge_loose(call, tenant, kind, *some)

    async def _tickets(self, tenant: str) -> None:
        for queue in await self._queues.names():
            at = 0
            while True:
                reply = await self._ledger.call(partial(self._tickets_of, tenant, queue, at))
                if not int(reply[2]):
                    break
                at += int(reply[2])

    async def _tickets_of(self, tenant: str, queue: str, at: int, call: Json) -> Reply:
        return await self._scripts.purge_tickets(call, tenant, queue, at)

    async def _batches(self, tenant: str, known: set[bytes], deadline: float) -> int:
        """Delete all batches; how many."""
        count = skip = 0
        while True:
            reply = await self._ledger.call(partial(self._batches_from, tenant, skip))
            gone = [reply[1][at : at + BATCH] for at in range(0, len(reply[1]), BATCH)]
            known.update(gone)
            count, skip = count + len(gone), skip + int(reply[2])
            if int(reply[3]) and not skip:
                return count
            if int(reply[3]):
                self._late(tenant, deadline)
                await asyncio.sleep(PAUSE)
                skip = 0

    async def _batches_from(self, tenant: str, skip: int, call: Json) -> Reply:
        return await self._scripts.purge_batches(call, tenant, skip)

    async def _rest(self, tenant: str, known: set[bytes], deadline: float) -> None:
        """Delete what is left of the tenant itself."""
        while True:
            reply = await self._ledger.call(lambda call: self._scripts.purge_tenant(call, tenant))
            if reply[0] == b"ok":
                known |= {reply[1]} - {b""}
                return
            self._late(tenant, deadline)
            await self._quiet(tenant, deadline)
            await self._batches(tenant, known, deadline)

    @staticmethod
    def _late(tenant: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise NotReady(f"tenant {tenant}: some of its tasks still run; it takes no new ones, purge it again to go on")
