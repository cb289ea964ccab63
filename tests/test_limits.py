"""Limits: how many tasks of a handler run at once over all workers, how a slot comes back, what operators set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from taskproc import Batch, TaskProcessor
from tests import handlers, limited
from tests.harness import MODES, Instance, Record, counters, until


def most_at_once(records: Iterable[Record]) -> int:
    """How many tasks ran at once at most."""
    running = most = 0
    for record in records:
        running += {"start": 1, "end": -1}.get(record["event"], 0)
        most = max(most, running)
    return most


def many(handler: Callable[..., Any], n: int, *args: Any) -> Callable[[Batch], None]:
    """Builds a batch of equal tasks."""

    def build(batch: Batch) -> None:
        for _ in range(n):
            batch.enqueue(handler, *args)

    return build


@pytest.mark.row("PJ-07", "BR-09")
async def test_no_more_run_at_once_than_may_over_three_processes_and_none_waits_for_a_poll(instance: Instance) -> None:
    workers = [instance.process(max_workers=4, poll_interval=60, wait=False) for _ in range(3)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        began = time.monotonic()
        batch = await proc.enqueue_batch("default", "acme", many(limited.two, 12, 0.5))
        await proc.wait_batch(batch, 20)
        took = time.monotonic() - began
    assert most_at_once(instance.records) == 2
    assert 3.0 <= took < 3.8


async def test_workers_with_one_slot_each_share_a_limit(instance: Instance) -> None:
    """The one that ends a task has no other to wake but the third, which has slept meanwhile."""
    workers = [instance.process(max_workers=1, poll_interval=60, wait=False) for _ in range(3)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        began = time.monotonic()
        batch = await proc.enqueue_batch("default", "acme", many(limited.two, 8, 0.3))
        await proc.wait_batch(batch, 20)
        assert time.monotonic() - began < 1.9
    assert most_at_once(instance.records) == 2
    assert len({record["pid"] for record in instance.records}) > 1


@pytest.mark.row("BN-30")
async def test_a_limit_changed_at_run_time_holds_within_a_second_and_others_are_unaffected(instance: Instance) -> None:
    for _ in range(3):
        instance.process(max_workers=8, poll_interval=60)
    async with instance.open() as proc:
        batch = await proc.enqueue_batch("default", "acme", many(limited.two, 12, 0.5))
        other = await proc.enqueue_batch("default", "acme", many(handlers.nap, 8, 0.5, "other"))
        began = time.monotonic()
        await proc.wait_batch(other, 5)
        assert time.monotonic() - began < 1.0
        await until(lambda: len(instance.recorded("end", tag=None)) >= 4)
        await proc.set_limit(limited.two, max_concurrency=4)
        changed = instance.now()
        await proc.wait_batch(batch, 20)
    mine = [r for r in instance.records if r["name"].endswith(".two")]
    assert most_at_once(r for r in mine if r["at"] <= changed) == 2
    assert most_at_once(mine) == 4
    fourth = [r for r in mine if r["event"] == "start" and r["at"] > changed][1]
    assert fourth["at"] - changed < 1.0


@pytest.mark.parametrize("mode", MODES)
async def test_a_million_blocked_tasks_hold_up_nothing_else(instance: Instance, mode: str) -> None:
    """In the same batch, of the same tenant and of others."""
    async with instance.worker(max_workers=10, poll_interval=60) as proc:
        await proc.set_queue_mode("default", mode)  # type: ignore[arg-type]
        await proc.set_limit(limited.two, max_concurrency=0)

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(limited.two, ((0.0,) for _ in range(5_000)))
            await batch.enqueue_many(handlers.mark, (("same",) for _ in range(100)))

        batch = await proc.enqueue_batch("default", "acme", build)
        await proc.enqueue_task("default", "acme", handlers.mark, "tenant")
        await proc.enqueue_task("default", "other", handlers.mark, "other")
        await instance.wait_records(102, "ran")
        assert not instance.recorded("start")
        assert counters(await proc.get_batch(batch)) == (5_100, 100, 0, 0, 5_000)
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running) == (5_000, 0)
        info = await limit(proc, "two")
        assert (info.running, info.waiting, info.max_concurrency, info.code_max_concurrency) == (0, 5_000, 0, 2)
        await proc.set_limit(limited.two, max_concurrency=None)
        await proc.wait_batch(batch, 20)


async def limit(proc: TaskProcessor, name: str) -> Any:
    """What is told of a handler's limit."""
    return next(info for info in await proc.get_limits() if info.name.endswith("." + name))


@pytest.mark.parametrize("how", ["done", "fail", "snooze", "timeout", "thread", "process"])
async def test_a_slot_comes_back_however_a_task_ends(instance: Instance, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    handler = {"thread": limited.one_thread, "process": limited.one_process}.get(how, limited.one)
    async with instance.worker(max_workers=4, poll_interval=60) as proc:
        for n in range(3):
            args = (5.0 if how == "timeout" else 0.05, n, how)
            await proc.enqueue_task("default", "acme", handler, *args[: 2 if how in ("thread", "process") else 3])
        wanted = {"fail": 6, "snooze": 6, "timeout": 6}.get(how, 3)
        await instance.wait_records(wanted, "start")
        await until(lambda: instance.names(":lim:") == [] and instance.names(":park:") == [])
        assert not instance.names(":waits")
    if how not in ("fail", "snooze"):
        assert most_at_once(instance.records) == 1
