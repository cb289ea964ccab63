"""The log of executions that comes along."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from taskproc.middleware import log_tasks
from tests import handlers
from tests.harness import Instance, until
from tests.test_middleware import give, sleep_long


@pytest.mark.row("BR-13")
async def test_the_log_tells_start_and_end_of_each_execution(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "taskproc.tasks")
    async with instance.worker(middleware=[log_tasks], max_attempts=1) as proc:
        done = await proc.enqueue_task("default", "acme", give, "kanarienvogel")
        failed = await proc.enqueue_task("default", "acme", handlers.fail, "broken")
        retried = await proc.enqueue_task("default", "acme", handlers.signal, "snooze")
        limited = await proc.enqueue_task("default", "acme", sleep_long, "kanarienvogel")
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.nap, 60))
        await instance.wait_records(1, "start", tag=None)
        await until(lambda: any(getattr(r, "batch_id", None) == batch_id for r in caplog.records))
        await proc.cancel_batch(batch_id)
        await until(lambda: len([r for r in caplog.records if hasattr(r, "duration_ms")]) >= 6)
    found: dict[str, list[Any]] = {}
    for record in caplog.records:
        if record.name == "taskproc.tasks":
            fields: Any = record
            assert fields.task_id in record.getMessage()
            assert (fields.tenant, fields.queue, fields.attempt) == ("acme", "default", 1)
            found.setdefault(fields.task_id, []).append(fields)
    [cancelled] = [task_id for task_id in found if task_id.startswith(batch_id)]
    assert [r.event for r in found[done]] == ["started", "done"]
    assert [r.event for r in found[failed]] == ["started", "failed"]
    assert [r.event for r in found[limited]] == ["started", "failed"]
    assert [r.event for r in found[cancelled]] == ["started", "cancelled"]
    assert [r.event for r in found[retried]] == ["started", "snoozed", "started", "done"]
    assert all(ends[-1].duration_ms >= 0 for ends in found.values())
    assert found[limited][-1].duration_ms >= 199
    assert "ValueError: broken" in found[failed][-1].getMessage()
    assert found[limited][-1].error == "it passed its time limit"
    assert found[failed][-1].levelno == logging.ERROR
    assert "kanarienvogel" not in caplog.text
