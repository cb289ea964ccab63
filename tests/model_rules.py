"""The model's rules of tenants: what may run at once, what may wait, and whether they are paused or take nothing new."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.parts import Made

if TYPE_CHECKING:
    from tests.model import Model

PLENTY = 10**6


class Rules:
    """What holds for each tenant: for all its queues under "", for one under its name."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.running: dict[tuple[str, str], int] = {}
        self.waiting: dict[tuple[str, str], int] = {}
        self.states: dict[str, str] = {}

    def room(self, tenant: str, queue: str) -> int:
        """How many of its tasks may start in a queue."""
        if self.states.get(tenant) == "paused":
            return 0
        runs = {q: self.model.count(q, "running", tenant=tenant) for q in self.model.queues}
        here = self.running.get((tenant, queue), PLENTY) - runs[queue]
        return max(0, min(here, self.running.get((tenant, ""), PLENTY) - sum(runs.values())))

    def rests(self, tenant: str) -> bool:
        """Whether its schedules are not fired."""
        return tenant in self.states

    def refusal(self, tenant: str, tasks: list[Made]) -> str:
        """Why tasks are refused, if they are."""
        if self.states.get(tenant, "paused") != "paused":
            return "closed"
        waits = {q: self.model.count(q, "ready", "delayed", tenant=tenant) for q in self.model.queues}
        more = Counter(task[1] for task in tasks)
        if any(waits[q] + n > self.waiting.get((tenant, q), PLENTY) for q, n in more.items()):
            return "full"
        return "full" if tasks and sum(waits.values()) + len(tasks) > self.waiting.get((tenant, ""), PLENTY) else ""
