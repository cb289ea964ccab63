"""Logs: what is told of workers and tasks, on which level, and what is never told."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from taskproc import Batch, TaskContext, TaskprocError, TaskProcessor
from tests import handlers
from tests.harness import Instance, until
from tests.proxy import Proxy

CANARY = "kanarienvogel-8c1f"
"""What must be found nowhere."""


def lines(caplog: pytest.LogCaptureFixture, level: int, *words: str) -> list[str]:
    """The lines of a level that have some words in them."""
    found = [record for record in caplog.records if record.levelno == level]
    return [text for text in (record.getMessage() for record in found) if all(word in text for word in words)]


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    """Take down what our loggers say, on every level."""
    caplog.set_level(logging.DEBUG, "taskproc")


@pytest.mark.row("BN-31")
async def test_start_and_stop_carry_the_worker(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.worker(queues=["high", "low"], max_workers=3) as proc:
        [info] = await proc.get_workers()
    assert lines(caplog, logging.INFO, "worker", info.id, "serves high, low with 3 slots")
    assert lines(caplog, logging.INFO, "worker", info.id, "stopped")
    assert {record.name.split(".")[0] for record in caplog.records} == {"taskproc"}


@pytest.mark.row("BN-31")
async def test_errors_carry_the_task(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(context: TaskContext) -> None:
        raise RuntimeError("a hook that fails")

    async with instance.open(max_attempts=2, backoff=0, on_task_end=broken) as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.fail)
        unknown = await proc.enqueue_raw("default", "acme", "nobody", b"")
        await proc.run_until_idle()
        assert lines(caplog, logging.INFO, task_id, "attempt 1 of 2 failed", "ValueError")
        assert lines(caplog, logging.WARNING, task_id, "tests.handlers.fail", "is dead", "ValueError")
        assert lines(caplog, logging.WARNING, unknown, "no handler is named 'nobody'")
        [hook] = [r for r in caplog.records if r.levelno == logging.ERROR and task_id in r.getMessage()][:1]
        assert hook.exc_info is not None
        assert "a hook that fails" in str(hook.exc_info[1])


@pytest.mark.row("BN-31")
async def test_what_handlers_raise_on_purpose_is_no_error(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open() as proc:
        for kind in ("retry", "snooze", "cancel"):
            await proc.enqueue_task("default", "acme", handlers.signal, kind)
        await proc.run_until_idle()
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.row("BN-31")
async def test_a_lost_lease_carries_worker_and_task(instance: Instance) -> None:
    frozen = await asyncio.to_thread(instance.process, invisibility=0.6)
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.linger, 3600)
        await instance.wait_records(1)
        [info] = await proc.get_workers()
        frozen.signal(signal.SIGSTOP)
        async with instance.worker(invisibility=0.6, max_attempts=2):
            await instance.wait_records(1, "end")
        frozen.signal(signal.SIGCONT)
        await instance.wait_records(1, "cancelled")
        frozen.signal(signal.SIGTERM)
        told = frozen.output()
    [line] = [line for line in told.splitlines() if "its lease was lost" in line]
    assert task_id in line
    assert '"level":"warning"' in line
    assert any(info.id in line for line in told.splitlines())


@pytest.mark.row("BN-31")
async def test_a_worker_tells_that_redis_is_away_and_back(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with Proxy(instance.server) as proxy, instance.worker(redis=proxy.url) as proc:
        proxy.refuse()
        await until(lambda: lines(caplog, logging.WARNING, "can't be used"))
        proxy.heal()
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1)


async def test_a_pause_is_told(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.worker() as proc:
        await proc.pause()
        await until(lambda: lines(caplog, logging.INFO, "the instance is paused"))
        await proc.resume()
        await until(lambda: lines(caplog, logging.INFO, "the instance is resumed"))


@pytest.mark.row("BN-31")
def test_a_program_that_sets_up_no_logs_hears_only_warnings(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import asyncio, sys\n"
        "from taskproc import TaskProcessor, task\n"
        "@task\n"
        "async def work(fails: bool):\n"
        "    if fails: raise ValueError('x')\n"
        "async def main():\n"
        "    async with TaskProcessor('embedded://', max_attempts=1) as proc:\n"
        "        running = asyncio.create_task(proc.run())\n"
        "        await proc.wait_batch(await proc.enqueue_batch('default', 'acme',\n"
        "            lambda b: b.enqueue(work, len(sys.argv) > 1)), 20)\n"
        "        await proc.stop()\n"
        "        await running\n"
        "asyncio.run(main())\n"
    )
    for fails in ([], ["fails"]):
        done = subprocess.run(
            [sys.executable, "program.py", *fails], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=True
        )
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == len(fails)
        assert all("is dead: ValueError" in line for line in done.stderr.splitlines())


# what is never told


async def test_no_payload_and_no_password_is_told(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    instance.client.execute_command("ACL", "SETUSER", instance.name, "on", f">{CANARY}", "~*", "&*", "+@all")
    try:
        async with Proxy(instance.server) as proxy:
            url = proxy.url.replace("//", f"//{instance.name}:{CANARY}@")

            def build(batch: Batch) -> None:
                batch.enqueue(handlers.noop, CANARY)
                batch.enqueue(handlers.tell, CANARY)
                batch.enqueue(handlers.tell, CANARY * 5_000)
                batch.enqueue_raw("nobody", CANARY.encode())
                batch.options(delay=60).enqueue(handlers.tell, CANARY)
                batch.continue_with(handlers.tell, CANARY)

            options = {"redis": url, "max_attempts": 2, "backoff": 0, "unknown_grace": 0}
            contexts: list[TaskContext] = []

            async def end(context: TaskContext) -> None:
                contexts.append(context)

            async with instance.worker(**options, on_task_end=end) as proc:
                batch_id = await proc.enqueue_batch("default", "acme", build)
                proxy.refuse()
                await until(lambda: lines(caplog, logging.WARNING, "can't be used"))
                impatient = instance.processor(redis=url, redis_patience=0.2)
                with pytest.raises(TaskprocError) as caught:
                    await impatient.open()
                proxy.heal()
                await until(lambda: remaining(proc, batch_id, 1))
                proxy.disconnect()
                dead = await proc.get_dead_tasks()
                assert len(dead) == 3
                texts = [str(caught.value), repr(caught.value), repr(proc), repr(contexts), repr(dead)]
        texts += [f"{record.getMessage()} {record.exc_info} {record.exc_text} {record.args}" for record in caplog.records]
        assert len(caplog.records) > 8
        assert not [text for text in texts if CANARY in text]
    finally:
        instance.client.execute_command("ACL", "DELUSER", instance.name)


async def remaining(proc: TaskProcessor, batch_id: str, count: int) -> bool:
    """Whether so many tasks of a batch have not ended."""
    info = await proc.get_batch(batch_id)
    return info is not None and info.remaining == count


async def test_a_worker_process_tells_no_payload_and_no_password(instance: Instance) -> None:
    instance.client.execute_command("ACL", "SETUSER", instance.name, "on", f">{CANARY}", "~*", "&*", "+@all")
    try:
        url = instance.server.url.replace("//", f"//{instance.name}:{CANARY}@")
        worker = await asyncio.to_thread(instance.process, "--log-level", "debug", env={"TASKPROC_TEST_URL": url})
        async with instance.open() as proc:
            await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.tell, CANARY)
            await until(proc.get_dead_tasks)
        worker.signal(signal.SIGTERM)
        told = worker.output()
        assert "is dead: ValueError" in told
        assert CANARY not in told
        refused = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "taskproc", "stats", "--redis", url.replace(CANARY, f"{CANARY}-wrong")],
            cwd=Path(__file__).parent.parent, env={**os.environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert refused.returncode == 3
        assert CANARY not in refused.stdout + refused.stderr
    finally:
        instance.client.execute_command("ACL", "DELUSER", instance.name)
