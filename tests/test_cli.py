"""The command line: every command, on a terminal and in a script, its exit codes, and worker processes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from taskproc import Batch, TaskProcessor
from taskproc.cli import app, main
from tests import handlers
from tests.harness import Instance, until
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """Its output, which is one JSON document."""
        return json.loads(self.out)


def environment(**told: str) -> dict[str, str]:
    """The environment of a command, without what is set in that of the tests."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("TASKPROC_")}
    return {**known, "COLUMNS": "160", "TERM": "xterm-256color", **told}


async def run(*arguments: str, **told: str) -> Done:
    """Run a command in a process of its own, as a script would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "taskproc", *arguments),
        cwd=ROOT,
        env=environment(**told),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def quick(*arguments: str, **told: str) -> Done:
    """Run a command in this process, from the same entry to its exit code, which takes a tenth of the time."""
    return await asyncio.to_thread(quick_here, arguments, told)


def quick_here(arguments: Sequence[str], told: Mapping[str, str]) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["taskproc", *arguments])
        patch.setenv("COLUMNS", "160")
        for name, value in told.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return Done(ended.value.code, out.getvalue(), err.getvalue())


def on_terminal(*arguments: str, **told: str) -> Done:
    """Run a command on a terminal of its own; ``out`` is all that it shows there."""
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "taskproc", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(**told), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while found := os.read(mine, 65536):
            shown += found
    except OSError:  # how a terminal ends
        pass
    os.close(mine)
    return Done(process.wait(20), shown.decode())


def of(instance: Instance, **told: str) -> dict[str, str]:
    """The environment that names an instance."""
    return {"TASKPROC_REDIS_URL": instance.server.url, "TASKPROC_PREFIX": instance.name, **told}


def app_of(instance: Instance, **options: object) -> dict[str, str]:
    """The environment that makes ``tests.app:proc`` one of an instance."""
    return {
        "TASKPROC_TEST_URL": instance.server.url,
        "TASKPROC_TEST_RECORD": instance.server.url,
        "TASKPROC_TEST_PREFIX": instance.name,
        "TASKPROC_TEST_OPTIONS": json.dumps(options),
    }


def fill(batch: Batch) -> None:
    """Three tasks, one of which fails for good."""
    batch.enqueue(handlers.noop)
    batch.enqueue(handlers.noop)
    batch.options(max_attempts=1).enqueue(handlers.fail, "no such [file]")


# what is asked for


def test_every_command_explains_itself() -> None:
    def walk(command: click.Command, *path: str) -> None:
        told = CliRunner().invoke(app, [*path, "--help"])
        assert told.exit_code == 0
        assert command.help
        assert command.help.split()[:3] == told.output.split("\n\n")[1].split()[:3]
        for name, inner in getattr(command, "commands", {}).items():
            assert name in told.output
            walk(inner, *path, name)

    walk(app)
    names = {"worker", "demo", "stats", "batches", "batch", "cancel", "pause", "resume", "dead"}
    assert names <= set(app.commands)


async def test_wrong_usage_ends_with_2() -> None:
    mistakes: list[tuple[str, list[str], dict[str, str]]] = [
        ("florp", ["florp"], {}),
        ("--florp", ["stats", "--florp"], {}),
        ("TASKPROC_REDIS_URL", ["stats"], {}),
        ("unknown scheme http://", ["stats"], {"TASKPROC_REDIS_URL": "http://localhost"}),
        ("prefix", ["stats", "--redis", "redis://localhost", "--prefix", "a b"], {}),
        ("22 characters", ["cancel", "short", "--redis", "redis://localhost"], {}),
    ]
    for words, arguments, told in mistakes:
        done = await quick(*arguments, **told)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


async def test_a_worker_that_makes_no_sense_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "senseless.py").write_text(
        "from taskproc import TaskProcessor\nfar, own = TaskProcessor('redis://localhost'), TaskProcessor('embedded://')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for words, arguments in (
        ("module:processor", ["tests"]),
        ("no module 'no'", ["no.such.module:proc"]),
        ("no 'florp'", ["senseless:florp"]),
        ("not a TaskProcessor", ["senseless:TaskProcessor"]),
        ("max_workers", ["senseless:far", "--max-workers", "0"]),
        ("queue", ["senseless:far", "--queues", "a b"]),
        ("embedded:///some/folder", ["senseless:own", "--processes", "2"]),
    ):
        done = await quick("worker", *arguments)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


async def test_redis_that_is_not_there_ends_with_3(instance: Instance) -> None:
    told = {**app_of(instance, redis_patience=0.2), "TASKPROC_TEST_URL": f"redis://127.0.0.1:{free_port()}/0"}
    done = await run("stats", "--app", "tests.app:proc", **told)
    assert (done.code, done.out) == (3, "")
    assert done.err.count("\n") == 1
    assert "Nothing was done" in done.err


# looking


async def test_stats(instance: Instance) -> None:
    async with instance.worker(queues=["default", "mail"], max_workers=7) as proc:
        await proc.enqueue_batch("default", "acme", fill)
        await proc.options(delay=60).enqueue_task("mail", "beta", handlers.noop)
        await until(proc.get_dead_tasks)
        await until(lambda: done_of(proc, "acme", 2))
        app_ = await run("stats", "--json", "--app", "tests.app:proc", **app_of(instance))
        script = await quick("stats", "--json", **of(instance))
        table = await quick("stats", "--redis", instance.server.url, "--prefix", instance.name)
    assert (script.code, table.code, app_.code) == (0, 0, 0)
    found = script.json
    assert found["paused"] is False
    assert {q["name"]: (q["ready"], q["delayed"], q["dead"]) for q in found["queues"]} == {
        "default": (0, 0, 1),
        "mail": (0, 1, 0),
    }
    [worker] = found["workers"]
    assert (worker["pid"], worker["queues"], worker["slots"]) == (os.getpid(), ["default", "mail"], 7)
    assert {t["tenant"]: (t["total"], t["done"], t["failed"]) for t in found["tenants"]} == {
        "acme": (3, 2, 1),
        "beta": (1, 0, 0),
    }
    assert [q["name"] for q in app_.json["queues"]] == ["default", "mail"]
    for name in ("Queues", "Workers", "Tenants", "default", "mail", "acme", "beta"):
        assert name in table.out
    assert "\x1b" not in table.out


async def done_of(proc: TaskProcessor, tenant: str, count: int) -> bool:
    """Whether so many of a tenant's tasks are done."""
    totals = await proc.get_tenant(tenant)
    return totals is not None and totals.done == count


async def test_a_terminal_shows_tables(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", fill, label="a [bold]label")
        await proc.run_until_idle()
        await proc.pause()
        stats, batches, batch, dead = await asyncio.gather(
            *(
                asyncio.to_thread(on_terminal, *command, **of(instance))
                for command in (("stats",), ("batches", "acme"), ("batch", batch_id, "--watch"), ("dead", "list"))
            )
        )
    assert [done.code for done in (stats, batches, batch, dead)] == [0, 0, 0, 0]
    assert "paused" in stats.out
    assert "Queues" in stats.out
    assert "────" in stats.out
    for done in (stats, batches, batch, dead):
        assert "\x1b[" in done.out
        assert "Traceback" not in done.out
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", batches.out)
    assert re.search(rf"{batch_id} +a \[bold\]label +failed +3 +2 +1 +0 +0 ", plain)
    assert "100%" in batch.out or "3/3" in batch.out
    assert "no such [file]" in dead.out


async def test_batches(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", fill, label=f"number {n}") for n in range(3)]
        await proc.enqueue_batch("default", "beta", fill)
        every, page, table, none = [
            await quick("batches", "acme", "--json", **of(instance)),
            await quick("batches", "acme", "--json", "--skip", "1", "--take", "1", **of(instance)),
            await quick("batches", "acme", **of(instance)),
            await quick("batches", "nobody", **of(instance)),
        ]
    assert [batch["id"] for batch in every.json] == ids[::-1]
    assert [batch["label"] for batch in page.json] == ["number 1"]
    assert every.json[0]["state"] == "running"
    assert re.findall(r"number \d", table.out) == ["number 2", "number 1", "number 0"]
    assert (none.code, none.out) == (0, "none\n")


async def test_batch(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", fill, label="three")
        shown = await quick("batch", batch_id, "--json", **of(instance))
        assert shown.json["label"] == "three"
        assert (shown.json["total"], shown.json["remaining"], shown.json["state"]) == (3, 3, "running")
        unknown = await quick("batch", "x" * 22, **of(instance))
        assert (unknown.code, unknown.out) == (1, "")
        assert "there is no batch" in unknown.err
        watching = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "taskproc", "batch", batch_id, "--watch", "--json"),
            cwd=ROOT,
            env=environment(**of(instance)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert watching.stdout is not None
        first = json.loads(await watching.stdout.readline())
        assert (first["done"], first["state"]) == (0, "running")
        await proc.run_until_idle()
        rest, _ = await watching.communicate()
        last = json.loads(rest.splitlines()[-1])
        assert (last["done"], last["failed"], last["state"], watching.returncode) == (2, 1, "failed", 0)
        bar = await quick("batch", batch_id, "--watch", **of(instance))
        assert "three of acme" in bar.out


# switching


async def test_cancel(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", fill)
        task_id = await proc.enqueue_task("default", "acme", handlers.noop)
        batch, single, unknown = [
            await quick("cancel", batch_id, **of(instance)),
            await quick("cancel", task_id, **of(instance)),
            await quick("cancel", "y" * 22, **of(instance)),
        ]
        assert [(done.code, done.out) for done in (batch, single)] == [(0, f"cancelled {i}\n") for i in (batch_id, task_id)]
        assert (unknown.code, unknown.out) == (1, "")
        assert "nothing to cancel" in unknown.err
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.cancelled == 3
        assert await proc.run_until_idle() == 0
        again = await quick("cancel", batch_id, **of(instance))
        assert again.code == 1


async def test_pause_and_resume(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)
        done = await quick("pause", **of(instance))
        assert (done.code, done.out) == (0, "paused\n")
        assert await proc.is_paused()
        assert await proc.run_until_idle() == 0
        assert "paused" in (await quick("stats", **of(instance))).out
        done = await quick("resume", **of(instance))
        assert (done.code, done.out) == (0, "resumed\n")
        assert await proc.run_until_idle() == 1


async def test_dead_letters(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for n in range(3):
                batch.options(max_attempts=1).enqueue(handlers.fail, f"reason {n}")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.options(max_attempts=1).enqueue_task("mail", "beta", handlers.fail, "other")
        async with instance.worker(queues=["default", "mail"]):
            await until(lambda: many_dead(proc, 4))
        every, part, table = [
            await quick("dead", "list", "--json", **of(instance)),
            await quick("dead", "list", "--json", "--tenant", "acme", "--skip", "1", "--take", "1", **of(instance)),
            await quick("dead", "list", "--queue", "mail", **of(instance)),
        ]
        assert sorted(letter["errors"][0]["message"] for letter in every.json) == [
            "other",
            *(f"reason {n}" for n in range(3)),
        ]
        assert len(part.json) == 1
        assert "ValueError: other" in table.out
        assert "acme" not in table.out
        done = await quick("dead", "retry", "--batch", batch_id, "--count", "2", "--max-attempts", "5", **of(instance))
        assert (done.code, done.out) == (0, "2 retried\n")
        assert (await proc.get_queue("default")).ready == 2
        done = await quick("dead", "discard", "--all", **of(instance))
        assert (done.code, done.out) == (0, "2 discarded\n")
        assert (await quick("dead", "list", **of(instance))).out == "none\n"


async def many_dead(proc: TaskProcessor, count: int) -> bool:
    """Whether there are so many dead letters."""
    return len(await proc.get_dead_tasks()) == count


# worker processes


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


# the demo, and what is installed


async def test_the_demo_adds_up() -> None:
    done = await run("demo", "--limit", "40")
    assert (done.code, done.err) == (0, "")
    assert "total = done + failed + cancelled + left, for every batch; each file is in its report once." in done.out
    rows = [[cell.strip() for cell in line.split("   ")] for line in done.out.splitlines()]
    every = next(row for row in rows if row[:2] == ["archive", "every module"])
    assert [int(cell) for cell in every if cell.isdigit()] == [41, 41, 0, 0, 0]
    assert "cancelled the mistaken batch" in done.out


PROBE = """
import asyncio, json, os, sys, taskproc
from taskproc.store import lua
from taskproc.store.scripts import SCRIPTS

@taskproc.task
async def work(n: int) -> None: ...

async def main():
    async with taskproc.TaskProcessor(os.environ["URL"], prefix=os.environ["PREFIX"]) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(work, n) for n in range(3)])
        ran = await proc.run_until_idle()
        return (await proc.get_batch(batch_id)).done, ran

work.__module__ = "probe"
print(json.dumps([str(lua.folder()), sorted(SCRIPTS), os.path.dirname(taskproc.__file__), asyncio.run(main())]))
"""


async def probe(instance: Instance, folder: Path, programs: Path) -> tuple[Path, Path]:
    """Use taskproc from a folder that isn't its own; where its scripts are, and its package."""
    (folder / "probe.py").write_text(PROBE)
    told = environment(URL=instance.server.url, PREFIX=instance.name)
    done = await asyncio.to_thread(
        subprocess.run, [programs / "python", "probe.py"], cwd=folder, env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lua, scripts, package, ran = json.loads(done.stdout)
    assert scripts == sorted(path.stem for path in (ROOT / "lua").glob("*.lua"))
    assert ran == [3, 3]
    command = [programs / "taskproc", "stats", "--json"]
    told = environment(**of(instance))
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, env=told, capture_output=True, check=True)
    assert json.loads(done.stdout)["tenants"][0]["done"] == 3
    return Path(lua), Path(package)


async def test_a_checkout_finds_its_scripts(instance: Instance, tmp_path: Path) -> None:
    lua, package = await probe(instance, tmp_path, Path(sysconfig.get_path("scripts")))
    assert (lua, package) == (ROOT / "lua", ROOT / "taskproc")


@pytest.mark.timeout(120)
async def test_a_wheel_brings_its_scripts(instance: Instance, tmp_path: Path) -> None:
    await asyncio.to_thread(install_wheel, tmp_path)
    lua, package = await probe(instance, tmp_path, tmp_path / "venv" / "bin")
    assert package.is_relative_to(tmp_path / "venv")
    assert lua == package / "_lua"


def install_wheel(folder: Path) -> None:
    """Build a wheel, and install it alone in an environment that finds all other packages where we do."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", folder, ROOT], check=True)
    [wheel] = folder.glob("taskproc-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "taskproc/py.typed" in names
    assert all(name.startswith(("taskproc/", "taskproc-")) for name in names)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--ignore-installed", *alone, wheel], check=True)
