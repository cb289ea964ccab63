"""Statistics: records of steps are summed up to minutes and hours, which can be asked for.

Summing up is done by whoever comes to it, a worker or a reader, and is exactly once whoever dies: records stay in their list
until the last part of what they come to is written, each part is written only by who knows how far the others are, and parts
follow from the records alone, so that somebody else can go on in the middle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from taskproc.history import Sum, Tally
from taskproc.store.reading import whole
from taskproc.store.scripts import Scripts

MINUTE, HOUR = 60, 3_600
SPANS = {"m": MINUTE, "h": HOUR}
AT_ONCE = 2_000
"""Records that are summed up together."""

PAGE, PART, QUEUES, LOOKUPS = 500, 300, 1_000, 5_000
LOOKS = 50
REST_MS = 1_000
"""How long after another has summed up there is no hurry."""

ALL = b""
"""The tenant whose sums are those of a queue."""


@dataclass(frozen=True, slots=True)
class Left:
    """How summing up stands: ``size`` records are left, ``dropped`` were too many, ``rested``: it is time again."""

    now_ms: int
    turn: str
    part: int
    taken: int
    size: int
    dropped: int
    rested: bool


def field_of(queue: bytes, tenant: bytes) -> bytes:
    """What the sums of a tenant in a queue go by."""
    return queue + b"\0" + tenant


class Statistics:
    """Sums up, and reads sums."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def sum_up(self, hurry: bool = False) -> bool:
        """Sum up what there is, a bounded number of records; whether there may be more."""
        left, records = await self._page(0, PAGE)
        if not left.size or not (hurry or left.rested or left.part or left.size >= AT_ONCE):
            return False
        most = left.taken or min(left.size, AT_ONCE)
        while len(records) < most:
            again, more = await self._page(len(records), min(PAGE, most - len(records)))
            if again.turn != left.turn or not more:
                return True
            records += more
        taken = records[:most]
        parts = await _parts(taken)
        for at in range(left.part, len(parts)):
            if not await self._put(left, at, len(taken), parts[at], last=at == len(parts) - 1):
                return True
        return left.size > len(taken)

    async def catch_up(self) -> None:
        """Sum up all that there is by now, as far as others don't do it just now."""
        for _ in range(LOOKS):
            if not await self.sum_up(hurry=True):
                return

    async def _page(self, skip: int, take: int) -> tuple[Left, list[bytes]]:
        now, turn, part, taken, at, size, dropped, *records = await self._scripts.stats_read(skip, take)
        rested = int(now) - whole(at) >= REST_MS
        found = Left(int(now), turn.decode(), whole(part), whole(taken), int(size), whole(dropped), rested)
        return found, records

    async def _put(self, left: Left, at: int, taken: int, part: Part, *, last: bool) -> bool:
        fields = sorted(part.sums)
        stored = await self._scripts.stats_sums(part.span, part.start, part.start + 1, 1, *fields) if fields else []
        before = stored[0][1:] if stored else [b""] * len(fields)
        written: list[bytes] = []
        for name, old in zip(fields, before, strict=True):
            added(part.sums[name], old)
            written += (name, orjson.dumps(part.sums[name].stored()))
        reply = await self._scripts.stats_put(left.turn, at, taken, int(last), part.span, part.start, *written)
        return bool(reply[0] == b"ok")

    async def switch(self, on: bool) -> None:
        """Take statistics of the whole instance, or take none."""
        await self._scripts.stats_quiet(int(not on))

    async def queues(self) -> list[str]:
        """The queues that have sums."""
        found: list[str] = []
        while True:
            names = await self._scripts.stats_queues(len(found), QUEUES)
            found += [name.decode("utf-8", "replace") for name in names]
            if len(names) < QUEUES:
                return found

    async def prune(self, minutes_ms: int, hours_ms: int, entries: int) -> bool:
        """Drop what is past its time or too much, a bounded amount; whether there may be more."""
        return int((await self._scripts.stats_prune(minutes_ms, hours_ms, entries, 100))[1]) >= 100

    async def read(self, span: str, start: int, end: int, queues: Sequence[str], tenant: str | None) -> dict[int, Sum]:
        """Sums of minutes or hours from ``start`` until before ``end``, over queues, by their start."""
        found: dict[int, Sum] = {}
        who = ALL if tenant is None else tenant.encode()
        for first in range(0, len(queues), PART):
            fields = [field_of(queue.encode(), who) for queue in queues[first : first + PART]]
            at, most = start, LOOKUPS // len(fields)
            while at < end:
                rows = await self._scripts.stats_sums(span, at, end, most, *fields)
                for when, *stored in rows:
                    for one in filter(None, stored):
                        added(found.setdefault(int(when), Sum()), one)
                at = end if len(rows) < most else int(rows[-1][0]) + 1
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what records come to, that is written at once."""

    span: str
    start: int
    sums: dict[bytes, Sum]


Place = tuple[int, str, str]
"""A minute, a queue and a tenant."""


async def _parts(records: Sequence[bytes]) -> list[Part]:
    """What records come to, in parts. It follows from the records alone."""
    tallies: dict[Place, Tally] = {}
    for at, record in enumerate(records):
        if at % 50 == 49:
            await asyncio.sleep(0)
        _tally(record, tallies)
    for (minute, queue, _), tally in list(tallies.items()):
        tallies.setdefault((minute, queue, ""), Tally()).absorb(tally)
    sums: dict[tuple[str, int], dict[bytes, Sum]] = {}
    for at, ((minute, queue, tenant), tally) in enumerate(tallies.items()):
        if at % 100 == 99:
            await asyncio.sleep(0)
        one, name, start = tally.sum(), field_of(queue.encode(), tenant.encode()), minute * MINUTE
        for span, length in SPANS.items():
            found = sums.setdefault((span, start - start % length), {})
            if name in found:
                found[name].merge(one)
            else:
                found[name] = one.copy()
    parts = [
        Part(span, start, {name: found[name] for name in names[at : at + PART]})
        for (span, start), found in sorted(sums.items())
        for names in [sorted(found)]
        for at in range(0, len(names), PART)
    ]
    return parts or [Part("m", 0, {})]


def _tally(record: bytes, tallies: dict[Place, Tally]) -> None:
    """Add the entries of a record; those of one that can't be read, which somebody else has put there, are left out."""
    try:
        told = orjson.loads(record)
        minute = told[0] // MINUTE
        for at in range(1, len(told), 7):
            queue, tenant, us, size, runs, waits, ends = told[at : at + 7]
            place = (minute, queue, tenant)
            tally = tallies.get(place)
            if tally is None:
                _check(minute, queue, tenant)
                tally = Tally()
            tally.add(ends, us, size, runs, waits)
            tallies[place] = tally
    except (ValueError, TypeError, AttributeError, LookupError):
        return


def _check(minute: object, queue: object, tenant: object) -> None:
    if type(minute) is not int or type(queue) is not str or type(tenant) is not str or not tenant:
        raise TypeError("no place")


def added(total: Sum, stored: bytes) -> None:
    """Add a stored sum to another; one that can't be read counts as nothing, and is replaced by what comes."""
    if not stored:
        return
    try:
        total.include(orjson.loads(stored))
    except (ValueError, TypeError, LookupError):
        return
