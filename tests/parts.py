"""What the model of the store is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model_limits import limit_of

TENANTS = ["acme", "b:ö"]
QUEUES = ["q1", "q2"]
STATES = "ready", "running", "delayed", "dead"
ENDED = {"done", "failed", "cancelled"}

Lock = tuple[str, int]
"""What a unique task goes by, and for how long (0: until it ends)."""

Made = tuple[str, str, int, bool, Lock | None]
"""Local id, queue, delay, whether it is kept, and its lock."""


@dataclass
class Task:
    """One task. ``state``: delayed, ready, running, dead or gone."""

    id: str
    batch: Batch
    queue: str
    state: str
    due: int = 0
    attempts: int = 0
    deliveries: int = 0
    member: str = ""
    deadline: int = 0
    stopping: bool = False
    zombie: bool = False  # it was running when its batch was cancelled: counted, still leased
    parent: str = ""
    died: int = 0
    kept: bool = False
    errors: int = 0
    lock: Lock | None = None
    claimed_at: int = 0
    schedule: str = ""
    occurrence: int = 0

    @property
    def limit(self) -> str:
        """The limit under which it runs, or none."""
        return limit_of(self.id[22:])


@dataclass
class Record:
    """What is kept of a task with keep="all". ``outcome``: done, failed or cancelled, or nothing yet."""

    task: Task
    outcome: str = ""
    attempt: int = 0
    ended_at: int = 0


@dataclass
class Continuation:
    """A task that waits for its batch."""

    on: str
    queue: str
    local: str
    delay: int
    kept: bool = False
    lock: Lock | None = None


@dataclass
class Batch:
    """One batch, or a tenant's open one."""

    id: str
    tenant: str
    state: str = "running"
    total: int = 0
    failed: int = 0
    cancelled: int = 0
    settled_at: int = 0
    idem: str = ""
    appended: set[str] = field(default_factory=set)
    continuations: list[Continuation] = field(default_factory=list)
    fail_after: str = ""


@dataclass
class Tenant:
    """A tenant's totals."""

    batches: int = 0
    total: int = 0
    failed: int = 0
    cancelled: int = 0
    home: str = ""
    idle_at: int = 0
