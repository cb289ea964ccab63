"""``taskproc schedules``: as a table and for scripts, and its exit codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import TaskProcessor
from tests import scheduling
from tests.commands import app_of, of, on_terminal, quick, run
from tests.frozen import Clock
from tests.harness import Instance
from tests.scheduling import DAY, HOUR, NOON, known, schedule, tick

NAMES = ("list", "show", "trigger", "pause", "resume", "cancel")


async def fill(proc: TaskProcessor, clock: Clock) -> None:
    """Some schedules, one of which ran and left something out."""
    clock.stand(NOON)
    await proc.upsert_schedule(
        schedule(
            "mail [bold]",
            cron="0 * * * *",
            timezone="Europe/Berlin",
            label="täglich [x]",
            unique=True,
            expire=90,
            max_runs=9,
        ),
        tick,
    )
    await proc.upsert_schedule(schedule("every", every=90, jitter=1.5, end=NOON + DAY), tick)
    await proc.upsert_schedule(schedule("once", at=NOON + HOUR), tick)
    await proc.upsert_schedule(schedule("own", next_run=scheduling.told), tick)
    await proc.upsert_schedule(schedule("mail", "other"), tick)
    clock.stand(NOON + HOUR + timedelta(seconds=2))
    assert await proc.run_due_schedules() == 4
    clock.stand(NOON + HOUR + timedelta(seconds=3.25))
    assert await proc.run_until_idle() == 4
    clock.stand(NOON + 2 * HOUR)
    await proc.trigger_schedule("mail [bold]", "acme")
    clock.stand(NOON + 2 * HOUR + timedelta(seconds=1))
    await proc.run_due_schedules()
    await proc.run_until_idle()
    await proc.pause_schedule("own", "acme")


async def test_list(instance: Instance, clock: Clock) -> None:
    async with instance.open() as proc:
        await fill(proc, clock)
        found, page, table, none = [
            await quick("schedules", "list", "--tenant", "acme", "--json", **of(instance)),
            await quick("schedules", "list", "--tenant", "acme", "--json", "--skip", "1", "--take", "2", **of(instance)),
            await quick("schedules", "list", "--tenant", "acme", **of(instance)),
            await quick("schedules", "list", "--tenant", "nobody", **of(instance)),
        ]
    assert [done.code for done in (found, page, table, none)] == [0, 0, 0, 0]
    assert [one["id"] for one in found.json] == ["every", "mail [bold]", "once", "own"]
    assert [one["id"] for one in page.json] == ["mail [bold]", "once"]
    mail = found.json[1]
    expected = {
        "tenant": "acme", "cron": "0 * * * *", "timezone": "Europe/Berlin", "expire": 90.0, "unique": True, "max_runs": 9,
        "runs": 1, "skipped": 1,
    }  # fmt: skip
    assert {name: mail[name] for name in expected} == expected
    assert (mail["skip_reason"], mail["words"], mail["handler"]) == (
        "unique",
        "Every hour (Europe/Berlin)",
        "tests.scheduling.tick",
    )
    assert (mail["next_at"], mail["last_at"]) == ("2026-03-04T15:00:00+00:00", "2026-03-04T13:00:00+00:00")
    assert (found.json[0]["every"], found.json[0]["jitter"], found.json[2]["next_at"]) == (90.0, 1.5, None)
    assert "anchor_ms" not in mail
    assert none.out == "none\n"
    rows = {line.split()[0]: line for line in table.out.splitlines() if " tests" in line}
    assert {name: re.search(r" (on|over|paused) ", row)[1] for name, row in rows.items()} == {  # type: ignore[index]
        "every": "on", "mail": "on", "once": "over", "own": "paused",
    }  # fmt: skip
    assert "mail [bold]" in table.out
    assert "täglich [x]" in table.out
    assert "other" not in table.out


async def test_show(instance: Instance, clock: Clock) -> None:
    async with instance.open() as proc:
        await fill(proc, clock)
        shown, few, own, table = [
            await quick("schedules", "show", "mail [bold]", "--tenant", "acme", "--json", **of(instance)),
            await quick("schedules", "show", "mail [bold]", "--tenant", "acme", "--json", "-n", "2", **of(instance)),
            await quick("schedules", "show", "own", "--tenant", "acme", "--json", **of(instance)),
            await quick("schedules", "show", "mail [bold]", "--tenant", "acme", "-n", "3", **of(instance)),
        ]
        every = await quick("schedules", "show", "every", "--tenant", "acme", **of(instance))
        run_, triggered = sorted((await known(proc, "mail [bold]")).history, key=lambda run: run.due_at)
    assert [done.code for done in (shown, few, own, table, every)] == [0] * 5
    assert shown.json["upcoming"] == [f"2026-03-04T{hour}:00:00+00:00" for hour in range(15, 20)]
    assert few.json["upcoming"] == shown.json["upcoming"][:2]
    assert (len(own.json["upcoming"]), own.json["paused"], own.json["next_run"]) == (1, True, "tests.scheduling.told")
    newest, oldest = shown.json["history"]
    assert (oldest["task_id"], oldest["state"], oldest["drift"], oldest["seconds"]) == (run_.task_id, "done", 3.25, 0.0)
    assert (newest["task_id"], newest["due_at"], newest["drift"]) == (triggered.task_id, "2026-03-04T14:00:00+00:00", 1.0)
    lines = table.out.splitlines()
    assert lines[:2] == ["mail [bold] of acme: on", "Every hour (Europe/Berlin)"]
    told = dict(line.split(": ", 1) for line in lines[2:] if re.match(r"[a-z ]+: ", line))
    assert told == {
        "label": "täglich [x]", "handler": "tests.scheduling.tick", "cron": "0 * * * * (Europe/Berlin)", "unique": "yes",
        "expires after": "1 min 30 s", "misfire": "once", "runs": "1 of 9, 1 left out", "last held up by": "unique",
    }  # fmt: skip
    assert re.findall(r"2026-03-04 1[5-9]:00:00 UTC", table.out) == [f"2026-03-04 {hour}:00:00 UTC" for hour in (15, 16, 17)]
    assert re.search(rf"2026-03-04 13:00:00 UTC +done +3.2 s +0.0 s +{run_.task_id}", table.out)
    assert "\x1b" not in table.out
    assert "jitter: 1.5 s" in every.out
    assert "until: 2026-03-05 12:00:00 UTC" in every.out
    assert "Every 1 minute and 30 seconds" in every.out


async def test_what_is_to_come_is_told_by_how_far_it_is_and_orphans_as_such(instance: Instance, code: Any) -> None:
    code.deploy('@schedule("0 3 * * *", tenant="acme", id="coded")\nasync def nightly(): ...\n')
    async with instance.worker() as proc:
        await proc.upsert_schedule(schedule("soon", at=datetime.now(UTC) + 50 * HOUR), tick)
        on = await quick("schedules", "show", "coded", "--tenant", "acme", **of(instance))
        code.forget()
    async with instance.worker():
        table = await quick("schedules", "list", "--tenant", "acme", **of(instance))
        as_json = await quick("schedules", "list", "--tenant", "acme", "--json", **of(instance))
    assert "coded of acme: on" in on.out
    assert "handler: program" in on.out.replace("\n", "")
    assert ", declared by code" in on.out
    coded, soon = [line for line in table.out.splitlines() if line.startswith((" coded", " soon"))]
    assert " orphan " in coded
    assert re.search(r" in 2 d [12] h ", soon)
    assert [(one["coded"], one["orphan"]) for one in as_json.json] == [(True, True), (False, False)]


async def test_a_schedule_is_paused_and_goes_on_and_is_triggered_and_cancelled(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(unique=True), tick)
        mine = ("s", "--tenant", "acme")
        done = await quick("schedules", "pause", *mine, **of(instance))
        assert (done.code, done.out) == (0, "paused s\n")
        assert (await known(proc)).paused
        done = await quick("schedules", "resume", *mine, "--json", **of(instance))
        assert (done.code, done.json) == (0, {"id": "s", "tenant": "acme", "done": "resumed"})
        assert not (await known(proc)).paused
        done = await quick("schedules", "trigger", *mine, **of(instance))
        assert (done.code, done.out) == (0, "triggered s\n")
        assert (await proc.get_queue("default")).ready == 1
        done = await quick("schedules", "trigger", *mine, "--json", **of(instance))
        assert (done.code, done.out) == (1, "")
        assert "not triggered: a task of schedule s of acme is there, and it is unique" in done.err
        done = await quick("schedules", "cancel", *mine, **of(instance))
        assert (done.code, done.out) == (0, "cancelled s\n")
        assert await proc.count_schedules("acme") == 0


@pytest.mark.parametrize("name", NAMES[1:])
async def test_one_that_is_not_there_ends_with_1_and_one_of_another_tenant_too(instance: Instance, name: str) -> None:
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(), tick)
        for id, tenant in (("other", "acme"), ("s", "globex")):
            done = await quick("schedules", name, id, "--tenant", tenant, **of(instance))
            assert (done.code, done.out) == (1, "")
            assert f"there is no schedule {id} of {tenant}" in done.err
        assert not (await known(proc)).paused
        assert (await proc.get_queue("default")).ready == 0


async def test_wrong_usage_ends_with_2(instance: Instance) -> None:
    mistakes = [
        *(("--tenant", [name] if name == "list" else [name, "s"]) for name in NAMES),
        ("ID", ["show", "--tenant", "acme"]),
        ("-n", ["show", "s", "--tenant", "acme", "-n", "-1"]),
        ("-n", ["show", "s", "--tenant", "acme", "-n", "many"]),
        ("tenant of 0 bytes", ["list", "--tenant", ""]),
        ("id=''", ["cancel", "", "--tenant", "acme"]),
        ("take", ["list", "--tenant", "acme", "--take", "-1"]),
    ]
    for told, arguments in mistakes:
        done = await quick("schedules", *arguments, **of(instance))
        assert (done.code, done.out) == (2, ""), arguments
        assert told in done.err


async def test_a_full_queue_refuses_a_trigger_with_3(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 0)
        await proc.upsert_schedule(schedule(), tick)
        done = await quick("schedules", "trigger", "s", "--tenant", "acme", **of(instance))
        assert (done.code, done.out) == (3, "")
        assert "queue default is full" in done.err


async def test_one_with_a_function_goes_on_where_that_is_known(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON - HOUR)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(next_run=scheduling.told), tick)
        await proc.pause_schedule("s", "acme")
        done = await run("schedules", "show", "s", "--tenant", "acme", **of(instance))
        assert (done.code, "When tests.scheduling.told says" in done.out) == (0, True)
        stranger = await run("schedules", "resume", "s", "--tenant", "acme", **of(instance))
        assert (stranger.code, "next_run='tests.scheduling.told': no module" in stranger.err) == (2, True)
        assert (await known(proc)).paused
        done = await run("schedules", "resume", "s", "--tenant", "acme", "--app", "tests.app:proc", **app_of(instance))
        assert done.code == 2, "that program doesn't know it either"


async def test_a_terminal_shows_tables(instance: Instance, clock: Clock) -> None:
    async with instance.open() as proc:
        await fill(proc, clock)
    for command in (("list",), ("show", "mail [bold]")):
        done = on_terminal("schedules", *command, "--tenant", "acme", **of(instance))
        assert done.code == 0
        assert "\x1b[" in done.out
        assert "Traceback" not in done.out
        assert "mail [bold]" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.out)
