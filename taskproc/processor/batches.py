"""A processor's calls for batches and tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, overload

from taskproc.batch import Batch, Build, fill
from taskproc.call_options import NO_OPTIONS, CallOptions, call_options, room_time
from taskproc.codec import raw_payload
from taskproc.errors import BatchCancelled, InvalidValue, NotFound
from taskproc.handler import Handler
from taskproc.handlers import Keep, Unique
from taskproc.ids import is_batch_id
from taskproc.journal import named
from taskproc.maker import extension_of, place_of
from taskproc.model import BatchInfo, Event, TaskEvent, TaskId, TaskInfo
from taskproc.processor.unique import UniqueTasks
from taskproc.processor.watching import watch
from taskproc.values import Duration, count, failures, milliseconds, queue_name, shown, tenant_name, text
from taskproc.worker.services import append

P = ParamSpec("P")
R = TypeVar("R")

MOST_LISTED = 10_000


class BatchesAndTasks(UniqueTasks):
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
        _key(key)
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
        _key(key)
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

    @overload
    async def enqueue_task(
        self,
        queue: str,
        tenant: str,
        handler: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> TaskId[R]: ...
    @overload
    async def enqueue_task(
        self, queue: str, tenant: str, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[R]: ...
    async def enqueue_task(
        self, queue: str, tenant: str, handler: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> TaskId[Any]:
        """Enqueue one task that belongs to no batch. Raises as ``enqueue_batch`` does."""
        return await self._enqueue(NO_OPTIONS, queue_name(queue), tenant, handler, args, kwargs)

    async def enqueue_raw(self, queue: str, tenant: str, name: str, data: bytes) -> TaskId[Any]:
        """Enqueue raw work for a handler in any language, by the handler's name."""
        return await self._enqueue_raw(NO_OPTIONS, queue_name(queue), tenant, name, data)

    def options(
        self,
        *,
        queue: str | None = None,
        delay: Duration | None = None,
        delay_until: datetime | None = None,
        max_attempts: int | None = None,
        keep: Keep | None = None,
        idempotency_key: str | None = None,
        unique: Unique | None = None,
        unique_for: Duration | None = None,
        room_timeout: Duration | None = None,
    ) -> TaskCalls:
        """``enqueue_task`` and ``enqueue_raw`` with these options."""
        chosen = call_options(
            queue=queue,
            delay=delay,
            delay_until=delay_until,
            max_attempts=max_attempts,
            keep=keep,
            idempotency_key=idempotency_key,
            unique=unique,
            unique_for=unique_for,
            room_timeout=room_timeout,
        )
        return TaskCalls(self, chosen)

    async def _enqueue(
        self,
        options: CallOptions,
        queue: str | None,
        tenant: str,
        handler: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> TaskId[Any]:
        found, payload = self._maker.call(handler, args, kwargs)
        extension = extension_of(options, found, tenant_name(tenant), args, kwargs)
        if options.unique or found.options.unique:
            extension |= self._maker.lock(options, found, tenant_name(tenant), args, kwargs, payload)
        return await self._store_task(options, found, queue, tenant, extension, payload)

    async def _enqueue_raw(
        self, options: CallOptions, queue: str | None, tenant: str, name: str, data: bytes
    ) -> TaskId[Any]:
        payload = raw_payload(name, data, self._options.max_payload)
        extension = extension_of(options, self._registry.declared(name), tenant_name(tenant), (data,), {})
        extension |= self._maker.lock(options, name, tenant_name(tenant), (), {}, payload)
        return await self._store_task(options, None, queue, tenant, extension, payload)

    async def _store_task(
        self, options: CallOptions, handler: Handler | None, queue: str | None, tenant: str, extension: dict[str, object],
        payload: bytes,
    ) -> TaskId[Any]:  # fmt: skip
        asked, delay_ms, due_ms = place_of(options, handler, "default")
        place = (options.queue or (queue_name(queue) if queue is not None else asked), delay_ms, due_ms)
        key, keep_ms = options.idempotency_key, self._options.retention_ms
        _key(key)
        found = await self._store.tasks.enqueue(
            tenant_name(tenant), place, extension, payload, key, keep_ms, options.room_ms
        )
        return TaskId(found)

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

    async def get_task(self, task_id: str) -> TaskInfo | None:
        """A task with keep="all" in every state until its retention ends; else while it is delayed, running or dead, or
        ready and not deep in a long queue. None for others, and for what can't be an id.
        """
        return self._waits.shown(await self._store.tasks.find(task_id))

    @overload
    async def wait_result(self, task_id: TaskId[R], timeout: Duration) -> R: ...
    @overload
    async def wait_result(self, task_id: str, timeout: Duration) -> object: ...
    async def wait_result(self, task_id: str, timeout: Duration) -> Any:
        """What a task with keep="all" has returned, once it is done, as the type that its handler names.

        Raises TaskFailed, TaskCancelled, NotReady (a TimeoutError) when the time is over, NotFound (a LookupError), and
        ResultNotKept where it has ended and nothing tells its result.
        """
        return await self._waits.result(task_id, None, milliseconds("timeout", timeout) / 1000)

    @overload
    def watch(self, id: TaskId[Any]) -> AsyncGenerator[TaskEvent, None]: ...
    @overload
    def watch(self, id: str) -> AsyncGenerator[Event, None]: ...
    def watch(self, id: str) -> AsyncGenerator[Any, None]:
        """The present state of a batch or a task, and then its changes as they come, four a second at most, to its end.

        Ends too when nothing is kept of it any more. Raises NotFound at the first event.
        """
        return watch(self._waits, id, None)

    async def cancel_task(self, task_id: str, *, actor: str = "") -> bool:
        """Cancel one task: True if it will not run, or was running and is being cancelled."""
        return await self._store.tasks.cancel(task_id, None, named(actor, "cancel_task", "", task_id))


class TaskCalls:
    """A processor's calls for one task, with options."""

    def __init__(self, calls: BatchesAndTasks, options: CallOptions) -> None:
        self._calls = calls
        self._options = options

    @overload
    async def enqueue_task(
        self,
        queue: str,
        tenant: str,
        handler: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> TaskId[R]: ...
    @overload
    async def enqueue_task(
        self, queue: str, tenant: str, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[R]: ...
    async def enqueue_task(
        self, queue: str, tenant: str, handler: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> TaskId[Any]:
        """Enqueue one task with these options."""
        return await self._calls._enqueue(self._options, queue_name(queue), tenant, handler, args, kwargs)

    async def find_unique(
        self, tenant: str, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[Any] | None:
        """The id of the unique task that an equal call with these options would be answered with now."""
        return await self._calls._find_unique(self._options, tenant, handler, args, kwargs)

    async def cancel_unique(self, tenant: str, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Cancel the unique task that an equal call with these options would be answered with."""
        return await self._calls._cancel_unique(self._options, tenant, handler, args, kwargs)

    async def enqueue_raw(self, queue: str, tenant: str, name: str, data: bytes) -> TaskId[Any]:
        """Enqueue raw work with these options."""
        return await self._calls._enqueue_raw(self._options, queue_name(queue), tenant, name, data)


def page(skip: int, take: int) -> None:
    """Check what part of a list is asked for. Raises InvalidValue."""
    count("skip", skip, 0, 1_000_000_000)
    count("take", take, 0, MOST_LISTED)


def _key(key: object) -> None:
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidValue(f"idempotency_key={shown(key)}: use a text that is not empty")
    if isinstance(key, str):
        text("idempotency_key", key, 1_000)
