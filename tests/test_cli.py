"""The command line: every command, on a terminal and in a script, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from taskproc import Batch, TaskProcessor
from taskproc.cli import app
from tests import handlers, keeping
from tests.building import noops
from tests.commands import ROOT, app_of, environment, of, on_terminal, quick, run
from tests.harness import Instance, until
from tests.servers import free_port


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
    names = {"worker", "demo", "stats", "batches", "batch", "task", "cancel", "pause", "resume", "dead", "check", "audit"}
    assert names <= set(app.commands)


async def test_wrong_usage_ends_with_2() -> None:
    mistakes: list[tuple[str, list[str], dict[str, str]]] = [
        ("florp", ["florp"], {}),
        ("--florp", ["stats", "--florp"], {}),
        ("TASKPROC_REDIS_URL", ["stats"], {}),
        ("unknown scheme http://", ["stats"], {"TASKPROC_REDIS_URL": "http://localhost"}),
        ("prefix", ["stats", "--redis", "redis://localhost", "--prefix", "a b"], {}),
        ("22 characters", ["cancel", "short", "--redis", "redis://localhost"], {}),
        ("65535", ["metrics", "--port", "65536"], {}),
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
        ("module:processor", ["..:proc"]),
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


@pytest.mark.parametrize("option", ["--prefix", "--redis"])
async def test_what_the_processor_brings_is_not_given_beside_it(instance: Instance, option: str) -> None:
    done = await run("stats", "--app", "tests.app:proc", option, "other", **app_of(instance))
    assert (done.code, done.out) == (2, "")
    assert f"{option} beside --app: the processor tests.app:proc has one of its own" in done.err


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
        table = await quick("stats", "--redis", instance.server.app_url, "--prefix", instance.name)
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


@pytest.mark.parametrize("where", ["a pipe", "a narrow terminal"])
async def test_what_is_to_be_copied_is_never_broken(instance: Instance, where: str) -> None:
    """A pipe breaks no line at all, a terminal no id."""
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1), label="a label of many words " * 5)
        await proc.set_tenant_limits("acme", max_running=1)
        await proc.run_until_idle()
        if where == "a pipe":
            batches, journal = [
                await quick(*args, **of(instance, COLUMNS="")) for args in (("batches", "acme"), ("journal",))
            ]
            assert re.search(rf"^ {batch_id} +(a label of many words ){{5}} ", batches.out, re.MULTILINE)
            assert re.search(r" set_tenant_limits +acme .* max_running=1 ", journal.out)
        else:
            batches = await asyncio.to_thread(on_terminal, "batches", "acme", **of(instance, COLUMNS="80"))
            assert batch_id in batches.out


async def test_metrics_where_nobody_can_listen_end_with_2(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await quick("metrics", "--port", port, **of(instance))
    assert (done.code, done.out) == (2, "")
    assert f"--host 127.0.0.1 --port {port}: can't listen there" in done.err


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


async def test_task_shows_a_task(instance: Instance) -> None:
    async with instance.worker(max_attempts=1) as proc:
        keeping.made[:] = [object()]
        done = await proc.enqueue_task("default", "acme", keeping.invoice, 7)
        await proc.wait_result(done, 10)
        unkept = await proc.enqueue_task("default", "acme", keeping.whatever)
        failed = await proc.enqueue_task("default", "acme", handlers.fail, "no such [file]")
        told = await proc.enqueue_task("default", "acme", keeping.tell, "gate", [1, 2, "half"])
        await until(lambda: _has_progress(proc, told))
        shown = {task_id: await quick("task", task_id, **of(instance)) for task_id in (done, unkept, failed, told)}
        as_json = await quick("task", done, "--json", **of(instance))
        nothing = await quick("task", "0" * 32, **of(instance))
        keeping.gate("gate").set()
    assert [one.code for one in shown.values()] == [0] * 4
    assert 'result: {"number":7,"at":"2030-01-02T00:00:00+00:00"}' in shown[done].out
    assert "a value of type object can't be stored" in shown[unkept].out
    assert "attempt 1: ValueError: no such [file]" in shown[failed].out
    assert "progress: 1 of 2 half" in shown[told].out
    assert as_json.code == 0, as_json
    document = json.loads(as_json.out)
    assert (document["id"], document["state"], document["kept"]) == (done, "done", True)
    assert document["result"] == {"number": 7, "at": "2030-01-02T00:00:00+00:00"}
    assert (nothing.code, nothing.out) == (1, "")
    assert "there is no task" in nothing.err


async def _has_progress(proc: TaskProcessor, task_id: str) -> bool:
    info = await proc.get_task(task_id)
    return info is not None and info.progress is not None
