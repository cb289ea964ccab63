"""What each step of a purge leaves of a tenant in the model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.parts import Batch

if TYPE_CHECKING:
    from tests.model import Model


class Purges:
    """Takes away what tenants have."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.history = Counter[tuple[str, str]]()
        """By queue and how they ended: tasks of tenants that history has forgotten, and their queue has not."""

    def batches(self, tenant: str) -> list[Batch]:
        """A tenant's batches, its open one too."""
        return [batch for batch in self.model.batches.values() if batch.tenant == tenant]

    def runs(self, tenant: str) -> bool:
        """Whether any of its tasks run, cancelled ones too."""
        return any(task.state == "running" and task.batch.tenant == tenant for task in self.model.tasks.values())

    def all(self, tenant: str) -> None:
        """Everything goes of a tenant whose tasks don't run."""
        self.schedules(tenant)
        for task in [task for task in self.model.tasks.values() if task.batch.tenant == tenant]:
            if task.batch.state == "open":
                self.model.cancel_task(task.id, tenant)
        for kind in ("uniq", "idem"):
            self.loose(tenant, kind)
        for batch in self.batches(tenant):
            if batch.state != "open":
                assert self.batch(batch)
        self.loose(tenant, "sum")
        assert self.tenant(tenant) == "ok"
        self.rules(tenant)

    def schedules(self, tenant: str) -> int:
        """Its schedules go; how many."""
        known = self.model.schedules.known
        mine = [key for key, one in known.items() if one.tenant == tenant]
        for key in mine:
            del known[key]
        return len(mine)

    def loose(self, tenant: str, kind: str) -> None:
        """What names it by a batch that is there goes: unique locks, idempotency keys; or its history."""
        model, mine = self.model, {batch.id for batch in self.batches(tenant)}
        if kind == "uniq":
            model.locks = {digest: lock for digest, lock in model.locks.items() if lock[0][:22] not in mine}
        elif kind == "idem":
            model.idem = {key: made for key, made in model.idem.items() if made[:22] not in mine}
        else:
            for place in [place for place in model.history if place[1] == tenant]:
                self.history[place[0], place[2]] += model.history.pop(place)

    def batch(self, batch: Batch) -> bool:
        """A batch is cancelled, fires nothing and goes; False where its tasks still run, and it stays for a while."""
        if batch.state == "running":
            batch.continuations = []
            self.model.stop(batch)
        if any(task.zombie for task in self.model.of(batch)):
            batch.settled_at = self.model.now + 1_000
            return False
        self.model.forget(batch)
        return True

    def tenant(self, name: str) -> str:
        """The tenant itself goes, with its open batch; the status."""
        mine = self.batches(name)
        if any(batch.state != "open" for batch in mine) or any(t.state != "dead" for b in mine for t in self.model.of(b)):
            return "busy"
        for batch in mine:
            self.model.forget(batch)
        self.model.tenants.pop(name, None)
        self.model.schedules.most.pop(f"t{name}", None)
        return "ok"

    def rules(self, tenant: str) -> None:
        """What was said of it goes."""
        rules = self.model.rules
        rules.states.pop(tenant, None)
        for said in (rules.running, rules.waiting):
            for place in [place for place in said if place[0] == tenant]:
                del said[place]
