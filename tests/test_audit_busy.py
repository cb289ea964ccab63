"""Audits of instances that are at work, and of large ones: what merely moves is no difference, and no step is long."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from taskproc import AuditReport, Batch, BatchState, TaskProcessor
from taskproc.keys import SCHEMA
from taskproc.store.scripts import SCRIPTS, to_json
from tests import handlers
from tests.building import noops
from tests.damage import BODY, HOLDER, Scene
from tests.harness import MODES, Instance, counters

SCRIPT_MS = 25
"""The longest that one script of an audit may take on a large instance; the machine that tests run on may be busy."""


def load(batch: Batch) -> None:
    """Tasks of every fate."""
    for n in range(120):
        batch.enqueue(handlers.step, 0.002)
        batch.enqueue(handlers.fail, below=2)
        batch.options(max_attempts=1, queue="mail").enqueue(handlers.fail)
        batch.options(delay=0.01 * (n % 40)).enqueue(handlers.noop)
    batch.options(on="settled", queue="mail").continue_with(handlers.noop)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("repair", [False, True])
async def test_an_instance_at_work_has_no_differences(instance: Instance, mode: Any, repair: bool) -> None:
    dice = random.Random(7)
    options = {"queues": ["default", "mail"], "max_workers": 6, "backoff": 0.01, "invisibility": 0.5}
    killed = instance.process("--queues", "default,mail", max_workers=4, backoff=0.01, invisibility=0.5)
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids = [await proc.enqueue_batch("default", f"tenant {n % 3}", load) for n in range(4)]
        doomed = await proc.enqueue_batch("default", "tenant 0", load)
        async with instance.worker(**options):
            stop = asyncio.Event()
            disturbing = asyncio.create_task(disturb(proc, dice, ids, stop))
            for moment in range(1_000_000):
                report = await proc.audit(repair)
                assert report.differences == (), report.differences
                assert report.unsure == ()
                if moment == 3:
                    killed.kill()
                if moment == 6:
                    assert await proc.cancel_batch(doomed)
                infos = [await proc.get_batch(batch_id) for batch_id in ids]
                if moment > 15 and all(info is not None and info.state is not BatchState.RUNNING for info in infos):
                    break
            stop.set()
            await disturbing
            for batch_id in ids:
                await proc.wait_batch(batch_id, 20)
        assert moment > 15
        for batch_id in ids:
            total, done, failed, cancelled, left = counters(await proc.get_batch(batch_id))
            assert (total, left) == (done + failed + cancelled, 0)
            assert failed >= 100
        assert (await proc.audit()).differences == ()


async def disturb(proc: TaskProcessor, dice: random.Random, ids: list[str], stop: asyncio.Event) -> None:
    """Append, retry and cancel single tasks, now and then."""
    for n in range(30):
        batch_id = dice.choice(ids)
        tenant = f"tenant {ids.index(batch_id) % 3}"
        assert await proc.append_batch("default", tenant, batch_id, noops(20))
        await proc.retry_dead_tasks("mail", batch_id=batch_id, count=5)
        task_id = await proc.options(delay=dice.choice([0, 5])).enqueue_task("default", tenant, handlers.noop)
        if n % 2:
            await proc.cancel_task(task_id)
        if stop.is_set():
            return
        await asyncio.sleep(0.01)


async def slowest(instance: Instance, proc: TaskProcessor) -> tuple[AuditReport, float]:
    """An audit, and the longest that Redis was held by one of its scripts, in ms; the best of three."""
    found = []
    for _ in range(3):
        instance.client.config_set("slowlog-log-slower-than", 500)
        instance.client.slowlog_reset()
        report = await proc.audit()
        entries = [entry for entry in instance.client.slowlog_get(100) if entry["command"].startswith(b"EVALSHA")]
        instance.client.config_set("slowlog-log-slower-than", 10_000)
        found.append(max((entry["duration"] / 1000 for entry in entries), default=0.0))
    return report, min(found)


async def test_no_step_of_a_large_batch_is_long(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(200_000)))
            batch.options(delay=600).enqueue(handlers.noop)
        scene = Scene(instance, proc)
        report, ms = await slowest(instance, proc)
        assert (report.differences, report.unsure) == ((), ())
        assert ms < SCRIPT_MS
        scene.r.hincrby(scene.record(batch.id), "remaining", 5)
        report, ms = await slowest(instance, proc)
        assert {one.kind for one in report.differences} == {"remaining", "tenant_remaining"}
        assert ms < SCRIPT_MS
        assert (await proc.audit(repair=True)).wrong == ()
        assert await proc.cancel_batch(batch.id)
        assert (await proc.audit()).differences == ()


async def test_many_running_tasks_are_counted_while_their_account_stands_still(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(4_300))
        scene = Scene(instance, proc)
        for seq in range(1, 34):
            scene.sweep.call("step", SCHEMA, HOLDER, seq, 600_000, 128, to_json(["default"]), to_json([]), 1)
        assert scene.r.hlen(scene.k("run")) == 4_224
        scene.r.hincrby(scene.k("tq", "default", "acme"), "settled", -2)
        scene.r.hincrby(scene.record(batch_id), "remaining", 1)
        report, ms = await slowest(instance, proc)
        found = [one.found for one in report.differences]
        assert "tenant acme counts 4,226 running tasks of queue default, there are 4,224" in found
        assert f"batch {batch_id} counts 4,301 tasks as remaining, 4,300 are there" in found
        assert report.unsure == ()
        assert ms < SCRIPT_MS
        assert (await proc.audit(repair=True)).wrong == ()
        assert counters(await proc.get_batch(batch_id)) == (4_300, 0, 0, 0, 4_300)
        assert (await proc.audit()).differences == ()
        assert await proc.cancel_batch(batch_id)


async def test_tenants_of_many_batches_are_added_up_in_parts(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = Scene(instance, proc)
        pipe = scene.r.pipeline(transaction=False)
        create, lists = SCRIPTS["batch_create"], to_json([["r", "default", 1, 0]])
        pipe.script_load(create.text)
        for n in range(3_100):
            call, batch = to_json(["p" * 22, n + 1, n + 1]), f"{n:022}"
            body = b"0" * 10 + BODY
            args = (scene.k("~"), scene.k(""), call, batch, "acme", "", "", "", lists, 0, body)
            pipe.evalsha(create.sha.decode(), 1, *args)
        pipe.execute()
        report, ms = await slowest(instance, proc)
        assert (report.differences, report.unsure, report.batches) == ((), (), 3_100)
        assert ms < SCRIPT_MS
        for kind, damaged, field, told in (
            (
                "tenant_remaining",
                ("t", "acme"),
                "remaining",
                "tenant acme counts 3,109 tasks as remaining, its batches 3,100",
            ),
            (
                "ready",
                ("tq", "default", "acme"),
                "pushed",
                "tenant acme counts 3,109 ready tasks in queue default, there are",
            ),
        ):
            scene.r.hincrby(scene.k(*damaged), field, 9)
            report = await proc.audit(repair=True)
            assert [one.kind for one in report.differences] == [kind]
            assert told in report.differences[0].found
            assert (await proc.audit()).differences == ()
        began = time.monotonic()
        async with instance.worker(max_workers=50):
            while (await proc.get_queue("default")).ready:
                report = await proc.audit()
                assert report.differences == ()
        assert time.monotonic() - began < 50
