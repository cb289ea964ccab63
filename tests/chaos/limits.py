"""Ordeals of limits: workers are killed and told to stop while their tasks hold slots, and operators change limits."""

from __future__ import annotations

from collections import Counter

from tests import handlers, limited
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew, lose_one
from tests.harness import Record, until
from tests.nursery import Nursery
from tests.servers import Server

THREE, RATE, BURST = 3, 40.0, 4
NAMES = {"step_three": THREE, "step_key": 1}


async def slots(server: Server, trial: Trial) -> Result:
    """Workers are killed or told to stop while tasks hold slots of limits; never more run than may, and no slot is lost."""
    result = Result()
    async with trying(server, trial, result) as field:
        field.handlers = [limited.step_three, handlers.step, limited.step_key, limited.step_rate]
        with Nursery(field.instance, **{**HARDY, "shutdown_grace": 0.05}) as nursery:
            began = field.book.now()
            async with field.busy(least=40, tasks=20, longest=0.04):
                for _ in range(trial.times(300, 12)):
                    await lose_one(field, nursery, 0.3, told=0.2)
            crew(nursery)
            await field.settle()
            judge(field, result, field.book.now() - began)
            await whole(field)
        result.recoveries = field.rerun()
    return result


def judge(field: Field, result: Result, seconds: float) -> None:
    """Hold what ran at once, and what started in all, against the limits."""
    records = field.book.records
    for name, most in NAMES.items():
        mine = [r for r in records if r["name"].endswith("." + name)]
        for key in {key_of(name, r) for r in mine}:
            found = field.most_at_once(r for r in mine if key_of(name, r) == key)
            result.notes[f"{name}: most at once"] = max(found, result.notes.get(f"{name}: most at once", 0))
            if found > most:
                result.failure = f"{found} of {name} ran at once, {most} may"
    started = sum(1 for r in records if r["event"] == "start" and r["name"].endswith(".step_rate"))
    field.hold_rate(started, "of step_rate", RATE, BURST, seconds)


def key_of(name: str, record: Record) -> object:
    """The key of a record's task."""
    return int(record["tag"]) % 5 if name == "step_key" else ""


async def whole(field: Field) -> None:
    """After it all each limit still has all its slots, and nothing is left of it."""
    await until(lambda: not field.instance.names(":lim:") and not field.instance.names(":park:"), 20)
    before = Counter(r["name"] for r in field.book.recorded("start"))
    batch = await field.proc.enqueue_batch(
        "default", "acme", lambda b: [b.enqueue(limited.step_three, 1.5, 0) for _ in range(THREE)]
    )
    await until(lambda: Counter(r["name"] for r in field.book.recorded("start")) - before, 20)
    await until(lambda: slots_of(field) == THREE, 2)
    await field.proc.wait_batch(batch, 30)
    await field.audit()


def slots_of(field: Field) -> int:
    """How many slots are taken."""
    return sum(int(field.instance.client.scard(name)) for name in field.instance.names(":lim:"))
