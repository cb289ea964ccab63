"""Moving a tenant's tasks to another queue, sealed anew where payloads are sealed, since a seal covers the queue."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from taskproc.codec import Body, read_body
from taskproc.errors import CorruptTask, InvalidValue, KeyMissing
from taskproc.sealing import SEAL, Sealer
from taskproc.steering import Moved
from taskproc.store.control import AT_ONCE, READY, Control, TaskList
from taskproc.store.ledger import Ledger
from taskproc.store.scripts import Json, Reply, Scripts, to_json
from taskproc.store.tasks import Payloads

logger = logging.getLogger("taskproc")

PASSES, TRIES = 3, 20
MOST_TOLD = 1_000
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was read, with what changes of it: another body, another large payload, or nothing."""

    place: int
    local: bytes
    digest: bytes
    body: bytes = b""
    large: bytes = b""


class Moving:
    """Moves tasks."""

    def __init__(
        self, scripts: Scripts, ledger: Ledger, control: Control, payloads: Payloads, sealer: Sealer | None
    ) -> None:
        self._scripts = scripts
        self._ledger = ledger
        self._control = control
        self._payloads = payloads
        self._sealer = sealer

    async def move(self, tenant: str, queue: str, to: str, entry: str) -> Moved:
        """Move what waits in a queue, and its dead letters, to another. Raises InvalidValue for a batch of 64 queues."""
        count, stayed = 0, dict[str, None]()
        for _ in range(PASSES):  # what is promoted or fails meanwhile is found by the next
            before = count
            async for tasks in self._control.lists(tenant, queue):
                count += await self._list(tenant, tasks, to, stayed, entry)
            if count == before:
                break
        if stayed:
            logger.warning(
                "%d tasks of tenant %s stay in queue %s: %s", len(stayed), tenant, queue, ", ".join([*stayed][:20])
            )
        return Moved.of(count, tuple(stayed)[:MOST_TOLD])

    async def _list(self, tenant: str, tasks: TaskList, to: str, stayed: dict[str, None], entry: str) -> int:
        """Move as many tasks of a list as it had, from its head."""
        count = first = tries = 0
        while count < tasks.size and tries < TRIES:
            most = min(AT_ONCE, tasks.size - count)
            reply = await self._scripts.tasks_read(tenant, tasks.segment, tasks.kind, tasks.queue, first, most, 0)
            if not reply or not reply[0]:
                break
            looked, over, _, *page = reply
            ready, stuck, seen = await self._sealed(tenant, tasks, to, page)
            stayed.update(dict.fromkeys(stuck))
            moved = head = 0
            if ready:
                send = partial(self._some, tenant, tasks, to, ready, entry)
                answer = await self._ledger.call(send)
                if answer[0] == b"queues":
                    raise InvalidValue(
                        f"batch {tasks.segment[:22]} has tasks in 64 queues: none of its tasks can go to another"
                    )
                if answer[0] != b"ok":
                    break
                moved, head = int(answer[1]), int(answer[2])
            count, tries = count + moved, 0 if moved or not ready else tries + 1
            if ready and not moved:
                continue  # others have taken them meanwhile
            if tasks.kind != READY:
                first += len(stuck)
            elif not head:  # the entries of those that went are still there
                first = first + looked if seen == len(page) else int(page[seen][0])
            if over and seen == len(page):
                break
        return count

    async def _sealed(
        self, tenant: str, tasks: TaskList, to: str, page: Sequence[Reply]
    ) -> tuple[list[Task], list[str], int]:
        """The tasks that can be moved, the ids of those that can't, how many were looked at: fewer where they are large."""
        ready: list[Task] = []
        stuck: list[str] = []
        size = seen = 0
        for place, local, stored, *_ in page:
            if size > MOST_BYTES:
                break
            seen += 1
            try:
                body, large = await self._one(tenant, tasks, to, stored)
            except (CorruptTask, KeyMissing):
                stuck.append(tasks.segment[:22] + local.decode("utf-8", "replace"))
                continue
            size += len(stored) + len(body) + len(large)
            digest = hashlib.sha1(stored, usedforsecurity=False).hexdigest().encode()
            ready.append(Task(int(place), local, digest, body, large))
        return ready, stuck, seen

    async def _one(self, tenant: str, tasks: TaskList, to: str, stored: bytes) -> tuple[bytes, bytes]:
        """A task's new body and large payload; empty where they stay. Raises CorruptTask, or KeyMissing."""
        body, batch = read_body(stored), tasks.segment[:22]
        payload: bytes | None = body.payload
        if body.stub:
            payload = await self._payloads(body.text("g") or batch, stored[:10])
        if payload is None:
            raise CorruptTask(f"task {batch}{body.local}: its payload is gone")
        new = self._resealed(tenant, tasks.queue, to, batch, body, payload)
        if new == payload:
            return b"", b""
        return (b"", new) if body.stub else (stored[: len(stored) - len(payload)] + new, b"")

    def _resealed(self, tenant: str, queue: str, to: str, batch: str, body: Body, payload: bytes) -> bytes:
        if self._sealer is not None:
            return self._sealer.reseal(tenant, queue, to, batch, body.extension, body.local.encode(), payload)
        if payload[:1] == SEAL:
            raise KeyMissing("it is sealed, and this process has no keys")
        return payload

    async def _some(self, tenant: str, tasks: TaskList, to: str, some: Sequence[Task], entry: str, call: Json) -> Reply:
        ids = to_json([task.local.decode("utf-8", "replace") for task in some])
        parts = (part for task in some for part in (task.digest, task.body, task.large))
        return await self._scripts.tasks_move(
            call, tenant, tasks.segment, tasks.kind, tasks.queue, to, ids, some[-1].place, entry, *parts
        )  # fmt: skip
