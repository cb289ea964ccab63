"""The errors that taskproc raises.

TaskprocError
├── ArgumentError           (TypeError)     an argument that can't be stored or doesn't fit the handler
├── HandlerError            (ValueError)    not a handler, or two handlers of one name
│   └── NoSuchModule        (ModuleNotFoundError)  what is included is no module
├── InvalidValue            (ValueError)    a name, duration, time or option that is refused
│   └── PayloadTooLarge
├── NotFound                (LookupError)   no such batch or task, or it is another tenant's
├── NotReady                (TimeoutError)  it had not settled when the time ran out
├── QuotaExceeded           (RuntimeError)  there is no room for more tasks; nothing was stored
├── TenantClosed            (RuntimeError)  the tenant takes no new tasks; nothing was stored
├── TaskFailed                              the task that was waited for failed
├── WaitCancelled           (TaskCancelled) the task that was waited for was cancelled
├── ResultNotKept                           the task has ended, and nothing tells its result
├── BatchCancelled                          nothing can be appended to a cancelled batch
├── TaskTimeout             (TimeoutError)  an attempt passed its time limit
├── LeaseExpired                            an attempt ended with the worker that ran it
├── AttemptsExhausted                       a task was claimed with no attempt left
├── UnknownHandler                          no worker knew a task's handler for too long
├── CorruptTask                             a stored task can't be read
│   └── UntrustedTask                       it isn't sealed by one of our keys, or was changed or moved
├── KeyMissing                              it is sealed under a key that this process doesn't have
├── SerializerMissing                       it is written by a serializer that this process doesn't have
├── ServiceMissing          (LookupError)   an instance or an injected parameter can't be had
├── CorruptRecord                           what is stored of a batch, queue, tenant or call can't be read
├── SchemaMismatch                          the keys in Redis are of another version of taskproc
├── ServerTooOld                            the server is older than Redis 6.2
├── ServerRefused                           wrong password, no permission, or a key of a wrong type
└── RedisUnavailable        (ConnectionError)  nothing was done
    ├── RedisFull                           Redis is out of memory and refuses to store more
    ├── StagingLost                         staged tasks are missing; nothing was stored
    └── OutcomeUnknown                      the call may or may not have been done

TaskCancelled, a BaseException, is what ends a handler that is to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class TaskprocError(Exception):
    """Whatever goes wrong in taskproc."""


class ArgumentError(TaskprocError, TypeError):
    """An argument of a task can't be stored, would come back as something else, or doesn't fit the handler."""


class HandlerError(TaskprocError, ValueError):
    """Something is not a handler, can't be imported by a worker, or has the name of another handler."""


class NoSuchModule(HandlerError, ModuleNotFoundError):
    """What a processor includes is no module."""


class InvalidValue(TaskprocError, ValueError):
    """A name, duration, time or option is refused; nothing was stored."""


class PayloadTooLarge(InvalidValue):
    """A task's payload is above the limit."""


class NotFound(TaskprocError, LookupError):
    """There is no such batch or task, or it belongs to another tenant."""


class NotReady(TaskprocError, TimeoutError):
    """What was waited for had not happened when the time ran out."""


class QuotaExceeded(TaskprocError, RuntimeError):
    """Tasks are refused because more would wait than may; nothing was stored, and there is room again as tasks end."""


class TenantClosed(TaskprocError, RuntimeError):
    """A tenant that is drained or purged takes no new tasks; nothing was stored."""


class FailedAttempt(Protocol):
    """How one attempt failed, as ``model.AttemptError`` has it."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def traceback(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class TaskFailed(TaskprocError):
    """The task that was waited for failed. ``errors`` are those of its attempts, oldest first, as texts."""

    def __init__(self, task_id: str, errors: Sequence[FailedAttempt] = ()) -> None:
        last = f": {errors[-1].type}: {errors[-1].message}" if errors else ""
        super().__init__(f"task {task_id} failed{last}")
        self.task_id = task_id
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.task_id, self.errors)


class TaskCancelled(BaseException):
    """Ends a handler that is to stop; not an Exception, so that it passes ``except Exception``."""


class WaitCancelled(TaskprocError, TaskCancelled):
    """The task that was waited for was cancelled. ``except TaskCancelled`` catches it, and so does ``except Exception``."""


class ResultNotKept(TaskprocError):
    """A task has ended, and nothing tells its result: it was not kept, or could not be."""


class BatchCancelled(TaskprocError):
    """Nothing can be appended to a cancelled batch."""


class TaskTimeout(TaskprocError, TimeoutError):
    """An attempt passed its time limit."""


class LeaseExpired(TaskprocError):
    """The worker that ran an attempt did not renew its lease."""


class AttemptsExhausted(TaskprocError):
    """A task was claimed with no attempt left: its last one ended with the worker that ran it."""


class UnknownHandler(TaskprocError):
    """No worker that claimed a task knew its handler."""


class CorruptTask(TaskprocError):
    """What is stored of a task can't be read."""


class UntrustedTask(CorruptTask):
    """A task isn't what a producer with our keys has sealed: it was changed, moved, or made by somebody else."""


class KeyMissing(TaskprocError):
    """A task is sealed under a key that this process doesn't have."""


class SerializerMissing(TaskprocError):
    """A task's arguments are written by a serializer that this process doesn't have."""


class ServiceMissing(TaskprocError, LookupError):
    """A handler's instance, or what one of its parameters asks for, can't be had."""


class CorruptRecord(TaskprocError):
    """What is stored of a batch, a queue, a tenant or a call can't be read."""


class SchemaMismatch(TaskprocError):
    """The keys in Redis were written by a version of taskproc with another layout."""


class ServerTooOld(TaskprocError):
    """The server lacks commands that taskproc needs."""


class ServerRefused(TaskprocError):
    """Redis refused a call for good: a wrong password, a missing permission, a key of a wrong type."""


class RedisUnavailable(TaskprocError, ConnectionError):
    """Redis could not be reached or could not serve in time; nothing was done."""


class RedisFull(RedisUnavailable):
    """Redis has reached its maxmemory and refuses to store more."""


class StagingLost(RedisUnavailable):
    """Tasks that were staged for a commit are missing, as after a failover; nothing was stored."""


class OutcomeUnknown(RedisUnavailable):
    """The call was sent and no answer came: it may or may not have been done.

    Sent again with the same idempotency key it is done once.
    """
