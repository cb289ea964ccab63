"""Leases: renewal, rescue, and late reports that change nothing."""

from __future__ import annotations

import asyncio
import math
import signal
import time

import pytest

from taskproc import Batch, BatchState, TaskContext, TaskProcessor, current_task, task
from taskproc.store import WorkerStore
from taskproc.store.work import Group
from tests import handlers
from tests.building import noops
from tests.harness import LATE, Instance, WorkerProcess, counters, until
from tests.measure import in_time
from tests.sweep import Sweep

kept: list[TaskContext] = []
"""Contexts of tasks that ran in this process."""


@task
async def keep_context() -> None:
    """Leaves its context behind."""
    kept.append(current_task())


async def one(proc: TaskProcessor, handler: object, *args: object) -> str:
    """Enqueue a batch of one task."""
    return await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handler, *args))  # type: ignore[arg-type]


async def ends_done(proc: TaskProcessor, batch_id: str) -> None:
    """Wait for a batch of one task, which is done and counted once."""
    info = await proc.wait_batch(batch_id, 15)
    assert (info.state, info.total, info.done) == (BatchState.DONE, 1, 1)


async def start(instance: Instance, *arguments: str, **options: object) -> WorkerProcess:
    """A worker process, without holding up the workers of this one."""
    return await asyncio.to_thread(instance.process, *arguments, **options)  # type: ignore[arg-type]


# workers that are gone


@pytest.mark.row("CT-34", "BN-12")
async def test_a_killed_workers_task_comes_back_when_its_lease_ends(instance: Instance) -> None:
    tries = iter(range(10))

    async def lateness() -> float:
        tag = next(tries)
        worker = await start(instance, invisibility=1)
        before = instance.now()
        async with instance.open() as proc:
            batch_id = await one(proc, handlers.linger, 3600, tag)
            await instance.wait_records(1, tag=tag)
            async with instance.worker(invisibility=1):
                worker.kill()
                killed = instance.now()
                first, second = await instance.wait_records(2, "start", tag=tag)
                assert (first["attempt"], second["attempt"]) == (1, 2)
                assert second["pid"] != first["pid"] == worker.pid
                # Records are exact to a tenth of a millisecond.
                assert second["at"] >= before + 1 - 0.0001
                await ends_done(proc, batch_id)
                return float(second["at"]) - killed

    await in_time(lateness, 1 + LATE)


@pytest.mark.row("BR-21")
async def test_a_worker_that_comes_and_goes_takes_nothing_from_a_live_one(instance: Instance) -> None:
    async with instance.open() as proc, instance.worker(max_workers=5, invisibility=1):

        def build(batch: Batch) -> None:
            for _ in range(5):
                batch.enqueue(handlers.nap, 2)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await instance.wait_records(5, "start")
        for _ in range(2):
            async with instance.worker(invisibility=1):
                await asyncio.sleep(0.6)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.done, info.total) == (5, 5)
        assert [r["event"] for r in instance.records] == ["start"] * 5 + ["end"] * 5


# renewal


@pytest.mark.row("CT-36")
async def test_a_task_longer_than_its_lease_is_delivered_once(instance: Instance) -> None:
    async with instance.worker(invisibility=1) as proc, instance.worker(invisibility=1):
        await ends_done(proc, await one(proc, handlers.nap, 2.2))
        assert [r["event"] for r in instance.records] == ["start", "end"]


async def test_without_renewal_it_is_delivered_again(instance: Instance) -> None:
    options = {"invisibility": 0.5, "renew": False}
    async with instance.worker(**options) as proc, instance.worker(**options):
        batch_id = await one(proc, handlers.linger, 3600)
        started = await instance.wait_records(2, "start")
        assert [r["delivery"] for r in started] == [1, 2]
        assert started[1]["at"] >= started[0]["at"] + 0.4
        await ends_done(proc, batch_id)


@pytest.mark.row("CT-35")
async def test_a_handler_prolongs_its_lease(instance: Instance) -> None:
    options = {"invisibility": 0.5, "renew": False}
    async with instance.worker(**options) as proc, instance.worker(**options):
        await ends_done(proc, await one(proc, handlers.keep_alive, 1.4, 0.75, 10))
        assert [r["event"] for r in instance.records] == ["start", "renewed", "end"]
        assert [r["renewed"] for r in instance.recorded("renewed")] == [True]


@pytest.mark.row("BE-28")
async def test_a_task_is_kept_alive_until_it_stops_asking(instance: Instance) -> None:
    options = {"invisibility": 0.6, "renew": False}
    async with instance.worker(**options) as proc, instance.worker(**options):
        tries = iter(range(10))

        async def lateness() -> float:
            tag = next(tries)
            batch_id = await one(proc, handlers.keep_alive, 2.4, 0.2, 0.6, tag)
            first, second = await instance.wait_records(2, "start", tag=tag)
            renewed = instance.recorded("renewed", tag=tag)
            assert all(r["renewed"] and r["delivery"] == 1 for r in renewed)
            await ends_done(proc, batch_id)
            if second["at"] - first["at"] < 1.2:
                return math.inf  # it was kept from asking for longer than its lease
            return float(second["at"] - renewed[-1]["at"])

        await in_time(lateness, 0.6 + LATE)


@pytest.mark.row("CT-35")
async def test_a_task_that_has_ended_prolongs_nothing(instance: Instance) -> None:
    async with instance.worker() as proc:
        await ends_done(proc, await one(proc, keep_context))
        keys = instance.keys()
        assert await kept.pop().renew(10) is False
        assert instance.keys() == keys


# blocked event loops


async def test_a_blocked_event_loop_keeps_its_leases(instance: Instance) -> None:
    worker = await start(instance, invisibility=1)
    async with instance.open() as proc:
        batch_id = await one(proc, handlers.block_loop, 2.2)
        await instance.wait_records(1, "start")
        async with instance.worker(invisibility=1):
            await ends_done(proc, batch_id)
    assert [(r["event"], r["pid"]) for r in instance.records] == [("start", worker.pid), ("end", worker.pid)]
    worker.signal(signal.SIGTERM)
    told = worker.output()
    assert "a handler has blocked the event loop for" in told
    assert "in block_loop" in told


async def test_a_loop_that_stays_blocked_lets_its_leases_go(instance: Instance) -> None:
    worker = await start(instance, invisibility=0.3)
    async with instance.open() as proc:
        batch_id = await one(proc, handlers.block_loop, 3.8)
        [first] = await instance.wait_records(1, "start")
        async with instance.worker(invisibility=0.3):
            await ends_done(proc, batch_id)
            _, second, end = await instance.wait_records(3)
            assert second["pid"] == end["pid"] != first["pid"] == worker.pid
            assert second["at"] > first["at"] + 10 * 0.3 - 0.3
            await instance.wait_records(2, "end")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        await ends_done(proc, batch_id)


# messages that were lost


async def test_a_cancel_whose_message_was_lost_is_seen_at_a_renewal(instance: Instance) -> None:
    client = instance.client
    client.execute_command("ACL", "SETUSER", instance.name, "on", ">deaf", "~*", "&*", "+@all", "-subscribe")
    try:
        url = f"redis://{instance.name}:deaf@127.0.0.1:{instance.server.port}/0"
        async with instance.open() as proc, instance.worker(redis=url, invisibility=1.5):
            batch_id = await one(proc, handlers.nap, 3600)
            await instance.wait_records(1, "start")
            assert await proc.cancel_batch(batch_id)
            cancelled = instance.now()
            [seen] = await instance.wait_records(1, "cancelled")
            assert seen["at"] < cancelled + 1.5
    finally:
        client.execute_command("ACL", "DELUSER", instance.name)


# frozen workers


@pytest.mark.parametrize("seconds", [0.3, 3600])
async def test_a_worker_that_was_frozen_past_its_lease_changes_nothing(instance: Instance, seconds: float) -> None:
    frozen = await start(instance, invisibility=0.6)
    async with instance.open() as proc:
        batch_id = await one(proc, handlers.linger, seconds)
        [first] = await instance.wait_records(1, "start")
        frozen.signal(signal.SIGSTOP)
        async with instance.worker(invisibility=0.6):
            await ends_done(proc, batch_id)
            frozen.signal(signal.SIGCONT)
            # Its handler ends late, or is told to end; which of both depends on how long it sleeps.
            await until(lambda: [r for r in instance.recorded("end", "cancelled") if r["pid"] == first["pid"]])
            frozen.signal(signal.SIGTERM)
            assert frozen.wait() == 0
        await ends_done(proc, batch_id)
        assert [r["delivery"] for r in instance.recorded("start")] == [1, 2]
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.done, totals.running) == (1, 1, 0)
    told = frozen.output()
    assert "its lease was lost" in told
    assert first["id"] in told


@pytest.mark.row("BN-16")
async def test_of_two_reports_of_one_lease_one_counts_and_the_other_is_told_so(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(2))
        stores = [WorkerStore(proc._store.target, instance.name, ["default"], 60_000) for _ in range(2)]
        workers = [store.work for store in stores]
        [claims] = (await workers[0].step(2, [])).claims
        members = [batch_id + body[:10].decode() + claims.token for body in claims.bodies]
        report = Group(batch_id, "default", 1000, members)
        assert (await workers[0].step(0, [report])).lost == []
        assert (await workers[1].step(0, [report])).lost == members
        assert counters(await proc.get_batch(batch_id)) == (2, 2, 0, 0, 0)
        for store in stores:
            await store.work.leave()
            await store.close()


async def test_what_was_lost_before_its_claim_was_read_is_not_run(instance: Instance) -> None:
    leases = f"{{{instance.name}}}:leases"
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", noops(3))
        store = WorkerStore(proc._store.target, instance.name, ["default"], 200)
        await store.work.step(0, [])
        claiming = asyncio.create_task(store.work.step(3, []))
        await asyncio.sleep(0)  # it is sent
        while instance.client.zcard(leases) < 3:  # which keeps the loop from reading the answer
            pass
        [kept] = instance.client.zrange(leases, 0, 0)
        instance.client.zadd(leases, {kept: 2_000_000_000_000})
        await_in_vain(0.3)
        assert Sweep(instance.client, instance.name).call("upkeep_rescue", 100)[1] == 2
        [claims] = (await claiming).claims
        assert claims.members() == [kept]
        await store.work.leave()
        await store.close()


def await_in_vain(seconds: float) -> None:
    """Block the loop."""
    time.sleep(seconds)
