"""Where a stored task may lie, and how it gets there. Each place has a tenant with healthy and spoiled tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from taskproc import Batch, TaskProcessor
from taskproc.store import WorkerStore
from tests.fuzz import handlers
from tests.fuzz.values import CANARY
from tests.fuzz.world import OPTIONS
from tests.harness import Instance

Spoil = Callable[[bytes, frozenset[bytes]], bytes | None]
DROPPED = re.compile(rb'"k":\s*"n')
LARGE = 9_000


class Place:
    """Ready tasks of a batch. Other places change a part of it."""

    name = "ready"
    queue = "default"
    handler: Any = staticmethod(handlers.take)
    options: dict[str, Any] = {}  # noqa: RUF012  # never changed
    text = CANARY
    listed = True
    retried = False
    lossy = False

    def __init__(self, instance: Instance, proc: TaskProcessor, tenant: str, count: int) -> None:
        self.instance, self.proc, self.tenant, self.count = instance, proc, tenant, count
        self.total = count + count // 4 + 3
        self.batches: list[str] = []
        self.ids: list[str] = []
        self.healthy: list[str] = []
        self.dropped = 0

    def key(self, *parts: str) -> str:
        """A key of the instance."""
        return f"{{{self.instance.name}}}:" + ":".join(parts)

    def build(self, batch: Batch) -> None:
        """Add all tasks."""
        calls = batch.options(**self.options) if self.options else batch
        self.ids += [calls.enqueue(self.handler, f"{n}", self.text) for n in range(self.total)]

    async def fill(self) -> None:
        """Store all tasks, those to be spoiled too."""
        self.batches.append(await self.proc.enqueue_batch(self.queue, self.tenant, self.build))

    def spoil(self, spoilers: Sequence[Spoil]) -> None:
        """Spoil the first tasks."""
        self.healthy = self.ids[self.count :]
        for task_id, change in zip(self.ids, spoilers, strict=False):
            changed = self.change(task_id, partial(_told, change, self.others(task_id)))
            self.dropped += bool(changed and DROPPED.search(changed))

    def others(self, task_id: str) -> frozenset[bytes]:
        """The ids of the batch's other tasks, which a task in a list must not get: nothing else there tells them apart."""
        if not self.listed:
            return frozenset()
        return frozenset(other[22:].encode() for other in self.ids if other != task_id)

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """Change what is stored of a task."""
        return self.in_list(self.key("b", task_id[:22], "r", self.queue), task_id, change)

    def in_list(self, name: str, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes:
        """Change an element of a list, which the task's id begins."""
        stored: list[bytes] = self.instance.client.lrange(name, 0, -1)  # type: ignore[assignment]
        at = next(n for n, body in enumerate(stored) if body.startswith(task_id[22:].encode()))
        changed = change(stored[at]) or b""
        self.instance.client.lset(name, at, changed)  # type: ignore[arg-type]
        return changed

    def in_hash(self, name: str, field: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """Change a field of a hash, or take it away."""
        stored = self.instance.client.hget(name, field)
        assert isinstance(stored, bytes), (name, field)
        changed = change(stored)
        if changed is None:
            self.instance.client.hdel(name, field)
        else:
            self.instance.client.hset(name, field, changed)  # type: ignore[arg-type]
        return changed

    async def release(self) -> None:
        """See that what is stored is run."""


def _told(change: Spoil, others: frozenset[bytes], stored: bytes) -> bytes | None:
    return change(stored, others)


class Single(Place):
    """Tasks of no batch."""

    name = "single"

    async def fill(self) -> None:
        """Store all tasks."""
        self.ids += [
            await self.proc.enqueue_task(self.queue, self.tenant, self.handler, f"{n}", self.text) for n in range(self.total)
        ]


class Delayed(Place):
    """Tasks that are not due yet."""

    name = "delayed"
    listed = False
    options = {"delay": 3600}  # noqa: RUF012

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the hash of waiting bodies."""
        return self.in_hash(self.key("b", task_id[:22], "w"), task_id[22:], change)

    async def release(self) -> None:
        """Let them be due."""
        [batch_id], client = self.batches, self.instance.client
        name = self.key("b", batch_id, "d", self.queue)
        client.zadd(name, dict.fromkeys(client.zrange(name, 0, -1), 1))
        client.zadd(self.key("delayed"), {f"{batch_id}:{self.queue}": 1})


class Running(Place):
    """Tasks of a worker that is gone."""

    name = "running"
    listed = False
    queue = "held"

    async def fill(self) -> None:
        """Claim them and say no more."""
        await super().fill()
        store = WorkerStore(self.proc._store.target, self.instance.name, [self.queue], 60_000)
        while self.instance.client.hlen(self.key("run")) < self.total:
            await store.work.step(128, [])
        await store.close()

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the hash of running tasks."""
        return self.in_hash(self.key("run"), task_id, change)

    async def release(self) -> None:
        """Let all leases run out."""
        client, leases = self.instance.client, self.key("leases")
        client.zadd(leases, dict.fromkeys(client.zrange(leases, 0, -1), 1))


class Dead(Place):
    """Dead letters, which a person retries."""

    name = "dead"
    listed = False
    queue = "dying"
    handler = staticmethod(handlers.bury_first)
    retried = True

    async def fill(self) -> None:
        """Let them die."""
        await super().fill()
        async with self.instance.processor(**OPTIONS, queues=[self.queue]) as proc:
            await proc.run_until_idle()

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the hash of waiting bodies."""
        return self.in_hash(self.key("b", task_id[:22], "w"), task_id[22:], change)


class Errors(Dead):
    """What is kept of the errors of dead letters; the tasks themselves are healthy."""

    name = "errors"
    queue = "dying-too"

    def spoil(self, spoilers: Sequence[Spoil]) -> None:
        """Spoil the errors of the first."""
        super().spoil(spoilers)
        self.healthy, self.dropped = self.ids, 0

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the hash of errors."""
        return self.in_hash(self.key("b", task_id[:22], "e"), f"{task_id[22:]}:0", change)


class Large(Place):
    """Payloads that lie apart from their tasks."""

    name = "large"
    listed = False
    text = CANARY * (LARGE // len(CANARY))

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the hash of large payloads."""
        return self.in_hash(self.key("b", task_id[:22], "big"), task_id[22:], change)


class Stub(Large):
    """The tasks of such payloads."""

    name = "stub"
    listed = True
    change = Place.change


class Appended(Place):
    """Tasks of a large append, which has keys of its own."""

    name = "appended"
    text = CANARY * 900

    async def fill(self) -> None:
        """Append so much that it is staged."""
        batch_id = await self.proc.enqueue_batch(
            self.queue, self.tenant, lambda batch: batch.enqueue(handlers.take, "t", "x")
        )
        self.total = max(self.total, 100)
        await self.proc.append_batch(self.queue, self.tenant, batch_id, self.build)
        self.total += 1
        self.batches.append(batch_id)

    def change(self, task_id: str, change: Callable[[bytes], bytes | None]) -> bytes | None:
        """In the segment's list."""
        [name] = self.instance.client.keys(self.key("b", f"{task_id[:22]}+*", "r", self.queue))
        return self.in_list(name.decode(), task_id, change)


class Continued(Place):
    """Continuations that have not fired. What of them can't be read is dropped when they do."""

    name = "continued"
    lossy = True

    async def fill(self) -> None:
        """Give batches of one task fifty continuations each."""
        for first in range(0, self.total, 50):
            most = min(50, self.total - first)

            def build(batch: Batch, most: int = most) -> None:
                batch.enqueue(handlers.take, "t", "x")
                for _ in range(most):
                    batch.continue_with(handlers.take, "t", self.text)

            self.batches.append(await self.proc.enqueue_batch(self.queue, self.tenant, build))

    def spoil(self, spoilers: Sequence[Spoil]) -> None:
        """Spoil the first of the entries."""
        left = list(spoilers)
        for batch_id in self.batches:
            name = self.key("b", batch_id, "c")
            entries: list[bytes] = self.instance.client.lrange(name, 0, -1)  # type: ignore[assignment]
            locals_ = [entry.partition(b"\n")[2][:10] for entry in entries]
            for at, entry in enumerate(entries):
                if left:
                    changed = left.pop(0)(entry, frozenset(locals_) - {locals_[at]}) or b""
                    self.dropped += bool(DROPPED.search(changed))
                    self.instance.client.lset(name, at, changed)  # type: ignore[arg-type]


PLACES: dict[str, type[Place]] = {
    place.name: place for place in (Place, Single, Delayed, Running, Dead, Errors, Large, Stub, Appended, Continued)
}
QUEUES = sorted({place.queue for place in PLACES.values()})
"""All queues that a worker has to serve."""
