"""Schedules for tests that call the scripts themselves: how they are stored, fired as a worker would, and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from taskproc.codec import write_continuation
from taskproc.ids import schedule_key
from taskproc.store.scripts import to_json
from tests.direct import PAYLOAD, Answer, Direct

MINUTE = 60_000
LOCALS = count()

Entry = list[Any]
"""What ``schedule_move`` is told of one: see ``lua/include/schedule_fire.lua``."""


def given(
    direct: Direct, id: str = "one", tenant: str = "acme", *, rule: str = "each minute", anchor: str = "7",
    next: int | str | None = None, coded: str = "", queue: str = "q", unique: bool = False, payload: bytes = PAYLOAD,
    **extension: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """The arguments that store a schedule; without a time it is due now."""
    key = schedule_key(tenant, id)
    extension = {"s": key + id, **({"u": key} if unique else {}), **extension}
    at = direct.now if next is None else next
    fields = ["spec", "{}", "handler", "tests.handlers.noop", "queue", queue, "unique", "1" if unique else ""]
    return key, tenant, id, rule, anchor, at, coded, to_json(fields), write_continuation(b"", extension, payload)


def put(direct: Direct, *args: Any, **about: Any) -> Answer:
    """Store a schedule, or change it."""
    return direct.once("schedule_put", *given(direct, *args, **about))


def store(direct: Direct, *args: Any, **about: Any) -> str:
    """Store a schedule; its key."""
    assert put(direct, *args, **about) == [b"ok"]
    return str(given(direct, *args, **about)[0])


def entry(
    direct: Direct, key: str, *dues: int, after: int | str | None = None, most: int = 0, skipped: int = 0, why: str = "",
    rev: int | None = None, next: str | None = None,
) -> Entry:  # fmt: skip
    """How a worker would fire it that has just read it: its next occurrence, and the one a minute later after that."""
    found = direct.record("s", key)
    expected = found["next"] if next is None else next
    chosen = dues or (int(expected),)
    later = int(chosen[-1]) + MINUTE if after is None else after
    tasks = [[str(at), f"s{n:09}"] for at, n in zip(chosen, LOCALS, strict=False)]
    return [key, int(found["rev"]) if rev is None else rev, expected, str(later), most, skipped, why, f"seed {key}", *tasks]


def move(direct: Direct, *entries: Entry, problems: Sequence[Any] = (), holds: bool = False) -> Answer:
    """Fire schedules."""
    return direct.call("schedule_move", int(holds), to_json(entries), to_json(problems))


def fire(direct: Direct, *entries: Entry, problems: Sequence[Any] = (), holds: bool = False) -> list[int]:
    """Fire schedules, none of which is broken; how many tasks there are of each."""
    answer = move(direct, *entries, problems=problems, holds=holds)
    assert (answer[0], answer[2]) == (b"ok", []), answer
    return list(answer[1])


def trigger(direct: Direct, key: str, *, holds: bool = False) -> Answer:
    """Enqueue a schedule's task by hand."""
    return direct.once("schedule_trigger", key, f"seed {key}", f"s{next(LOCALS):09}", int(holds))


def pause(direct: Direct, key: str) -> Answer:
    """Pause a schedule."""
    return direct.once("schedule_pause", key, 1, 0, "")


def resume(direct: Direct, key: str, next: int | str, rev: int | None = None) -> Answer:
    """Let a schedule go on."""
    return direct.once("schedule_pause", key, 0, int(direct.record("s", key)["rev"]) if rev is None else rev, next)


def due(direct: Direct, skip: int = 0, take: int = 50, *coded: str) -> list[str]:
    """The keys of the schedules that are due."""
    return [found[0].decode() for found in direct.call("schedule_due", skip, take, *coded)[4:]]


def indexed(direct: Direct) -> dict[str, dict[str, int]]:
    """Where schedules stand, by index."""
    return {
        name: {sid.decode(): int(at) for sid, at in direct.client.zrange(direct.key(name), 0, -1, withscores=True)}
        for name in ("schedules", "coded", "over")
        if direct.client.exists(direct.key(name))
    }


def stored(direct: Direct) -> set[str]:
    """The keys of all schedules that are stored."""
    return {name[2:] for name in direct.named() if name.startswith("s:")}


def listed(direct: Direct, tenant: str = "acme") -> list[str]:
    """The keys of a tenant's schedules."""
    return [member[-22:].decode() for member in direct.client.zrange(direct.key("ts", tenant), 0, -1)]


def history(direct: Direct, key: str) -> list[tuple[str, int, int, int, str]]:
    """A schedule's last runs: how they ended, due, claimed, ended, task."""
    found = [line.split(" ") for line in direct.record("s", key).get("history", "").splitlines()]
    return [(how, int(due), int(claimed), int(ended), task) for how, due, claimed, ended, task in found]


def state(direct: Direct, key: str, *fields: str) -> tuple[str | None, ...]:
    """Fields of a schedule."""
    record = direct.record("s", key)
    return tuple(record.get(field) for field in fields)


def run(direct: Direct, verb: str = "done", want: int = 100, **about: Any) -> list[str]:
    """Claim tasks and end them all in one way; their ids."""
    leases = direct.claim(want, **about)
    for lease in leases:
        assert direct.settle([lease], verb, 0, '{"attempt":1,"type":"E"}', queue=about.get("queues", ["q"])[0]) == []
    return [lease[:32] for lease in leases]
