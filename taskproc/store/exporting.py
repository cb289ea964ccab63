"""All that is kept of a tenant as lines of JSON, read page by page while work goes on."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import orjson

from taskproc.errors import CorruptTask, KeyMissing
from taskproc.keys import key
from taskproc.model import TaskInfo, TaskState
from taskproc.sealing import Sealer
from taskproc.store.batches import Batches
from taskproc.store.control import AT_ONCE, DEAD, DELAYED, READY, Control, TaskList
from taskproc.store.queues import Queues
from taskproc.store.reading import whole
from taskproc.store.records import open_result, with_outcome
from taskproc.store.schedules import Schedules
from taskproc.store.scripts import Reply, Scripts
from taskproc.store.statistics import Statistics
from taskproc.store.tasks import Payloads, opened, task_info, with_large
from taskproc.store.wire import Wire
from taskproc.tenants import written
from taskproc.values import from_ms

PAGE = 50
STATES = {READY: TaskState.READY, DELAYED: TaskState.DELAYED, DEAD: TaskState.FAILED}

Line = tuple[str, Mapping[str, object]]

FOREVER = 2**40
TOLD = ("start", "done", "failed", "cancelled", "retried", "run_seconds", "bytes")


class Exporting:
    """Reads everything of a tenant."""

    def __init__(
        self, wire: Wire, prefix: str, scripts: Scripts, control: Control, batches: Batches, queues: Queues,
        schedules: Schedules, payloads: Payloads, sealer: Sealer | None, patience: float,
        statistics: Statistics,
    ) -> None:  # fmt: skip
        self._wire = wire
        self._prefix = prefix
        self._scripts = scripts
        self._control = control
        self._batches = batches
        self._queues = queues
        self._schedules = schedules
        self._payloads = payloads
        self._sealer = sealer
        self._patience = patience
        self._statistics = statistics

    async def lines(self, tenant: str) -> AsyncIterator[bytes]:
        """A JSON object each, with its type; the last has the counts of the others."""
        counts: Counter[str] = Counter()
        async for kind, values in self._all(tenant):
            counts[kind] += 1
            yield _line({"type": kind, **values})
        yield _line({"type": "end", "counts": counts})

    async def _all(self, tenant: str) -> AsyncIterator[Line]:
        info = await self._queues.tenant(tenant)
        yield "tenant", {"tenant": tenant} if info is None else _plain(info)
        said = await self._wire.command("HGET", key(self._prefix, "rules"), f"t:{tenant}", patience=self._patience)
        if said:
            with suppress(orjson.JSONDecodeError):
                rules = orjson.loads(said)
                yield "rules", {"rules": written(rules) if isinstance(rules, dict) else rules}
        async for line in self._of_schedules(tenant):
            yield line
        async for line in self._of_batches(tenant):
            yield line
        async for tasks in self._control.lists(tenant):
            async for info_ in self._of_list(tenant, tasks):
                yield "task", _task(info_)
        async for line in self._running(tenant):
            yield line
        async for line in self._history(tenant):
            yield line

    async def _history(self, tenant: str) -> AsyncIterator[Line]:
        """What was done in each queue by hours, as long as that is kept."""
        await self._statistics.catch_up()
        for queue in await self._statistics.queues():
            for start, one in sorted((await self._statistics.read("h", 0, FOREVER, [queue], tenant)).items()):
                point = one.point(from_ms(start * 1000))
                yield "history", {"queue": queue, **{name: getattr(point, name) for name in TOLD}}

    async def _of_schedules(self, tenant: str) -> AsyncIterator[Line]:
        skip = 0
        while page := await self._schedules.page(tenant, skip, PAGE):
            for one in page:
                yield "schedule", {name: value for name, value in _plain(one).items() if name not in ("_", "anchor_ms")}
            skip += len(page)

    async def _of_batches(self, tenant: str) -> AsyncIterator[Line]:
        """Batches, newest first, each with the records of its tasks; then those of single tasks."""
        before: str | None = None
        while page := await self._batches.page(tenant, 0, PAGE, before):
            for info in page:
                yield "batch", _plain(info)
                async for record in self._records(tenant, info.id):
                    yield "task", record
            before = page[-1].id
        home = await self._wire.command("HGET", key(self._prefix, "t", tenant), "hidden", patience=self._patience)
        if home:
            async for record in self._records(tenant, home.decode()):
                yield "task", record

    async def _records(self, tenant: str, batch: str) -> AsyncIterator[Mapping[str, object]]:
        """The records of tasks that have ended, of a batch and its appended segments."""
        segments = [batch]
        found = await self._wire.command("ZRANGE", key(self._prefix, "b", batch, "recs"), 0, -1, patience=self._patience)
        segments += [f"{batch}+{member[10:].decode()}" for member in found]
        for segment in segments:
            cursor = "0"
            while reply := await self._scripts.records_read(tenant, segment, cursor):
                for entry in reply[5:]:
                    with suppress(ValueError):  # one that can't be read
                        yield await self._record(tenant, batch, reply, entry)
                cursor = reply[0].decode()
                if cursor == "0":
                    break

    async def _record(self, tenant: str, batch: str, reply: Reply, entry: Sequence[Any]) -> Mapping[str, object]:
        local, stored, outcome, large, errors = entry
        queue, _, body = stored.partition(b"\n")
        state = TaskState(outcome.partition(b" ")[0].decode()) if outcome else TaskState.CANCELLED
        shown = None if reply[4] else batch
        info = task_info(batch, body, state, queue.decode(), tenant, shown, whole(reply[1]), None, errors, local)
        info = opened(await with_large(info, batch, body, self._payloads), batch, body, self._sealer)
        info, sent = with_outcome(info, outcome) if outcome else (info, b"")
        result: object = None
        with suppress(CorruptTask, KeyMissing, orjson.JSONDecodeError):
            found, _ = open_result(info, body, sent, large, self._sealer)
            result = orjson.loads(found) if found else None
        return {**_task(replace(info, kept=True)), "result": result}

    async def _of_list(self, tenant: str, tasks: TaskList) -> AsyncIterator[TaskInfo]:
        """A list's tasks from its end: what leaves its head meanwhile shifts nothing, what joins its end is passed over."""
        at, seen = 0, set[bytes]()
        while True:
            reply = await self._scripts.tasks_read(tenant, tasks.segment, tasks.kind, tasks.queue, at, AT_ONCE, 1)
            if not reply:
                return
            looked, over, created, *page = reply
            for _, local, stored, score, errors in reversed(page):
                if local not in seen:
                    yield await self._one(tenant, tasks, whole(created), local, stored, score, errors)
            at, seen = at + int(looked), {local for _, local, *_ in page}
            if over:
                return

    async def _one(
        self, tenant: str, tasks: TaskList, created: int, local: bytes, stored: bytes, score: bytes, errors: list[bytes]
    ) -> TaskInfo:
        batch, due = tasks.segment[:22], int(float(score)) if tasks.kind == DELAYED and score else None
        shown = None if tasks.single else batch
        state = STATES[tasks.kind]
        info = task_info(batch, stored, state, tasks.queue, tenant, shown, created, due, errors, local)
        info = opened(await with_large(info, batch, stored, self._payloads), batch, stored, self._sealer)
        return replace(info, ended_at=from_ms(float(score))) if tasks.kind == DEAD else info

    async def _running(self, tenant: str) -> AsyncIterator[Line]:
        cursor = "0"
        while True:
            reply = await self._scripts.tenant_runs(tenant, cursor)
            cursor = reply[0].decode()
            for task, created, shown, queue, claimed, stored in reply[1:]:
                batch = task[:22].decode()
                info = task_info(
                    batch, stored, TaskState.RUNNING, queue.decode(), tenant, shown.decode() or None, whole(created), None
                )  # fmt: skip
                info = opened(await with_large(info, batch, stored, self._payloads), batch, stored, self._sealer)
                yield "task", _task(replace(info, started_at=from_ms(float(claimed))))
            if cursor == "0":
                return


def _task(info: TaskInfo) -> dict[str, object]:
    """A task: its call as JSON in ``call``; what is no JSON, or sealed, in base64 in ``data``."""
    found = {name: value for name, value in _plain(info).items() if name not in ("data", "result", "tenant")}
    try:
        return {**found, "call": orjson.loads(info.data)}
    except orjson.JSONDecodeError:
        return {**found, "data": base64.b64encode(info.data).decode()}


def _plain(value: Any) -> dict[str, object]:
    return {each.name: getattr(value, each.name, None) for each in fields(value)}


def _line(values: Mapping[str, object]) -> bytes:
    return orjson.dumps(values, default=_other) + b"\n"


def _other(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(value)
    return str(value)
