"""A schedule of which something is stored that is no text keeps no worker from the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taskproc import Schedule
from taskproc.ids import schedule_key
from tests import handlers
from tests.harness import Instance

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HARMLESS = {"anchor", "rev", "runs"}
"""What isn't needed for one that runs once."""


@pytest.mark.parametrize("field", ["next", "anchor", "spec", "rev", "runs", "body", ""])
async def test_a_worker_fires_the_others_beside_one_that_is_garbled(instance: Instance, field: str) -> None:
    async with instance.open() as proc:
        for id in ("bad", "good"):
            await proc.upsert_schedule(Schedule(id, "acme", at=LONG_AGO), handlers.mark, id)
        name = f"{{{instance.name}}}:s:{schedule_key('acme', 'bad')}"
        if field:
            instance.client.hset(name, field, b"\xff")
        else:
            instance.client.delete(name)
            instance.client.set(name, b"\xff")
        fires = field in HARMLESS
        assert await proc.run_due_schedules() == 1 + fires
        assert await proc.run_due_schedules() == 0
        assert await proc.run_until_idle() == 1 + fires
        assert {r["tag"] for r in instance.records} == ({"bad", "good"} if fires else {"good"})
        instance.client.delete(*(f"{{{instance.name}}}:{key}" for key in ("schedules", "over", "ts:acme")))
        instance.client.delete(*instance.names(":s:"))
