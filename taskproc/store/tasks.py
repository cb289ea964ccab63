"""Single tasks in Redis: enqueueing one, finding one, cancelling one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import orjson

from taskproc.codec import NOTHING, STUB, Body, handler_name, read_body, schedule_id, shown_data
from taskproc.errors import CorruptTask, KeyMissing
from taskproc.ids import digest, is_task_id, locals_from, new_id, random_start
from taskproc.model import AttemptError, Progress, TaskInfo, TaskState
from taskproc.sealing import SEAL, Sealer, open_without_keys
from taskproc.store.ledger import Ledger
from taskproc.store.locks import past_staging
from taskproc.store.reading import reading, whole
from taskproc.store.records import open_result, read_progress, with_outcome, write_progress
from taskproc.store.refusals import with_room
from taskproc.store.scripts import Json, Reply, Scripts
from taskproc.store.segment import Place, Segment
from taskproc.values import LAST_MS, from_ms, from_us

Payloads = Callable[[str, bytes], Awaitable[bytes | None]]
"""Gets a large payload: segment, local id."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a task. ``tenant`` is known of one that isn't found, too, where its batch is there."""

    info: TaskInfo | None
    sent: bytes = b""
    stored: bytes = b""
    large: bytes = b""
    tenant: str = ""

    def result(self, sealer: Sealer | None) -> tuple[bytes, str]:
        """The result as JSON, or why it isn't there. Raises UntrustedTask or KeyMissing."""
        assert self.info is not None
        return open_result(self.info, self.stored, self.sent, self.large, sealer)


class Tasks:
    """Everything that is done to one task."""

    def __init__(self, scripts: Scripts, ledger: Ledger, payloads: Payloads, sealer: Sealer | None, patience: float) -> None:
        self._scripts = scripts
        self._ledger = ledger
        self._payloads = payloads
        self._sealer = sealer
        self._patience = patience
        self._locals = locals_from(random_start())

    async def enqueue(
        self, tenant: str, place: Place, extension: dict[str, object], payload: bytes, key: str | None, keep_ms: int,
        room_ms: int | None = None,
    ) -> str:  # fmt: skip
        """Enqueue one task; its id, or that of the first with the idempotency key, or of a unique one that is there.

        Raises as ``with_room`` does.
        """
        segment = Segment(self._scripts, "", append=True)
        if self._sealer is not None:
            segment.seal = partial(self._sealer.seal, tenant, "")
        local = next(self._locals)
        segment.add(place, local, extension, payload)
        if segment.waiting:
            segment.chunk = segment._full.pop()
        chunk = segment.chunk
        seed, idem = new_id(), "" if key is None else digest("task", tenant, key)
        send = partial(
            self._ledger.call,
            lambda call: self._scripts.task_enqueue(
                call, tenant, seed, idem, keep_ms, chunk.lists(), local.decode(), *chunk.bodies()
            ),
        )
        reply = await with_room(partial(past_staging, send, self._patience), tenant, room_ms)
        with reading(f"tenant {tenant}, idempotency key {key!r}"):
            found: str = reply[1].decode("ascii")
            if not is_task_id(found):
                raise ValueError(found)
        return found

    async def find(self, task_id: str, *, watch: int = 0, looks: int = 4) -> Found:
        """A task that is delayed, running or dead, ready where ids have it or near the end of its list, or kept.

        ``watch``: what of it is to be published, as ``task_read`` has it. ``looks``: how far to look for a ready one.
        """
        if not is_task_id(task_id):
            return Found(None)
        cursor = ""
        for _ in range(looks):
            reply = await self._scripts.task_read(task_id, cursor, watch)
            if reply[0] != b"more":
                break
            with reading(f"task {task_id}"):
                cursor = reply[1].decode()
        if reply[0] == b"more":
            return Found(None)
        if reply[0] == b"unknown":
            return Found(None, tenant=b"".join(reply[1:]).decode("utf-8", "replace"))
        with reading(f"task {task_id}"):
            info, sent = _read(task_id, reply)
        stored, large = reply[7], reply[11]
        found = Found(info, sent=sent, stored=stored, large=large, tenant=info.tenant)
        info = await with_large(info, task_id[:22], stored, self._payloads)
        return replace(found, info=opened(info, task_id[:22], stored, self._sealer))

    async def keep_result(self, member: str, result: bytes) -> bool:
        """Keep a large result of a running task; False where its lease is lost."""
        reply = await self._scripts.task_result(member.encode(), result)
        return bool(reply[0] == b"ok")

    async def tell_progress(self, member: str, progress: Progress) -> bool:
        """Note how far a running task has come; False where its lease is lost."""
        reply = await self._scripts.task_progress(member.encode(), Json(write_progress(progress)))
        return bool(reply[0] == b"ok")

    async def cancel(self, task_id: str, tenant: str | None, entry: str = "") -> bool:
        """Cancel one task: True when it will not run, or was running and is being cancelled."""
        if not is_task_id(task_id):
            return False
        for _ in range(2):  # a task may move while its lists are searched; a second look settles it
            cursor, last = "", False
            while not last:
                reply = await self._ledger.call(partial(self._cancel_at, task_id, tenant or "", cursor, entry))
                if reply[0] in (b"ok", b"running"):
                    return True
                if reply[0] == b"dead":
                    return False
                last = reply[0] != b"more"
                with reading(f"task {task_id}"):
                    cursor = "" if last else reply[1].decode()
        return False

    def _cancel_at(self, task_id: str, tenant: str, cursor: str, entry: str, call: Json) -> Awaitable[Reply]:
        return self._scripts.task_cancel(call, task_id, tenant, cursor, entry)


def _read(task_id: str, reply: Reply) -> tuple[TaskInfo, bytes]:
    """What ``task_read`` has answered, and the result as the worker sent it."""
    state, queue, tenant, batch, created, now, score, stored, errors, kept, outcome, _, progress, ended = reply
    due = int(min(max(float(score), 0), LAST_MS)) if score and state == b"delayed" else None
    if due is not None and due <= int(now):
        state = b"ready"
    info = task_info(
        task_id[:22], stored, TaskState("failed" if state == b"dead" else state.decode()), queue.decode(),
        tenant.decode("utf-8", "replace"), batch.decode() or None, whole(created), due, errors,
    )  # fmt: skip
    if not kept:
        died = from_ms(float(score)) if state == b"dead" else None
        claimed = from_ms(float(score)) if state == b"running" else None
        return replace(info, ended_at=died, started_at=claimed, progress=read_progress(progress)), b""
    info = replace(info, id=task_id, kept=True, progress=read_progress(progress))
    if outcome:
        return with_outcome(info, outcome)
    if info.state is TaskState.CANCELLED:
        info = replace(info, ended_at=from_us(whole(ended)) if ended else None)
    elif info.state is TaskState.RUNNING:
        info = replace(info, started_at=from_ms(float(score)))
    return replace(info, attempt=max(info.attempt, *(error.attempt for error in info.errors), 0)), b""


def task_info(
    batch: str, stored: bytes, state: TaskState, queue: str, tenant: str, shown: str | None, created_us: int,
    scheduled_ms: int | None, errors: list[bytes] | tuple[()] = (), local: bytes | None = None,
) -> TaskInfo:  # fmt: skip
    """What is known of a task from its body and where it lies.

    ``shown``: the batch that callers know it by; ``local``: its id, where that is known without the body.
    """
    try:
        body = read_body(stored)
    except CorruptTask:
        body = Body(stored[:10].decode("ascii", "replace"), NOTHING, stored[11:])
    created = body.number("c")
    running = state is TaskState.RUNNING
    return TaskInfo(
        id=batch + (body.local if local is None else local.decode("utf-8", "replace")),
        name=(body.text("h") or "") if body.stub else handler_name(body.payload),
        queue=queue,
        tenant=tenant,
        batch_id=body.text("p") or shown,
        state=state,
        attempt=body.number("a") + int(running),
        max_attempts=body.number("m") or None,
        created_at=from_ms(created) if created else from_us(created_us),
        scheduled_for=None if scheduled_ms is None else from_ms(scheduled_ms),
        data=body.payload,
        errors=read_errors(list(errors)),
        schedule_id=schedule_id(body.extension),
    )


async def with_large(info: TaskInfo, batch: str, stored: bytes, payloads: Payloads) -> TaskInfo:
    """What is known of a task, with the payload of one that is kept apart."""
    if stored[10:11] != STUB:
        return info
    try:
        body = read_body(stored)
    except CorruptTask:
        return info
    payload = await payloads(body.text("g") or batch, stored[:10])
    return info if payload is None else replace(info, data=payload)


def opened(info: TaskInfo, batch: str, stored: bytes, sealer: Sealer | None) -> TaskInfo:
    """What is known of a task, with its payload as callers see it; sealed where it can't be opened."""
    payload = info.data
    with suppress(CorruptTask, KeyMissing):
        if sealer is not None:
            payload = sealer.open(info.tenant, info.queue, batch, read_body(stored).extension, stored[:10], payload)
        elif payload[:1] == SEAL:
            payload = open_without_keys(payload)
    return replace(info, data=shown_data(payload))


def read_errors(stored: list[bytes]) -> tuple[AttemptError, ...]:
    """The errors of a task's attempts, oldest first; what can't be read is left out."""
    found = []
    for line in stored:
        with suppress(ValueError, AttributeError, TypeError, OverflowError):
            entry = orjson.loads(line)
            found.append(
                AttemptError(
                    attempt=int(entry.get("attempt", 0)),
                    type=str(entry.get("type", "")),
                    message=str(entry.get("message", "")),
                    traceback=str(entry.get("traceback", "")),
                    at=from_ms(entry.get("at", 0)),
                )
            )
    return tuple(sorted(found, key=lambda error: (error.at, error.attempt)))
