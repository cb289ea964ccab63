"""Everything in Redis: the only importer of redis-py, the only user of the Lua scripts.

A ``Store`` is a client's side of it; a worker has connections and calls of its own (``WorkerStore``), so
that what it must settle never waits behind what its handlers ask.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from taskproc.errors import ServerTooOld, TaskprocError
from taskproc.findings import AuditReport, ServerCheck
from taskproc.keys import key, prefix_of
from taskproc.sealing import Sealer
from taskproc.store.audit import Audit
from taskproc.store.batches import Batches
from taskproc.store.checkup import judge, look
from taskproc.store.control import Control
from taskproc.store.dead import DeadLetters
from taskproc.store.explain import Explaining
from taskproc.store.exporting import Exporting
from taskproc.store.journal import Journal
from taskproc.store.judges import JUDGES
from taskproc.store.leases import Leases
from taskproc.store.ledger import Ledger
from taskproc.store.limits import Limits
from taskproc.store.locks import Locks
from taskproc.store.lua import Script
from taskproc.store.moving import Moving
from taskproc.store.purging import Purging
from taskproc.store.queues import Queues
from taskproc.store.rules import Rules
from taskproc.store.schedules import Schedules
from taskproc.store.scripts import bind
from taskproc.store.statistics import Statistics
from taskproc.store.target import Target
from taskproc.store.tasks import Tasks
from taskproc.store.waits import Events, Marker
from taskproc.store.wire import Wire
from taskproc.store.work import Work

logger = logging.getLogger("taskproc")

OLDEST = (6, 2)
CLOSING_SECONDS = 1.0
FORGET_MS = 60_000


class Store:
    """A client's calls, each within a bounded time."""

    def __init__(
        self,
        target: Target,
        instance: str,
        patience: float,
        *,
        sealer: Sealer | None = None,
        durable: bool = False,
        letters_hold: bool = False,
    ) -> None:
        """``letters_hold``: a dead letter of a unique schedule holds it up."""
        self.target = target
        self.prefix = prefix_of(instance)
        self._ledger = Ledger()
        calls = key(self.prefix, "p", self._ledger.producer)
        self.wire = Wire(target, self.prefix, touched=calls if durable else None)
        self._patience = patience
        self._scripts = scripts = bind(self._run, self.prefix)
        self.batches = Batches(scripts, self._ledger, patience)
        self.tasks = Tasks(scripts, self._ledger, self._payload, sealer, patience)
        self.locks = Locks(scripts)
        self.dead = DeadLetters(scripts, self._ledger, self._payload, sealer)
        self.queues = Queues(scripts, self._ledger, sealer)
        self.limits = Limits(scripts, self._ledger)
        self.rules = Rules(scripts, self._ledger)
        self.journal = Journal(scripts, self._ledger)
        self.statistics = Statistics(scripts)
        self.control = Control(scripts, self._ledger)
        self.purging = Purging(
            self.wire, self.prefix, scripts, self._ledger, self.control, self.queues, patience, self.statistics
        )
        self.moving = Moving(scripts, self._ledger, self.control, self._payload, sealer)
        self.schedules = Schedules(scripts, self._ledger, patience, holds=letters_hold)
        self.exporting = Exporting(
            self.wire, self.prefix, scripts, self.control, self.batches, self.queues, self.schedules, self._payload, sealer,
            patience, self.statistics,
        )  # fmt: skip
        self.explaining = Explaining(scripts, self.batches, self.queues)

    async def _run(self, script: Script, args: tuple[Any, ...]) -> Any:
        return await self.wire.call(script, args, self._patience)

    async def _payload(self, segment: str, local: bytes) -> bytes | None:
        return await large_payload(self.wire, self.prefix, segment, local, self._patience)

    async def open(self, patience: float | None) -> None:
        """Meet the server: its version, and the schema of the keys. ``patience`` of None waits for it without end.

        Raises ServerTooOld, SchemaMismatch, ServerRefused or RedisUnavailable.
        """
        check_version(await server_info(self.wire, "server", patience))
        await self.queues.open()

    def events(
        self, channels: Sequence[str], on_message: Callable[[str, str], None], on_subscribed: Callable[[], None]
    ) -> Events:
        """A subscription, not yet running."""
        return Events(self.wire, self.prefix, channels, on_message, on_subscribed)

    async def check(self) -> list[ServerCheck]:
        """What of the server's set-up would lose work. Raises RedisUnavailable, or ServerRefused for a wrong password."""
        seen = await look(self.wire, self.target, key(self.prefix, "m"), self._patience)
        return list(judge(seen, JUDGES))

    async def audit(self, repair: bool) -> AuditReport:
        """Recompute counters and cross-references from what is stored, and mend them if that is wanted."""
        return await Audit(self.wire, self.prefix, self._scripts, self._ledger, self._patience, repair).run()

    async def close(self) -> None:
        """Let Redis forget this client's calls soon, and close its connections."""
        if self._ledger.used:
            record = key(self.prefix, "p", self._ledger.producer)
            with suppress(TaskprocError):  # not at once: a call of ours may still be on its way
                await self.wire.command("PEXPIRE", record, FORGET_MS, patience=CLOSING_SECONDS)
        await self.wire.close()


class WorkerStore:
    """A worker's calls, which go on until they are answered, or for ``patience`` seconds once it is set."""

    def __init__(
        self, target: Target, instance: str, queues: Sequence[str], lease_ms: int, *, letters_hold: bool = False
    ) -> None:
        self._prefix = prefix = prefix_of(instance)
        self.patience: float | None = None
        self.wire = Wire(target, prefix)
        self.marker = Marker(self.wire, prefix, queues)
        scripts = bind(self._run, prefix)
        self.work = Work(scripts, self.marker, prefix, queues, lease_ms)
        self.limits = Limits(scripts, Ledger())
        self.rules = Rules(scripts, Ledger())
        self.schedules = Schedules(scripts, Ledger(), math.inf, holds=letters_hold)
        self.statistics = Statistics(scripts)
        self.leases = Leases(target, prefix)

    async def _run(self, script: Script, args: tuple[Any, ...]) -> Any:
        return await self.wire.call(script, args, self.patience)

    async def payload(self, segment: str, local: bytes) -> bytes | None:
        """A large payload, which lies apart from its task."""
        return await large_payload(self.wire, self._prefix, segment, local, self.patience)

    async def check(self) -> None:
        """Warn of a server that would delete live tasks when it is full."""
        policy = (await server_info(self.wire, "memory", self.patience)).get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            logger.warning(
                "Redis deletes keys when it is full (maxmemory-policy %s): set noeviction, or tasks get lost", policy
            )

    async def close(self) -> None:
        """Close all connections."""
        await self.marker.close()
        self.leases.close()
        await self.wire.close()


async def large_payload(wire: Wire, prefix: str, segment: str, local: bytes, patience: float | None) -> bytes | None:
    """A payload of the hash of large ones."""
    found: bytes | None = await wire.command("HGET", key(prefix, "b", segment, "big"), local, patience=patience)
    return found


async def server_info(wire: Wire, section: str, patience: float | None) -> dict[str, str]:
    """A section of the server's INFO; empty where this user may not read it."""
    try:
        told = await wire.command("INFO", section, patience=patience)
    except TaskprocError as error:
        if "NOPERM" in str(error) or "NoPermission" in str(error):
            return {}
        raise
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def check_version(info: dict[str, str]) -> None:
    """Raises ServerTooOld for a server before Redis 6.2; Valkey tells the version of Redis that it stands for."""
    version = info.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST:
        raise ServerTooOld(f"the server is Redis {version}; taskproc needs Redis 6.2 or later, or Valkey")


__all__ = ["Store", "WorkerStore", "check_version"]
