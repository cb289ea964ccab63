"""A small model of the store in plain Python: what each call must answer and leave behind.

It has no lists, rings or indexes: a task is a record with a state, and everything that can be counted is
counted from the records. The test in ``test_model.py`` does the same to both and compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model_limits import Limits, limit_of

ENDED = {"done", "failed", "cancelled"}


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

    @property
    def limit(self) -> str:
        """The limit under which it runs, or none."""
        return limit_of(self.id[22:])


@dataclass
class Continuation:
    """A task that waits for its batch."""

    on: str
    queue: str
    local: str
    delay: int


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


@dataclass
class Tenant:
    """A tenant's totals."""

    batches: int = 0
    total: int = 0
    failed: int = 0
    cancelled: int = 0
    home: str = ""
    idle_at: int = 0


class Model:
    """The whole instance."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000
        self.tasks: dict[str, Task] = {}
        self.batches: dict[str, Batch] = {}
        self.tenants: dict[str, Tenant] = {}
        self.idem: dict[str, str] = {}
        self.paused = False
        self.fifo: set[str] = set()
        self.limits = Limits()

    # reading

    def of(self, batch: Batch) -> Iterator[Task]:
        """The tasks of a batch that have not ended."""
        return (task for task in self.tasks.values() if task.batch is batch)

    def remaining(self, batch: Batch) -> int:
        """How many of a batch's tasks have not settled."""
        return sum(1 for task in self.of(batch) if task.state != "dead" and not task.zombie)

    def count(self, queue: str, *states: str, tenant: str | None = None) -> int:
        """How many tasks of a queue are in some state; cancelled ones that still run are running."""
        found = (t for t in self.tasks.values() if t.queue == queue and t.state in states)
        return sum(1 for task in found if tenant is None or task.batch.tenant == tenant)

    def tenant(self, name: str) -> Tenant:
        """A tenant's totals, made at first use."""
        return self.tenants.setdefault(name, Tenant())

    def running(self, limit: str) -> set[str]:
        """The tasks of a limit that run."""
        return {task.id for task in self.tasks.values() if task.limit == limit and task.state == "running"}

    def free(self, limit: str, us: int) -> int:
        """How many tasks of a limit may start."""
        return self.limits.room(limit, len(self.running(limit)), us) if limit else 10**6

    def left(self, name: str) -> int:
        """How many of a tenant's tasks have not settled."""
        return sum(self.remaining(batch) for batch in self.batches.values() if batch.tenant == name)

    # making

    def create(self, batch: Batch, tasks: list[tuple[str, str, int]], continuations: list[Continuation], idem: str) -> str:
        """Create a batch of (local id, queue, delay); its id or that of the key's first."""
        if idem and idem in self.idem:
            return self.idem[idem]
        if idem:
            self.idem[idem], batch.idem = batch.id, idem
        self.batches[batch.id] = batch
        batch.continuations = continuations
        self.tenant(batch.tenant).batches += 1
        self.add(batch, tasks)
        if not tasks:
            self.touch(batch.tenant)
            self.end(batch, "done")
        return batch.id

    def add(self, batch: Batch, tasks: list[tuple[str, str, int]], parent: str = "") -> None:
        """Add tasks to a batch."""
        if tasks and batch.state in ("done", "failed"):
            batch.state = "running"
        for local, queue, delay in tasks:
            state = "delayed" if delay else "ready"
            task = Task(batch.id + local, batch, queue, state, self.now + delay if delay else 0, parent=parent)
            self.tasks[task.id] = task
        batch.total += len(tasks)
        self.tenant(batch.tenant).total += len(tasks)

    def append(self, batch_id: str, tenant: str, tasks: list[tuple[str, str, int]], idem: str) -> str:
        """Append to a batch; the status."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.state == "open" or batch.tenant != tenant:
            return "unknown"
        if batch.state == "cancelled":
            return "cancelled"
        if idem and idem in batch.appended:
            return "ok"
        if idem:
            batch.appended.add(idem)
        self.add(batch, tasks)
        return "ok"

    def home(self, tenant: str, batch_id: str) -> Batch:
        """The tenant's open batch, which has this id if it is new."""
        totals = self.tenant(tenant)
        if not totals.home:
            totals.home = batch_id
            self.batches[batch_id] = Batch(batch_id, tenant, "open")
        return self.batches[totals.home]

    # ending

    def touch(self, tenant: str) -> None:
        """Note since when a tenant has had nothing to run."""
        if self.left(tenant) == 0:
            self.tenant(tenant).idle_at = self.now

    def end(self, batch: Batch, state: str) -> None:
        """A batch settles: continuations fire, each once."""
        batch.state, batch.settled_at = state, self.now
        fired = [c for c in batch.continuations if c.on in (state, "settled")]
        batch.continuations = [c for c in batch.continuations if c.on not in (state, "settled")]
        if fired:
            home = self.home(batch.tenant, self.seed(batch.id))
            for one in fired:
                self.add(home, [(one.local, one.queue, one.delay)], parent=batch.id)

    @staticmethod
    def seed(batch_id: str) -> str:
        """The id of an open batch that is made for a batch."""
        return hashlib.sha1(batch_id.encode(), usedforsecurity=False).hexdigest()[:22]

    def settle(self, task: Task, verb: str, delay: int) -> None:
        """A running task's outcome is recorded."""
        batch, stopping = task.batch, task.stopping
        task.member, task.deadline, task.stopping = "", 0, False
        if task.zombie:
            del self.tasks[task.id]
            return
        if stopping and verb != "done":
            verb = "cancelled"
        if verb == "limited" and task.limit:
            self.limits.hold(task.limit, self.now, delay)
            delay = 0
        if verb in ("retry", "expired", "release", "limited"):
            task.attempts += verb not in ("release", "limited")
            task.deliveries += 1
            task.state, task.due = ("delayed", self.now + delay) if delay else ("ready", 0)
            return
        if verb == "dead":
            task.state, task.died = "dead", self.now
            task.attempts += 1
            task.deliveries += 1
        else:
            del self.tasks[task.id]
        self.ended(batch, {"dead": "failed", "drop": "failed"}.get(verb, verb))

    def ended(self, batch: Batch, how: str) -> None:
        """One task of a batch has settled."""
        totals = self.tenant(batch.tenant)
        if how == "failed":
            batch.failed += 1
            totals.failed += 1
        if how == "cancelled":
            batch.cancelled += 1
            totals.cancelled += 1
        if self.remaining(batch) == 0 and batch.state == "running":
            self.end(batch, "failed" if batch.failed else "done")
        self.touch(batch.tenant)

    def cancel(self, batch_id: str, tenant: str) -> str:
        """Cancel a batch; the status."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.state == "open" or (tenant and batch.tenant != tenant):
            return "unknown"
        left, dead = self.remaining(batch), [t for t in self.of(batch) if t.state == "dead"]
        if left == 0 and not (batch.state == "failed" and dead):
            return "settled"
        totals = self.tenant(batch.tenant)
        batch.cancelled += left
        totals.cancelled += left
        for task in list(self.of(batch)):
            if task.state == "running":
                task.zombie = True
            else:
                del self.tasks[task.id]
        self.end(batch, "cancelled")
        if left:
            self.touch(batch.tenant)
        return "ok"

    def cancel_task(self, task_id: str, tenant: str) -> str:
        """Cancel one task; the status."""
        batch = self.batches.get(task_id[:22])
        if batch is None or batch.state == "cancelled" or (tenant and batch.tenant != tenant):
            return "unknown"
        task = self.tasks.get(task_id)
        if task is None:
            return "unknown"
        if task.state == "running":
            task.stopping = True
            return "running"
        if task.state == "dead":
            return "dead"
        del self.tasks[task_id]
        self.ended(batch, "cancelled")
        return "ok"

    # dead letters

    def retry(self, tasks: list[str]) -> int:
        """Make dead letters ready again."""
        count = 0
        for task_id in tasks:
            task = self.tasks.get(task_id)
            if task is None or task.state != "dead":
                continue
            task.state, task.attempts, count = "ready", 0, count + 1
            task.batch.failed -= 1
            self.tenant(task.batch.tenant).failed -= 1
            if task.batch.state in ("failed", "done"):
                task.batch.state = "running"
        return count

    def discard(self, tasks: list[str]) -> int:
        """Drop dead letters."""
        found = [t for t in dict.fromkeys(tasks) if t in self.tasks and self.tasks[t].state == "dead"]
        for task_id in found:
            del self.tasks[task_id]
        return len(found)

    # time

    def promote(self) -> int:
        """Due tasks become ready."""
        due = [task for task in self.tasks.values() if task.state == "delayed" and task.due <= self.now]
        for task in due:
            task.state, task.due = "ready", 0
        return len(due)

    def rescue(self) -> int:
        """Tasks whose lease has run out become ready, or are cancelled when they were to stop."""
        late = [task for task in self.tasks.values() if task.state == "running" and task.deadline <= self.now]
        for task in late:
            self.settle(task, "expired", 0)
        return len(late)

    def prune(self, retention: int) -> None:
        """What is past its retention is gone."""
        before = self.now - retention
        again = before + max(1_000, min(retention, 60_000))  # when what can't go yet is looked at again
        for task in list(self.tasks.values()):
            if task.state == "dead" and task.batch.state == "open" and task.died <= before:
                del self.tasks[task.id]
        for batch in list(self.batches.values()):
            if batch.state not in ENDED or batch.settled_at > before:
                continue
            if any(t.zombie for t in self.of(batch)):
                batch.settled_at = again
            else:
                for task in list(self.of(batch)):
                    del self.tasks[task.id]
                self.idem.pop(batch.idem, None)
                del self.batches[batch.id]
        for name, totals in list(self.tenants.items()):
            mine = [b for b in self.batches.values() if b.tenant == name]
            busy = any(b.state != "open" for b in mine) or any(t.batch.tenant == name for t in self.tasks.values())
            if totals.idle_at <= before and busy:
                totals.idle_at = again
            elif totals.idle_at <= before:
                for batch in mine:
                    del self.batches[batch.id]
                del self.tenants[name]
