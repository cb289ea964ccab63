"""Work that nobody knows: it waits for a newer worker, and is dead after a grace."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from taskproc import TaskProcessor, TaskState
from tests import forms, handlers
from tests.harness import Instance, until


@pytest.mark.row("BN-25", "BE-33", "CT-68", "PJ-13")
async def test_an_unknown_handler_waits_for_a_newer_worker(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open(include=[forms]) as newer:
        unknown = await newer.enqueue_task("default", "acme", forms.unmarked, "unknown")
        async with instance.worker() as proc:
            batch_id = await proc.enqueue_batch(
                "default", "acme", lambda batch: [batch.enqueue(handlers.mark, n) for n in range(10)]
            )
            before = instance.now()
            assert (await proc.wait_batch(batch_id, 10)).done == 10
            assert max(r["at"] for r in instance.recorded("ran")) - before < 1
            info = await until(lambda: state_of(proc, unknown, TaskState.DELAYED))
            assert (info.attempt, info.name) == (0, "tests.forms.unmarked")
            assert "no handler is named 'tests.forms.unmarked'" in caplog.text
            assert next(record.levelname for record in caplog.records if unknown in record.getMessage()) == "WARNING"
            assert len(await proc.get_workers()) == 1
        totals = await newer.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed, totals.remaining) == (10, 0, 1)
    async with instance.worker(include=["tests.forms"]):
        [ran] = await instance.wait_records(1, "ran", tag="unknown")
        assert (ran["id"], ran["attempt"]) == (unknown, 1)
        assert ran["delivery"] >= 2


async def state_of(proc: TaskProcessor, task_id: str, state: TaskState) -> Any:
    """What is known of a task, once it is in a state."""
    info = await proc.get_task(task_id)
    return info if info is not None and info.state is state else None


@pytest.mark.row("CT-68")
async def test_unknown_work_is_dead_after_the_grace(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.worker(unknown_grace=0.5) as proc:
        task_id = await proc.enqueue_raw("default", "acme", "nobody.knows", b"\x00data")
        info = await until(lambda: state_of(proc, task_id, TaskState.DELAYED), 2)
        assert info.scheduled_for.timestamp() - instance.now() <= 1
        dead = await until(lambda: state_of(proc, task_id, TaskState.FAILED), 5)
        assert (dead.name, dead.data, dead.queue) == ("nobody.knows", b"\x00data", "default")
        assert dead.errors[-1].type == "taskproc.errors.UnknownHandler"
        assert "'nobody.knows'" in dead.errors[-1].message
        assert "'nobody.knows'" in caplog.text
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed) == (0, 1)


async def test_a_retried_dead_letter_of_unknown_work_has_a_fresh_grace(instance: Instance) -> None:
    async with instance.open(unknown_grace=0.3) as proc:
        task_id = await proc.enqueue_raw("default", "acme", "nobody.knows", b"")
        await proc.run_until_idle()
        await asyncio.sleep(1.02)
        await proc.run_until_idle()
        assert await state_of(proc, task_id, TaskState.FAILED)
        assert await proc.retry_dead_tasks() == 1
        await proc.run_until_idle()
        assert await state_of(proc, task_id, TaskState.DELAYED)


async def test_a_dead_letter_of_unknown_work_runs_once_its_handler_is_known(instance: Instance) -> None:
    async with instance.open(include=[forms]) as newer, instance.open(unknown_grace=0) as proc:
        await newer.enqueue_task("default", "acme", forms.unmarked, "late")
        await proc.run_until_idle()
        assert len(await newer.get_dead_tasks()) == 1
        assert await newer.retry_dead_tasks() == 1
        assert await newer.run_until_idle() == 1
        assert [(r["tag"], r["attempt"]) for r in instance.recorded("ran")] == [("late", 1)]


async def test_a_payload_never_makes_a_worker_import_anything(instance: Instance) -> None:
    known = set(sys.modules)
    async with instance.open(unknown_grace=0, max_workers=1) as proc:
        for name in ("os:system", "os.system", "antigravity.fly", "tests.app.proc", "taskproc.handlers.task"):
            await proc.enqueue_raw("default", "acme", name, b"true")
        await proc.run_until_idle()
        assert {d.name for d in await proc.get_dead_tasks()} >= {"os:system", "antigravity.fly", "tests.app.proc"}
        assert len(await proc.get_dead_tasks()) == 5
    assert not {"antigravity", "tests.app"} & (set(sys.modules) - known)
