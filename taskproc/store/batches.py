"""Batches in Redis: creating, appending, cancelling, reading."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from taskproc.errors import InvalidValue, RedisUnavailable, StagingLost
from taskproc.ids import digest, is_batch_id, new_id
from taskproc.model import BatchInfo, BatchState
from taskproc.store.ledger import Ledger
from taskproc.store.locks import past_staging
from taskproc.store.reading import reading
from taskproc.store.refusals import with_room
from taskproc.store.scripts import Reply, Scripts
from taskproc.store.segment import Segment
from taskproc.values import from_us

MOST_QUEUES = 64
BUSY_PAUSE = 0.2


class Batches:
    """Everything that is done to whole batches."""

    def __init__(self, scripts: Scripts, ledger: Ledger, patience: float) -> None:
        self._scripts = scripts
        self._ledger = ledger
        self._patience = patience

    def new(self) -> Segment:
        """An empty segment for a batch of its own."""
        return Segment(self._scripts, new_id(), append=False, patience=self._patience)

    def more(self, batch_id: str) -> Segment:
        """An empty segment for tasks that will be appended to a batch."""
        return Segment(self._scripts, f"{batch_id}+{new_id()[:10]}", append=True, patience=self._patience)

    async def create(
        self, segment: Segment, tenant: str, label: str, idempotency_key: str | None, continuations: list[bytes],
        fail_after: str = "", room_ms: int | None = None,
    ) -> str:  # fmt: skip
        """Make a segment's tasks a visible batch; its id, or that of the first batch with the key.

        Raises StagingLost when a part is missing, InvalidValue above 64 queues, and as ``with_room`` does; nothing is
        stored then.
        """
        idem = "" if idempotency_key is None else digest("batch", tenant, idempotency_key)
        if segment.small:
            lists, bodies = segment.chunk.lists(), segment.chunk.bodies()
            send = partial(
                self._ledger.call,
                lambda call: self._scripts.batch_create(
                    call, segment.seg, tenant, label, idem, fail_after, lists, len(continuations), *continuations, *bodies
                ),
            )
            reply = await with_room(partial(past_staging, send, self._patience), tenant, room_ms)
        else:
            await segment.flush(everything=True)
            sizes = segment.sizes()
            commit = partial(
                self._ledger.call,
                lambda call: self._scripts.batch_commit(
                    call, segment.seg, tenant, label, idem, fail_after, sizes, *continuations
                ),
            )
            reply = await with_room(commit, tenant, room_ms)
        _refuse(reply)
        with reading(f"tenant {tenant}, idempotency key {idempotency_key!r}"):
            found: str = reply[1].decode("ascii")
            if not is_batch_id(found):
                raise ValueError(found)
        if found != segment.seg:
            await segment.drop()
        return found

    async def append(
        self, segment: Segment, batch_id: str, tenant: str, idempotency_key: str | None, room_ms: int | None = None
    ) -> str:
        """Make a segment's tasks part of a batch: ``ok``, ``unknown`` or ``cancelled``.

        Raises StagingLost, InvalidValue above 64 queues, as ``with_room`` does, and RedisUnavailable when the batch has
        too many appended segments that still wait; nothing is stored then.
        """
        idem = "" if idempotency_key is None else digest("append", tenant, batch_id, idempotency_key)
        if segment.small:
            chunk = segment.chunk
            send = partial(
                self._ledger.call,
                lambda call: self._scripts.batch_append(call, batch_id, tenant, idem, chunk.lists(), *chunk.bodies()),
            )
            reply = await with_room(partial(past_staging, send, self._patience), tenant, room_ms)
        else:
            await segment.flush(everything=True)
            commit = partial(self._commit_segment, segment, batch_id, tenant, idem)
            reply = await with_room(commit, tenant, room_ms)
        _refuse(reply)
        outcome: str = reply[0].decode()
        if outcome != "ok":
            await segment.drop()
        return outcome

    async def _commit_segment(self, segment: Segment, batch_id: str, tenant: str, idem: str) -> Reply:
        deadline = time.monotonic() + self._patience
        while True:
            reply = await self._ledger.call(
                lambda call: self._scripts.segment_commit(call, batch_id, tenant, segment.seg, idem, segment.sizes())
            )
            if reply[0] != b"busy":
                return reply
            if time.monotonic() > deadline:
                raise RedisUnavailable(
                    f"batch {batch_id} has 500 appended lists of tasks that wait; let workers run some first"
                )
            await asyncio.sleep(BUSY_PAUSE)

    async def cancel(self, batch_id: str, tenant: str | None, entry: str = "") -> bool:
        """Cancel a batch; False when it is unknown, another tenant's, or has nothing left to cancel."""
        if not is_batch_id(batch_id):
            return False
        reply = await self._ledger.call(lambda call: self._scripts.batch_cancel(call, batch_id, tenant or "", entry))
        return bool(reply[0] == b"ok")

    async def get(self, batch_id: str, *, watch: int = 0) -> BatchInfo | None:
        """A batch's counters; ``watch``: what of it will be published, as ``include/watch.lua`` has it."""
        if not is_batch_id(batch_id):
            return None
        reply = await self._scripts.batch_get(watch, batch_id.encode())
        return _info(reply[0])

    async def owner(self, batch_id: str) -> str:
        """Whose a batch is, or a tenant's open one; empty where there is none."""
        reply = await self._scripts.purge_owners("b", batch_id.encode())
        return bytes(reply[0]).decode("utf-8", "replace")

    async def page(self, tenant: str, skip: int, take: int, before: str | None) -> list[BatchInfo]:
        """A tenant's batches, newest first."""
        found: list[BatchInfo] = []
        while take > 0:
            ids = (await self._scripts.batch_list(tenant, skip, min(take, 250), before or ""))[1:]
            if not ids:
                break
            found += [info for entry in await self._scripts.batch_get(0, *ids) if (info := _info(entry)) is not None]
            skip, take = skip + len(ids), take - len(ids)
        return found

    async def count(self, tenant: str) -> int:
        """How many batches of a tenant there are."""
        return int((await self._scripts.batch_list(tenant, 0, 1, ""))[0])


def _refuse(reply: Reply) -> None:
    if reply[0] == b"queues":
        raise InvalidValue(f"a batch of {int(reply[1])} queues: at most {MOST_QUEUES}")
    if reply[0] == b"gap":
        raise StagingLost("staged tasks are missing in Redis; nothing was stored, send the batch again")


def _policy(stored: str) -> int | str | None:
    return int(stored) if stored.isdecimal() else stored or None


def _info(entry: list[bytes]) -> BatchInfo | None:
    if not entry:
        return None
    batch_id = entry[0].decode("utf-8", "replace")
    with reading(f"batch {batch_id}"):
        total, remaining, failed, cancelled = (int(n) for n in entry[4:8])
        now, running = int(entry[15]), entry[3] == b"running"
        rate = _pace(entry, total - remaining - cancelled, now)
        return BatchInfo(
            id=batch_id,
            tenant=entry[1].decode(),
            label=entry[2].decode(),
            state=BatchState(entry[3].decode()),
            total=total,
            done=total - remaining - failed - cancelled,
            failed=failed,
            cancelled=cancelled,
            remaining=remaining,
            run_seconds=int(entry[8]) / 1e6,
            created_at=from_us(int(entry[9])),
            ended_at=from_us(int(entry[10])) if entry[10] else None,
            fail_after=_policy(entry[11].decode()),
            started_at=from_us(int(entry[12])) if entry[12] else None,
            tasks_per_second=rate,
            estimated_end=from_us(now + round(remaining / rate * 1e6)) if rate and running and remaining else None,
        )


def _pace(entry: list[bytes], ended: int, now: int) -> float | None:
    """How many tasks a second a batch has run since its first claim; None where that isn't known."""
    since, base, until = entry[13], int(entry[14]), int(entry[10] or now)
    if not since or ended <= base or until <= int(since):
        return None
    return (ended - base) / (until - int(since)) * 1e6
