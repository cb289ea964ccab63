"""A processor's calls for tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, overload

from taskproc.call_options import NO_OPTIONS, CallOptions, call_options
from taskproc.codec import raw_payload
from taskproc.handler import Handler
from taskproc.handlers import Keep, Unique
from taskproc.journal import named
from taskproc.maker import extension_of, place_of
from taskproc.model import Event, TaskEvent, TaskId, TaskInfo
from taskproc.processor.unique import UniqueTasks
from taskproc.processor.watching import watch
from taskproc.values import Duration, check_key, milliseconds, queue_name, tenant_name

P = ParamSpec("P")
R = TypeVar("R")


class Tasks(UniqueTasks):
    """What services call for one task, and to watch a task or a batch."""

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
        check_key(key)
        found = await self._store.tasks.enqueue(
            tenant_name(tenant), place, extension, payload, key, keep_ms, options.room_ms
        )
        return TaskId(found)

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

    def __init__(self, calls: Tasks, options: CallOptions) -> None:
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
