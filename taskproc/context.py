"""What a running task knows of itself, and what it may do: ``current_task()``."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from taskproc.errors import TaskprocError
from taskproc.model import BatchInfo
from taskproc.values import Duration, milliseconds

if TYPE_CHECKING:
    from taskproc.outcome import Outcome


class TaskCancelled(BaseException):
    """Ends a handler that is to stop; not an Exception, so that it passes ``except Exception``."""


class Services(Protocol):
    """What a context asks of the worker that runs its task."""

    async def batch(self, batch_id: str) -> BatchInfo | None:
        """The batch's counters now."""

    async def renew(self, context: TaskContext, duration_ms: int) -> bool:
        """Prolong the lease; False when it is lost."""

    async def append(self, context: TaskContext, build: Any) -> None:
        """Append to the task's own batch."""

    def call(self, function: Any, *args: Any) -> Any:
        """Run an async function on the loop from a handler's thread."""


@dataclass(slots=True, eq=False)
class TaskContext:
    """A task while it runs. ``delivery`` rises with every claim: a fencing token for the handler's own writes."""

    id: str
    name: str
    data: bytes = field(repr=False)
    queue: str
    tenant: str
    batch_id: str | None
    attempt: int
    max_attempts: int
    delivery: int
    created_at: datetime
    is_continuation: bool = False
    schedule_id: str | None = None
    cancelled: bool = False
    outcome: Outcome | None = None
    app: Any = None
    processor: Any = field(default=None, repr=False)
    _services: Services | None = field(default=None, repr=False)

    def raise_if_cancelled(self) -> None:
        """End the handler if its task is cancelled, timed out, or its worker stops; for handlers in threads."""
        if self.cancelled:
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

    def _call(self, function: Any, *args: Any) -> Any:
        return self._context._service().call(function, *args)


current: ContextVar[TaskContext] = ContextVar("taskproc_current_task")


def current_task() -> TaskContext:
    """The task that is running. Raises LookupError outside of a handler."""
    try:
        return current.get()
    except LookupError:
        raise LookupError("current_task() was called outside of a running task") from None
