"""How many tasks of a model are where, counted once for all that is compared after a step."""

from __future__ import annotations

from collections import Counter

from tests.model import Model
from tests.parts import QUEUES, STATES, TENANTS


class Tally:
    """Counts of a moment."""

    def __init__(self, model: Model) -> None:
        self.counts = {(queue, tenant): dict.fromkeys(STATES, 0) for queue in QUEUES for tenant in ("", *TENANTS)}
        """Tasks by state, in queues and of tenants in queues."""
        self.left = Counter[str]()
        """By batch: those that have not settled."""
        self.zombies = Counter[str]()
        self.running: dict[str, set[str]] = {}
        """Tasks by their limit."""
        self.tenants = Counter[str]()
        """Those that have not settled."""
        for task in model.tasks.values():
            batch = task.batch
            self.counts[task.queue, ""][task.state] += 1
            self.counts[task.queue, batch.tenant][task.state] += 1
            if task.zombie:
                self.zombies[batch.id] += 1
            elif task.state != "dead":
                self.left[batch.id] += 1
            if task.state == "running":
                self.running.setdefault(task.limit, set()).add(task.id)
        for batch in model.batches.values():
            self.tenants[batch.tenant] += self.left[batch.id]
