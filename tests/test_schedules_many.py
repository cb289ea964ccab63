"""Many schedules: what is not due costs nothing, and workers that fire at the same time share what is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from taskproc import Schedule, TaskProcessor
from taskproc.worker.scheduler import Scheduler
from tests import ticking
from tests.harness import Instance

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def stored(proc: TaskProcessor, count: int, **given: object) -> None:
    """So many schedules of ten tenants; by default they are due at once."""
    rule = given or {"at": LONG_AGO}
    made = (Schedule(f"{number}", f"tenant{number % 10}", **rule) for number in range(count))
    await asyncio.gather(*(proc.upsert_schedule(one, ticking.tick, "many") for one in made))


def commands(instance: Instance) -> int:
    """How many commands the server has done, those that scripts call included, less what tests ask for."""
    told = instance.client.info("commandstats")
    return sum(row["calls"] for name, row in told.items() if name != "cmdstat_info")


async def test_schedules_that_are_not_due_cost_a_look_nothing(alone_instance: Instance) -> None:
    found = []
    async with alone_instance.open() as proc:
        for count in (1, 1_000):
            await stored(proc, count, every=3600)
            scheduler = proc._scheduler()
            await scheduler.step()
            before = commands(alone_instance)
            await scheduler.step()
            found.append(commands(alone_instance) - before)
    assert found[0] == found[1] < 10


async def test_schedulers_at_the_same_time_plan_little_twice(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []
    plan = Scheduler._plan
    monkeypatch.setattr(Scheduler, "_plan", lambda self, due, now: (planned.append(due.key), plan(self, due, now))[1])
    async with instance.open() as proc:
        await stored(proc, 5_000)
        await asyncio.gather(*(proc._scheduler().step() for _ in range(6)))
        assert (await proc.get_queue("default")).ready == len(set(planned)) == 5_000
        assert len(planned) < 1.7 * 5_000  # each look at the same would be six times as many
