"""Worker processes: their options, those that crash, signals, logs, a shared folder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from taskproc import TaskProcessor
from tests import handlers
from tests.commands import ROOT, app_of, environment, on_terminal, quick
from tests.harness import Instance, until


async def test_a_worker_takes_queues_and_slots_from_its_options(instance: Instance) -> None:
    worker = await asyncio.to_thread(instance.process, "--queues", "mail, high", "--max-workers", "3", queues=["default"])
    async with instance.open() as proc:
        [info] = await proc.get_workers()
        assert (info.queues, info.slots, info.pid) == (("mail", "high"), 3, worker.pid)
        await proc.enqueue_task("default", "acme", handlers.mark)
        await proc.enqueue_task("high", "acme", handlers.mark)
        assert [r["queue"] for r in await instance.wait_records(1)] == ["high"]
        worker.signal(signal.SIGINT)
        assert await asyncio.to_thread(worker.wait) == 0
        assert await proc.get_workers() == []


async def test_a_crashed_process_is_started_again(instance: Instance) -> None:
    supervisor = instance.process(
        *("--processes", "2", "--queues", "mail", "--max-workers", "3", "--log-level", "warning"), wait=False, invisibility=1
    )
    async with instance.open() as proc:
        first = await until(lambda: pids(proc, 2))
        assert supervisor.pid not in first
        assert {(info.queues, info.slots) for info in await proc.get_workers()} == {(("mail",), 3)}
        await proc.options(max_attempts=2).enqueue_task("mail", "acme", handlers.die_below, 2)
        [killed] = {r["pid"] for r in await instance.wait_records(1, "start")}
        second = await until(lambda: pids(proc, 2, without=killed))
        assert len(first & second) == 1
        [end] = await instance.wait_records(1, "end", seconds=20)
        assert end["pid"] in second
        supervisor.signal(signal.SIGTERM)
        assert await asyncio.to_thread(supervisor.wait) == 0
        assert await pids(proc, 0, without=killed) == set()
        for pid in first | second:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
    instance.forget_workers()
    lines = [json.loads(line) for line in supervisor.output().splitlines()]
    assert any(line["level"] == "error" and "ended with code 3" in line["message"] for line in lines)


async def pids(proc: TaskProcessor, count: int, without: int = 0) -> set[int]:
    """The processes that are listed, if there are so many besides one."""
    found = {info.pid for info in await proc.get_workers()} - {without}
    return found if len(found) == count else set()


def start_worker(*arguments: str, group: int | None = None, **told: str) -> subprocess.Popen[bytes]:
    """A worker whose output nobody reads."""
    command = [sys.executable, "-m", "taskproc", "worker", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(**told), process_group=group, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


async def test_ctrl_c_gives_all_processes_their_grace(instance: Instance) -> None:
    # A group of its own, as a shell gives to what it starts on a terminal: Ctrl-C goes to all that are in it.
    command = ["tests.app:proc", "--processes", "2"]
    supervisor = start_worker(*command, group=0, **app_of(instance, shutdown_grace=20))
    try:
        async with instance.open() as proc:
            await until(lambda: pids(proc, 2))
            await proc.enqueue_task("default", "acme", handlers.nap, 1)
            await instance.wait_records(1)
            os.killpg(supervisor.pid, signal.SIGINT)
            assert await asyncio.to_thread(supervisor.wait, 20) == 0
            assert [r["event"] for r in instance.records] == ["start", "end"]
            assert await proc.get_workers() == []
    finally:
        supervisor.kill()
        supervisor.wait()


async def test_processes_stop_when_their_supervisor_is_killed(instance: Instance) -> None:
    supervisor = start_worker("tests.app:proc", "--processes", "2", **app_of(instance))
    async with instance.open() as proc:
        await until(lambda: pids(proc, 2))
        await proc.enqueue_task("default", "acme", handlers.nap, 0.5)
        await instance.wait_records(1)
        supervisor.kill()
        supervisor.wait()
        await until(lambda: nobody(proc))
        assert [r["event"] for r in instance.records] == ["start", "end"]


async def nobody(proc: TaskProcessor) -> bool:
    """Whether no worker is left."""
    return await proc.get_workers() == []


async def test_logs_are_json_off_a_terminal(instance: Instance) -> None:
    worker = await asyncio.to_thread(instance.process)
    async with instance.open() as proc:
        await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.fail)
        await until(proc.get_dead_tasks)
    worker.signal(signal.SIGTERM)
    lines = [json.loads(line) for line in worker.output().splitlines()]
    assert {"time", "level", "logger", "pid", "message"} <= set.intersection(*(set(line) for line in lines))
    assert {line["pid"] for line in lines} == {worker.pid}
    assert "serves default with 10 slots" in lines[0]["message"]
    assert [line["level"] for line in lines if "is dead" in line["message"]] == ["warning"]
    assert lines[-1]["message"].endswith("stopped")


def test_logs_are_readable_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from taskproc import TaskProcessor, task\n"
        "import os, signal\n"
        "async def stop(ctx): os.kill(os.getpid(), signal.SIGTERM)\n"
        "proc = TaskProcessor('embedded://', on_task_end=stop)\n"
        "@task\n"
        "async def work(): pass\n"
        "run = proc.run\n"
        "async def filled(**more):\n"
        "    await proc.open()\n"
        "    await proc.enqueue_task('default', 'acme', work)\n"
        "    await run(**more)\n"
        "proc.run = filled\n"
    )
    done = on_terminal("worker", "program:proc", PYTHONPATH=str(tmp_path))
    assert done.code == 0
    assert re.search(r"^\d\d:\d\d:\d\d INFO    worker \w{22} serves default", done.out, re.MULTILINE)


async def test_a_folder_is_shared_by_programs_workers_and_commands(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from taskproc import TaskProcessor, task\n"
        f"proc = TaskProcessor('embedded://{tmp_path}/data', poll_interval=0.2)\n"
        "@task\n"
        "async def work(n: int): pass\n"
        "async def main():\n"
        "    async with proc:\n"
        "        print(await proc.enqueue_batch('default', 'acme', lambda b: [b.enqueue(work, n) for n in range(9)]))\n"
    )
    told = {"PYTHONPATH": str(tmp_path)}
    worker = start_worker("program:proc", **told)
    try:
        code = "import asyncio, program; asyncio.run(program.main())"
        made = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], env=environment(**told), capture_output=True, text=True, check=True
        )
        shared = f"embedded://{tmp_path}/data"
        done = await quick("batch", made.stdout.strip(), "--watch", "--json", TASKPROC_REDIS_URL=shared)
        assert json.loads(done.out.splitlines()[-1])["done"] == 9
    finally:
        worker.terminate()
        assert worker.wait(20) == 0
