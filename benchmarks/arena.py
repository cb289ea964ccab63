"""One peer on one server: enqueueing through its adapter, workers, and waiting for what they do."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hits import Hits, Seen
from benchmarks.processes import Failed, Process, run, running
from benchmarks.servers import Server

STEP_SECONDS = 120
"""For each: enqueueing, the start of a worker, a backlog."""
PAUSE = 0.003
SLOTS = 100


@dataclass(frozen=True)
class Arena:
    """What the measurements of a peer work with."""

    command: tuple[str, ...]
    """What runs its adapter."""
    server: Server

    def adapter(self, command: str, *given: object) -> Any:
        """Run a command of the adapter to its end; its JSON. Raises Failed."""
        return run([*self.command, command, self.server.url, *map(str, given)], STEP_SECONDS)

    def enqueue(self, command: str, tasks: int, *given: object) -> float:
        """Enqueue tasks; so many a second."""
        return tasks / float(self.adapter(command, tasks, *given)["seconds"])

    @contextlib.contextmanager
    def workers(self, kind: str, processes: int = 1, slots: int = SLOTS) -> Iterator[Workers]:
        """Workers that are stopped at the end."""
        with contextlib.ExitStack() as stack:
            hits = Hits(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            command = [*self.command, "work", self.server.url, kind, str(slots)]
            started = [stack.enter_context(running(command, hits.environment)) for _ in range(processes)]
            yield Workers(hits, started)


@dataclass(frozen=True)
class Workers:
    """Running workers and what their handlers leave."""

    hits: Hits
    processes: list[Process]

    def wait(self, calls: int, processes: int = 1, most: float = math.inf) -> Seen:
        """Wait until so many tasks have begun, in so many processes unless there are no more tasks. Raises Failed."""
        deadline, look = time.monotonic() + STEP_SECONDS, 0
        while (seen := self.hits.seen()).calls < calls or (seen.processes < processes and seen.calls < most):
            look += 1
            if look % 100 == 0:
                for process in self.processes:
                    process.check()
            if time.monotonic() > deadline:
                errors = " ".join(process.last_error() for process in self.processes)
                raise Failed(f"{seen.calls} of {calls} tasks ran within {STEP_SECONDS} s: {errors}")
            time.sleep(PAUSE)
        return seen

    def drained(self, tasks: int) -> float:
        """Wait for all tasks; so many a second, from when all processes have begun. Raises Failed."""
        begun = self.wait(1, len(self.processes), tasks)
        at = time.monotonic_ns()
        left = tasks - begun.calls
        if left < tasks / 3:
            raise Failed(f"{begun.calls} of {tasks} tasks had run when the last worker began: too few to measure")
        return left * 1e9 / (self.wait(tasks).last - at)

    def peak_memory(self) -> int:
        """The most bytes that all of them have had."""
        return sum(process.peak_memory() for process in self.processes)
