"""Queues, tenants, workers and the instance as a whole: reading, pausing, keeping house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from taskproc.errors import InvalidValue, SchemaMismatch
from taskproc.history import TenantQueueInfo
from taskproc.keys import SCHEMA
from taskproc.model import QueueInfo, TaskInfo, TaskState, TenantInfo, WorkerInfo
from taskproc.sealing import Sealer
from taskproc.store.ledger import Ledger
from taskproc.store.reading import reading, whole
from taskproc.store.scripts import Scripts
from taskproc.store.tasks import opened, task_info
from taskproc.values import from_ms, is_queue_name

T = TypeVar("T")

QUEUES_AT_ONCE, TENANTS_AT_ONCE = 20, 25


class Queues:
    """What can be read and switched beyond batches and tasks."""

    def __init__(self, scripts: Scripts, ledger: Ledger, sealer: Sealer | None) -> None:
        self._sealer = sealer
        self._scripts = scripts
        self._ledger = ledger

    async def open(self) -> bool:
        """Note the schema at first use; whether the instance is paused. Raises SchemaMismatch."""
        found, _now, paused = await self._scripts.instance_open(SCHEMA)
        if whole(found) != SCHEMA:
            raise mismatch(found)
        return bool(paused)

    async def pause(self, entry: str) -> None:
        """Stop all claims."""
        await self._ledger.call(lambda call: self._scripts.instance_pause(call, 1, entry))

    async def resume(self, entry: str) -> None:
        """Let claims go on."""
        await self._ledger.call(lambda call: self._scripts.instance_pause(call, 0, entry))

    async def set_mode(self, queue: str, mode: str, entry: str) -> None:
        """Make a queue ``fair`` or ``fifo``. Raises InvalidValue while tasks are ready in it."""
        while (reply := await self._scripts.queue_mode(queue, mode, entry))[0] == b"more":
            pass
        if reply[0] == b"busy":
            raise InvalidValue(f"queue {queue} has {int(reply[1])} ready tasks: its mode can only change while it is empty")

    async def set_limit(self, queue: str, most: int | None, entry: str) -> None:
        """Set how many tasks may wait in a queue; None lifts it."""
        await self._scripts.queue_limit(queue, "" if most is None else str(most), entry)

    async def names(self) -> list[str]:
        """The names of all queues in use."""
        names = (name.decode("utf-8", "replace") for name in await self._scripts.queue_list())
        return [name for name in names if is_queue_name(name)]

    async def now_ms(self) -> int:
        """The server's time."""
        return int((await self._scripts.queue_read())[0])

    async def read(self, names: Sequence[str]) -> list[QueueInfo]:
        """The counts of queues."""
        found: list[QueueInfo] = []
        for at in range(0, len(names), QUEUES_AT_ONCE):
            asked = (name.encode() for name in names[at : at + QUEUES_AT_ONCE])
            now, *entries = await self._scripts.queue_read(*asked)
            for entry in entries:
                with reading(f"queue {entry[0].decode()}"):
                    found.append(_queue(entry, int(now)))
        return found

    async def tasks(self, queue: str, skip: int, take: int) -> list[TaskInfo]:
        """Ready tasks of a queue in the order of its line."""
        found: list[TaskInfo] = []
        while take > 0:
            lists = await self._scripts.queue_tasks(queue, skip, min(take, 250))
            page = [
                self._ready(queue, tenant, shown, batch, created, body)
                for tenant, shown, batch, created, *bodies in lists
                for body in bodies
                if body  # an empty one is what is left of a cancelled task
            ]
            looked_at = sum(len(bodies) for _, _, _, _, *bodies in lists)
            if not looked_at:
                break
            found += page
            skip, take = skip + looked_at, take - len(page)
        return found

    def _ready(self, queue: str, tenant: bytes, shown: bytes, batch: bytes, created: bytes, body: bytes) -> TaskInfo:
        home = batch.decode("utf-8", "replace")
        info = task_info(
            home,
            body,
            TaskState.READY,
            queue,
            tenant.decode("utf-8", "replace"),
            shown.decode("utf-8", "replace") or None,
            whole(created),
            None,
        )
        return opened(info, home, body, self._sealer)

    async def tenants(self, skip: int, take: int) -> list[TenantInfo]:
        """Tenants by name, with their totals."""
        found: list[TenantInfo] = []
        while take > 0:
            names = (await self._scripts.tenant_list(skip, min(take, TENANTS_AT_ONCE)))[1:]
            if not names:
                break
            found += await self._totals(names)
            skip, take = skip + len(names), take - len(names)
        return found

    async def tenant(self, tenant: str) -> TenantInfo | None:
        """A tenant's totals; None when nothing is kept of it."""
        found = await self._totals([tenant.encode()])
        return found[0] if found else None

    async def tenant_queues(self, tenant: str) -> list[TenantQueueInfo]:
        """What a tenant has in each of its queues, by name."""
        found: list[TenantQueueInfo] = []
        while True:
            now, used, *entries = await self._scripts.tenant_queues(tenant, len(found))
            with reading(f"tenant {tenant}"):
                for name, ready, running, delayed, dead, oldest, us in entries:
                    since = max(0.0, (int(now) - int(oldest)) / 1000) if oldest else None
                    found.append(TenantQueueInfo(name.decode(), ready, running, delayed, dead, since, int(us) / 1e6))
            if len(found) >= used or not entries:
                return found

    async def _totals(self, names: Sequence[bytes]) -> list[TenantInfo]:
        entries: list[list[Any]] = []
        while len(entries) < len(names):
            entries += await self._scripts.tenant_read(*names[len(entries) :])
        found = []
        for tenant, *numbers in filter(None, entries):
            name = tenant.decode("utf-8", "replace")
            with reading(f"tenant {name}"):
                batches, total, remaining, failed, cancelled, us, *now = (int(n) for n in numbers)
            found.append(
                TenantInfo(
                    tenant=name,
                    batches=batches,
                    total=total,
                    done=total - remaining - failed - cancelled,
                    failed=failed,
                    cancelled=cancelled,
                    remaining=remaining,
                    run_seconds=us / 1e6,
                    **dict(zip(("ready", "running", "delayed", "dead", "retried"), now, strict=True)),
                )
            )
        return found

    async def workers(self) -> list[WorkerInfo]:
        """Live worker processes."""
        _now, *entries = await self._scripts.worker_list()
        return [_worker(worker, float(until), said) for worker, until, said in entries]


def _worker(worker: bytes, until_ms: float, said: bytes) -> WorkerInfo:
    """What a worker said of itself; what of it can't be read is left out."""
    try:
        info = orjson.loads(said)
    except orjson.JSONDecodeError:
        info = None
    given = info if isinstance(info, dict) else {}

    def told(name: str, kind: type[T], nothing: T) -> T:
        value = given.get(name)
        return value if type(value) is kind else nothing

    return WorkerInfo(
        id=worker.decode("utf-8", "replace"),
        name=told("name", str, ""),
        host=told("host", str, ""),
        pid=told("pid", int, 0),
        queues=tuple(str(name) for name in told("queues", list, [])),
        slots=told("slots", int, 0),
        running=told("running", int, 0),
        started_at=from_ms(told("started", int, 0)),
        last_seen=from_ms(until_ms - 2 * told("lease", int, 0)),
    )


def _queue(entry: list[Any], now: int) -> QueueInfo:
    name, ready, running, delayed, dead, oldest, mode, limit = entry
    return QueueInfo(
        name=name.decode(),
        ready=ready,
        running=running,
        delayed=delayed,
        dead=dead,
        oldest_ready_seconds=max(0.0, (now - int(oldest)) / 1000) if oldest else None,
        mode=mode.decode(),
        max_waiting=int(limit) if limit else None,
    )


def mismatch(found: bytes) -> SchemaMismatch:
    """The error for keys of another layout."""
    told = found[:20].decode("utf-8", "backslashreplace")
    return SchemaMismatch(
        f"the keys in Redis have schema {told}, this version of taskproc has {SCHEMA}; "
        "run one version, or give the new one a prefix of its own"
    )
