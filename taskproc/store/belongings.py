"""A walk through all keys of an instance, page by page, that finds what belongs to one tenant.

A key is the tenant's by its name, or by the batch or schedule that it names. An entry of a key that all tenants share is the
tenant's by its name in it, or by the batch that the entry names. Whose a batch is its record tells; for batches that are
deleted the caller knows it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from taskproc.errors import ServerRefused
from taskproc.ids import BATCH_LENGTH
from taskproc.keys import KEYS, key
from taskproc.limits import OF_TENANT, key_name
from taskproc.store.reading import chunks
from taskproc.store.scripts import Scripts
from taskproc.store.wire import Wire

logger = logging.getLogger("taskproc")

AT_ONCE = 500
PAGE = 500

BY_BATCH = frozenset(
    {"leases", "cx", "settled", "staging", "unlock", "delayed", "dead", "park", "lim", "run", "uniq", "fifo"}
)
"""Keys of all tenants whose entries name batches: as what they begin with, in ``uniq`` as what their values begin with."""
BY_NAME = {"tenants": "", "idle": "", "ring": "", "out": "", "rules": "t:", "slimits": "t"}
"""Keys of all tenants whose entries name tenants, behind what goes before the name."""
TOLD = frozenset({"sum", "stats"})
"""Keys of all tenants with what was done by each."""
Found = Callable[[str, list[bytes]], Awaitable[None]]


@dataclass
class Belongings:
    """What a walk has found: names of keys, and entries of keys by kind; how many it has looked at."""

    keys: int = 0
    fields: int = 0
    looked: int = 0
    told: list[str] = field(default_factory=list)


class Walk:
    """One walk."""

    def __init__(self, wire: Wire, prefix: str, scripts: Scripts, patience: float, tenant: str, known: set[bytes]) -> None:
        """``known``: ids of the tenant's batches, deleted ones too."""
        self._wire = wire
        self._prefix = prefix
        self._scripts = scripts
        self._patience = patience
        self._name = tenant.encode()
        self._known = known
        self._key = key_name("tenant", tenant)
        self._limits = frozenset[bytes]()
        self._own = re.compile(b"|".join(_shapes(self._name)), re.DOTALL)
        self.found = Belongings()

    async def run(self, loose: Found | None = None, *, rules: bool = True) -> Belongings:
        """Walk through all. ``loose`` is called with what nothing else would delete; ``rules``: those count too."""
        self._limits = await self._own_limits()
        async for names in self._pages("SCAN", None, "MATCH", _plain(self._prefix) + "*", "COUNT", 1000):
            plain = [name[len(self._prefix) :] for name in names]
            self.found.looked += len(plain)
            mine = await self._mine(plain)
            self.found.keys += len(mine)
            self._tell(mine)
            if loose is not None:
                await self._loose_keys(mine, loose)
            for name in plain:
                kind = name.partition(b":")[0].decode("utf-8", "replace")
                if self._shared(name, kind, rules) and name not in mine:
                    await self._apart(name, kind, loose)
        return self.found

    @staticmethod
    def _shared(name: bytes, kind: str, rules: bool) -> bool:
        """Whether a key has entries of all tenants; of the sets of those that stand out of line only one has."""
        named = kind in BY_NAME and (rules or kind != "rules") and name[:4] != b"out:"
        return (named or kind in BY_BATCH or kind in TOLD) and _type(name) is not None

    async def _apart(self, name: bytes, kind: str, loose: Found | None) -> None:
        """Look through a key that all tenants share; one of a wrong type stops no purge."""
        try:
            await self._entries(name, kind, loose)
        except ServerRefused as error:
            logger.error("key %s can't be looked through: %s", name.decode("utf-8", "backslashreplace"), error)

    async def _own_limits(self) -> frozenset[bytes]:
        """The limits of handlers that hold for each tenant, as they are called for this one."""
        said: list[tuple[bytes, bytes]] = []
        async for page in self._members(key(self._prefix, "limits").encode(), "hash"):
            said += page
        return frozenset(name + b"." + self._key.encode() for name, words in said if _is_per_tenant(words))

    def _tell(self, names: Iterable[bytes]) -> None:
        told = (name.decode("utf-8", "backslashreplace") for name in names)
        self.found.told += list(told)[: max(0, 1_000 - len(self.found.told))]

    async def _mine(self, names: list[bytes]) -> list[bytes]:
        """Those keys that are the tenant's own."""
        batches = {name: name[2 : 2 + BATCH_LENGTH] for name in names if name[:2] == b"b:"}
        schedules = {name: name[2:] for name in names if name[:2] == b"s:"}
        idem = [name for name in names if name[:5] == b"idem:"]
        for some in chunks(idem, AT_ONCE):
            named = await self._scripts.purge_owners("idem", *(name[5:] for name in some))
            batches |= {name: batch for name, batch in zip(some, named, strict=True) if batch}
        of_batch = await self.owned(batches.values())
        of_schedule = await self._owned("s", schedules.values())
        return [
            name
            for name in names
            if batches.get(name) in of_batch
            or schedules.get(name) in of_schedule
            or self._own.fullmatch(name)
            or (name[:5] in (b"rate:", b"park:") and name.split(b":")[1] in self._limits)
        ]

    async def owned(self, ids: Iterable[bytes]) -> set[bytes]:
        """Those of some batches that are the tenant's."""
        wanted = set(ids) - {b""}  # a ticket that was taken names nobody
        return (wanted & self._known) | await self._owned("b", wanted - self._known)

    async def _owned(self, kind: str, ids: Iterable[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for some in chunks(ids, AT_ONCE):
            owners = await self._scripts.purge_owners(kind, *some)
            found |= {id for id, owner in zip(some, owners, strict=True) if owner == self._name}
        return found

    async def _loose_keys(self, mine: list[bytes], loose: Found) -> None:
        for kind in ("idem", "rate"):
            start = kind.encode() + b":"
            await loose(kind, [name[len(start) :] for name in mine if name.startswith(start)])

    async def _entries(self, name: bytes, kind: str, loose: Found | None) -> None:
        """Look through a key that all tenants share."""
        stored = self._prefix.encode() + name
        async for page in self._members(stored, _type(name) or ""):
            self.found.looked += len(page)
            if kind in TOLD:
                mine = [member for member, _ in page if self._tells(member, kind)]
            elif kind in BY_NAME:
                wanted = BY_NAME[kind].encode() + self._name
                mine = [member for member, _ in page if member == wanted]
            else:
                at = {member: (value if kind == "uniq" else member)[:BATCH_LENGTH] for member, value in page}
                owned = await self.owned(at.values())
                mine = [member for member, batch in at.items() if batch in owned or member == b"@" + self._name]
            self.found.fields += len(mine)
            self._tell(name + b" " + member for member in mine)
            if loose is not None and kind in ("uniq", "staging"):
                await loose(kind, mine)
            elif loose is not None and kind == "sum":
                await loose(kind, [name[4:] + b"\n" + member for member in mine])

    def _tells(self, member: bytes, kind: str) -> bool:
        """Whether a sum, or a record that is not summed up, is the tenant's."""
        if kind == "sum":
            return member.partition(b"\0")[2] == self._name
        with suppress(ValueError, TypeError, AttributeError):
            return self._name.decode() in orjson.loads(member)[2::7]
        return False

    async def _members(self, name: bytes, type_: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        if type_ == "list":
            at = 0
            while page := await self._command(
                "LRANGE", name, -at - PAGE, -at - 1
            ):  # from its end: what leaves shifts nothing
                at += len(page)
                yield [(member, b"") for member in page]
            return
        scan = {"hash": "HSCAN", "zset": "ZSCAN", "set": "SSCAN"}[type_]
        async for page in self._pages(scan, name, "COUNT", PAGE):
            yield [(m, b"") for m in page] if type_ == "set" else list(zip(page[::2], page[1::2], strict=True))

    async def _pages(self, command: str, name: bytes | None, *options: Any) -> AsyncIterator[list[bytes]]:
        cursor = b"0"
        while True:
            parts = [] if name is None else [name]
            cursor, found = await self._command(command, *parts, cursor, *options)
            yield found
            if cursor == b"0":
                return

    async def _command(self, *command: Any) -> Any:
        return await self._wire.command(*command, patience=self._patience)


def _type(name: bytes) -> str | None:
    """The type of a key's value, by its name; None for a name that no key of ours has."""
    parts = name.decode("utf-8", "replace").split(":")
    same = (each for each in KEYS if each.parts.count(":") == len(parts) - 1 and each.parts.split(":")[0] == parts[0])
    return next((each.type for each in same), None)


def _is_per_tenant(words: bytes) -> bool:
    with suppress(ValueError, AttributeError):
        return bool(orjson.loads(words).get("k") == OF_TENANT)
    return False


def _shapes(tenant: bytes) -> Iterable[bytes]:
    """Patterns of the names of keys that end in the tenant's."""
    for each in KEYS:
        parts = each.parts.split(":")
        if parts[-1] == "<tenant>":
            fixed = (b"[^:]*" if part.startswith("<") else re.escape(part.encode()) for part in parts[:-1])
            yield b":".join([*fixed, re.escape(tenant)])


def _plain(prefix: str) -> str:
    """A prefix as a pattern that means nothing else."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in key(prefix))
