"""Multi-tenant batch processing on Redis."""

from taskproc.batch import Batch
from taskproc.context import TaskCancelled, TaskContext, current_task
from taskproc.errors import (
    ArgumentError,
    BatchCancelled,
    HandlerError,
    InvalidValue,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PayloadTooLarge,
    RedisFull,
    RedisUnavailable,
    TaskprocError,
    TaskTimeout,
)
from taskproc.handlers import method, task
from taskproc.model import (
    AttemptError,
    BatchExplanation,
    BatchInfo,
    BatchQueue,
    BatchState,
    CheckLevel,
    QueueInfo,
    RunningTask,
    ServerCheck,
    TaskId,
    TaskInfo,
    TaskState,
    TenantInfo,
    WorkerInfo,
)
from taskproc.outcome import Bury, Cancel, Retry, Snooze
from taskproc.processor import TaskProcessor
from taskproc.processor.tenant import Tenant

__all__ = [
    "ArgumentError",
    "AttemptError",
    "Batch",
    "BatchCancelled",
    "BatchExplanation",
    "BatchInfo",
    "BatchQueue",
    "BatchState",
    "Bury",
    "Cancel",
    "CheckLevel",
    "HandlerError",
    "InvalidValue",
    "NotFound",
    "NotReady",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "QueueInfo",
    "RedisFull",
    "RedisUnavailable",
    "Retry",
    "RunningTask",
    "ServerCheck",
    "Snooze",
    "TaskCancelled",
    "TaskContext",
    "TaskId",
    "TaskInfo",
    "TaskProcessor",
    "TaskState",
    "TaskTimeout",
    "TaskprocError",
    "Tenant",
    "TenantInfo",
    "WorkerInfo",
    "current_task",
    "method",
    "task",
]
