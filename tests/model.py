"""A small model of the store in plain Python: what each call must answer and leave behind.

It has no lists, rings or indexes: a task is a record with a state, and everything that can be counted is
counted from the records. The test in ``test_model.py`` does the same to both and compares.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from tests.model_limits import Limits
from tests.model_purge import Purges
from tests.model_rules import Rules
from tests.model_schedules import Schedules
from tests.parts import ENDED, Batch, Continuation, Lock, Made, Record, Task, Tenant


class Model:
    """The whole instance."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000
        self.tasks: dict[str, Task] = {}
        self.batches: dict[str, Batch] = {}
        self.tenants: dict[str, Tenant] = {}
        self.idem: dict[str, str] = {}
        self.records: dict[str, Record] = {}
        self.locks: dict[str, tuple[str, int, bool]] = {}
        """Digest → task, when it ends (0: with the task), whether the task is done."""
        self.paused = False
        self.fifo: set[str] = set()
        self.rooms: dict[str, int] = {}
        self.limits = Limits()
        self.queues = ("q1", "q2")
        self.rules = Rules(self)
        self.history = Counter[tuple[str, str, str]]()
        self.schedules = Schedules(self)
        self.purges = Purges(self)

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

    def refusal(self, tenant: str, tasks: list[Made]) -> str:
        """Why tasks of a tenant are refused, if they are."""
        return "full" if self.full(tasks) else self.rules.refusal(tenant, tasks)

    def full(self, tasks: list[Made]) -> bool:
        """Whether a queue has no room for tasks."""
        more = Counter(task[1] for task in tasks)
        waiting = {queue: self.count(queue, "ready", "delayed") for queue in more}
        return any(waiting[queue] + n > self.rooms.get(queue, 10**9) for queue, n in more.items())

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

    def create(self, batch: Batch, tasks: list[Made], continuations: list[Continuation], idem: str) -> str:
        """Create a batch of tasks; its id or that of the key's first, or why it is refused."""
        if idem and idem in self.idem:
            return self.idem[idem]
        left = self.sift(tasks, batch)
        if isinstance(left, str):
            return left
        if idem:
            self.idem[idem], batch.idem = batch.id, idem
        self.batches[batch.id] = batch
        batch.continuations = continuations
        self.tenant(batch.tenant).batches += 1
        self.add(batch, left)
        if not left:
            self.touch(batch.tenant)
            self.end(batch, "done")
        return batch.id

    def sift(self, tasks: list[Made], batch: Batch) -> list[Made] | str:
        """Tasks less those that are unique and there; or why they are refused, and no lock is taken."""
        before = dict(self.locks)
        left = [one for one in tasks if self.take(one[4], batch.id + one[0])]
        refusal = self.refusal(batch.tenant, left)
        if refusal:
            self.locks = before
        return refusal or left

    def add(self, batch: Batch, tasks: list[Made], parent: str = "") -> None:
        """Add tasks to a batch."""
        if tasks and batch.state in ("done", "failed"):
            batch.state = "running"
        for local, queue, delay, kept, lock in tasks:
            state, due = ("delayed", self.now + delay) if delay else ("ready", 0)
            task = Task(batch.id + local, batch, queue, state, due, parent=parent, kept=kept, lock=lock)
            self.tasks[task.id] = task
            if kept:
                self.records[task.id] = Record(task)
        batch.total += len(tasks)
        self.tenant(batch.tenant).total += len(tasks)

    def append(self, batch_id: str, tenant: str, tasks: list[Made], idem: str) -> str:
        """Append to a batch; the status."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.state == "open" or batch.tenant != tenant:
            return "unknown"
        if batch.state == "cancelled":
            return "cancelled"
        if idem and idem in batch.appended:
            return "ok"
        left = self.sift(tasks, batch)
        if isinstance(left, str):
            return left
        if idem:
            batch.appended.add(idem)
        self.add(batch, left)
        return "ok"

    def home(self, tenant: str, batch_id: str) -> Batch:
        """The tenant's open batch, which has this id if it is new."""
        totals = self.tenant(tenant)
        if not totals.home:
            totals.home = batch_id
            self.batches[batch_id] = Batch(batch_id, tenant, "open")
        return self.batches[totals.home]

    # unique locks

    def holder(self, digest: str) -> str:
        """The task that has a lock; empty for none."""
        task, ends, _ = self.locks.get(digest, ("", 0, False))
        return "" if ends and ends <= self.now else task

    def take(self, lock: Lock | None, task_id: str) -> bool:
        """Take a lock, if it is free."""
        if lock is None:
            return True
        digest, lasts = lock
        if self.holder(digest):
            return False
        self.locks[digest] = task_id, self.now + lasts if lasts else 0, False
        return True

    def release(self, task: Task, done: bool = False) -> None:
        """A task lets go of its lock, if it has it; within its time a done one holds it on."""
        digest = task.lock[0] if task.lock else ""
        holder, ends, over = self.locks.get(digest, ("", 0, False))
        if holder != task.id or over:
            return
        if done and ends > self.now:
            self.locks[digest] = holder, ends, True
        else:
            del self.locks[digest]

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
                if self.take(one.lock, home.id + one.local):
                    self.add(home, [(one.local, one.queue, one.delay, one.kept, one.lock)], parent=batch.id)

    @staticmethod
    def seed(batch_id: str) -> str:
        """The id of an open batch that is made for a batch."""
        return hashlib.sha1(batch_id.encode(), usedforsecurity=False).hexdigest()[:22]

    def settle_group(self, group: list[tuple[Task, str, int]]) -> None:
        """Outcomes of a batch's tasks in a queue, which count together: its failure policy comes before its end."""
        if not group:
            return
        batch, failed, over = group[0][0].batch, group[0][0].batch.failed, group[0][0].zombie
        for task, verb, delay in group:
            self.settle(task, verb, delay, last=False)
        if batch.state == "running" and batch.failed > failed and self.too_many(batch):
            self.stop(batch)
        if not over:  # its tenant has had nothing to run since it was cancelled
            self.close(batch)

    def too_many(self, batch: Batch) -> bool:
        """Whether as many tasks have failed as the policy names."""
        share = batch.fail_after.endswith("%")
        limit = float(batch.fail_after.rstrip("%") or 10**9)
        return batch.failed * 100 >= limit * batch.total if share else batch.failed >= limit

    def settle(self, task: Task, verb: str, delay: int, last: bool = True) -> None:
        """A running task's outcome is recorded."""
        batch, stopping = task.batch, task.stopping
        task.member, task.deadline, task.stopping = "", 0, False
        if task.zombie:
            self.count_end(task, "cancelled")
            self.release(task)
            del self.tasks[task.id]
            return
        if stopping and verb != "done":
            verb = "cancelled"
        if verb == "limited" and task.limit:
            self.limits.hold(task.limit, self.now, delay)
            delay = 0
        task.errors += verb in ("retry", "expired", "dead")
        attempt = task.attempts + 1
        if verb in ("retry", "expired", "release", "limited"):
            task.attempts += verb not in ("release", "limited")
            if verb in ("retry", "expired"):
                self.count_end(task, "retried")
            task.deliveries += 1
            task.claimed_at = 0
            task.state, task.due = ("delayed", self.now + delay) if delay else ("ready", 0)
            return
        self.release(task, verb == "done")
        if verb == "dead":
            task.state, task.died = "dead", self.now
            task.attempts += 1
            task.deliveries += 1
        else:
            del self.tasks[task.id]
        how = {"dead": "failed", "drop": "failed"}.get(verb, verb)
        self.note(task, how, attempt)
        self.count_end(task, how)
        self.ended(batch, how, last)

    def count_end(self, task: Task, how: str) -> None:
        """History has one end more."""
        self.history[task.queue, task.batch.tenant, how] += 1

    def note(self, task: Task, how: str, attempt: int) -> None:
        """A task's record, if it has one, tells how it ended; its schedule, too."""
        self.schedules.ended(task, how)
        record = self.records.get(task.id)
        if record is not None:
            record.outcome, record.attempt, record.ended_at = how, attempt, self.now

    def ended(self, batch: Batch, how: str, last: bool = True) -> None:
        """One task of a batch has settled."""
        totals = self.tenant(batch.tenant)
        if how == "failed":
            batch.failed += 1
            totals.failed += 1
        if how == "cancelled":
            batch.cancelled += 1
            totals.cancelled += 1
        if last:
            self.close(batch)

    def close(self, batch: Batch) -> None:
        """A batch with nothing left ends."""
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
        self.stop(batch)
        return "ok"

    def stop(self, batch: Batch) -> None:
        """A batch is cancelled."""
        left, totals = self.remaining(batch), self.tenant(batch.tenant)
        batch.cancelled += left
        totals.cancelled += left
        for task in list(self.of(batch)):
            self.release(task)
            if task.state == "running":
                task.zombie = True
            else:
                if task.state != "dead":
                    self.count_end(task, "cancelled")
                del self.tasks[task.id]
        self.end(batch, "cancelled")
        if left:
            self.touch(batch.tenant)

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
        self.release(task)
        del self.tasks[task_id]
        self.note(task, "cancelled", task.attempts)
        self.count_end(task, "cancelled")
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
            if not self.take(task.lock, task.id):
                continue
            task.state, task.attempts, task.claimed_at, count = "ready", 0, 0, count + 1
            if task_id in self.records:
                self.records[task_id].outcome = ""
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
        late.sort(key=lambda task: (task.deadline, task.member))
        places = list(dict.fromkeys((task.batch.id, task.queue) for task in late))
        for task in sorted(late, key=lambda task: places.index((task.batch.id, task.queue))):
            self.settle(task, "expired", 0)
        return len(late)

    def prune(self, retention: int) -> None:
        """What is past its retention is gone."""
        before = self.now - retention
        again = before + max(1_000, min(retention, 60_000))  # when what can't go yet is looked at again
        for task in list(self.tasks.values()):
            if task.state == "dead" and task.batch.state == "open" and task.died <= before:
                del self.tasks[task.id]
        for task_id, record in list(self.records.items()):
            if record.task.batch.state == "open" and record.outcome and record.ended_at <= before:
                del self.records[task_id]
        for batch in list(self.batches.values()):
            if batch.state not in ENDED or batch.settled_at > before:
                continue
            if any(t.zombie for t in self.of(batch)):
                batch.settled_at = again
            else:
                self.forget(batch)
        for name, totals in list(self.tenants.items()):
            mine = [b for b in self.batches.values() if b.tenant == name]
            busy = any(b.state != "open" for b in mine) or any(t.batch.tenant == name for t in self.tasks.values())
            busy = busy or any(record.task.batch in mine for record in self.records.values())
            if totals.idle_at <= before and busy:
                totals.idle_at = again
            elif totals.idle_at <= before:
                for batch in mine:
                    del self.batches[batch.id]
                del self.tenants[name]

    def forget(self, batch: Batch) -> None:
        """Nothing is left of a batch."""
        for task in list(self.of(batch)):
            del self.tasks[task.id]
        self.records = {i: r for i, r in self.records.items() if r.task.batch is not batch}
        if self.idem.get(batch.idem) == batch.id:
            del self.idem[batch.idem]
        del self.batches[batch.id]
