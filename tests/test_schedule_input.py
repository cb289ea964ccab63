"""What an upsert refuses, by the name of the field and with nothing stored; and ids with whatever characters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import ArgumentError, HandlerError, InvalidValue, PayloadTooLarge, TaskprocError
from tests import forms, handlers, scheduling
from tests import schedule_rules as rules
from tests.frozen import Clock
from tests.harness import Instance, refused
from tests.scheduling import DAY, HOUR, NOON, known, schedule, shown_as, tick

IDS = [
    "a", "with blank", "a:b:c", "{acme}", "}{", "a\nb\r\n", "\0", "\0\0x", "*", "?[a]", "..", "a/b", '"', "'", "\\", "\\n",
    "%s%d", "ü", "日本語", "🎉🕑", "\u202e", "\ufeff", " ", "x" * 255, "é" * 127 + "x", "🎉" * 63 + "abc", "null", "1", "-1",
    "schedules", "t", "s\t", "a" * 22, "A" * 22,
]  # fmt: skip


async def test_ids_and_tenants_may_have_any_characters(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.worker() as proc:
        for tenant in ("acme", *IDS):
            for id in IDS if tenant in ("acme", "a:b:c", "\0") else ["a"]:
                await proc.upsert_schedule(schedule(id, tenant, at=NOON), tick, [tenant, id])
        for tenant in ("acme", "a:b:c", "\0"):
            assert await proc.count_schedules(tenant) == len(IDS)
            listed = [info.id for info in await proc.get_schedules(tenant)]
            assert sorted(listed) == sorted(IDS)
            plain = [id for id in listed if "\0" not in id]
            assert plain == sorted(plain, key=str.encode)
        ran = await instance.wait_records(3 * len(IDS) + len(IDS) - 2, "start", seconds=30)
        assert sorted(r["tag"] for r in ran) == sorted(
            [tenant, id] for tenant in ("acme", *IDS) for id in (IDS if tenant in ("acme", "a:b:c", "\0") else ["a"])
        )
        assert all(r["tag"] == [r["tenant"], r["schedule"]] for r in ran)


@pytest.mark.parametrize("id", IDS, ids=shown_as)
async def test_an_id_of_any_characters_does_what_others_do(instance: Instance, clock: Clock, id: str) -> None:
    clock.stand(NOON)
    async with instance.open(signing_key="k" * 32) as proc:
        await proc.upsert_schedule(schedule(id), tick, id)
        assert (await known(proc, id)).id == id
        assert await proc.trigger_schedule(id, "acme")
        assert await proc.pause_schedule(id, "acme")
        assert await proc.resume_schedule(id, "acme")
        [task] = await proc.get_tasks_in_queue("default")
        assert task.schedule_id == id
        assert await proc.run_until_idle() == 1
        [ran] = instance.recorded("start")
        assert (ran["schedule"], ran["tag"], ran["due"]) == (id, id, NOON.timestamp())
        [run] = (await known(proc, id)).history
        assert run.task_id == task.id
        assert await proc.cancel_schedule(id, "acme")


@pytest.mark.row("CT-46")
async def test_schedules_of_one_id_are_each_tenants_own(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        for n, tenant in enumerate(("acme", "globex", "acme:s")):
            await proc.upsert_schedule(schedule(tenant=tenant, cron=f"{n + 1} * * * *"), tick, tenant)
        assert await proc.pause_schedule("s", "acme:s")
        assert await proc.cancel_schedule("s", "globex")
        assert [await proc.count_schedules(tenant) for tenant in ("acme", "globex", "acme:s")] == [1, 0, 1]
        assert [(await known(proc, tenant=tenant)).paused for tenant in ("acme", "acme:s")] == [False, True]
        clock.stand(NOON + HOUR)
        assert await proc.run_due_schedules() == 1
        [task] = await proc.get_tasks_in_queue("default")
        assert task.tenant == "acme"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": ""}, "id=''"),
    ({"id": None}, "id=None"),
    ({"id": "x" * 256}, "id of 256 bytes"),
    ({"id": "\ud800"}, "id: "),
    ({"tenant": ""}, "tenant of 0 bytes"),
    ({"tenant": "é" * 128}, "tenant of 256 bytes"),
    ({"queue": "no blanks"}, "queue name 'no blanks'"),
    ({"label": 3}, "label must be a text"),
    ({"timezone": "Europe/Atlantis"}, "timezone='Europe/Atlantis'"),
    ({"unique": "yes"}, "unique='yes'"),
    ({"expire": -1}, "expire=-1"),
    ({"misfire": "maybe"}, "misfire='maybe'"),
    ({"max_runs": 0}, "max_runs=0"),
    ({"jitter": "5"}, "jitter='5'"),
    ({"start": datetime(2026, 1, 1)}, "start="),
    ({"end": datetime(2026, 1, 1)}, "end="),
    ({"start": NOON, "end": NOON - HOUR}, "end="),
    ({"end": NOON - HOUR}, "end=.*nothing comes from now on"),
    ({"cron": "0 0 31 2 *", "end": NOON + DAY}, "cron='0 0 31 2 "),
    ({"start": NOON + HOUR, "end": NOON + 2 * HOUR}, "end=.*nothing comes between start and end"),
    ({"cron": "* * * *"}, "cron='. . . .': 4 fields"),
    ({"cron": "61 * * * *"}, "cron='61 .*the minute field '61'"),
    ({"cron": "* * 30 2 *"}, "cron=.*never comes"),
    ({"cron": "@reboot"}, "cron='@reboot'"),
    ({"cron": "* * * * * *"}, "cron=.*six fields.*cron_seconds=True"),
    ({"cron": "0 * * * *|* * * * * *"}, "cron=.*cron_seconds=True"),
    ({"cron": "0 * * * *", "every": 5}, "cron and every are given"),
    ({"cron": None}, "none of them is given"),
    ({"every": 0.05}, "every=0.05"),
    ({"every": DAY, "start": NOON - 9 * DAY, "end": NOON - HOUR}, "end=.*nothing comes from now on"),
    ({"at": datetime(2026, 1, 1)}, "at="),
    ({"at": "noon"}, "at='noon'"),
    ({"next_run": rules.local()}, "next_run="),
    ({"next_run": lambda last: None}, "next_run="),
    ({"next_run": scheduling.never}, "next_run=.*nothing comes from now on"),
    ({"next_run": "tests.scheduling.missing"}, "next_run='tests.scheduling.missing': no module with a handler"),
    ({"next_run": "os.getcwd"}, "next_run='os.getcwd': no module with a handler"),
    ({"next_run": scheduling.nonsense}, "next_run='soon'"),
    ({"next_run": scheduling.naive}, "next_run=.*no time zone"),
]


@pytest.mark.row("CT-48", "BE-29")
@pytest.mark.parametrize(("fields", "told"), WRONG, ids=shown_as)
async def test_a_field_that_makes_no_sense_is_refused_by_name(
    instance: Instance, clock: Clock, fields: dict[str, Any], told: str
) -> None:
    clock.stand(NOON)
    rule = {} if {"cron", "every", "at", "next_run"} & fields.keys() else {"cron": "0 * * * *"}
    if "end" in fields and "start" in fields and rule:
        rule = {"cron": "0 3 * * *"}
    wrong = replace(schedule(every=HOUR), **{"every": None, **rule, **fields})
    async with instance.open() as proc:
        with refused(instance, InvalidValue, told):
            await proc.upsert_schedule(wrong, tick)
        assert issubclass(InvalidValue, ValueError)
        if not {"id", "tenant"} & fields.keys():
            await proc.upsert_schedule(schedule(every=HOUR), tick, "right")
            before = await known(proc)
            with pytest.raises(InvalidValue, match=told):
                await proc.upsert_schedule(replace(wrong, id="s"), tick, "wrong")
            assert await known(proc) == before


class Mixed:
    """What is no schedule."""

    id, tenant, cron = "s", "acme", "0 3 * * *"


@pytest.mark.parametrize("wrong", [None, "0 3 * * *", {"id": "s"}, Mixed(), Mixed], ids=shown_as)
async def test_what_is_no_schedule_is_refused(instance: Instance, wrong: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "schedule="):
            await proc.upsert_schedule(wrong, tick)
        with refused(instance, InvalidValue, "schedule="):
            await proc.tenant("acme").upsert_schedule(wrong, tick)


@pytest.mark.parametrize(
    ("handler", "args", "kind", "told"),
    [
        (lambda: None, (), HandlerError, "lambda"),
        (forms.unmarked, (), HandlerError, "unmarked.*is not a handler"),
        ("tests.handlers.mark", (), HandlerError, "tests.handlers.mark"),
        (None, (), HandlerError, "None"),
        (tick, ("a", 1, "more"), ArgumentError, "too many"),
        (handlers.nap, (), ArgumentError, "seconds"),
        (handlers.nap, ("soon",), ArgumentError, "seconds"),
        (tick, (float("nan"),), ArgumentError, "tag"),
        (tick, ("x" * 2_000_000,), PayloadTooLarge, "2,000,"),
    ],
    ids=shown_as,
)
async def test_a_call_that_enqueueing_would_refuse_is_refused(
    instance: Instance, handler: Any, args: tuple[Any, ...], kind: type[TaskprocError], told: str
) -> None:
    async with instance.open() as proc:
        with refused(instance, kind, told):
            await proc.upsert_schedule(schedule(), handler, *args)


@pytest.mark.parametrize("call", ["cancel", "trigger", "pause", "resume", "get"])
@pytest.mark.parametrize(
    ("id", "tenant", "told"),
    [("", "acme", "id=''"), (None, "acme", "id=None"), (5, "acme", "id=5"), ("x" * 256, "acme", "id of 256 bytes"),
     ("\ud800", "acme", "id: "), ("s", "", "tenant of 0 bytes"), ("s", None, "tenant None"), ("s", "\ud800", "tenant ")],
    ids=shown_as,
)  # fmt: skip
async def test_names_that_none_can_have_are_refused(instance: Instance, call: str, id: Any, tenant: Any, told: str) -> None:
    async with instance.open() as proc:
        named: Callable[..., Any] = getattr(proc, f"{call}_schedule")
        with refused(instance, InvalidValue, told):
            await named(id, tenant)


async def test_lists_of_no_tenant_are_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        for wrong in ("", None, "x" * 256):
            for call in (proc.get_schedules, proc.count_schedules):
                with refused(instance, InvalidValue, "tenant"):
                    await call(wrong)  # type: ignore[operator]


@pytest.mark.row("CT-48")
async def test_six_fields_are_for_processors_that_say_so_and_five_for_all(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON + timedelta(seconds=5))
    async with instance.open() as proc, instance.open(cron_seconds=True) as exact:
        await proc.upsert_schedule(schedule("five", cron="* * * * *"), tick)
        await exact.upsert_schedule(schedule("fives", cron="* * * * *"), tick)
        await exact.upsert_schedule(schedule("six", cron="30 * * * * *"), tick)
        times = {id: (await known(proc, id)).next_at for id in ("five", "fives", "six")}
        minute = NOON.replace(minute=1)
        assert times == {"five": minute, "fives": minute, "six": NOON.replace(second=30)}
        clock.stand(NOON + timedelta(hours=1))
        assert await proc.run_due_schedules() == 3, "whoever fires them may do without"


async def test_years_that_never_end_are_refused_and_far_ones_come(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "at=.*before the year 9991"):
            await proc.upsert_schedule(schedule(at=datetime(9999, 12, 31, tzinfo=UTC)), tick)
        await proc.upsert_schedule(schedule(at=datetime(9990, 12, 31, tzinfo=UTC)), tick)
        assert (await known(proc)).next_at == datetime(9990, 12, 31, tzinfo=UTC)
        assert await proc.run_due_schedules() == 0
