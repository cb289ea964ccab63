"""What callers get to see: states, ids, and what is known of batches, tasks, queues, tenants and workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from taskproc.values import number, text

R_co = TypeVar("R_co", covariant=True)


class BatchState(StrEnum):
    """The state of a batch. ``docs/states.md`` draws how they follow each other."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """The state of a task. A failed one whose dead letter is kept can be retried by a person."""

    DELAYED = "delayed"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskId(str, Generic[R_co]):
    """A task's id, which knows the type of its handler's result."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """A batch's counters at one moment: ``total == done + failed + cancelled + remaining``, always.

    ``fail_after``: how many of its tasks have to fail for it to be cancelled, or what share of them. ``started_at``: when
    its first task was claimed; ``tasks_per_second``: how many have run since, or since it runs again; ``estimated_end``:
    when the rest will have run at that pace. They are None while that can't be known.
    """

    id: str
    tenant: str
    label: str
    state: BatchState
    total: int
    done: int
    failed: int
    cancelled: int
    remaining: int
    run_seconds: float
    created_at: datetime
    ended_at: datetime | None
    fail_after: int | str | None = None
    started_at: datetime | None = None
    tasks_per_second: float | None = field(default=None, compare=False)
    estimated_end: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AttemptError:
    """How one attempt of a task failed; texts are cut to a few kB."""

    attempt: int
    type: str
    message: str
    traceback: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running task has come, as its handler says. ``total`` is None where it doesn't know."""

    done: float
    total: float | None = None
    note: str = ""


def progress_of(done: object, total: object, note: object) -> Progress:
    """What a handler tells of its progress. Raises InvalidValue."""
    return Progress(number("done", done), None if total is None else number("total", total), text("note", note, 1_000))


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that has not ended, a dead letter, or with keep="all" any task until its retention ends.

    ``data`` is the call as it is stored, arguments as JSON. ``started_at`` is when its last attempt was claimed. Those with
    ``kept`` have a record: ``result`` is what the handler returned, ``result_problem`` why that isn't there.
    """

    id: str
    name: str
    queue: str
    tenant: str
    batch_id: str | None
    state: TaskState
    attempt: int
    max_attempts: int | None
    created_at: datetime
    scheduled_for: datetime | None
    data: bytes = field(repr=False)
    progress: Progress | None = None
    errors: tuple[AttemptError, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    kept: bool = False
    result: object = field(default=None, repr=False)
    result_problem: str | None = None
    schedule_id: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in ENDED


ENDED = (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """A batch's state and counters at one moment, as ``watch`` tells them."""

    id: str
    state: BatchState
    total: int
    done: int
    failed: int
    cancelled: int
    remaining: int

    @property
    def ended(self) -> bool:
        """Whether it has settled."""
        return self.state is not BatchState.RUNNING


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A task's state and progress at one moment, as ``watch`` tells them."""

    id: str
    state: TaskState
    attempt: int
    progress: Progress | None = None

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in ENDED


Event = BatchEvent | TaskEvent


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """What a queue holds now. ``oldest_ready_seconds`` is None when nothing is ready, ``max_waiting`` without a limit."""

    name: str
    ready: int
    running: int
    delayed: int
    dead: int
    oldest_ready_seconds: float | None
    mode: str = "fair"
    max_waiting: int | None = None


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant's totals since it was first seen, single tasks and continuations included; and what it has waiting now.

    ``retried``: how many attempts have failed after which their tasks went on.
    """

    tenant: str
    batches: int
    total: int
    done: int
    failed: int
    cancelled: int
    remaining: int
    run_seconds: float
    ready: int
    running: int
    delayed: int = 0
    dead: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A live worker process."""

    id: str
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    running: int
    started_at: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class HandlerInfo:
    """What a worker may run. ``options``: those that its ``@task`` sets; ``parameters``: without injected ones."""

    name: str
    aliases: tuple[str, ...]
    queue: str | None
    kind: str
    parameters: str
    injected: tuple[str, ...]
    options: Mapping[str, object]
    where: str
