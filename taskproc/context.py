"""What a running task knows of itself, and what it may do: ``current_task()``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from taskproc.errors import TaskCancelled, TaskprocError
from taskproc.model import BatchInfo, Progress, progress_of
from taskproc.values import Duration, from_ms, from_us, milliseconds

if TYPE_CHECKING:
    from taskproc.outcome import Outcome

T = TypeVar("T")
StopReason = Literal["cancelled", "timeout", "lost", "stopping"]


class Services(Protocol):
    """What a context asks of the worker that runs its task."""

    app: Any

    async def get(self, context: TaskContext, wanted: Any) -> Any:
        """An instance for the task."""

    async def batch(self, batch_id: str) -> BatchInfo | None:
        """The batch's counters now."""

    async def renew(self, context: TaskContext, duration_ms: int) -> bool:
        """Prolong the lease; False when it is lost."""

    async def append(self, context: TaskContext, build: Any) -> None:
        """Append to the task's own batch."""

    async def progress(self, context: TaskContext, progress: Progress) -> None:
        """Tell how far the task has come."""

    def call(self, function: Any, *args: Any) -> Any:
        """Run an async function on the loop from a handler's thread."""


PLAIN = ("id", "name", "data", "queue", "tenant", "batch_id", "attempt", "max_attempts", "delivery",
    "is_continuation", "schedule_id",
)  # fmt: skip


class TaskContext:
    """A task while it runs. ``delivery`` rises with every claim: a fencing token for the handler's own writes."""

    __slots__ = (
        "_created_us", "_due_ms", "_services", "attempt", "batch_id", "data", "delivery", "id", "instances",
        "is_continuation", "max_attempts", "name", "outcome", "processor", "queue", "schedule_id", "stop_reason", "tenant",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        name: str,
        data: bytes,
        queue: str,
        tenant: str,
        batch_id: str | None,
        attempt: int,
        max_attempts: int,
        delivery: int,
        created_us: int,
        is_continuation: bool = False,
        services: Services | None = None,
        processor: Any = None,
        schedule_id: str | None = None,
        due_ms: int = 0,
    ) -> None:
        self.id = id
        self.name = name
        self.data = data
        self.queue = queue
        self.tenant = tenant
        self.batch_id = batch_id
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.delivery = delivery
        self.is_continuation = is_continuation
        self.schedule_id = schedule_id
        self.stop_reason: StopReason | None = None
        self.outcome: Outcome | None = None
        self.instances: Any = None
        self.processor = processor
        self._services = services
        self._created_us = created_us
        self._due_ms = due_ms

    def __repr__(self) -> str:
        return f"TaskContext(id={self.id!r}, name={self.name!r}, tenant={self.tenant!r}, attempt={self.attempt})"

    def plain(self) -> dict[str, Any]:
        """What makes the same context in another process, where there are no services."""
        return {**{name: getattr(self, name) for name in PLAIN}, "created_us": self._created_us, "due_ms": self._due_ms}

    @property
    def created_at(self) -> datetime:
        """When the task, or its batch, was enqueued."""
        return from_us(self._created_us)

    @property
    def scheduled_for(self) -> datetime | None:
        """The occurrence for which its schedule has made it; None for tasks of no schedule."""
        return from_ms(self._due_ms) if self.schedule_id is not None else None

    @property
    def cancelled(self) -> bool:
        """Whether the handler is to stop; ``stop_reason`` says why."""
        return self.stop_reason is not None

    @property
    def app(self) -> Any:
        """What the processor's ``lifespan`` gave; None without one, and in a handler's own process."""
        return None if self._services is None else self._services.app

    def raise_if_cancelled(self) -> None:
        """End the handler if its task is cancelled, timed out, or its worker stops; for handlers in threads."""
        if self.stop_reason is not None:
            raise TaskCancelled

    async def batch(self) -> BatchInfo | None:
        """The counters of the task's batch now; None for a single task."""
        return None if self.batch_id is None else await self._service().batch(self.batch_id)

    async def renew(self, duration: Duration) -> bool:
        """Prolong the lease to at least this duration from now; False when it is lost to another worker."""
        return await self._service().renew(self, milliseconds("duration", duration, positive=True))

    async def append(self, build: Any) -> None:
        """Append tasks to the task's own batch. Raises NotFound or BatchCancelled."""
        await self._service().append(self, build)

    @overload
    async def get(self, wanted: type[T], /) -> T: ...
    @overload
    async def get(self, wanted: Callable[..., AsyncIterator[T]], /) -> T: ...
    @overload
    async def get(self, wanted: Callable[..., Iterator[T]], /) -> T: ...
    @overload
    async def get(self, wanted: Callable[..., Coroutine[Any, Any, T]], /) -> T: ...
    @overload
    async def get(self, wanted: Callable[..., T], /) -> T: ...
    async def get(self, wanted: Any, /) -> Any:
        """The task's instance of a class, or what a provider gives: the same for middleware and handler, each time.

        Raises ServiceMissing, or what the resolver or the provider raises.
        """
        return await self._service().get(self, wanted)

    async def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the task has come, as ``TaskInfo.progress`` shows while it runs.

        It is stored at most four times a second; of what is told in between the last counts, and what isn't stored when
        the attempt ends goes with it. Raises InvalidValue for what is no number, or a note above 1,000 bytes.
        """
        await self._service().progress(self, progress_of(done, total, note))

    @property
    def sync(self) -> SyncContext:
        """The same calls for a handler that runs in a thread."""
        return SyncContext(self)

    def _service(self) -> Services:
        if self._services is None:
            raise TaskprocError("this handler runs in a process of its own, where only the task's data is at hand")
        return self._services


class SyncContext:
    """A task's calls for a handler in a thread."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context

    def batch(self) -> BatchInfo | None:
        """The counters of the task's batch now; None for a single task."""
        found: BatchInfo | None = self._call(self._context.batch)
        return found

    def renew(self, duration: Duration) -> bool:
        """Prolong the lease; False when it is lost."""
        return bool(self._call(self._context.renew, duration))

    def append(self, build: Any) -> None:
        """Append tasks to the task's own batch."""
        self._call(self._context.append, build)

    @overload
    def get(self, wanted: type[T], /) -> T: ...
    @overload
    def get(self, wanted: Callable[..., AsyncIterator[T]], /) -> T: ...
    @overload
    def get(self, wanted: Callable[..., Iterator[T]], /) -> T: ...
    @overload
    def get(self, wanted: Callable[..., Coroutine[Any, Any, T]], /) -> T: ...
    @overload
    def get(self, wanted: Callable[..., T], /) -> T: ...
    def get(self, wanted: Any, /) -> Any:
        """The task's instance of a class, or what a provider gives."""
        return self._call(self._context.get, wanted)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the task has come."""
        self._call(self._context.progress, done, total, note)

    def _call(self, function: Any, *args: Any) -> Any:
        return self._context._service().call(function, *args)


current: ContextVar[TaskContext] = ContextVar("taskproc_current_task")


def current_task() -> TaskContext:
    """The task that is running. Raises LookupError outside of a handler."""
    try:
        return current.get()
    except LookupError:
        raise LookupError("current_task() was called outside of a running task") from None
