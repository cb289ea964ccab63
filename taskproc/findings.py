"""What is found where one looks: what a check finds of the server, what holds a batch up, what an audit finds wrong."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from taskproc.model import BatchInfo


class CheckLevel(StrEnum):
    """How bad it is what a check has found."""

    OK = "ok"
    WARNING = "warning"
    DANGER = "danger"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One thing that was looked at in the server: what was found, and what to do about it (empty where nothing is)."""

    name: str
    level: CheckLevel
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class BatchQueue:
    """What a batch has in one queue. What stands before it in line is None where that isn't known or has no meaning.

    ``held``: "paused" or "rules" where its tenant's rules hold it up.
    """

    name: str
    mode: str
    ready: int
    running: int
    delayed: int
    dead: int
    next_due: datetime | None
    in_line: bool
    limited: int
    tenants_before: int | None
    batches_before: int | None
    tasks_before: int | None
    workers: tuple[str, ...]
    held: str = ""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that runs, or whose worker is gone. ``worker`` is its name, or its id where it isn't alive."""

    id: str
    name: str
    queue: str
    attempt: int
    worker: str
    worker_alive: bool
    claimed_at: datetime
    lease_until: datetime
    cancelling: bool


@dataclass(frozen=True, slots=True)
class BatchExplanation:
    """Why a batch hasn't settled, or how it did: as records, and as sentences. ``missing``: tasks that are nowhere."""

    batch: BatchInfo
    paused: bool
    queues: tuple[BatchQueue, ...]
    running: tuple[RunningTask, ...]
    missing: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """Something that an audit found wrong: as a sentence, and what mends it, or why nothing can."""

    kind: str
    subject: str
    found: str
    cure: str
    repairable: bool
    repaired: bool


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found. ``unsure``: what was too large or moved too fast to be looked at."""

    differences: tuple[AuditDifference, ...]
    unsure: tuple[str, ...]
    batches: int
    queues: int
    tenants: int
    running: int

    @property
    def wrong(self) -> tuple[AuditDifference, ...]:
        """What is still wrong after the audit."""
        return tuple(one for one in self.differences if not one.repaired)
