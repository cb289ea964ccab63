"""Limits: how many tasks of a handler run at once over all workers, how a slot comes back, what operators set."""

from __future__ import annotations

import signal
import time

import pytest

from taskproc import Batch, InvalidValue
from tests import handlers, limited
from tests.harness import MODES, Instance, counters, until
from tests.limiting import limit, many, most_at_once


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
        await until(lambda: len([r for r in instance.recorded("end") if r["name"].endswith(".two")]) >= 2)
        changed = instance.now()
        await proc.set_limit(limited.two, max_concurrency=4)
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

        async def settled() -> bool:
            return counters(await proc.get_batch(batch)) == (5_100, 100, 0, 0, 5_000)

        await until(settled)
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running) == (5_000, 0)
        info = await limit(proc, "two")
        assert (info.running, info.waiting, info.max_concurrency, info.code_max_concurrency) == (0, 5_000, 0, 2)
        await proc.set_limit(limited.two, max_concurrency=None)
        await proc.wait_batch(batch, 20)


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


@pytest.mark.parametrize("handler", ["customer", "tenant", "raw"])
async def test_each_key_has_its_own_limit(instance: Instance, handler: str) -> None:
    async with instance.worker(max_workers=8, poll_interval=60) as proc:
        for key in ("ann", "bob"):
            for _ in range(3):
                if handler == "customer":
                    await proc.enqueue_task("default", "acme", limited.of_customer, key, 0.1)
                elif handler == "tenant":
                    await proc.enqueue_task("default", key, limited.of_tenant, 0.1)
                else:
                    await proc.enqueue_raw("default", "acme", "limited-raw", key.encode())
        await instance.wait_records(6, "end")
        await until(lambda: not instance.names(":lim:") and not instance.names(":lims:"))
    records = instance.records
    assert most_at_once(records) == 2
    for key in ("ann", "bob"):
        assert most_at_once(r for r in records if r["tag"] == key) == 1


async def test_large_batches_of_many_keys_and_of_one_are_claimed_in_turn(instance: Instance) -> None:
    """More keys than have a list of their own, staged in chunks, and appended to."""
    async with instance.worker(max_workers=20, poll_interval=60) as proc:

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(limited.of_customer, ((f"c {n % 90}",) for n in range(2_400)))
            await batch.enqueue_many(limited.two, (() for _ in range(100)))

        batch = await proc.enqueue_batch("default", "acme", build)
        assert await proc.append_batch("default", "acme", batch, build)
        assert (await proc.wait_batch(batch, 60)).done == 5_000
        await until(lambda: not instance.names("!") and not instance.names(":park") and not instance.names(":lims"))


@pytest.mark.parametrize("mode", MODES)
async def test_a_limit_holds_over_queues(instance: Instance, mode: str) -> None:
    async with instance.worker(max_workers=8, queues=["high", "low"], poll_interval=60) as proc:
        for queue in ("high", "low"):
            await proc.set_queue_mode(queue, mode)  # type: ignore[arg-type]
        low = await proc.enqueue_batch("low", "acme", many(limited.two, 6, 0.1, "low"))
        await instance.wait_records(2, "start")
        high = await proc.enqueue_batch("high", "acme", many(limited.two, 6, 0.1, "high"))
        for batch in (low, high):
            await proc.wait_batch(batch, 10)
    assert most_at_once(instance.records) == 2
    assert [r["tag"] for r in instance.recorded("start")] == ["low"] * 2 + ["high"] * 6 + ["low"] * 4


async def test_a_continuation_runs_under_the_limit_of_its_handler(instance: Instance) -> None:
    async with instance.worker(max_workers=8, poll_interval=60) as proc:
        for n in range(4):
            await proc.enqueue_batch("default", "acme", lambda b, n=n: b.continue_with(limited.one_thread, 0.1, n))
        await instance.wait_records(4, "end")
    assert most_at_once(instance.records) == 1


async def test_the_crash_of_a_worker_gives_its_slots_to_others(instance: Instance) -> None:
    victim = instance.process(max_workers=4)
    async with instance.open() as proc:
        batch = await proc.enqueue_batch("default", "acme", many(limited.two, 4, 0.2))
        await instance.wait_records(2, "start")
        victim.kill()
        instance.process(max_workers=4)
        assert (await proc.wait_batch(batch, 20)).done == 4
    assert len(instance.recorded("start")) == 6
    assert not instance.names(":lim:")


async def test_a_stop_hands_the_slots_back(instance: Instance) -> None:
    worker = instance.process(max_workers=4, shutdown_grace=0.1)
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", many(limited.two, 4, 5.0))
        await instance.wait_records(2, "start")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert not instance.names(":lim:")
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.running) == (4, 0)


@pytest.mark.parametrize("one", [True, False])
async def test_a_cancel_of_what_runs_lets_the_next_go_on(instance: Instance, one: bool) -> None:
    async with instance.worker(max_workers=4, poll_interval=60) as proc:
        first = await proc.enqueue_task("default", "acme", limited.of_tenant, 60.0)
        batch = await proc.enqueue_batch("default", "acme", many(limited.of_tenant, 2, 60.0))
        await instance.wait_records(1, "start")
        await until(lambda: instance.names(":park:"))
        [started] = instance.recorded("start")
        if started["id"] == first and one:
            assert await proc.cancel_task(first)
        else:
            assert await (proc.cancel_batch(batch) if started["id"] != first else proc.cancel_task(first))
        began = time.monotonic()
        await instance.wait_records(2, "start")
        assert time.monotonic() - began < 1.0
        assert await proc.cancel_batch(batch) or await proc.cancel_task(first)


async def test_what_waits_for_a_limit_is_found_shown_and_cancelled(instance: Instance) -> None:
    async with instance.worker(max_workers=4, poll_interval=60) as proc:
        await proc.set_limit(limited.two, max_concurrency=0)
        single = await proc.enqueue_task("default", "acme", limited.two, 0.0, "single")
        batch = await proc.enqueue_batch("default", "acme", many(limited.two, 3))
        await until(lambda: len(instance.names(":park:")) == 2 and not instance.names(":ring:"))
        info = await proc.get_task(single)
        assert info is not None
        assert info.state == "ready"
        assert len(await proc.get_tasks_in_queue("default")) == 4
        queue = await proc.get_queue("default")
        assert queue.ready == 4
        assert queue.oldest_ready_seconds is not None
        explained = await proc.explain_batch(batch)
        assert explained is not None
        assert (
            "3 tasks in queue default wait for limits of their handlers: `taskproc limits list` shows them."
            in explained.reasons
        )
        assert (await proc.audit()).differences == ()
        assert await proc.cancel_task(single)
        assert await proc.cancel_batch(batch)
        assert not instance.names(":park:")
        assert (await proc.get_queue("default")).ready == 0


async def test_an_operators_word_goes_before_the_codes_and_can_be_taken_back(instance: Instance) -> None:
    async with instance.open() as proc:
        assert not await proc.clear_limit(limited.two)
        await proc.set_limit("tests.limited.two", max_concurrency=7)
        await proc.set_limit(limited.two, rate_limit="5/s")
        async with instance.worker():
            found = await limit(proc, "two")
        assert (found.max_concurrency, found.rate_limit, found.is_set) == (7, "5/s", True)
        assert (found.code_max_concurrency, found.code_rate_limit) == (2, None)
        assert await proc.clear_limit(limited.two)
        found = await limit(proc, "two")
        assert (found.max_concurrency, found.rate_limit, found.is_set) == (2, None, False)
        with pytest.raises(InvalidValue, match="no limit"):
            await proc.set_limit(handlers.noop, max_concurrency=1)
        with pytest.raises(InvalidValue, match="no limit"):
            await proc.set_limit("somebody.elses", max_concurrency=1)
        with pytest.raises(InvalidValue, match="give max_concurrency"):
            await proc.set_limit(limited.two)
