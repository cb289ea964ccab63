"""What the model-based test does to whole tenants: steps of cancelling all, of telling what runs to stop, and of moving."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.parts import QUEUES
from tests.store_calls import queues, tenants
from tests.store_machine import PREFIX
from tests.store_rules import StoreRules

ENTRY = '{"actor":"model","id":"m"}'
List = tuple[str, str, str]
"""Segment, kind and queue."""


class StoreControl(StoreRules):
    """Does what operators do to tenants."""

    def owned(self, tenant: str, *kinds: str) -> list[List]:
        """A tenant's lists of tasks, as they are stored; those that the script tells are just these."""
        lists = self.last.lists.items()
        found = [one for one, tasks in lists if self.model.batches[one[0][:22]].tenant == tenant and any(tasks)]
        after, until, *told = self.call("tenant_lists", tenant, "", "", "")
        while after:
            after, until, *more = self.call("tenant_lists", tenant, "", after, until)
            told += more
        assert sorted(tuple(part.decode() for part in one[:3]) for one in told) == sorted(found)
        return [one for one in found if one[1] in kinds]

    def first(self, tenant: str, one: List, count: int) -> list[tuple[str, bytes]]:
        """The first tasks of a list: ids and bodies, as the script reads them."""
        looked, _, _, *found = self.call("tasks_read", tenant, *one, 0, count, 0)
        assert looked <= count
        return [(one[0][:22] + local.decode(), body) for _, local, body, _ in found]

    @rule(data=st.data(), tenant=tenants, count=st.integers(1, 4))
    def cancel_some(self, data: st.DataObject, tenant: str, count: int) -> None:
        """The first tasks of a list are cancelled."""
        if found := self.owned(tenant, "r", "d"):
            one = data.draw(st.sampled_from(found), label="list")
            ids = [id for id, _ in self.first(tenant, one, count)]
            answer = self.once("tasks_cancel", self.ledger(), tenant, *one, 0, count, ENTRY)
            assert answer[:2] == [b"ok", len(ids)]
            assert [self.model.cancel_task(id, tenant) for id in ids] == ["ok"] * len(ids)

    @rule(tenant=tenants, fires=st.booleans())
    def cancel_batches(self, tenant: str, fires: bool) -> None:
        """All batches of a tenant are cancelled."""
        order = [self.model.batches[id.decode()] for id in self.client.zrange(f"{PREFIX}tb:{tenant}", 0, -1)]
        answer = self.once("tenant_cancel", self.ledger(), tenant, "", "", int(fires), ENTRY)
        count = 0
        for batch in order:
            if batch.state == "running":
                count += self.model.remaining(batch)
                batch.continuations = batch.continuations if fires else []
                self.model.stop(batch)
        assert (answer[:3], answer[4]) == ([b"ok", count, b""], [])

    @rule(tenant=tenants, queue=st.sampled_from(["", *QUEUES]), batches=st.booleans())
    def tell_to_stop(self, tenant: str, queue: str, batches: bool) -> None:
        """What runs of a tenant is told to stop."""
        answer = self.once("tenant_stop", self.ledger(), tenant, queue, int(batches), "0", ENTRY)
        states = ("open", "running") if batches else ("open",)
        running = [
            t for t in self.model.tasks.values() if t.state == "running" and t.batch.tenant == tenant and not t.stopping
        ]
        told = [t for t in running if t.batch.state in states and t.queue == (queue or t.queue)]
        assert answer == [b"ok", b"0", len(told)]
        for task in told:
            task.stopping = True

    @rule(data=st.data(), tenant=tenants, to=queues, count=st.integers(1, 4), stale=st.booleans())
    def move(self, data: st.DataObject, tenant: str, to: str, count: int, stale: bool) -> None:
        """The first tasks of a list go to the other queue, but for one that isn't what it was."""
        if found := [one for one in self.owned(tenant, "r", "d", "x") if one[2] != to]:
            one = data.draw(st.sampled_from(found), label="list")
            some = self.first(tenant, one, count)
            parts: list[Any] = []
            for _, body in some:
                parts += [hashlib.sha1(body, usedforsecurity=False).hexdigest(), "", ""]
            if stale and some:
                parts[0], some = "0" * 40, some[1:]
            ids = orjson.dumps([id[22:] for id, _ in self.first(tenant, one, count)])
            answer = self.once("tasks_move", self.ledger(), tenant, *one, to, ids, count - 1, ENTRY, *parts)
            assert answer[:2] == [b"ok", len(some)]
            for id, _ in some:
                task = self.model.tasks[id]
                schedule = self.model.schedules.known.get(task.schedule)
                if schedule is not None and schedule.task == id + task.queue:
                    schedule.task = id + to
                task.queue = to
