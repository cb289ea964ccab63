"""Ordeals of limits: workers are killed and told to stop while their tasks hold slots, and operators change limits."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterable

from tests import handlers, limited
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew
from tests.harness import Record, until
from tests.nursery import Nursery
from tests.servers import Server

THREE, RATE, BURST = 3, 40.0, 4
NAMES = {"step_three": THREE, "step_key": 1}


async def slots(server: Server, trial: Trial) -> Result:
    """Workers are killed or told to stop while tasks hold slots of limits; never more run than may, and no slot is lost."""
    result, gone = Result(), dict[int, float]()
    async with trying(server, trial, result) as field:
        field.handlers = [limited.step_three, handlers.step, limited.step_key, limited.step_rate]
        with Nursery(field.instance, **{**HARDY, "shutdown_grace": 0.05}) as nursery:
            began = field.book.now()
            async with field.busy(least=40, tasks=20, longest=0.04):
                while result.faults < trial.times(300, 12):
                    crew(nursery)
                    await asyncio.sleep(field.dice.uniform(0, 0.3))
                    victim = field.dice.choice(sorted(nursery.living))
                    if field.dice.random() < 0.2:
                        os.kill(victim, signal.SIGTERM)
                        await until(lambda victim=victim: victim in nursery.ended() or victim not in nursery.living, 20)
                    else:
                        gone[victim] = field.book.now()
                        nursery.kill(victim)
                    result.faults += 1
            crew(nursery)
            await field.settle()
            judge(field, result, gone, field.book.now() - began)
            await whole(field, result)
        result.recoveries = field.rerun_after(gone)
    return result


def judge(field: Field, result: Result, gone: dict[int, float], seconds: float) -> None:
    """Hold what ran at once, and what started in all, against the limits."""
    records = field.book.records
    for name, most in NAMES.items():
        mine = [r for r in records if r["name"].endswith("." + name)]
        for key in {key_of(name, r) for r in mine}:
            found = most_at_once((r for r in mine if key_of(name, r) == key), gone)
            result.notes[f"{name}: most at once"] = max(found, result.notes.get(f"{name}: most at once", 0))
            if found > most:
                result.failure = f"{found} of {name} ran at once, {most} may"
    started = sum(1 for r in records if r["event"] == "start" and r["name"].endswith(".step_rate"))
    result.notes["starts of a rate, of those allowed"] = round(started / (BURST + RATE * seconds), 3)
    if started > BURST + RATE * seconds:
        result.failure = f"{started} started in {seconds:.1f} s, {RATE:g} a second may"


def key_of(name: str, record: Record) -> object:
    """The key of a record's task."""
    return int(record["tag"]) % 5 if name == "step_key" else ""


def most_at_once(records: Iterable[Record], gone: dict[int, float]) -> int:
    """How many ran at once at most; what ran in a worker that was killed ended then."""
    open_: dict[tuple[str, int], float] = {}
    events: list[tuple[float, int]] = []
    for record in records:
        place = (record["id"], record["pid"])
        if record["event"] == "start":
            open_[place] = record["at"]
            events.append((record["at"], 1))
        elif place in open_:
            del open_[place]
            events.append((record["at"], -1))
    events += [(max(at, gone.get(pid, at)), -1) for (_, pid), at in open_.items()]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


async def whole(field: Field, result: Result) -> None:
    """After it all each limit still has all its slots, and nothing is left of it."""
    await until(lambda: not field.instance.names(":lim:") and not field.instance.names(":park:"), 20)
    before = Counter(r["name"] for r in field.book.recorded("start"))
    batch = await field.proc.enqueue_batch(
        "default", "acme", lambda b: [b.enqueue(limited.step_three, 1.5, 0) for _ in range(THREE)]
    )
    await until(lambda: Counter(r["name"] for r in field.book.recorded("start")) - before, 20)
    await until(lambda: slots_of(field) == THREE, 2)
    await field.proc.wait_batch(batch, 30)
    differences = (await field.proc.audit()).differences
    if differences:
        result.failure = f"an audit finds {[d.found for d in differences][:3]}"


def slots_of(field: Field) -> int:
    """How many slots are taken."""
    return sum(int(field.instance.client.scard(name)) for name in field.instance.names(":lim:"))
