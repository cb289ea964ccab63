"""Multi-tenant batch processing on Redis."""

from taskproc.batch import Batch
from taskproc.coded import schedule
from taskproc.context import TaskContext, current_task
from taskproc.errors import (
    ArgumentError,
    BatchCancelled,
    HandlerError,
    InvalidValue,
    NoSuchModule,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PayloadTooLarge,
    QuotaExceeded,
    RedisFull,
    RedisUnavailable,
    ResultNotKept,
    SerializerMissing,
    ServiceMissing,
    TaskCancelled,
    TaskFailed,
    TaskprocError,
    TaskTimeout,
    TenantClosed,
    WaitCancelled,
)
from taskproc.findings import (
    AuditDifference,
    AuditReport,
    BatchExplanation,
    BatchQueue,
    CheckLevel,
    RunningTask,
    ServerCheck,
)
from taskproc.handlers import method, task
from taskproc.histogram import Histogram
from taskproc.history import HistoryPoint, QueueSignals, TenantQueueInfo
from taskproc.injection import Depends, inject
from taskproc.journal import JournalEntry
from taskproc.limits import LimitInfo
from taskproc.model import (
    AttemptError,
    BatchEvent,
    BatchInfo,
    BatchState,
    Event,
    HandlerInfo,
    Progress,
    QueueInfo,
    TaskEvent,
    TaskId,
    TaskInfo,
    TaskState,
    TenantInfo,
    WorkerInfo,
)
from taskproc.options import CallNext, Middleware
from taskproc.outcome import Bury, Cancel, RateLimited, Retry, Snooze
from taskproc.processor import TaskProcessor
from taskproc.processor.tenant import Tenant
from taskproc.schedule import Schedule
from taskproc.scheduled import ScheduleInfo, ScheduleRun
from taskproc.serializing import Serializer
from taskproc.steering import Moved, PurgeReport
from taskproc.tenants import QueueRules, TenantRules, TenantState

__all__ = [
    "ArgumentError",
    "AttemptError",
    "AuditDifference",
    "AuditReport",
    "Batch",
    "BatchCancelled",
    "BatchEvent",
    "BatchExplanation",
    "BatchInfo",
    "BatchQueue",
    "BatchState",
    "Bury",
    "CallNext",
    "Cancel",
    "CheckLevel",
    "Depends",
    "Event",
    "HandlerError",
    "HandlerInfo",
    "Histogram",
    "HistoryPoint",
    "InvalidValue",
    "JournalEntry",
    "LimitInfo",
    "Middleware",
    "Moved",
    "NoSuchModule",
    "NotFound",
    "NotReady",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "Progress",
    "PurgeReport",
    "QueueInfo",
    "QueueRules",
    "QueueSignals",
    "QuotaExceeded",
    "RateLimited",
    "RedisFull",
    "RedisUnavailable",
    "ResultNotKept",
    "Retry",
    "RunningTask",
    "Schedule",
    "ScheduleInfo",
    "ScheduleRun",
    "Serializer",
    "SerializerMissing",
    "ServerCheck",
    "ServiceMissing",
    "Snooze",
    "TaskCancelled",
    "TaskContext",
    "TaskEvent",
    "TaskFailed",
    "TaskId",
    "TaskInfo",
    "TaskProcessor",
    "TaskState",
    "TaskTimeout",
    "TaskprocError",
    "Tenant",
    "TenantClosed",
    "TenantInfo",
    "TenantQueueInfo",
    "TenantRules",
    "TenantState",
    "WaitCancelled",
    "WorkerInfo",
    "current_task",
    "inject",
    "method",
    "schedule",
    "task",
]
