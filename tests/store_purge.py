"""What the model-based test does when tenants are purged: steps in their order or in any other, and all of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from taskproc.journal import noted
from taskproc.store.control import Control
from taskproc.store.ledger import Ledger
from taskproc.store.purging import BATCH, Purging
from taskproc.store.queues import Queues
from taskproc.store.scripts import Scripts
from taskproc.store.statistics import Statistics
from taskproc.store.wire import Wire
from tests.parts import QUEUES, TENANTS
from tests.store_calls import own, tasks, tenants
from tests.store_control import ENTRY, StoreControl
from tests.store_machine import PREFIX
from tests.summing import Died, Scripted
from tests.thrifty import Thrifty

BEGIN, SCHEDULES, STOP, WAITING, CANCEL, UNIQ, IDEM, SUM, TICKETS, BATCHES, TENANT, END = STEPS = range(12)
"""The steps of a purge, in their order."""

ALONE, TWO = 10**6, -1
DIGESTS = ("idem", "uniq", "uniqends")
"""Keys that go by digests, which in this test have the tenant's name in them."""


class Calls:
    """The scripts and commands of one purge, which others take turns with. It dies after so many of them."""

    def __init__(self, call: Callable[..., Any], client: Thrifty, most: int) -> None:
        self._call = call
        self._client = client
        self._left = most

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            await self._turn()
            return self._call(name, *args)

        return call

    async def command(self, *parts: Any, patience: float) -> Any:
        """A command. All keys are one page, by name: how a server has them is not the same each time."""
        assert patience
        await self._turn()
        if parts[0] == "SCAN":
            return [b"0", sorted(self._client.keys(PREFIX + "*"))]
        [answer] = self._client.at_once([parts])
        return answer

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        self._left -= 1
        if self._left < 0:
            raise Died


class StorePurge(StoreControl):
    """Purges tenants."""

    def __init__(self) -> None:
        super().__init__()
        self.stands = dict.fromkeys(TENANTS, 0)
        """Which step of a tenant's purge is next."""

    @rule(tenant=tenants, count=st.sampled_from([1, 1, 2, 4, 12]), at=st.sampled_from([None, None, *STEPS]),
          skip=st.sampled_from([0, 0, 0, 1]))  # fmt: skip
    def purge_on(self, tenant: str, count: int, at: int | None, skip: int) -> None:
        """A purge goes on for some steps, or another that stands elsewhere."""
        first = self.stands[tenant] if at is None else at
        for step in STEPS[first : first + count]:
            self.stands[tenant] = (step + 1) % len(STEPS)
            if not self.purge_step(tenant, step, skip):
                self.stands[tenant] = STOP
                break

    def purge_step(self, tenant: str, step: int, skip: int) -> bool:
        """One step; False where it can't be done yet."""
        if step == BEGIN:
            assert self.once("purge_begin", self.ledger(), tenant, ENTRY) == [b"ok"]
            self.model.rules.states[tenant] = "draining"
            self.go_by_rules(tenant)  # one that was paused stands out of line until somebody looks
        elif step == SCHEDULES:
            answer = self.once("purge_schedules", self.ledger(), tenant)
            assert answer == [b"ok", self.model.purges.schedules(tenant), 0]
        elif step == STOP:
            self.tell_to_stop(tenant, "", batches=False)
        elif step == WAITING:
            for one in self.owned(tenant, "r", "d"):
                if self.model.batches[one[0][:22]].state == "open":
                    self.cancel_first(tenant, one, 100)
        elif step == CANCEL:
            self.cancel_batches(tenant, fires=False)
        elif step in (UNIQ, IDEM, SUM):
            self.purge_loose(tenant, step)
        elif step == TICKETS:
            for queue in QUEUES:
                looked = self.client.llen(f"{PREFIX}fifo:{queue}")
                answer = self.once("purge_tickets", self.ledger(), tenant, queue, 0)
                assert (answer[0], answer[2]) == (b"ok", looked)
        elif step == BATCHES:
            self.purge_batches(tenant, skip)
        elif step == TENANT:
            return self.purge_itself(tenant)
        else:
            assert self.once("purge_end", self.ledger(), tenant, ENTRY, 0) == [b"ok"]
            self.model.purges.rules(tenant)
            self.go_by_rules(tenant)
        return True

    def purge_loose(self, tenant: str, step: int) -> None:
        """What the tenant has in keys of all goes; the step is told of the other's, too."""
        mine = {batch.id.encode() for batch in self.model.purges.batches(tenant)}
        if step == UNIQ:
            found = self.client.hgetall(PREFIX + "uniq")
            kind, members = "uniq", sorted(found)
            count = sum(task[:BATCH] in mine for task in found.values())
        elif step == IDEM:
            kind, members = "idem", [digest.encode() for digest in self.model.idem]
            count = sum(made[:BATCH].encode() in mine for made in self.model.idem.values())
        else:
            asyncio.run(Scripted(self.call).statistics().catch_up())
            kind, members = "sum", self.sums()
            count = sum(member.endswith(b"\0" + tenant.encode()) for member in members)
        for at in range(0, len(members), 250):
            answer = self.once("purge_loose", self.ledger(), tenant, kind, *members[at : at + 250])
            assert answer[0] == b"ok"
            count -= answer[1]
        assert count == 0
        self.model.purges.loose(tenant, kind)

    def sums(self) -> list[bytes]:
        """All sums, by period and field."""
        names = sorted(self.client.keys(PREFIX + "sum:*"))
        start = len(PREFIX + "sum:")
        return [name[start:] + b"\n" + field for name in names for field in sorted(self.client.hkeys(name))]

    def purge_batches(self, tenant: str, skip: int) -> None:
        """Batches go, but for the first ones, those whose tasks run, and those that are too many for one call."""
        order = [id.decode() for id in self.client.zrange(f"{PREFIX}tb:{tenant}", 0, -1)]
        status, ids, left, over = self.once("purge_batches", self.ledger(), tenant, skip)
        gone = [ids[at : at + BATCH].decode() for at in range(0, len(ids), BATCH)]
        looked = order[skip : skip + len(gone) + left]
        assert (status, over) == (b"ok", skip + left >= len(order) - len(gone))
        assert len(looked) >= min(10, len(order) - skip)
        assert [id for id in looked if self.model.purges.batch(self.model.batches[id])] == gone

    def purge_itself(self, tenant: str) -> bool:
        """The tenant goes, if it may."""
        home = self.model.tenants[tenant].home if tenant in self.model.tenants else ""
        answer = self.once("purge_tenant", self.ledger(), tenant)
        if self.model.purges.tenant(tenant) == "ok":
            assert answer == [b"ok", home.encode()]
            return True
        assert answer == [b"busy"]
        self.answered.pop()  # which isn't remembered: the same call may do it later
        return False

    @precondition(lambda self: self.seen % 4 == 0)  # it takes as many calls as fifty other rules
    @rule(data=st.data(), most=st.sampled_from([ALONE, TWO, 2, 8, 16, 24, 32]), staged=tasks)
    def purge(self, data: st.DataObject, most: int, staged: list[Any]) -> None:
        """All of a tenant goes of which nothing runs, and what is staged of an append: at once, by two at the same time, or
        by one who comes after another has died."""
        still = [tenant for tenant in self.stands if not self.model.purges.runs(tenant)]
        if not still:
            return
        tenant = data.draw(st.sampled_from(still), label="purged")
        self.stands[tenant] = 0
        batches = [batch.id for batch in self.model.purges.batches(tenant)]
        if batches:
            self.stage(f"{batches[0]}+{self.name(10)}", own(staged, 10**9 - 10, tenant), 1)
        names = [name.encode() for name in [tenant, *batches]]
        asyncio.run(self.purge_wholly(tenant, most))
        self.model.purges.all(tenant)
        assert [name for name, value in self.state().items() if mentions(name, value, names)] == []

    async def purge_wholly(self, tenant: str, most: int) -> None:
        """Purge as users do. ``most``: so many calls are made by one who dies, or there are two."""
        if most == TWO:
            await asyncio.gather(self.purging(ALONE, tenant), self.purging(ALONE, tenant))
            return
        with suppress(Died):
            await self.purging(most, tenant)
        await self.purging(ALONE, tenant)

    async def purging(self, most: int, tenant: str) -> None:
        """One purge."""
        calls, ledger = Calls(self.ticking, self.client, most), Ledger()
        ledger.producer = self.name(22)
        scripts, wire = cast(Scripts, calls), cast(Wire, calls)
        control, queues = Control(scripts, ledger), Queues(scripts, ledger, None)
        purging = Purging(wire, PREFIX, scripts, ledger, control, queues, 5, Statistics(scripts))
        report = await purging.purge(tenant, noted("model", "purge_tenant", tenant), 0)
        assert report.is_gone, report

    def ticking(self, script: str, *args: Any) -> Any:
        """Call a script; many of them take longer than a millisecond."""
        self.go_on_ticking()
        return self.call(script, *args)


def mentions(name: str, value: Any, names: list[bytes]) -> bool:
    """Whether a key names a tenant, the first of some names, or one of its batches."""
    kind = name.partition(":")[0]
    if kind == "journal":
        return False
    said = (name.encode() if kind != "idem" else b"") + orjson.dumps(texts(value))
    return any(each in said for each in (names[1:] if kind in DIGESTS or name.endswith(":u") else names))


def texts(value: Any) -> Any:
    """What a key holds, as texts."""
    if isinstance(value, dict):
        return [[texts(part), texts(said)] for part, said in value.items()]
    if isinstance(value, list):
        return [texts(part) for part in value]
    return value.decode("utf-8", "replace")
