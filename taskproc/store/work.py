"""What a worker does in Redis: steps that settle and claim, promotion, rescue, pruning."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from taskproc.errors import TaskprocError
from taskproc.histogram import NONE, mark
from taskproc.ids import new_id
from taskproc.keys import SCHEMA
from taskproc.store.queues import mismatch
from taskproc.store.reading import reading, whole
from taskproc.store.scripts import SCRIPTS, Json, Scripts, to_json
from taskproc.store.waits import Marker

logger = logging.getLogger("taskproc")

MOST = 128
"""Settlements and claims of one step: more would make the script too long."""

PROMOTE, RESCUE = 250, 100
PRUNE_BATCHES, PRUNE_STAGED, PRUNE_TENANTS, PRUNE_LOCKS, PRUNE_SCHEDULES = 100, 10, 10, 500, 100
LATE = 0.5
"""After this share of a lease an answer's claims are looked at again before they are run."""
STAGED_MS = 3_600_000
OVERTAKEN_MS = 5_000
SUM_UP_SECONDS = 5.0
"""How long after something was settled statistics are summed up."""
TELL_SECONDS = 60.0
"""How often the same broken key is told of."""


@dataclass(slots=True)
class Claims:
    """Tasks of one batch that were claimed together."""

    queue: str
    tenant: str
    batch: str
    created_us: int
    token: str
    bodies: list[bytes]
    claimed_ms: int = 0
    at: float = 0.0
    """When the worker had them, where it counts what its queues have of its slots."""

    @property
    def wait(self) -> str:
        """How long its plain tasks have waited, as ``taskproc/histogram.py`` marks it."""
        return mark(self.claimed_ms * 1000 - self.created_us) if self.claimed_ms else NONE

    def members(self) -> list[bytes]:
        """What their leases go by."""
        batch, token = self.batch.encode(), self.token.encode()
        return [batch + body[:10] + token for body in self.bodies]


Turn = tuple[str, int, int]
"""A queue's turn in a step: its name, how many it may give at most, and how many slots no other queue may use."""


@dataclass(slots=True)
class Group:
    """A batch's settlements in a queue. A verb is a member's position, counted from 1, and how it ended if not just done.

    ``runs`` and ``waits`` have a mark for each member, ``size`` is how many bytes they brought.
    """

    batch: str
    queue: str
    us: int = 0
    members: list[str] = field(default_factory=list)
    verbs: list[tuple[object, ...]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    size: int = 0

    def plain(self) -> tuple[object, ...]:
        """As ``include/settle_plan.lua`` has it."""
        return self.batch, self.queue, self.us, self.members, self.verbs, "".join(self.runs), "".join(self.waits), self.size


@dataclass(slots=True)
class Step:
    """The answer to a step."""

    paused: bool
    lost: list[str]
    again: list[str]
    claims: list[Claims]
    more: bool


@dataclass(slots=True)
class Horizon:
    """When upkeep has something to do next, on this process's monotonic clock."""

    due: float | None = None
    ends: float | None = None
    sums: float | None = None
    server_ms: int = 0

    def note(self, now: bytes, due: bytes, ends: bytes) -> None:
        """Take over what a script answered: its time, the next due task and the next end of a lease, in ms.

        An answer that a later one has overtaken is left out; one of long ago tells that the server's clock was set back.
        """
        if self.server_ms - OVERTAKEN_MS < int(now) < self.server_ms:
            return
        here, self.server_ms = time.monotonic(), int(now)
        self.due = None if not due else here + max(0.0, (float(due) - self.server_ms) / 1000)
        self.ends = None if not ends else here + max(0.0, (float(ends) - self.server_ms) / 1000)


class StaleStep(TaskprocError):
    """A step was refused as older than one that Redis has seen; nothing was done."""


class Work:
    """A worker's side of the store. Its id is new for each start: with a step's number it makes a lease's token."""

    def __init__(self, scripts: Scripts, marker: Marker, prefix: str, queues: Sequence[str], lease_ms: int) -> None:
        self.worker = new_id()
        self.horizon = Horizon()
        self.at_once = 1
        """How many tasks a tenant is given at its turn."""
        self._scripts = scripts
        self._marker = marker
        self._prefix = prefix
        self._lease_ms = lease_ms
        self._queues = self._turns = to_json(list(queues))
        self._seq = 0
        self._groups = to_json([])
        self._told: dict[str, float] = {}

    async def step(self, want: int, groups: Sequence[Group], turns: Sequence[Turn] | None = None) -> Step:
        """Settle and claim in one call, by turns other than the queues in their order if there are any.

        Raises SchemaMismatch where the keys are of another layout, or StaleStep.
        """
        self._seq += 1
        self._groups = to_json([group.plain() for group in groups])
        if groups and self.horizon.sums is None:
            self.horizon.sums = time.monotonic() + SUM_UP_SECONDS
        return await self.again(want, turns)

    async def again(self, want: int, turns: Sequence[Turn] | None = None) -> Step:
        """The last step once more, as when it was not answered: what it has done it doesn't do again."""
        began, self._turns = time.monotonic(), self._queues if turns is None else to_json(turns)
        step = self.read(await self._scripts.step(*self._call(want)))
        if step.claims and (time.monotonic() - began) * 1000 > self._lease_ms * LATE:
            await self._leave_out_lost(step.claims)
        return step

    async def _leave_out_lost(self, claims: Sequence[Claims]) -> None:
        """Renew the leases of an answer that was long on its way, as where the loop was blocked; what is lost is not run."""
        members = [member for claim in claims for member in claim.members()]
        with suppress(TaskprocError):
            _, lost, _ = await self._scripts.lease_renew(self.worker, "", self._lease_ms, *members)
            gone = set(lost)
            for claim in claims:
                held = zip(claim.bodies, claim.members(), strict=True)
                claim.bodies = [body for body, member in held if member not in gone]

    async def ask(self, want: int, turns: Sequence[Turn] | None = None) -> None:
        """Have a step done that settles nothing, as soon as a marker comes; ``read`` takes its answer, if one comes.

        Where another step has to go first, this one has to be sent with ``again``, as one that was not answered.
        """
        self._seq += 1
        self._groups, self._turns = to_json([]), self._queues if turns is None else to_json(turns)
        await self._marker.ask(SCRIPTS["step"], (self._prefix, *self._call(want)))

    def _call(self, want: int) -> tuple[int, str, int, int, int, Json, Json, int]:
        return SCHEMA, self.worker, self._seq, self._lease_ms, want, self._turns, self._groups, self.at_once

    def read(self, reply: list[Any]) -> Step:
        """What a step has answered. Raises SchemaMismatch or StaleStep."""
        if reply[0] == b"schema":
            raise mismatch(reply[1])
        if reply[0] == b"stale":
            self.worker, self._seq = new_id(), 0
            raise StaleStep("Redis has seen later steps of this worker's; it goes on under a new id")
        _, now, due, ends, paused, lost, again, claims, more, broken = reply
        self.horizon.note(now, due, ends)
        self._tell(broken)
        token = f"{self.worker}{self._seq}"
        with reading("a step"):
            return Step(
                bool(paused),
                [member.decode() for member in lost],
                [member.decode() for member in again],
                [_claims(entry, token, int(now)) for entry in claims],
                bool(more),
            )

    async def promote(self) -> int:
        """Make due tasks ready, a bounded number; how many. As many as ``PROMOTE`` means that there may be more."""
        return self._upkeep(await self._scripts.upkeep_promote(PROMOTE))

    async def rescue(self) -> int:
        """Take tasks from workers that are gone, a bounded number; how many."""
        return self._upkeep(await self._scripts.upkeep_rescue(RESCUE))

    def _upkeep(self, reply: list[Any]) -> int:
        _, count, now, due, ends, broken = reply
        self.horizon.note(now, due, ends)
        self._tell(broken)
        return int(count)

    def _tell(self, broken: Sequence[bytes]) -> None:
        """Log what a script left out, once a minute each."""
        for note in broken:
            text, now = note.decode("utf-8", "backslashreplace"), time.monotonic()
            if now - self._told.get(text, -TELL_SECONDS) >= TELL_SECONDS:
                if len(self._told) > MOST:
                    self._told.clear()
                self._told[text] = now
                logger.error("its keys in Redis can't be used: %s", text)

    async def prune(self, retention_ms: int) -> bool:
        """Delete what is past its retention, a bounded amount; whether there may be more."""
        batches = await self._scripts.batch_prune(retention_ms, PRUNE_BATCHES)
        staged = await self._scripts.staging_prune(STAGED_MS, PRUNE_STAGED)
        tenants = await self._scripts.tenant_prune(retention_ms, PRUNE_TENANTS)
        locks = await self._scripts.unique_prune(PRUNE_LOCKS)
        schedules = await self._scripts.schedule_prune(retention_ms, PRUNE_SCHEDULES)
        for reply in (batches, staged, tenants, locks, schedules):
            self._tell(reply[-1])
        full = (
            batches[2] == PRUNE_BATCHES, staged[1] == PRUNE_STAGED, tenants[2] == PRUNE_TENANTS,
            locks[1] >= PRUNE_LOCKS, schedules[1] >= PRUNE_SCHEDULES,
        )  # fmt: skip
        return any(full) or bool(batches[1] < batches[2] or tenants[1] < tenants[2])

    async def renew(self, member: str, duration_ms: int) -> bool:
        """Prolong one lease to at least this duration from now; False when it is lost."""
        _, lost, _ = await self._scripts.lease_renew(self.worker, "", duration_ms, member.encode())
        return not lost

    async def leave(self) -> None:
        """Take the worker off the list."""
        await self._scripts.worker_leave(self.worker)


def _claims(entry: list[Any], token: str, now_ms: int) -> Claims:
    queue, tenant, batch, created, bodies = entry
    queue, tenant, batch = (name.decode("utf-8", "replace") for name in (queue, tenant, batch))
    return Claims(queue, tenant, batch, whole(created), token, bodies, now_ms)
