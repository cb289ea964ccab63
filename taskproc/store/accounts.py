"""The part of an audit that holds accounts against what they sum up: tenants in queues, queues, tenants."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from taskproc.store.scripts import Reply, to_json

if TYPE_CHECKING:
    from taskproc.store.audit import Audit

AT_ONCE = 20
LOOKS = 5
MOST_TENANTS = 5_000

Place = tuple[str, str]
"""A queue and a tenant."""


class Accounts:
    """Looks at the accounts, once lines and batches were looked at."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.queues = 0
        self.tenants = 0

    async def run(self) -> None:
        """Look at all of them."""
        await self._places()
        await self._queues()
        await self._tenants()

    async def _places(self) -> None:
        seen: set[Place] = set()
        some: list[Place] = []
        async for place in self._every_place():
            if place not in seen:
                seen.add(place)
                some.append(place)
            if len(some) == AT_ONCE:
                await self._look(some)
                some = []
        await self._look(some)

    async def _every_place(self) -> AsyncIterator[Place]:
        for name in [*self._audit.known["tq"], *self._audit.known["lane"]]:
            queue, _, tenant = name.partition(":")
            yield queue, tenant
        for queue in self._audit.known["ring"]:
            async for tenant in self._audit.members("ring", queue):
                yield queue, tenant
        for queue, tenant in self._audit.runs:
            if tenant:
                yield queue, tenant

    async def _look(self, places: list[Place]) -> None:
        async for reply in self._audit.parts(places, self._hinted, _name):
            for place in dict.fromkeys(_place(entry) for entry in reply[1:]):
                async for found in self._audit.parts([place], self._count, _name):
                    self._audit.note(found)

    async def _hinted(self, places: list[Place]) -> Reply:
        hints = to_json([(*place, self._audit.runs[place], self._audit.extra[place], "", 0) for place in places])
        return await self._audit.scripts.audit_accounts(to_json([]), 0, hints) if places else Reply()

    async def _count(self, places: list[Place]) -> Reply:
        """Count exactly; where there is too much for that, count in steps, and hold against an account that stood still."""
        [place], version, ready, reply = places, "", Counter[Place](), Reply()
        for _ in range(LOOKS):
            asked = to_json([(*place, self._audit.runs[place], self._audit.extra[place], version, ready[place])])
            reply = await self._audit.ask(self._audit.scripts.audit_accounts, 1, asked)
            waiting = {entry[1]: entry[4] for entry in reply[1:] if entry[0] == b"unsure"}
            if not waiting:
                break
            version = next(iter(waiting.values())).decode()
            await self._audit.count_running()
            if b"line" in waiting:
                ready = await self._audit.lists.count_ready()
        return reply

    async def _queues(self) -> None:
        used = (name.partition(":")[0] for name in self._audit.known["tq"])
        left = list(dict.fromkeys([*self._audit.known["q"], *used]))
        self.queues = len(left)
        for _ in range(LOOKS):
            counted: dict[str, int] = {}
            for name in left:
                async for reply in self._audit.parts([name], self._counted, lambda name: f"queue {name}"):
                    counted[name] = reply[1]
            left = list(counted)
            users = await self._users(set(left))
            moved = []
            for name in left:
                if len(users[name]) > MOST_TENANTS:
                    self._audit.note([[b"unsure", b"queue_tenants", name]])
                    continue
                known = {name: (counted[name], users[name])}
                async for reply in self._audit.parts([name], partial(self._held, known), lambda name: f"queue {name}"):
                    self._audit.note(reply[3:])
                    moved += [name] if reply[2] else []
            left = moved
        self._audit.note([b"unsure", b"moved", f"queue {name}"] for name in left)

    async def _counted(self, names: list[str]) -> Reply:
        return await self._queue(names[0], -1, [])

    async def _held(self, known: Mapping[str, tuple[int, list[bytes]]], names: list[str]) -> Reply:
        return await self._queue(names[0], *known[names[0]])

    async def _queue(self, name: str, known: int, users: list[bytes]) -> Reply:
        return await self._audit.ask(self._audit.scripts.audit_queue, name, known, *users)

    async def _users(self, queues: set[str]) -> dict[str, list[bytes]]:
        found: dict[str, dict[bytes, None]] = {name: {} for name in queues}
        async for page in self._audit.names("tq*"):
            for name in page:
                kind, _, rest = name.partition(":")
                queue, _, tenant = rest.partition(":")
                if kind == "tq" and queue in queues:
                    found[queue][tenant.encode()] = None
                if kind == "tqs":  # one whose account is gone
                    for used in queues.intersection(await self._audit.set_of(name)):
                        found[used][rest.encode()] = None
        return {queue: list(users) for queue, users in found.items()}

    async def _tenants(self) -> None:
        tenants = dict.fromkeys([*self._audit.known["t"], *self._audit.known["tb"], *self._audit.known["tqs"]])
        for tenant in tenants:
            async for reply in self._audit.parts([tenant], self._tenant, lambda tenant: f"tenant {tenant}"):
                self._audit.note(reply)
        self.tenants = len(tenants)

    async def _tenant(self, tenants: list[str]) -> Reply:
        [tenant] = tenants
        for _ in range(LOOKS):
            skip, total, version = 0, 0, ""
            while True:
                reply = await self._audit.ask(self._audit.scripts.audit_tenant, tenant, skip, total, version)
                if reply[0] != b"more":
                    break
                skip, total, version = int(reply[1]), int(reply[2]), reply[3].decode()
            if reply[0] == b"ok":
                return reply
        return [[b"unsure", b"moved", f"tenant {tenant}"]]


def _name(place: Place) -> str:
    return f"queue {place[0]}, tenant {place[1]}"


def _place(entry: Reply) -> Place:
    at = 2 if entry[0] == b"unsure" else 1
    return entry[at].decode(), entry[at + 1].decode("utf-8", "replace")
