"""Recomputes counters and cross-references from what is stored, in bounded steps, while workers run.

Every script looks at one moment at all that it compares, so what it tells is wrong and not merely moving. What can't be
seen at once is looked for first in steps, as a hint, and only what doesn't fit the hint is counted exactly. To repair, the
same script is called once more as a call that changes something: it looks again, and mends what it finds then.

The order matters for repairing: leases and running tasks, then indexes and lists in their lines, then batches, then the
accounts that sum them up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from taskproc.errors import ServerRefused
from taskproc.findings import AuditDifference, AuditReport
from taskproc.ids import BATCH_LENGTH, is_batch_id
from taskproc.keys import key
from taskproc.store.accounts import Accounts
from taskproc.store.differences import HOPELESS, difference, unsure
from taskproc.store.ledger import Ledger
from taskproc.store.listaudit import Lists
from taskproc.store.lockaudit import UniqueLocks
from taskproc.store.reading import chunks
from taskproc.store.scripts import Reply, Scripts, to_json
from taskproc.store.wire import Wire

T = TypeVar("T")

LOOK = to_json([])
BATCHES, ENTRIES = 20, 100
LOOKS = 5
KINDS = ("aside", "dead", "lane", "lim", "out", "park", "q", "ring", "t", "tb", "tq", "tqs", "ts")
LIMITS, SCHEDULES, OUTSIDE = 20, 100, 50
STAGED_MS = 2 * 3_600_000
"""A segment that nobody has added to for so long was left to pruning for an hour, and not pruned."""


class Audit:
    """One audit of an instance."""

    def __init__(self, wire: Wire, prefix: str, scripts: Scripts, ledger: Ledger, patience: float, repair: bool) -> None:
        self.scripts = scripts
        self.repair = repair
        self.lists = Lists(self)
        self.extra: Counter[tuple[str, str]] = Counter()
        self.runs: Counter[tuple[str, str]] = Counter()
        self.known: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
        self._of_batch: Counter[str] = Counter()
        self._astray: Counter[str] = Counter()
        self._leased: set[str] = set()
        self._wire = wire
        self._prefix = prefix
        self._ledger = ledger
        self._patience = patience
        self._found: dict[tuple[str, str, str], AuditDifference] = {}
        self._unsure: dict[str, None] = {}
        self._batches = 0

    async def run(self) -> AuditReport:
        """Look at everything, and mend what can be mended where that is wanted."""
        await self._survey()
        await self._leases()
        running = await self.count_running()
        await self._indexes()
        await self.lists.run()
        await self._limits()
        await self._outside()
        await self._records()
        accounts = Accounts(self)
        await accounts.run()
        await UniqueLocks(self).run()
        await self._schedules()
        return AuditReport(
            tuple(self._found.values()), tuple(self._unsure), self._batches, accounts.queues, accounts.tenants, running
        )

    async def ask(self, script: Callable[..., Awaitable[Reply]], *args: Any) -> Reply:
        """A script's answer; where it tells of something that can be mended, and is to be, that of its mending."""
        reply = await script(LOOK, *args)
        if self.repair and any(isinstance(entry, list) and len(entry) > 5 and entry[5] == 0 for entry in reply):
            reply = await self._ledger.call(lambda call: script(call, *args))
        return reply

    async def parts(
        self, some: list[T], send: Callable[[list[T]], Awaitable[Reply]], name: Callable[[T], str]
    ) -> AsyncIterator[Reply]:
        """What a script answers about several; where keys of one can't be used, what it answers about each of the others."""
        try:
            reply = await send(some)
        except ServerRefused:
            if len(some) == 1:
                self.broken(name(some[0]))
                return
        else:
            yield reply
            return
        for one in some:
            async for reply in self.parts([one], send, name):
                yield reply

    def broken(self, what: str) -> None:
        """Keep that something could not be looked at."""
        self.note([[b"unsure", b"broken", what.encode()]])

    def note(self, entries: Iterable[Any]) -> None:
        """Keep the findings of an answer."""
        for entry in entries:
            if isinstance(entry, list) and len(entry) > 5:
                one = difference(entry)
                self._found[one.kind, one.subject, one.found] = one
            elif isinstance(entry, list) and entry[0] == b"unsure":
                self._unsure[unsure(entry)] = None

    async def names(self, pattern: str) -> AsyncIterator[list[str]]:
        """The names of keys after the prefix, a page at a time; one may come twice."""
        cursor, match = b"0", key(_plain(self._prefix), pattern)
        while True:
            cursor, found = await self._wire.command("SCAN", cursor, "MATCH", match, "COUNT", 1000, patience=self._patience)
            yield [name.decode("utf-8", "replace")[len(self._prefix) :] for name in found]
            if cursor == b"0":
                return

    async def members(self, *parts: str) -> AsyncIterator[str]:
        """The members of a sorted set."""
        cursor, name = b"0", key(self._prefix, *parts)
        while True:
            try:
                cursor, found = await self._wire.command("ZSCAN", name, cursor, "COUNT", 500, patience=self._patience)
            except ServerRefused:
                self.broken(f"index {' '.join(parts)}")
                return
            for member in found[::2]:
                yield member.decode("utf-8", "replace")
            if cursor == b"0":
                return

    async def set_of(self, name: str) -> list[str]:
        """The members of a small set."""
        try:
            found = await self._wire.command("SMEMBERS", key(self._prefix, name), patience=self._patience)
        except ServerRefused:
            self.broken(f"set {name}")
            return []
        return [member.decode("utf-8", "replace") for member in found]

    async def _survey(self) -> None:
        """Find queues, tenants and lines, in one look through all names but those of batches."""
        async for page in self.names("[^b]*"):
            for name in page:
                kind, _, rest = name.partition(":")
                if kind in self.known:
                    self.known[kind][rest] = None

    async def _leases(self) -> None:
        cursor = "0"
        while True:
            reply = await self.ask(self.scripts.audit_leases, cursor)
            cursor, ids = reply[0].decode(), reply[1].decode()
            self._leased.update(ids[n : n + 32] for n in range(0, len(ids), 32))
            self.note(reply[2:])
            self._astray.update(entry[1][:BATCH_LENGTH].decode() for entry in reply[2:] if entry[5] == HOPELESS)
            if cursor == "0":
                return

    async def count_running(self) -> int:
        """Count the running tasks of batches, and of tenants in queues; those that nobody has leased are looked at."""
        cursor, seen = "0", dict[str, tuple[str, str]]()
        while True:
            reply = await self.scripts.audit_run(cursor)
            seen |= {task.decode(): (queue.decode(), _text(tenant)) for task, queue, tenant in reply[1:]}
            cursor = reply[0].decode()
            if cursor == "0":
                break
        self._of_batch = self._astray + Counter(task[:BATCH_LENGTH] for task in seen)
        self.runs = Counter(seen.values())
        astray = [task.encode() for task in seen if task not in self._leased]
        for some in chunks(astray, ENTRIES):
            reply = await self.ask(self.scripts.audit_entries, *some)
            self.note(reply)
        return len(seen)

    async def _limits(self) -> None:
        names = [*self.known["lim"], *self.known["park"]]
        limits = dict.fromkeys(name.partition(":")[0] for name in names)
        queues = (name for name in names if ":" in name)
        for some in chunks((name.encode() for name in [*queues, *limits]), LIMITS):
            async for reply in self.parts(
                some, lambda names: self.ask(self.scripts.audit_limits, *names), lambda name: f"limit {_text(name)}"
            ):
                self.note(reply)

    async def _outside(self) -> None:
        places = [name.partition(":")[::2] for name in self.known["aside"]]
        for tenant in filter(None, self.known["out"]):
            places += [(queue, tenant) for queue in await self.set_of(f"out:{tenant}")]
        for some in chunks(dict.fromkeys(places), OUTSIDE):
            async for reply in self.parts(
                some,
                lambda places: self.ask(self.scripts.audit_out, to_json(places)),
                lambda p: f"queue {p[0]}, tenant {p[1]}",
            ):
                self.note(reply)

    async def _indexes(self) -> None:
        for index in ("settled", "delayed", "staging", "cx", "tenants", "idle", "schedules", "coded", "over"):
            await self._index(index, "")
        for index in ("dead", "tb", "ts"):
            for of in self.known[index]:
                await self._index(index, of)

    async def _schedules(self) -> None:
        async for page in self.names("s:*"):
            for some in chunks((name[2:].encode() for name in page), SCHEDULES):
                self.note(await self.ask(self.scripts.audit_schedules, *some))

    async def _index(self, index: str, of: str) -> None:
        cursor = "0"
        while True:
            try:
                reply = await self.ask(self.scripts.audit_index, index, of, STAGED_MS, cursor)
            except ServerRefused:  # a key of a wrong type: all else is looked at all the same
                self.broken(f"index {index} {of}".rstrip())
                return
            self.note(reply[1:])
            cursor = reply[0].decode()
            if cursor == "0":
                return

    async def _records(self) -> None:
        async for page in self.names("b:*"):
            for some in chunks((name[2:] for name in page if is_batch_id(name[2:])), BATCHES):
                self._batches += len(some)
                async for reply in self.parts(some, self._hinted, _batch_name):
                    self.note(entry for entry in reply if entry[0] == b"unsure")
                    for batch in dict.fromkeys(entry[1] for entry in reply[1:] if entry[0] != b"unsure"):
                        async for found in self.parts([batch.decode()], self._record, _batch_name):
                            self.note(found)

    async def _hinted(self, batches: list[str]) -> Reply:
        return await self.scripts.audit_batches(LOOK, 0, to_json([(batch, self._of_batch[batch], "") for batch in batches]))

    async def _record(self, batches: list[str]) -> Reply:
        """Look at a batch exactly; where too many of its tasks run for that, count in steps while none comes or goes."""
        [batch], version, reply = batches, "", Reply()
        for _ in range(LOOKS):
            reply = await self.ask(self.scripts.audit_batches, 1, to_json([(batch, self._of_batch[batch], version)]))
            moving = [entry for entry in reply[1:] if entry[0] == b"unsure"]
            if not moving:
                break
            version = moving[0][3].decode()
            await self.count_running()
        return reply


def _batch_name(batch: str) -> str:
    return f"batch {batch}"


def _plain(prefix: str) -> str:
    """A prefix as a pattern that means nothing else."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in prefix)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
