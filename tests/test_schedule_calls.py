"""Schedules as a processor's calls see them: stored, changed, paused, triggered, cancelled, counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from taskproc import InvalidValue, QuotaExceeded, TaskState
from tests import handlers
from tests.frozen import Clock
from tests.harness import Instance, refused
from tests.scheduling import DAY, HOUR, MINUTE, NOON, dues, known, schedule, tick


@pytest.mark.row("CT-46")
async def test_a_schedule_that_is_upserted_again_is_changed_and_its_old_time_does_not_come(
    instance: Instance, clock: Clock
) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="5 * * * *"), tick, "first")
        assert (await known(proc)).next_at == NOON + 5 * MINUTE
        changed = schedule(
            cron="30 12 * * *", timezone="Europe/Berlin", queue="low", label="scope", unique=True, expire=90, misfire="skip"
        )
        clock.stand(NOON + MINUTE)
        await proc.upsert_schedule(changed, handlers.noop, "second")
        assert await proc.count_schedules("acme") == 1
        [info] = await proc.get_schedules("acme")
        assert replace(changed, expire=timedelta(seconds=90)) == schedule(
            **{name: getattr(info, name) for name in ("cron", "timezone", "queue", "label", "unique", "expire", "misfire")}
        )
        assert (info.id, info.tenant, info.handler) == ("s", "acme", "tests.handlers.noop")
        assert info.next_at == NOON + DAY - 30 * MINUTE  # 12:30 in Berlin has passed
        assert (info.created_at, info.changed_at) == (NOON, NOON + MINUTE)
        clock.stand(NOON + HOUR)
        assert await proc.run_due_schedules() == 0
        clock.stand(NOON + DAY)
        assert await proc.run_due_schedules() == 0, "it is a minute and more too late for misfire skip"
        assert (await known(proc)).skipped == 1
        clock.stand(NOON + 2 * DAY - 30 * MINUTE)
        assert await proc.run_due_schedules() == 1
        [task] = await proc.get_tasks_in_queue("low")
        assert (task.name, task.schedule_id, task.state) == ("tests.handlers.noop", "s", TaskState.READY)
        assert task.data == b'["tests.handlers.noop",["second"]]'


async def test_of_a_hundred_upserts_at_once_one_schedule_is_left(instance: Instance) -> None:
    async with instance.open() as one, instance.open() as other:
        await asyncio.gather(
            *((one if n % 2 else other).upsert_schedule(schedule(every=HOUR, label=str(n)), tick, n) for n in range(50)),
            *(one.upsert_schedule(schedule(cron=f"{n} * * * *", label=str(n)), tick, n) for n in range(50)),
        )
        assert await one.count_schedules("acme") == 1
        assert [len(instance.names(part)) for part in (":s:", ":ts:")] == [1, 1]
        [info] = await one.get_schedules("acme")
        assert info.next_at is not None
        assert await one.trigger_schedule("s", "acme")
        [task] = await one.get_tasks_in_queue("default")
        assert task.data.endswith(f"[{info.label}]]".encode()), "it is one of them whole"
        assert await one.cancel_schedule("s", "acme")
        assert (await one.get_schedules("acme"), instance.names(":s:")) == ([], [])


@pytest.mark.parametrize("rule", [{"cron": "0 * * * *"}, {"every": HOUR}, {"cron": "0 * * * *", "jitter": MINUTE}])
async def test_one_whose_rule_stays_keeps_a_missed_occurrence_and_its_runs(
    instance: Instance, clock: Clock, rule: dict[str, Any]
) -> None:
    clock.stand(NOON + MINUTE)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(**rule), tick, "first")
        due = (await known(proc)).next_at
        assert due is not None
        clock.stand(NOON + 3 * HOUR)
        assert await proc.run_due_schedules() == 1
        after = (await known(proc)).next_at
        assert after is not None
        clock.stand(NOON + 9 * HOUR)
        await proc.upsert_schedule(schedule(**rule, label="later", queue="low", unique=True), tick, "second")
        info = await known(proc)
        assert (info.next_at, info.runs, info.label) == (after, 1, "later")
        assert await proc.run_due_schedules() == 1
        assert [task.data[-12:] for task in await proc.get_tasks_in_queue("low")] == [b',["second"]]']
        await proc.upsert_schedule(schedule(**{**rule, "jitter": 0.001 * HOUR}), tick)
        info = await known(proc)
        assert info.runs == 0
        assert info.next_at is not None
        assert info.next_at > NOON + 9 * HOUR


async def test_a_paused_schedule_stays_paused_and_goes_on_from_now(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="10 * * * *"), tick)
        assert not await proc.pause_schedule("other", "acme")
        assert not await proc.pause_schedule("s", "globex")
        assert [await proc.pause_schedule("s", "acme") for _ in range(2)] == [True, True]
        assert (await known(proc)).paused
        clock.stand(NOON + 3 * HOUR)
        assert await proc.run_due_schedules() == 0
        await proc.upsert_schedule(schedule(cron="20 * * * *"), tick)
        assert (await known(proc)).paused
        clock.stand(NOON + 4 * HOUR)
        assert await proc.run_due_schedules() == 0
        assert not await proc.resume_schedule("other", "acme")
        assert not await proc.resume_schedule("s", "globex")
        assert [await proc.resume_schedule("s", "acme") for _ in range(2)] == [True, True]
        info = await known(proc)
        assert (info.paused, info.next_at, info.runs) == (False, NOON + 4 * HOUR + 20 * MINUTE, 0)
        assert await proc.run_due_schedules() == 0, "what came while it was paused is left out"
        clock.stand(NOON + 5 * HOUR)
        assert await proc.run_due_schedules() == 1


async def test_a_single_time_that_came_while_it_was_paused_runs_when_it_goes_on(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(at=NOON + HOUR), tick)
        assert await proc.pause_schedule("s", "acme")
        clock.stand(NOON + DAY)
        assert await proc.run_due_schedules() == 0
        assert await proc.resume_schedule("s", "acme")
        assert [await proc.run_due_schedules() for _ in range(2)] == [1, 0]
        assert await proc.pause_schedule("s", "acme")
        assert await proc.trigger_schedule("s", "acme"), "a person may"
        assert await proc.resume_schedule("s", "acme")
        assert await proc.run_due_schedules() == 0, "it has run"


async def test_what_is_over_begins_again_only_with_another_rule_or_more_runs(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        for options in ({"id": "once", "at": NOON}, {"id": "twice", "every": HOUR, "max_runs": 2}):
            await proc.upsert_schedule(schedule(**options), tick)
        for hour in (1, 2):
            clock.stand(NOON + hour * HOUR)
            assert await proc.run_due_schedules() == (2 if hour == 1 else 1)
        await proc.upsert_schedule(schedule("once", at=NOON, label="again"), tick)
        await proc.upsert_schedule(schedule("twice", every=HOUR, max_runs=2, label="again"), tick)
        clock.stand(NOON + DAY)
        assert [(await known(proc, id)).next_at for id in ("once", "twice")] == [None, None]
        assert await proc.run_due_schedules() == 0
        await proc.upsert_schedule(schedule("twice", every=HOUR, max_runs=3), tick)
        await proc.upsert_schedule(schedule("once", at=NOON + HOUR), tick)
        assert [(await known(proc, id)).runs for id in ("once", "twice")] == [0, 2]
        assert await proc.run_due_schedules() == 1, "a time that has passed is due at once"
        clock.stand(NOON + DAY + HOUR)
        assert await proc.run_due_schedules() == 1
        assert [(await known(proc, id)).next_at for id in ("once", "twice")] == [None, None]


@pytest.mark.row("CT-55")
async def test_a_cancelled_schedule_never_fires_again_and_its_task_goes_on(instance: Instance) -> None:
    async with instance.worker(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule(cron="* * * * * *"), tick, "mine", 1.2)
        await proc.upsert_schedule(schedule("other", cron="* * * * * *"), tick, "other")
        await instance.wait_records(1, "start", tag="mine")
        assert not await proc.cancel_schedule("unknown", "acme")
        assert not await proc.cancel_schedule("s", "globex")
        assert await proc.get_schedule("s", "acme") is not None
        assert await proc.cancel_schedule("s", "acme")
        cancelled = instance.now()
        assert not await proc.cancel_schedule("s", "acme")
        assert await proc.get_schedule("s", "acme") is None
        others = len(instance.recorded("start", tag="other"))
        await instance.wait_records(others + 3, "start", tag="other")
        mine = instance.recorded("start", tag="mine")
        assert max(dues(mine)) <= cancelled
        await instance.wait_records(len(mine), "end", tag="mine")


@pytest.mark.row("CT-56")
async def test_a_schedule_is_triggered_now_and_its_next_time_stays(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.worker() as proc:
        await proc.upsert_schedule(schedule("often", max_runs=3), tick, "often", 600)
        await proc.upsert_schedule(schedule("once", unique=True), tick, "once", 600)
        before = [await known(proc, id) for id in ("often", "once")]
        assert [await proc.trigger_schedule("often", "acme") for _ in range(2)] == [True, True]
        assert [await proc.trigger_schedule("once", "acme") for _ in range(2)] == [True, False]
        ran = await instance.wait_records(3, "start")
        assert not await proc.trigger_schedule("once", "acme"), "its task runs"
        assert not await proc.trigger_schedule("unknown", "acme")
        assert not await proc.trigger_schedule("once", "globex")
        assert {(r["schedule"], r["due"]) for r in ran} == {("often", NOON.timestamp()), ("once", NOON.timestamp())}
        assert [await known(proc, id) for id in ("often", "once")] == before, "next, last and runs stay what they were"
        for record in ran:
            await proc.cancel_task(record["id"])


@pytest.mark.row("CT-57")
async def test_schedules_are_listed_and_counted_per_tenant(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        assert (await proc.get_schedules("acme"), await proc.count_schedules("acme")) == ([], 0)
        names = [f"s{n:03}" for n in range(120)]
        await asyncio.gather(*(proc.upsert_schedule(schedule(name, cron="5 12 * * *"), tick) for name in reversed(names)))
        await proc.upsert_schedule(schedule("s000", "globex", expire=timedelta(seconds=1.5), unique=True), tick)
        assert (await proc.count_schedules("acme"), await proc.count_schedules("globex")) == (120, 1)
        every = await proc.get_schedules("acme", take=1000)
        assert [info.id for info in every] == names
        assert [info.id for info in await proc.get_schedules("acme")] == names[:50]
        assert [info.id for info in await proc.get_schedules("acme", 45, 60)] == names[45:105]
        assert await proc.get_schedules("acme", 120) == []
        assert await proc.get_schedules("acme", take=0) == []
        assert {(info.next_at, info.expire, info.last_at) for info in every} == {(NOON + 5 * MINUTE, None, None)}
        [other] = await proc.get_schedules("globex")
        assert (other.expire, other.next_at) == (timedelta(seconds=1.5), NOON + 15 * HOUR)
        for wrong in ({"skip": -1}, {"take": -1}, {"take": "all"}):
            with pytest.raises(InvalidValue):
                await proc.get_schedules("acme", **wrong)  # type: ignore[arg-type]


async def test_a_tenant_has_no_more_schedules_than_it_may(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_schedule_limit(None, 3)
        await proc.set_schedule_limit("big", 5)
        for tenant, most in (("acme", 3), ("big", 5)):
            for n in range(most):
                await proc.upsert_schedule(schedule(f"s{n}", tenant), tick)
            told = rf"tenant {tenant} has {most} schedules and a limit of {most}; cancel one, or .*set_schedule_limit"
            with refused(instance, QuotaExceeded, told):
                await proc.upsert_schedule(schedule("more", tenant), tick)
            await proc.upsert_schedule(schedule("s0", tenant, cron="5 5 * * *"), tick)  # a change is none more
            assert await proc.count_schedules(tenant) == most
        await proc.set_schedule_limit("big", 0)
        assert await proc.count_schedules("big") == 5
        with pytest.raises(QuotaExceeded, match="a limit of 0"):
            await proc.tenant("big").upsert_schedule(schedule("more", "big"), tick)
        await proc.set_schedule_limit("big", None)
        with pytest.raises(QuotaExceeded, match="a limit of 3"):
            await proc.upsert_schedule(schedule("more", "big"), tick)
        await proc.cancel_schedule("s0", "acme")
        await proc.upsert_schedule(schedule("more"), tick)
        await proc.set_schedule_limit(None, None)
        await proc.upsert_schedule(schedule("more", "big"), tick)
        for wrong in (-1, 1.5, "3", True):
            with refused(instance, InvalidValue, "most="):
                await proc.set_schedule_limit("acme", wrong)  # type: ignore[arg-type]
        with refused(instance, InvalidValue, "tenant"):
            await proc.set_schedule_limit("", 3)


async def test_of_many_at_once_no_more_are_stored_than_a_tenant_may_have(instance: Instance) -> None:
    async with instance.open() as one, instance.open() as other:
        await one.set_schedule_limit("acme", 7)
        told = await asyncio.gather(
            *((one if n % 2 else other).upsert_schedule(schedule(f"s{n}"), tick) for n in range(30)), return_exceptions=True
        )
        assert [isinstance(answer, QuotaExceeded) for answer in told].count(True) == 23
        assert await one.count_schedules("acme") == 7


async def test_a_tenants_handle_does_the_same_and_finds_nobody_elses(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        acme, globex = proc.tenant("acme"), proc.tenant("globex")
        await acme.upsert_schedule(schedule(), tick)
        with refused(instance, InvalidValue, "tenant='acme': this is the handle of tenant globex"):
            await globex.upsert_schedule(schedule(), tick)
        assert await globex.get_schedule("s") is None
        assert (await globex.get_schedules(), await globex.count_schedules()) == ([], 0)
        for call in (globex.cancel_schedule, globex.trigger_schedule, globex.pause_schedule, globex.resume_schedule):
            assert await call("s") is False
        info = await acme.get_schedule("s")
        assert info == await known(proc)
        assert (await acme.get_schedules(), await acme.count_schedules()) == ([info], 1)
        assert await acme.get_schedules(skip=1) == []
        assert await acme.trigger_schedule("s")
        assert await acme.pause_schedule("s")
        assert (await known(proc)).paused
        assert await acme.resume_schedule("s")
        assert not (await known(proc)).paused
        assert await acme.cancel_schedule("s")
        assert await acme.get_schedule("s") is None
