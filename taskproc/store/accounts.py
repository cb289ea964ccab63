"""The part of an audit that holds accounts against what they sum up: tenants in queues, queues, tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
        for pattern in ("tq:*", "lane:*"):
            async for page in self._audit.names(pattern):
                for name in page:
                    _, queue, tenant = name.split(":", 2)
                    yield queue, tenant
        async for page in self._audit.names("ring:*"):
            for name in page:
                queue = name.partition(":")[2]
                async for tenant in self._audit.members("ring", queue):
                    yield queue, tenant
        for queue, tenant in self._audit.runs:
            if tenant:
                yield queue, tenant

    async def _look(self, places: list[Place]) -> None:
        hints = to_json([(*place, self._audit.runs[place], self._audit.extra[place], "") for place in places])
        reply = await self._audit.scripts.audit_accounts(to_json([]), 0, hints) if places else []
        odd = {(entry[1], entry[2]) for entry in reply[1:] if entry[0] != b"unsure"}
        self._audit.note(entry for entry in reply if entry[0] == b"unsure")
        for queue, tenant in odd:
            await self._count((queue.decode(), tenant.decode()))

    async def _count(self, place: Place) -> None:
        """Count exactly; where too many tasks run for that, count in steps, and hold against an account that stood still."""
        version, reply = "", Reply()
        for _ in range(LOOKS):
            asked = to_json([(*place, self._audit.runs[place], self._audit.extra[place], version)])
            reply = await self._audit.ask(self._audit.scripts.audit_accounts, 1, asked)
            waiting = [entry for entry in reply[1:] if entry[:2] == [b"unsure", b"running"]]
            if not waiting:
                break
            version = waiting[0][4].decode()
            await self._audit.count_running()
        self._audit.note(reply)

    async def _queues(self) -> None:
        names = [name[2:] async for page in self._audit.names("q:*") for name in page]
        left = list(dict.fromkeys(names))
        self.queues = len(left)
        for _ in range(LOOKS):
            counted = {name: (await self._queue(name, -1, []))[1] for name in left}
            users = await self._users(set(left))
            moved = []
            for name in left:
                if len(users[name]) > MOST_TENANTS:
                    self._audit.note([[b"unsure", b"queue_tenants", name]])
                    continue
                reply = await self._queue(name, counted[name], users[name])
                self._audit.note(reply[3:])
                moved += [name] if reply[2] else []
            left = moved
        self._audit.note([b"unsure", b"moved", f"queue {name}"] for name in left)

    async def _queue(self, name: str, known: int, users: list[bytes]) -> Reply:
        return await self._audit.ask(self._audit.scripts.audit_queue, name, known, *users)

    async def _users(self, queues: set[str]) -> dict[str, list[bytes]]:
        found: dict[str, dict[bytes, None]] = {name: {} for name in queues}
        async for page in self._audit.names("tq:*"):
            for name in page:
                _, queue, tenant = name.split(":", 2)
                if queue in queues:
                    found[queue][tenant.encode()] = None
        async for page in self._audit.names("tqs:*"):  # one whose tasks were all delayed so far has no account yet
            for name in page:
                for queue in await self._audit.set_of(name):
                    if queue in queues:
                        found[queue][name.removeprefix("tqs:").encode()] = None
        return {queue: list(users) for queue, users in found.items()}

    async def _tenants(self) -> None:
        seen: set[str] = set()
        for pattern in ("t:*", "tb:*", "tqs:*"):
            async for page in self._audit.names(pattern):
                for name in page:
                    tenant = name.partition(":")[2]
                    if tenant not in seen:
                        seen.add(tenant)
                        await self._tenant(tenant)
        self.tenants = len(seen)

    async def _tenant(self, tenant: str) -> None:
        for _ in range(LOOKS):
            skip, total, version = 0, 0, ""
            while True:
                reply = await self._audit.ask(self._audit.scripts.audit_tenant, tenant, skip, total, version)
                if reply[0] != b"more":
                    break
                skip, total, version = int(reply[1]), int(reply[2]), reply[3].decode()
            if reply[0] == b"ok":
                self._audit.note(reply)
                return
        self._audit.note([[b"unsure", b"moved", f"tenant {tenant}"]])
