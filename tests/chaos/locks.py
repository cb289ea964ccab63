"""Ordeals of unique locks: producers race for the same few keys while workers are killed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from typing import Any

from taskproc import Batch
from taskproc.errors import StagingLost
from taskproc.processor.tenant import Tenant
from tests import handlers
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew, lose_one
from tests.harness import until
from tests.nursery import Nursery
from tests.servers import Server

KEYS = [f"key {n}" for n in range(8)]
RACERS = 4


async def raced_for(server: Server, trial: Trial) -> Result:
    """Producers race for unique tasks of a few keys, one by one, in batches and appends, some of which are cancelled, while
    workers are killed: never two of a key at once, none held for ever."""
    result, ids, over = Result(), set[str](), asyncio.Event()
    async with trying(server, trial, result) as field:
        acme = field.proc.tenant("acme")
        with Nursery(field.instance, **{**HARDY, "invisibility": 0.5}) as nursery:
            racers = [asyncio.create_task(race(field, acme, ids, over)) for _ in range(RACERS)]
            for _ in range(trial.times(400, 20)):
                await lose_one(field, nursery, 0.1)
            over.set()  # a call that is cancelled may still be done, and what it stages is only pruned after an hour
            problems = await asyncio.gather(*racers, return_exceptions=True)
            crew(nursery)
            await until(lambda: at_rest(field), 60)
        held = [key for key in KEYS if await acme.options(unique=key).find_unique(handlers.nap, 0) is not None]
        judge(field, ids, result)
        failed = [repr(one) for one in problems if one is not None]
        if held or failed:
            result.failure = f"held for ever: {held}; {failed}"
        await field.audit()
    return result


async def race(field: Field, acme: Tenant, ids: set[str], over: asyncio.Event) -> None:
    """Enqueue what others may have enqueued already, until it is over."""

    def build(batch: Batch) -> None:
        for key in field.dice.sample(KEYS, 3):
            batch.options(unique=key).enqueue(handlers.nap, field.dice.uniform(0, 0.05), key)

    def later(batch: Batch) -> None:
        for key in field.dice.sample(KEYS, 3):
            batch.options(unique="late " + key, delay=600).enqueue(handlers.nap, 0, "late " + key)

    async def staged(batch: Batch) -> None:
        build(batch)
        batch._segment.turn()
        await batch.flush()
        build(batch)

    while not over.is_set():
        way, key = field.dice.randrange(6), field.dice.choice(KEYS)
        if way < 3:
            nap = field.dice.uniform(0, 0.05)
            ids.add(await acme.options(unique=key).enqueue(handlers.nap, nap, key))
        elif way == 3:
            with suppress(StagingLost):  # two that are staged wait for each other: one gives way
                batch_id = await acme.enqueue_batch(build if field.dice.random() < 0.5 else staged)
                await acme.append(batch_id, build if field.dice.random() < 0.5 else staged)
        elif way == 4:
            await acme.cancel_batch(await acme.enqueue_batch(later))
        else:
            await acme.options(unique=key, delay=0.1).enqueue(handlers.nap, 0, key)
        await asyncio.sleep(field.dice.uniform(0, 0.02))


async def at_rest(field: Field) -> bool:
    """Whether nothing is left to run, nor a lock once upkeep has been there."""
    scripts: Any = field.proc._store._scripts
    return await field.quiet() and not (await scripts.unique_prune(500))[1] and not locks(field)


def locks(field: Field) -> int:
    """How many locks are stored."""
    return int(field.instance.client.hlen(f"{{{field.instance.name}}}:uniq"))


def judge(field: Field, ids: set[str], result: Result) -> None:
    """Hold what ran against what may have: of each key one task after the other, and all to their end."""
    spans: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    ended = set()
    for record in field.book.recorded("start", "end"):
        spans[record["tag"]][record["id"]].append(record["at"])
        if record["event"] == "end":
            ended.add(record["id"])
    for tasks in spans.values():
        turns = sorted((min(times), max(times)) for times in tasks.values())
        result.doubled += sum(one[1] > other[0] for one, other in pairwise(turns))
        result.extra += sum(len(times) > 2 for times in tasks.values())
    result.tasks = len({task for tasks in spans.values() for task in tasks})
    result.lost = len(ids - ended)
