"""A processor's calls for batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskproc.batch import Batch, Build, fill
from taskproc.call_options import room_time
from taskproc.errors import BatchCancelled, NotFound
from taskproc.ids import is_batch_id
from taskproc.journal import named
from taskproc.model import BatchInfo
from taskproc.processor.connected import Connected
from taskproc.values import Duration, check_key, failures, milliseconds, page, queue_name, tenant_name, text
from taskproc.worker.services import append


class Batches(Connected):
    """What services call."""

    async def enqueue_batch(
        self, queue: str, tenant: str, build: Build, *, label: str = "", idempotency_key: str | None = None,
        fail_after: int | str | None = None, room_timeout: Duration | None = None,
    ) -> str:  # fmt: skip
        """Enqueue a batch, all or nothing; its id, or that of the first one with the tenant's idempotency key.

        ``build`` fills it, sync or async; what it raises is raised here and nothing is stored. ``fail_after``: the batch
        is cancelled when so many tasks have failed, 1 or more, or a share of them such as ``"5%"``. ``room_timeout``: how
        long to wait where there is no room for the tasks; not at all by default. Raises InvalidValue, ArgumentError,
        HandlerError and PayloadTooLarge for bad input, QuotaExceeded where a queue or the tenant has no room, TenantClosed
        where it takes no new tasks, RedisUnavailable when nothing was done, OutcomeUnknown when it may have been.
        """
        async with self._built(queue, tenant, label, idempotency_key, fail_after, room_timeout) as (batch, created):
            await fill(batch, build)
        return created[0]

    @asynccontextmanager
    async def batch(
        self, queue: str, tenant: str, *, label: str = "", idempotency_key: str | None = None,
        fail_after: int | str | None = None, room_timeout: Duration | None = None,
    ) -> AsyncIterator[Batch]:  # fmt: skip
        """The same as a block: it commits on exit, an exception stores nothing."""
        async with self._built(queue, tenant, label, idempotency_key, fail_after, room_timeout) as (batch, created):
            yield batch
        batch.id = created[0]

    @asynccontextmanager
    async def _built(
        self, queue: str, tenant: str, label: str, key: str | None, fail_after: int | str | None,
        room_timeout: Duration | None,
    ) -> AsyncIterator[tuple[Batch, list[str]]]:  # fmt: skip
        tenant_name(tenant)
        text("label", label, 1_000)
        check_key(key)
        policy, room_ms = failures("fail_after", fail_after), room_time(room_timeout)
        segment, created = self._store.batches.new(), list[str]()
        batch = Batch(segment, self._maker, queue, tenant)
        try:
            yield batch, created
            made = batch.close()
            created.append(await self._store.batches.create(made, tenant, label, key, batch.continuations, policy, room_ms))
        except BaseException:
            await batch.close().drop()
            raise

    async def append_batch(
        self, queue: str, tenant: str, batch_id: str, build: Build, *, idempotency_key: str | None = None,
        room_timeout: Duration | None = None,
    ) -> bool:  # fmt: skip
        """Append tasks to a batch, all or nothing; a settled one runs again.

        False when the batch doesn't exist, isn't the tenant's, or is cancelled.
        """
        try:
            await self._append(queue, tenant, batch_id, build, idempotency_key, room_timeout)
        except (NotFound, BatchCancelled):
            return False
        return True

    async def _append(
        self, queue: str, tenant: str, batch_id: str, build: Build, key: str | None, room_timeout: Duration | None
    ) -> None:
        tenant_name(tenant)
        queue_name(queue)
        check_key(key)
        if not is_batch_id(batch_id):
            raise NotFound(f"tenant {tenant} has no batch {batch_id[:64]}")
        room_ms = room_time(room_timeout)
        await append(self._store, self._maker, queue, tenant, batch_id, build, key, room_ms)

    async def cancel_batch(self, batch_id: str, *, tenant: str | None = None, actor: str = "") -> bool:
        """Cancel a batch: what waits is gone and counted at once, what runs is told to stop on every worker.

        True if this call cancelled it; False when it is unknown, another tenant's, or has nothing left to cancel.
        """
        owner = None if tenant is None else tenant_name(tenant)
        return await self._store.batches.cancel(batch_id, owner, named(actor, "cancel_batch", owner, batch_id))

    async def get_batch(self, batch_id: str) -> BatchInfo | None:
        """A batch's counters, or None when there is none by that id."""
        return await self._store.batches.get(batch_id)

    async def get_batches(self, tenant: str, skip: int = 0, take: int = 50, before: str | None = None) -> list[BatchInfo]:
        """A tenant's batches, newest first; ``before``: only those older than this one, which pages stably."""
        page(skip, take)
        if before is not None and not is_batch_id(before):
            return []
        return await self._store.batches.page(tenant_name(tenant), skip, take, before)

    async def count_batches(self, tenant: str) -> int:
        """How many batches of a tenant there are, settled ones within their retention included."""
        return await self._store.batches.count(tenant_name(tenant))

    async def wait_batch(self, batch_id: str, timeout: Duration) -> BatchInfo:
        """The batch once it has settled. Raises NotFound, or NotReady (a TimeoutError) when the time is over."""
        return await self._waits.wait(batch_id, None, milliseconds("timeout", timeout) / 1000)
