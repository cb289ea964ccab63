"""Stored schedules, their lists and indexes, damaged while neighbours' schedules fire on the same workers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from taskproc import Schedule, TaskprocError, TaskProcessor
from taskproc.ids import schedule_key
from tests.fuzz import handlers
from tests.fuzz.damage import SCORES, damage
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY, field_value, json_value, noise, spoil, spoil_json
from tests.fuzz.world import OPTIONS, Watched, World, prune, tried
from tests.harness import Instance

NEIGHBOURS = ("good0.", "good1.", "good2.")
RUNS = 4
OFTEN: dict[str, Any] = {"every": 0.1, "max_runs": RUNS}
KINDS: dict[str, dict[str, Any]] = {
    "once": {"at": handlers.BEGIN}, "often": OFTEN, "one by one": {**OFTEN, "unique": True},
    "missed": {"every": 1, "start": handlers.BEGIN, "misfire": "all", "max_runs": RUNS}, "nightly": {"cron": "0 3 * * *"},
    "bounded": {"cron": "* * * * *", "end": handlers.BEGIN.replace(year=2100), "jitter": 5, "expire": 1}, "paused": OFTEN,
    "own": {},
}  # fmt: skip
SHARED = ("schedules", "coded", "over")


class Victim:
    """A tenant with schedules of every kind, of which one will be damaged."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.rng, self.tenant, self.displaced = rng, f"ten{number}.", False
        self.ids = {f"{kind} {number}": kind for kind in KINDS}
        self.sids = {id: schedule_key(self.tenant, id) for id in self.ids}

    async def fill(self, proc: TaskProcessor) -> None:
        """Store them all."""
        for id, kind in self.ids.items():
            given = {"next_run": self.rng.choice(handlers.GONE_WRONG)} if kind == "own" else KINDS[kind]
            text = CANARY * self.rng.choice([1, 2_000])
            await proc.upsert_schedule(Schedule(id, self.tenant, **given), handlers.take, "v", text)
            if kind == "paused":
                await proc.pause_schedule(id, self.tenant)

    def spoil(self, client: Any, prefix: str) -> str:
        """Damage something of it; how."""
        rng, sid = self.rng, self.rng.choice(sorted(self.sids.values()))
        way = rng.randrange(6)
        if way == 0:
            name, self.displaced = rng.choice(SHARED), True
            junk = rng.choice([sid, sid, noise(rng, 22), b"a" * 22, field_value(rng)])
            client.zadd(prefix + name, {junk: rng.choice(SCORES)})
            return f"entry in {name}"
        if way == 1:
            client.hset(prefix + "slimits", "t" + self.tenant, field_value(rng))
            return "limit"
        if way == 2:
            return f"list, {damage(rng, client, f'{prefix}ts:{self.tenant}')}"
        if way == 3:
            return f"record, {damage(rng, client, f'{prefix}s:{sid}')}"
        field = rng.choice(sorted(client.hkeys(f"{prefix}s:{sid}")))
        stored = client.hget(f"{prefix}s:{sid}", field)
        changed = rng.choice([spoil, spoil, spoil_json, lambda rng, _: json_value(rng), lambda rng, _: field_value(rng)])
        client.hset(f"{prefix}s:{sid}", field, changed(rng, stored))
        return f"field {field.decode()}"

    def calls(self, proc: TaskProcessor) -> list[tuple[str, Callable[[], Awaitable[Any]]]]:
        """What may be asked about them, and done to them."""
        found: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("get_schedules", lambda: proc.get_schedules(self.tenant)), ("count_schedules",
            lambda: proc.count_schedules(self.tenant)),
        ]  # fmt: skip
        for id in self.ids:
            again = Schedule(id, self.tenant, every=3600)
            found += [
                ("pause_schedule", lambda id=id: proc.pause_schedule(id, self.tenant)),
                ("resume_schedule", lambda id=id: proc.resume_schedule(id, self.tenant)),
                ("trigger_schedule", lambda id=id: proc.trigger_schedule(id, self.tenant)),
                ("upsert_schedule", lambda again=again: proc.upsert_schedule(again, handlers.take, "v", CANARY)),
                ("get_schedule", lambda id=id: proc.get_schedule(id, self.tenant)),
                ("cancel_schedule", lambda id=id: proc.cancel_schedule(id, self.tenant)),
            ]
        return found


async def group(world: World, numbers: Sequence[int]) -> None:
    """Fill, damage, let a worker fire, ask, and see that neighbours' schedules fire and the worker rests."""
    victims = [Victim(number, world.chance(number)) for number in numbers]
    async with world.fresh() as instance, instance.processor(**OPTIONS) as proc:
        prefix = f"{{{instance.name}}}:"
        for victim in victims:
            await victim.fill(proc)
        await _run_some(proc, victims)
        for victim in victims:
            world.tally.note("schedules", victim.spoil(instance.client, prefix))
        async with world.worker() as watched:
            for tenant in NEIGHBOURS:
                await proc.upsert_schedule(Schedule("often", tenant, **OFTEN), handlers.take, "n", CANARY)
                await proc.upsert_schedule(Schedule("once", tenant, at=handlers.BEGIN), handlers.take, "n", CANARY)
            await watched.until(lambda: _fired(watched), "neighbours' schedules don't fire")
            for victim in victims:
                await _said(world, watched, victim)
            error = await tried(lambda: proc.audit(repair=True), "an audit")
            if error is not None:
                raise Broken(f"an audit does not come to its end: {error}")
            for victim in victims:
                await _said(world, watched, victim, audited=victim.displaced)
                for id in victim.ids:
                    await tried(lambda victim=victim, id=id: proc.pause_schedule(id, victim.tenant), "pause_schedule")
            await watched.quiet()
            for victim in victims:
                await _ask(world, victim, proc)
        await _prune(instance, proc)


async def _run_some(proc: TaskProcessor, victims: Sequence[Victim]) -> None:
    """Let all have a history."""
    for victim in victims:
        for id in victim.ids:
            await proc.trigger_schedule(id, victim.tenant)
    await proc.run_until_idle()


async def _fired(watched: Watched) -> str:
    for tenant in NEIGHBOURS:
        totals = await watched.proc.get_tenant(tenant)
        if totals is None or (totals.total, totals.done) != (RUNS + 1, RUNS + 1):
            return f"{totals}"
    return ""


async def _said(world: World, watched: Watched, victim: Victim, audited: bool = False) -> None:
    """Raises Broken where a schedule is due, isn't fired, and nothing says why. Where it stands wrong only audits see it."""
    client, index = watched.instance.client, f"{{{watched.instance.name}}}:schedules"
    for id, sid in victim.sids.items():

        async def silent(id: str = id, sid: str = sid) -> str:
            found: list[Any] = []

            async def look() -> None:
                found.append(await watched.proc.get_schedule(id, victim.tenant))

            error = await tried(look, "get_schedule")
            if error is not None:
                return "" if _named(victim, error) else f"the error names nothing of it: {error}"
            info = found[0]
            if info is None or info.paused or info.coded or info.next_at is None or info.skip_reason:
                return ""
            looked_at = info.next_at.timestamp() if audited else (client.zscore(index, sid) or float("inf")) / 1000
            heard = watched.instance.now() - looked_at < 1 or any(sid in line for line in world.listener.lines)
            return "" if heard else f"schedule {id!r} has been due for long, and nothing says why it isn't fired"

        await watched.until(silent, "a broken schedule")


def _named(victim: Victim, error: TaskprocError) -> bool:
    return any(part in str(error) for part in (victim.tenant, *victim.ids, *victim.sids.values(), "next_run"))


async def _ask(world: World, victim: Victim, proc: TaskProcessor) -> None:
    for name, call in victim.calls(proc):
        error = await tried(call, f"{name} of a victim")
        world.tally.note("schedules", "answers" if error is None else "errors of ours")
        if error is not None and not _named(victim, error):
            raise Broken(f"{name}: the error names nothing of the victim's: {error}"[:500])


async def _prune(instance: Instance, proc: TaskProcessor) -> None:
    """Raises Broken where neighbours' schedules, which are over, aren't deleted when their time has come."""
    await prune(instance, proc)
    stored = instance.keys()
    left = [name for name in stored if any(f"ts:{tenant}".encode() in name for tenant in NEIGHBOURS)]
    if left:
        raise Broken(f"neighbours' schedules are never pruned: {left}")
