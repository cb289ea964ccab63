"""Stops that meet a start, an outage, or a claim that is on its way."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from taskproc.store.work import Step, Work
from tests import handlers
from tests.harness import Instance
from tests.proxy import Proxy


@pytest.mark.parametrize("how", ["stop", "cancel", "both"])
async def test_a_worker_stops_although_redis_was_not_there_when_it_began(instance: Instance, how: str) -> None:
    async with Proxy(instance.server) as proxy, instance.open(redis=proxy.url) as proc:
        proxy.refuse()
        running = asyncio.create_task(proc.run())
        await asyncio.sleep(0.2)
        assert proc.is_running
        stopping = asyncio.create_task(proc.stop() if how != "cancel" else asyncio.sleep(0))
        await asyncio.sleep(0)
        if how != "stop":
            running.cancel()
        await asyncio.wait([running, stopping], timeout=10)
        assert running.done()
        assert stopping.done()
        assert not proc.is_running
        proxy.heal()
        await proc.enqueue_task("default", "acme", handlers.noop)
        assert await proc.run_until_idle() == 1
    assert threads() == []


def threads() -> list[str]:
    """The heartbeats that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name == "taskproc-heartbeat"]


async def test_what_a_step_brings_after_the_stop_is_handed_back(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told = asyncio.Event(), asyncio.Event()
    again = Work.again

    async def slowly(work: Work, *call: Any) -> Step:
        step = await again(work, *call)
        if step.claims:
            asked.set()
            await told.wait()
        return step

    monkeypatch.setattr(Work, "again", slowly)
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.mark)
        running = asyncio.create_task(proc.run())
        await asked.wait()
        stopping = asyncio.create_task(proc.stop())
        await asyncio.sleep(0.05)
        told.set()
        await asyncio.wait([running, stopping])
        assert not instance.records
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running) == (1, 0)
