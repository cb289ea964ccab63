"""A tenant's handle: the processor's calls less the tenant argument, and nothing of other tenants'."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, overload

from taskproc.batch import Batch, Build
from taskproc.call_options import NO_OPTIONS, CallOptions, call_options
from taskproc.errors import InvalidValue
from taskproc.handlers import Keep, Unique
from taskproc.journal import named
from taskproc.model import BatchInfo, Event, TaskEvent, TaskId, TaskInfo, TenantInfo
from taskproc.processor.calls import Calls
from taskproc.processor.tenant_rules import TenantRuleCalls
from taskproc.processor.tenant_statistics import TenantStatistics
from taskproc.processor.watching import watch
from taskproc.schedule import Schedule
from taskproc.scheduled import ScheduleInfo
from taskproc.steering import Moved
from taskproc.values import Duration, milliseconds, shown, tenant_name

P = ParamSpec("P")
R = TypeVar("R")


class TenantTaskCalls:
    """A tenant's calls for one task, with options."""

    def __init__(self, calls: Calls, tenant: str, options: CallOptions) -> None:
        self._calls = calls
        self.name = tenant
        self._options = options

    @overload
    async def enqueue(
        self, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[R]: ...
    @overload
    async def enqueue(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[R]: ...
    async def enqueue(self, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskId[Any]:
        """Enqueue one task that belongs to no batch."""
        return await self._calls._enqueue(self._options, None, self.name, handler, args, kwargs)

    enqueue_task = enqueue

    async def find_unique(self, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[Any] | None:
        """The id of the unique task that an equal call would be answered with now; None where it would be stored."""
        return await self._calls._find_unique(self._options, self.name, handler, args, kwargs)

    async def cancel_unique(self, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Cancel the unique task that an equal call would be answered with; False where there is none."""
        return await self._calls._cancel_unique(self._options, self.name, handler, args, kwargs)

    async def enqueue_raw(self, name: str, data: bytes) -> TaskId[Any]:
        """Enqueue raw work for a handler in any language, by the handler's name."""
        return await self._calls._enqueue_raw(self._options, None, self.name, name, data)


class Tenant(TenantTaskCalls, TenantRuleCalls, TenantStatistics):
    """Everything that a processor does, for one tenant. Other tenants' batches and tasks are not found through it."""

    def __init__(self, calls: Calls, tenant: str) -> None:
        super().__init__(calls, tenant_name(tenant), NO_OPTIONS)

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
    ) -> TenantTaskCalls:
        """``enqueue`` and ``enqueue_raw`` with these options."""
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
        return TenantTaskCalls(self._calls, self.name, chosen)

    async def enqueue_batch(
        self, build: Build, *, queue: str = "default", label: str = "", idempotency_key: str | None = None,
        fail_after: int | str | None = None, room_timeout: Duration | None = None,
    ) -> str:  # fmt: skip
        """Enqueue a batch, all or nothing; its id."""
        return await self._calls.enqueue_batch(
            queue,
            self.name,
            build,
            label=label,
            idempotency_key=idempotency_key,
            fail_after=fail_after,
            room_timeout=room_timeout,
        )

    def batch(
        self, queue: str = "default", *, label: str = "", idempotency_key: str | None = None,
        fail_after: int | str | None = None, room_timeout: Duration | None = None,
    ) -> AbstractAsyncContextManager[Batch]:  # fmt: skip
        """The same as a block: it commits on exit, an exception stores nothing."""
        return self._calls.batch(
            queue, self.name, label=label, idempotency_key=idempotency_key, fail_after=fail_after, room_timeout=room_timeout
        )

    async def append(
        self, batch_id: str, build: Build, *, queue: str = "default", idempotency_key: str | None = None,
        room_timeout: Duration | None = None,
    ) -> None:  # fmt: skip
        """Append tasks to a batch. Raises NotFound or BatchCancelled."""
        await self._calls._append(queue, self.name, batch_id, build, idempotency_key, room_timeout)

    async def append_batch(
        self, batch_id: str, build: Build, *, queue: str = "default", idempotency_key: str | None = None,
        room_timeout: Duration | None = None,
    ) -> bool:  # fmt: skip
        """Append tasks to a batch; False when it doesn't exist, isn't this tenant's, or is cancelled."""
        return await self._calls.append_batch(
            queue, self.name, batch_id, build, idempotency_key=idempotency_key, room_timeout=room_timeout
        )

    async def cancel_batch(self, batch_id: str, *, actor: str = "") -> bool:
        """Cancel a batch."""
        return await self._calls.cancel_batch(batch_id, tenant=self.name, actor=actor)

    async def get_batch(self, batch_id: str) -> BatchInfo | None:
        """A batch's counters."""
        info = await self._calls.get_batch(batch_id)
        return info if info is not None and info.tenant == self.name else None

    async def get_batches(self, skip: int = 0, take: int = 50, before: str | None = None) -> list[BatchInfo]:
        """The tenant's batches, newest first."""
        return await self._calls.get_batches(self.name, skip, take, before)

    async def count_batches(self) -> int:
        """How many batches of the tenant there are."""
        return await self._calls.count_batches(self.name)

    async def wait_batch(self, batch_id: str, timeout: Duration) -> BatchInfo:
        """The batch once it has settled. Raises NotFound, or NotReady when the time is over."""
        return await self._calls._waits.wait(batch_id, self.name, milliseconds("timeout", timeout) / 1000)

    async def get_task(self, task_id: str) -> TaskInfo | None:
        """A task with keep="all" until its retention ends, or one that has not ended, or a dead letter."""
        info = await self._calls.get_task(task_id)
        return info if info is not None and info.tenant == self.name else None

    @overload
    async def wait_result(self, task_id: TaskId[R], timeout: Duration) -> R: ...
    @overload
    async def wait_result(self, task_id: str, timeout: Duration) -> object: ...
    async def wait_result(self, task_id: str, timeout: Duration) -> Any:
        """What a task with keep="all" has returned, once it is done. Raises as the processor's does."""
        return await self._calls._waits.result(task_id, self.name, milliseconds("timeout", timeout) / 1000)

    @overload
    def watch(self, id: TaskId[Any]) -> AsyncGenerator[TaskEvent, None]: ...
    @overload
    def watch(self, id: str) -> AsyncGenerator[Event, None]: ...
    def watch(self, id: str) -> AsyncGenerator[Any, None]:
        """The present state of a batch or a task, and then its changes. Raises NotFound at the first event."""
        return watch(self._calls._waits, id, self.name)

    async def cancel_task(self, task_id: str, *, actor: str = "") -> bool:
        """Cancel one task."""
        return await self._calls._store.tasks.cancel(task_id, self.name, named(actor, "cancel_task", self.name, task_id))

    async def cancel_all(self, *, queue: str | None = None, actor: str = "") -> int:
        """Cancel all that the tenant has waiting or running, or what of it is in a queue; how many tasks that are."""
        return await self._calls.cancel_tenant(self.name, queue=queue, actor=actor)

    def export(self) -> AsyncIterator[bytes]:
        """All that is kept of the tenant as lines of JSON."""
        return self._calls.export_tenant(self.name)

    async def move_tasks(self, from_queue: str, to_queue: str, *, actor: str = "") -> Moved:
        """Move the tenant's waiting tasks and dead letters of a queue to another; how many."""
        return await self._calls.move_tasks(self.name, from_queue, to_queue, actor=actor)

    async def get_dead_tasks(
        self, queue: str | None = None, *, batch_id: str | None = None, skip: int = 0, take: int = 50
    ) -> list[TaskInfo]:
        """The tenant's dead letters, oldest first."""
        return await self._calls.get_dead_tasks(queue, tenant=self.name, batch_id=batch_id, skip=skip, take=take)

    async def retry_dead_tasks(
        self,
        queue: str | None = None,
        *,
        batch_id: str | None = None,
        count: int | None = 100,
        max_attempts: int | None = None,
        actor: str = "",
    ) -> int:
        """Make the tenant's dead letters ready again; how many."""
        return await self._calls.retry_dead_tasks(
            queue,
            tenant=self.name,
            batch_id=batch_id,
            count=count,
            max_attempts=max_attempts,
            actor=actor,
        )

    async def discard_dead_tasks(
        self, queue: str | None = None, *, batch_id: str | None = None, count: int | None = 100, actor: str = ""
    ) -> int:
        """Drop the tenant's dead letters; how many."""
        return await self._calls.discard_dead_tasks(queue, tenant=self.name, batch_id=batch_id, count=count, actor=actor)

    async def get_tenant(self) -> TenantInfo | None:
        """The tenant's totals; None when nothing is kept of it."""
        return await self._calls.get_tenant(self.name)

    async def upsert_schedule(
        self, schedule: Schedule, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Create a schedule of the tenant's, or change the one of that id. Raises InvalidValue for another tenant's."""
        if isinstance(schedule, Schedule) and schedule.tenant != self.name:
            raise InvalidValue(f"tenant={shown(schedule.tenant)}: this is the handle of tenant {self.name}")
        await self._calls._upsert(schedule, handler, args, kwargs)

    async def cancel_schedule(self, id: str, *, actor: str = "") -> bool:
        """Delete a schedule; False where the tenant has none of that id."""
        return await self._calls.cancel_schedule(id, self.name, actor=actor)

    async def trigger_schedule(self, id: str, *, actor: str = "") -> bool:
        """Enqueue a schedule's task now; False for an unknown one, and a unique one of which a task is there."""
        return await self._calls.trigger_schedule(id, self.name, actor=actor)

    async def pause_schedule(self, id: str, *, actor: str = "") -> bool:
        """Let a schedule rest; False where the tenant has none of that id."""
        return await self._calls.pause_schedule(id, self.name, actor=actor)

    async def resume_schedule(self, id: str, *, actor: str = "") -> bool:
        """Let a paused schedule go on; False where the tenant has none of that id."""
        return await self._calls.resume_schedule(id, self.name, actor=actor)

    async def get_schedule(self, id: str) -> ScheduleInfo | None:
        """A schedule, with its next occurrence and its last runs."""
        return await self._calls.get_schedule(id, self.name)

    async def get_schedules(self, skip: int = 0, take: int = 50) -> list[ScheduleInfo]:
        """The tenant's schedules by id."""
        return await self._calls.get_schedules(self.name, skip, take)

    async def count_schedules(self) -> int:
        """How many schedules the tenant has."""
        return await self._calls.count_schedules(self.name)
