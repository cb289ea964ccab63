"""What callers get to see of schedules."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime

from taskproc import firing, words
from taskproc.model import TaskState
from taskproc.occurrences import Occurrences
from taskproc.schedule import Schedule
from taskproc.values import count, from_ms, timestamp_ms


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A run of a schedule that has ended. ``due_at`` is its occurrence; one cancelled before it ran never started."""

    task_id: str
    state: TaskState
    due_at: datetime
    started_at: datetime | None
    ended_at: datetime

    @property
    def seconds(self) -> float:
        """How long its last attempt took."""
        return 0.0 if self.started_at is None else (self.ended_at - self.started_at).total_seconds()

    @property
    def drift(self) -> float | None:
        """How many seconds after its occurrence its last attempt started."""
        return None if self.started_at is None else (self.started_at - self.due_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ScheduleInfo(Schedule):
    """A schedule and what has become of it.

    ``last_at`` is the last occurrence that made a task, ``runs`` how many did since its rule was last changed, ``skipped``
    how many didn't, and ``skip_reason`` why the last of these: ``unique`` (an earlier task was there), ``held`` (a dead
    letter was), ``missed``, ``expired``; ``full`` or ``wait`` where it had to wait for room in its queue; else an error.
    ``history`` are its last runs, the newest first. A schedule that code declares is ``coded``, and an ``orphan`` where no
    live worker's code does.
    """

    _: KW_ONLY
    handler: str = ""
    next_at: datetime | None = None
    last_at: datetime | None = None
    paused: bool = False
    coded: bool = False
    orphan: bool = False
    runs: int = 0
    skipped: int = 0
    skip_reason: str = ""
    history: tuple[ScheduleRun, ...] = ()
    created_at: datetime | None = None
    changed_at: datetime | None = None
    anchor_ms: int = field(default=0, repr=False)

    @property
    def words(self) -> str:
        """When it runs, in words."""
        return words.of(self)

    def upcoming(self, n: int = 10) -> list[datetime]:
        """The next n occurrences; of one with a function of its own only the first."""
        next_at = None if self.next_at is None else timestamp_ms("next_at", self.next_at)
        count("n", n, 0, 10_000)
        if next_at is None or self.next_run is not None:
            return [] if self.next_at is None or not n else [self.next_at]
        occurrences = Occurrences.of(self, anchor=self.anchor_ms)
        return [from_ms(at) for at in firing.upcoming(occurrences, next_at, n, self.runs, self.max_runs)]
