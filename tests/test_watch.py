"""Watching batches and tasks: the present state, then changes, to the end; and nothing is published unless somebody does."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from taskproc import (
    Batch,
    BatchEvent,
    BatchState,
    NotFound,
    Progress,
    TaskEvent,
    TaskId,
    TaskProcessor,
    TaskState,
)
from taskproc.store.scripts import to_json
from tests import handlers, keeping
from tests.building import naps, noops
from tests.direct import ERROR, Direct, group
from tests.harness import FAR, UNKNOWN, Instance, until
from tests.proxy import Proxy
from tests.told import Told

pytestmark = pytest.mark.usefixtures("fresh_gates")


class Watching:
    """Something that is watched in the background."""

    def __init__(self, proc: Any, id: str) -> None:
        self.events: list[Any] = []
        self.times: list[float] = []
        self._task = asyncio.create_task(self._run(proc, id))

    async def _run(self, proc: Any, id: str) -> None:
        async for event in proc.watch(id):
            self.events.append(event)
            self.times.append(time.monotonic())

    async def has(self, count: int) -> None:
        """Wait for so many events."""
        await until(lambda: self._task.done() or len(self.events) >= count)
        assert len(self.events) >= count, self._task

    async def end(self) -> list[Any]:
        """All events, once there will be no more."""
        async with asyncio.timeout(10):
            await self._task
        return self.events


async def test_a_batch_is_watched_to_its_end(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.enqueue(keeping.wait_plainly, "gate")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        seen = Watching(proc, batch_id)
        await until(lambda: seen.events and seen.events[-1].done == 1)
        keeping.gate("gate").set()
        events = await seen.end()
        assert events[-1] == BatchEvent(batch_id, BatchState.DONE, 2, 2, 0, 0, 0)
        assert [e.ended for e in events] == [False] * (len(events) - 1) + [True]
        assert [e async for e in proc.watch(batch_id)] == [events[-1]]


async def test_changes_of_many_tasks_come_together(instance: Instance) -> None:
    async with instance.worker(max_workers=20, **FAR) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(10_000))
        seen = Watching(proc, batch_id)
        events = await seen.end()
        took = seen.times[-1] - seen.times[0]
        assert len(events) <= 4 * took + 2
        assert events[-1].done == 10_000
        assert [e.done for e in events] == sorted({e.done for e in events})


async def test_appends_cancels_and_retries_are_changes(instance: Instance) -> None:
    async with instance.open(**FAR) as proc:
        ids: list[TaskId[Any]] = []
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: ids.extend(b.options(max_attempts=1).enqueue(handlers.fail) for _ in range(2))
        )
        seen = Watching(proc, batch_id)
        await seen.has(1)
        await proc.append_batch("default", "acme", batch_id, naps(1))
        await seen.has(2)
        await proc.cancel_task(ids[0])
        await seen.has(3)
        async with instance.worker():
            await until(lambda: seen.events[-1].failed == 1)
            await proc.pause()
            await proc.retry_dead_tasks()
            await until(lambda: seen.events[-1].failed == 0)
            await proc.resume()
            await until(lambda: seen.events[-1].failed == 1)
            await proc.cancel_batch(batch_id)
            events = await seen.end()
        assert [e.total for e in events[:3]] == [2, 3, 3]
        assert [e.cancelled for e in events[:3]] == [0, 0, 1]
        assert events[-1].state is BatchState.CANCELLED


@pytest.mark.parametrize("keep", ["all", "failed"])
async def test_a_task_is_watched_from_its_delay_to_its_end(instance: Instance, keep: Any) -> None:
    async with instance.worker(**FAR) as proc:
        chosen = proc.options(keep=keep, delay=0.6)
        task_id = await chosen.enqueue_task("default", "acme", keeping.tell, "gate", [1, 2, "half"])
        seen = Watching(proc, task_id)
        await until(lambda: any(e.progress for e in seen.events))
        keeping.gate("gate").set()
        events = await seen.end()
        assert events[0] == TaskEvent(task_id, TaskState.DELAYED, 0)
        assert TaskEvent(task_id, TaskState.RUNNING, 1, Progress(1, 2, "half")) in events
        assert events[-1].state is (TaskState.DONE if keep == "all" else TaskState.RUNNING)


async def test_a_failing_task_is_watched(instance: Instance) -> None:
    async with instance.worker(backoff=0.6, max_attempts=2, **FAR) as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.fail)
        events = await Watching(proc, task_id).end()
        assert TaskEvent(task_id, TaskState.DELAYED, 1) in events
        assert events[-1] == TaskEvent(task_id, TaskState.FAILED, 2)


async def test_what_is_not_there_is_not_found(instance: Instance) -> None:
    async with instance.open() as proc:
        single = await proc.enqueue_task("default", "acme", handlers.noop)
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        for calls, id in (
            (proc, UNKNOWN), (proc, "0" * 32), (proc, "no id"), (proc, single[:22] + "0" * 10),
            (proc.tenant("other"), single), (proc.tenant("other"), batch_id), (proc, single[:22]),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                await anext(calls.watch(id))
        async with aclosing(proc.tenant("acme").watch(single)) as events:
            assert (await anext(events)).state is TaskState.READY
        async with aclosing(proc.tenant("acme").watch(batch_id)) as batches:
            assert (await anext(batches)).state is BatchState.RUNNING


async def test_a_watch_outlives_a_broken_subscription(instance: Instance) -> None:
    async with (
        Proxy(instance.server) as proxy,
        instance.worker(**FAR) as worker,
        instance.open(redis=proxy.url, **FAR) as proc,
    ):
        batch_id = await worker.enqueue_batch("default", "acme", lambda b: b.enqueue(keeping.wait_plainly, "gate"))
        seen = Watching(proc, batch_id)
        await seen.has(1)
        proxy.refuse()
        keeping.gate("gate").set()
        assert (await worker.wait_batch(batch_id, 10)).done == 1
        proxy.heal()
        assert (await seen.end())[-1].state is BatchState.DONE


async def test_nothing_is_published_unless_somebody_watches(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        before = _published(instance)
        for handler in (handlers.noop, keeping.double):
            await proc.enqueue_batch("default", "acme", lambda b, h=handler: [b.enqueue(h, n) for n in range(50)])  # type: ignore[misc]
            await proc.enqueue_task("default", "acme", handler, 1)
        await until(lambda: _over(proc))
        assert _published(instance) == before


def _published(instance: Instance) -> int:
    return int(instance.client.info("commandstats").get("cmdstat_publish", {}).get("calls", 0))


async def _over(proc: TaskProcessor) -> bool:
    totals = await proc.get_tenant("acme")
    return totals is not None and (totals.total, totals.remaining) == (102, 0)


# who is told of what


def test_a_change_is_told_once_until_somebody_looks_again(direct: Direct) -> None:
    batch, told = direct.create(5), Told(direct)
    leases = direct.claim(5)
    direct.settle(leases[:1])
    assert told.ids() == []
    direct.call("batch_get", 2, batch)
    direct.settle(leases[1:2])
    direct.settle(leases[2:3])
    assert told.ids() == [batch]
    direct.call("batch_get", 1, batch)
    direct.settle(leases[3:4], "retry", 0, ERROR)
    assert told.ids() == []
    direct.call("batch_get", 3, batch)
    direct.call("batch_get", 2, batch)
    direct.claim(1)
    assert told.ids() == [batch]
    direct.settle(leases[4:])
    assert told.ids() == []


def test_claims_are_told_to_who_watches_a_task(direct: Direct) -> None:
    batch, told = direct.create(2), Told(direct)
    direct.call("batch_get", 2, batch)
    first = direct.claim()
    assert told.ids() == []
    assert direct.call("task_read", f"{batch}{1:010}", "", 3)[0] == b"ready"
    second = direct.claim()
    assert told.ids() == [batch]
    assert direct.call("task_progress", second[0], b"[1]") == [b"ok"]
    assert told.ids() == []
    assert direct.call("task_read", f"{batch}{1:010}", "", 3)[0] == b"running"
    assert direct.call("task_progress", second[0], b"[1]") == [b"ok"]
    assert told.ids() == [second[0][:32]]
    direct.settle(first, "retry", 500, ERROR)
    assert told.ids() == [batch]
    direct.call("task_read", f"{batch}{1:010}", "", 3)
    direct.wait(1_000)
    assert direct.promote() == 1
    assert told.ids() == [batch]
    direct.settle(second)
    direct.settle(direct.claim())
    assert told.ids() == [batch]


def test_a_step_tells_of_a_batch_once(direct: Direct) -> None:
    batch, told = direct.create(1, queues=["q", "mail"]), Told(direct)
    leases = direct.claim(2, queues=["q", "mail"])
    direct.call("batch_get", 2, batch)
    direct.append(batch)
    assert told.ids() == [batch]
    direct.call("batch_get", 2, batch)
    direct.step(0, [group(leases[:1]), group(leases[1:], queue="mail")])
    assert told.ids() == [batch]


def test_all_that_moves_counters_is_told(direct: Direct) -> None:
    batch, told = direct.create(4), Told(direct)
    [dead] = direct.kill()
    for do in (
        lambda: direct.append(batch),
        lambda: direct.once("task_cancel", f"{batch}{3:010}", "", ""),
        lambda: direct.once("dead_retry", to_json([[batch, "q", dead[22:]]]), 0),
    ):
        direct.call("batch_get", 2, batch)
        do()
        assert told.ids() == [batch]


def test_what_is_over_is_not_watched(direct: Direct) -> None:
    task = direct.kill(1, queues=["q"]) if direct.create(1) else []
    assert direct.call("task_read", task[0], "", 3)[0] == b"dead"
    assert "watched" not in direct.record("b", task[0][:22])
