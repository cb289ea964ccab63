"""Occurrences that nobody was there for: after an outage of all workers, a pause, a full queue; and firing by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from taskproc import QuotaExceeded, TaskProcessor
from tests.frozen import Clock
from tests.harness import FAR, LATE, Instance, until
from tests.scheduling import DAY, HOUR, MINUTE, NOON, dues, known, now, schedule, tick

SECOND = timedelta(seconds=1)


def hours(*wanted: int) -> list[float]:
    """Full hours after noon, as records have them."""
    return [(NOON + n * HOUR).timestamp() for n in wanted]


AFTER_FIVE_HOURS_AND_A_HALF = [
    ({}, [5], 1, "missed"),
    ({"misfire": "once"}, [5], 1, "missed"),
    ({"misfire": "all"}, [1, 2, 3, 4, 5], 0, ""),
    ({"misfire": "skip"}, [], 2, "missed"),
    ({"misfire": "once", "expire": 31 * MINUTE}, [5], 1, "missed"),
    ({"misfire": "once", "expire": 29 * MINUTE}, [], 2, "expired"),
    ({"misfire": "all", "expire": 3 * HOUR}, [3, 4, 5], 2, "expired"),
    ({"misfire": "all", "max_runs": 2}, [1, 2], 0, ""),
    ({"misfire": "all", "unique": True}, [1], 4, "unique"),
    ({"misfire": "once", "end": NOON + 3 * HOUR}, [3], 1, "missed"),
    ({"misfire": "all", "end": NOON + 3 * HOUR}, [1, 2, 3], 0, ""),
    ({"misfire": "skip", "end": NOON + 3 * HOUR}, [], 2, "missed"),
]


@pytest.mark.row("CT-52", "CT-53")
@pytest.mark.parametrize(("options", "run", "skipped", "why"), AFTER_FIVE_HOURS_AND_A_HALF, ids=str)
async def test_what_runs_after_an_outage(
    instance: Instance, clock: Clock, options: dict[str, Any], run: list[int], skipped: int, why: str
) -> None:
    clock.stand(NOON)
    async with instance.worker(max_workers=1) as proc:
        await proc.upsert_schedule(schedule(cron="0 * * * *", **options), tick, seconds=0.05)
        before = await known(proc)
        assert before.next_at == NOON + HOUR
    clock.stand(NOON + 5 * HOUR + 30 * MINUTE)
    async with instance.worker(max_workers=1) as proc:
        await until(lambda: moved(proc))
        await instance.wait_records(len(run), "end")
        info = await known(proc)
        over = "end" in options or "max_runs" in options
        assert info.next_at == (None if over else NOON + 6 * HOUR)
        assert (info.skipped, info.skip_reason, info.runs) == (skipped, why, len(run))
        assert info.last_at == (NOON + run[-1] * HOUR if run else None)
        assert await proc.run_due_schedules() == 0
    assert dues(instance.recorded("start")) == hours(*run)


async def moved(proc: TaskProcessor) -> bool:
    """Whether the schedule is due no more."""
    return (await known(proc)).next_at != NOON + HOUR


@pytest.mark.parametrize("late", [0, 40, 60, 61])
async def test_what_is_found_within_a_minute_is_not_missed(instance: Instance, clock: Clock, late: int) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="0 * * * *", misfire="skip"), tick)
        clock.stand(NOON + 2 * HOUR + late * SECOND)
        assert await proc.run_due_schedules() == (1 if late <= 60 else 0)
        info = await known(proc)
        assert (info.next_at, info.skipped) == (NOON + 3 * HOUR, 1 if late <= 60 else 2)


async def test_all_that_was_missed_is_the_oldest_hundred(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="* * * * *", misfire="all"), tick)
        clock.stand(NOON + DAY)
        assert await proc.run_due_schedules() == 100
        assert await proc.run_due_schedules() == 0
        info = await known(proc)
        assert (info.next_at, info.last_at, info.runs) == (NOON + DAY + MINUTE, NOON + 100 * MINUTE, 100)
        assert (info.skipped, info.skip_reason) == (0, "")


@pytest.mark.row("CT-52")
async def test_an_occurrence_that_nobody_found_in_time_is_skipped(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON + 58 * SECOND)
    async with instance.worker() as proc:
        await proc.upsert_schedule(schedule("hurried", cron="* * * * *", expire=1), tick, "hurried")
        await proc.upsert_schedule(schedule("patient", cron="* * * * *"), tick, "patient")
    clock.stand(NOON + MINUTE + SECOND)
    async with instance.worker() as proc:
        await instance.wait_records(1, "start", tag="patient")
        [ran] = await instance.wait_records(1, "start", tag="hurried")
        assert ran["due"] == (NOON + MINUTE).timestamp(), "within its time it runs"
    clock.stand(NOON + 2 * MINUTE + 1.001 * SECOND)
    async with instance.worker() as proc:
        await instance.wait_records(2, "start", tag="patient")
        await until(lambda: skipped(proc))
        assert len(instance.recorded("start", tag="hurried")) == 1
        assert (await known(proc, "hurried")).next_at == NOON + 3 * MINUTE
        clock.stand(NOON + 3 * MINUTE)
        await instance.wait_records(2, "start", tag="hurried")
        assert len(instance.recorded("start")) == 5


async def skipped(proc: TaskProcessor) -> bool:
    """Whether one was left out since it was too late."""
    info = await known(proc, "hurried")
    return (info.skipped, info.skip_reason) == (1, "expired")


async def test_while_the_instance_is_paused_nothing_fires_and_then_at_once(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        due = now(instance) + timedelta(seconds=0.3)
        await proc.upsert_schedule(schedule("first", at=due), tick)
        await proc.upsert_schedule(schedule("each", every=0.2, start=due, misfire="once"), tick)
        await proc.pause()
        await until(lambda: instance.now() > due.timestamp() + 0.7)
        assert await proc.run_due_schedules() == 0
        assert await proc.trigger_schedule("first", "acme"), "a person may"
        assert not instance.recorded("start")
        resumed = instance.now()
        await proc.resume()
        records = await instance.wait_records(5, "start")
        await proc.cancel_schedule("each", "acme")
        assert [record["schedule"] for record in records].count("first") == 2
        each = [record for record in records if record["schedule"] == "each"]
        assert each[0]["due"] > resumed - 0.25, "what came meanwhile became one"
        assert each[0]["at"] - resumed < 1 + LATE


async def test_an_occurrence_waits_for_room_in_its_queue(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 1)
        await proc.upsert_schedule(schedule(cron="0 * * * *", misfire="all"), tick)
        clock.stand(NOON + 3 * HOUR)
        assert await proc.run_due_schedules() == 1
        info = await known(proc)
        assert (info.next_at, info.skip_reason, info.skipped, info.runs) == (NOON + 2 * HOUR, "full", 0, 1)
        before = await known(proc)
        with pytest.raises(QuotaExceeded, match="queue default is full: the task of schedule 's' was not stored"):
            await proc.trigger_schedule("s", "acme")
        assert await known(proc) == before
        assert await proc.run_due_schedules() == 0, "it is tried again in a second"
        clock.stand(NOON + 3 * HOUR + SECOND)
        assert await proc.run_due_schedules() == 0
        await proc.set_queue_limit("default", None)
        clock.stand(NOON + 3 * HOUR + 2 * SECOND)
        assert await proc.run_due_schedules() == 2
        info = await known(proc)
        assert (info.next_at, info.runs, info.skipped) == (NOON + 4 * HOUR, 3, 0)
        assert await proc.run_until_idle() == 3
        assert dues(instance.recorded("start")) == hours(1, 2, 3)


@pytest.mark.row("CT-58")
async def test_schedules_are_fired_by_hand_a_hundred_at_a_time(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        assert await proc.run_due_schedules() == 0
        for n in range(3):
            await proc.upsert_schedule(schedule(f"s{n}", at=NOON), tick, n)
        await proc.upsert_schedule(schedule("later", at=NOON + SECOND), tick, "later")
        assert [await proc.run_due_schedules() for _ in range(2)] == [3, 0]
        await proc.options(delay=1).enqueue_task("default", "acme", tick, "delayed")
        assert await proc.run_until_idle() == 3
        clock.stand(NOON + SECOND)
        assert await proc.run_until_idle() == 1, "what was delayed; it fires no schedule"
        assert await proc.run_due_schedules() == 1
        assert await proc.run_until_idle() == 1
        for n in range(130):
            await proc.upsert_schedule(schedule(f"m{n}", at=NOON, unique=True), tick, n)
        assert [await proc.run_due_schedules() for _ in range(3)] == [100, 30, 0]
        assert await proc.run_until_idle() == 130


@pytest.mark.row("CT-49", "PJ-14")
@pytest.mark.parametrize(
    ("day", "fired"),
    [(NOON.replace(month=3, day=29, hour=0), ["01:00"]), (NOON.replace(month=10, day=25, hour=0), ["00:30"])],
    ids=["gap", "double hour"],
)
async def test_a_time_that_the_clock_leaps_over_or_shows_twice_fires_once(
    instance: Instance, clock: Clock, day: Any, fired: list[str]
) -> None:
    clock.stand(day - HOUR)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="30 2 * * *", timezone="Europe/Berlin"), tick)
        await proc.upsert_schedule(schedule("utc", cron="30 2 * * *"), tick)
        assert (await known(proc, "utc")).timezone == "UTC"
        found: dict[str, list[str]] = {"s": [], "utc": []}
        for minutes in range(0, 6 * 60, 10):
            moment = clock.stand(day + minutes * MINUTE)
            before = {task.id for task in await proc.get_tasks_in_queue("default")}
            await proc.run_due_schedules()
            for task in await proc.get_tasks_in_queue("default"):
                if task.id not in before:
                    found[str(task.schedule_id)].append(f"{moment:%H:%M}")
        assert found == {"s": fired, "utc": ["02:30"]}


@pytest.mark.row("CT-47")
async def test_of_several_cycles_the_earliest_is_next(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON - SECOND)
    async with instance.open(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule(cron="0 * * * * *|10 * * * * *|30 * * * * *|30 0 * * * *"), tick)
        fired = []
        for second in range(60):
            clock.stand(NOON + second * SECOND)
            fired += [second] * await proc.run_due_schedules()
        assert fired == [0, 10, 30]
        assert (await known(proc)).next_at == NOON + MINUTE
