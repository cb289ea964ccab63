"""Schedules in Redis: storing, reading and steering them, and firing those that are due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from taskproc.errors import CorruptRecord, PayloadTooLarge, QuotaExceeded, TaskprocError, TenantClosed
from taskproc.ids import locals_from, new_id, random_start, schedule_key
from taskproc.schedule import Schedule
from taskproc.scheduled import ScheduleInfo
from taskproc.store.ledger import Ledger
from taskproc.store.locks import past_staging
from taskproc.store.reading import reading, whole
from taskproc.store.schedule_records import declared, fields_of, info_of, stored_rule
from taskproc.store.scripts import Reply, Scripts, to_json

logger = logging.getLogger("taskproc")

PAGE = 50
MOST_TASKS = 100
"""So many tasks are made in one call: more would make the script too long."""

TRIES = 20
Reckon = Callable[[int, int, int | None], int | None]
"""The first occurrence from now on: now, anchor, runs so far, None for a rule that begins."""


@dataclass(frozen=True, slots=True)
class Template:
    """A schedule as it is stored, with what its tasks are made of. ``coded``: a digest of what the code says, if it does."""

    schedule: Schedule
    key: str
    spec: bytes
    rule: str
    handler: str
    queue: str
    unique: bool
    body: bytes
    coded: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that is due, as it is stored."""

    key: str
    rev: int
    next: str
    anchor: int
    runs: int
    spec: bytes


@dataclass(frozen=True, slots=True)
class DuePage:
    """Schedules that are due, at the server's time; ``first`` is when the next one is looked at."""

    now: int
    first: float | None
    paused: bool
    due: list[Due]


@dataclass(frozen=True, slots=True)
class Fire:
    """What to do about one: occurrences to run, the next one, how many runs there may be, what is left out and why."""

    due: Due
    dues: Sequence[int]
    next: int | None
    most: int
    skipped: int
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one can't be fired here, and when it is looked at again."""

    due: Due
    told: str
    wait_ms: int


REFUSED: dict[bytes, tuple[type[TaskprocError], str]] = {
    b"full": (QuotaExceeded, "is full"),
    b"room": (QuotaExceeded, "has no room for more waiting tasks"),
    b"closed": (TenantClosed, "takes no new tasks"),
    b"large": (PayloadTooLarge, "may have no tasks as large as this"),
}
"""Why a task of a schedule is not stored."""


class Schedules:
    """Everything that is done to schedules."""

    def __init__(self, scripts: Scripts, ledger: Ledger, patience: float, *, holds: bool) -> None:
        """``holds``: a dead letter of a unique schedule holds it up."""
        self._scripts = scripts
        self._ledger = ledger
        self._patience = patience
        self._holds = int(holds)
        self._locals = locals_from(random_start())

    async def put(self, made: Template, reckon: Reckon, entry: str = "") -> None:
        """Store a schedule, or change it. Raises QuotaExceeded, and what ``reckon`` raises."""
        fields = [
            "spec",
            made.spec.decode(),
            "handler",
            made.handler,
            "queue",
            made.queue,
            "unique",
            "1" if made.unique else "",
        ]
        tenant, id, anchor = made.schedule.tenant, made.schedule.id, None
        for _ in range(TRIES):
            now, _, *found = await self._scripts.schedule_list(tenant, 0, 1, made.key)
            old = fields_of(found[0]) if found else {}
            same = stored_rule(old.get("spec", b"")) == made.rule
            if anchor is None:
                anchor = whole(old.get("anchor", b"0")) if same and "anchor" in old else int(now)
            next_ms = reckon(int(now), anchor, whole(old.get("runs", b"0")) if same else None)
            reply = await self._ledger.call(
                lambda call, at=anchor, next_ms=next_ms: self._scripts.schedule_put(  # type: ignore[misc]
                    call,
                    made.key,
                    tenant,
                    id,
                    made.rule,
                    str(at),
                    _text(next_ms),
                    made.coded,
                    to_json(fields),
                    made.body,
                    entry,
                )
            )
            if reply[0] == b"full":
                raise QuotaExceeded(
                    f"tenant {tenant} has {int(reply[2]):,} schedules and a limit of {int(reply[1]):,}; cancel one,"
                    " or raise the limit with set_schedule_limit"
                )
            if reply[0] != b"again":
                return
            anchor = whole(reply[1])
        raise TaskprocError(f"schedule {id!r} of tenant {tenant}: it is being changed by others all the time; try again")

    async def cancel(self, tenant: str, id: str, entry: str = "") -> bool:
        """Delete a schedule; False where there is none."""
        key = schedule_key(tenant, id)
        reply = await self._ledger.call(lambda call: self._scripts.schedule_cancel(call, key, entry))
        return bool(reply[0] == b"ok")

    async def pause(self, tenant: str, id: str, entry: str) -> bool:
        """Pause a schedule; False where there is none."""
        key = schedule_key(tenant, id)
        reply = await self._ledger.call(lambda call: self._scripts.schedule_pause(call, key, 1, 0, "", entry))
        return bool(reply[0] == b"ok")

    async def resume(self, tenant: str, id: str, reckon: Callable[[ScheduleInfo, int], int | None], entry: str) -> bool:
        """Let a schedule go on from now; False where there is none."""
        key = schedule_key(tenant, id)
        for _ in range(TRIES):
            now, _, *found = await self._scripts.schedule_list(tenant, 0, 1, key)
            if not found:
                return False
            info, rev = info_of(found[0]), whole(fields_of(found[0]).get("rev", b"0"))
            if not info.paused:
                return True
            next_ms = _text(reckon(info, int(now)))
            reply = await self._ledger.call(partial(self._resume, key, rev, next_ms, entry))
            if reply[0] != b"again":
                return bool(reply[0] == b"ok")
        raise TaskprocError(f"schedule {id!r} of tenant {tenant}: it is being changed by others all the time; try again")

    async def _resume(self, key: str, rev: int, next_ms: str, entry: str, call: Any) -> Reply:
        return await self._scripts.schedule_pause(call, key, 0, rev, next_ms, entry)

    async def trigger(self, tenant: str, id: str, entry: str = "") -> bool:
        """Enqueue its task now; False where there is none, or it is unique and one is there. Raises QuotaExceeded."""
        key, seed, local = schedule_key(tenant, id), new_id(), next(self._locals).decode()
        send = partial(
            self._ledger.call,
            lambda call: self._scripts.schedule_trigger(call, key, seed, local, self._holds, entry),
        )
        reply = await past_staging(send, self._patience)
        if reply[0] in REFUSED:
            error, why = REFUSED[reply[0]]
            who = f"queue {reply[1].decode()}" if reply[0] == b"full" else f"tenant {tenant}"
            raise error(f"{who} {why}: the task of schedule {id!r} was not stored")
        return bool(reply[0] == b"ok")

    async def set_limit(self, tenant: str | None, most: int | None, entry: str) -> None:
        """Set how many schedules a tenant may have, or all; None lifts it."""
        await self._scripts.schedule_limit(
            "all" if tenant is None else f"t{tenant}", "" if most is None else str(most), entry
        )

    # reading

    async def count(self, tenant: str) -> int:
        """How many schedules a tenant has."""
        return int((await self._scripts.schedule_list(tenant, 0, 0, ""))[1])

    async def get(self, tenant: str, id: str) -> ScheduleInfo | None:
        """One schedule."""
        found = (await self._scripts.schedule_list(tenant, 0, 1, schedule_key(tenant, id)))[2:]
        return (await self._orphans([info_of(found[0])]))[0] if found else None

    async def page(self, tenant: str, skip: int, take: int) -> list[ScheduleInfo]:
        """A tenant's schedules by id. One whose record can't be read is left out and logged."""
        found: list[ScheduleInfo] = []
        while take > 0:
            entries = (await self._scripts.schedule_list(tenant, skip, min(take, PAGE), ""))[2:]
            if not entries:
                break
            for entry in entries:
                try:
                    found.append(info_of(entry))
                except CorruptRecord as error:
                    logger.error("%s", error)
            skip, take = skip + len(entries), take - len(entries)
        return await self._orphans(found)

    async def _orphans(self, found: list[ScheduleInfo]) -> list[ScheduleInfo]:
        """The same, with those marked that code declares, but that of no live worker."""
        if not any(info.coded for info in found):
            return found
        _, *workers = await self._scripts.worker_list()
        known = {key for _, _, said in workers for key in declared(said)}
        if not workers:
            return found
        orphans = (info.coded and schedule_key(info.tenant, info.id) not in known for info in found)
        return [replace(info, orphan=orphan) for info, orphan in zip(found, orphans, strict=True)]

    # firing

    async def due(self, skip: int, take: int, coded: Sequence[bytes]) -> DuePage:
        """Schedules that are due, so many at most; of those that code declares only the named ones."""
        _, now, first, paused, *entries = await self._scripts.schedule_due(skip, take, *coded)
        with reading("schedules that are due"):
            due = [Due(sid.decode(), int(rev), next.decode("utf-8", "replace"), whole(anchor), int(runs), spec)
                   for sid, rev, next, anchor, runs, spec in entries]  # fmt: skip
        return DuePage(int(now), float(first) if first else None, bool(paused), due)

    async def fire(self, fires: Sequence[Fire], problems: Sequence[Problem]) -> tuple[int, int, list[bytes]]:
        """Make the tasks of occurrences; how many there were, how many schedules others were faster with, what is broken."""
        made, lost, broken, rest = 0, 0, list[bytes](), list(problems)
        for part in _parts(fires) or ([[]] if rest else []):
            reply = await self._scripts.schedule_move(
                self._holds,
                to_json([self._entry(fire) for fire in part]),
                to_json([[p.due.key, p.due.rev, p.due.next, p.told[:200], p.wait_ms] for p in rest]),
            )
            rest = []
            if reply[0] == b"paused":
                break
            made += sum(max(0, n) for n in reply[1])
            lost += sum(n < 0 for n in reply[1])
            broken += reply[2]
        return made, lost, broken

    def _entry(self, fire: Fire) -> list[object]:
        due, tasks = fire.due, [[str(at), next(self._locals).decode()] for at in fire.dues]
        return [due.key, due.rev, due.next, _text(fire.next), fire.most, fire.skipped, fire.why, new_id(), *tasks]


def _parts(fires: Sequence[Fire]) -> list[list[Fire]]:
    """What one call takes each."""
    parts: list[list[Fire]] = []
    tasks = 0
    for fire in fires:
        if not parts or tasks + len(fire.dues) > MOST_TASKS or len(parts[-1]) >= PAGE:
            parts.append([])
            tasks = 0
        parts[-1].append(fire)
        tasks += len(fire.dues)
    return parts


def _text(at: int | None) -> str:
    return "" if at is None else str(at)
