"""Rules of tenants in the store and its model."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.parts import QUEUES, TENANTS
from tests.store_schedules import StoreSchedules
from tests.store_view import View

amounts = st.sampled_from([0, 1, 1, 2, 3, None, None])
tenants = st.sampled_from(TENANTS)
places = st.sampled_from(["", *QUEUES])


class StoreRules(StoreSchedules):
    """Sets what holds for tenants, and looks at who stands out of line."""

    def say(self, tenant: str, words: dict[str, Any]) -> None:
        """Set a rule, and let the tenant go on by it."""
        assert self.once("rules_set", self.ledger(), "tenant", tenant, orjson.dumps(words), "")[0] == b"ok"
        assert self.call("tenant_wake", tenant, "0") == [b"0"]
        if tenant not in self.model.rules.states:
            self.model.schedules.look_again(tenant)

    @rule(tenant=tenants, queue=places, most=amounts)
    def may_run(self, tenant: str, queue: str, most: int | None) -> None:
        """So many of a tenant's tasks may run at once."""
        words = {"m": False if most is None else most}
        self.model.rules.running.pop((tenant, queue), None)
        if most is not None:
            self.model.rules.running[tenant, queue] = most
        self.say(tenant, {"q": {queue: words}} if queue else words)

    @rule(tenant=tenants, queue=places, most=st.sampled_from([0, 3, 6, None, None, None]))
    def may_wait(self, tenant: str, queue: str, most: int | None) -> None:
        """So many of a tenant's tasks may wait."""
        words = {"n": -1 if most is None else most}
        self.model.rules.waiting.pop((tenant, queue), None)
        if most is not None:
            self.model.rules.waiting[tenant, queue] = most
        self.say(tenant, {"q": {queue: words}} if queue else words)

    @rule(tenant=tenants, state=st.sampled_from(["paused", "draining", "", ""]))
    def rests(self, tenant: str, state: str) -> None:
        """A tenant is paused, or drained, or goes on."""
        self.model.rules.states.pop(tenant, None)
        if state:
            self.model.rules.states[tenant] = state
        self.say(tenant, {"s": state or False})

    @rule(tenant=tenants, weight=st.sampled_from([0.1, 1, 3, False]))
    def weighs(self, tenant: str, weight: float) -> None:
        """A tenant's share changes, and nothing of what it has."""
        self.say(tenant, {"w": weight})

    @rule()
    def look_at_all(self) -> None:
        """What upkeep does now and then changes nothing, but forgets who stands outside with nothing ready."""
        before = self.lasting()
        assert self.call("tenants_wake", "out", "0") == [b"0", []]
        assert self.call("tenants_wake", "all", "0") == [b"0", []]
        assert self.lasting() == before

    def lasting(self) -> dict[str, Any]:
        """All that stays when somebody looks again."""
        state = dict(self.state())
        for name, value in state.items():
            if name.startswith("tq:"):
                state[name] = {field: n for field, n in value.items() if field not in (b"weight", b"probe")}
        moved = ("out", "aside", "fifo", "ring", "wake")
        return {name: value for name, value in state.items() if name.split(":")[0] not in moved}

    def compare_rules(self, view: View) -> None:
        """Whoever stands out of line has no room, or a ticket of its in line, and somebody knows of it."""
        known = view.names("out")
        for tenant in TENANTS:
            queues = view.names(f"out:{tenant}")
            assert not queues or tenant in known
            for queue, line in view.lines.items():
                assert queue in queues or f"aside:{queue}:{tenant}" not in view.keys
                if queue not in queues:
                    continue
                assert tenant not in line.ring
                if self.model.count(queue, "ready", tenant=tenant) and self.model.rules.room(tenant, queue):
                    assert queue in self.model.fifo
                    assert line.fifo
