"""Schedules whose times a function of the program's own says: ``next_run``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from taskproc import InvalidValue, TaskProcessor
from tests import schedule_rules, scheduling
from tests.frozen import Clock
from tests.harness import Instance, refused, until
from tests.scheduling import DAY, HOUR, MINUTE, NOON, dues, known, schedule, tick


@pytest.fixture(autouse=True)
def asked() -> Iterator[list[Any]]:
    """What the function was given."""
    scheduling.asked.clear()
    yield scheduling.asked
    scheduling.asked.clear()


@pytest.mark.row("PJ-14")
async def test_a_function_gets_the_last_time_and_none_ends_it(instance: Instance, clock: Clock, asked: list[Any]) -> None:
    clock.stand(NOON - HOUR)
    async with instance.worker() as proc:
        await proc.upsert_schedule(schedule(next_run=scheduling.told), tick)
        info = await known(proc)
        assert (info.next_at, info.next_run, asked) == (NOON, "tests.scheduling.told", [None])
        for n in range(3):
            clock.stand(NOON + n * DAY + MINUTE)
            await instance.wait_records(n + 1, "start")
            await until(lambda n=n: runs(proc, n + 1))
        assert asked == [None, NOON, NOON + DAY, NOON + 2 * DAY]
        info = await known(proc)
        assert (info.next_at, info.runs, info.upcoming(3)) == (None, 3, [])
        clock.stand(NOON + 9 * DAY)
        await proc.upsert_schedule(schedule(next_run=scheduling.told, label="again"), tick)
        info = await known(proc)
        assert (info.next_at, info.label) == (None, "again"), "it has said that it is over"
    assert dues(instance.recorded("start")) == [(NOON + n * DAY).timestamp() for n in range(3)]


async def runs(proc: TaskProcessor, count: int) -> bool:
    """Whether it ran so often."""
    return (await known(proc)).runs == count


@pytest.mark.parametrize(("misfire", "run"), [("once", [2]), ("all", [0, 1, 2]), ("skip", [])])
async def test_after_an_outage_it_is_asked_from_one_time_to_the_next(
    instance: Instance, clock: Clock, misfire: str, run: list[int], asked: list[Any]
) -> None:
    clock.stand(NOON - HOUR)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(next_run="tests.scheduling.told", misfire=misfire), tick)
        clock.stand(NOON + 9 * DAY)
        assert await proc.run_due_schedules() == len(run)
        assert {*asked} == {None, NOON, NOON + DAY, NOON + 2 * DAY}
        assert (await known(proc)).next_at is None
        assert await proc.run_until_idle() == len(run)
    assert dues(instance.recorded("start")) == [(NOON + n * DAY).timestamp() for n in run]


async def test_one_that_goes_on_after_a_pause_is_asked_from_now(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON - HOUR)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(next_run=scheduling.told), tick)
        await proc.pause_schedule("s", "acme")
        await proc.resume_schedule("s", "acme")
        assert (await known(proc)).next_at == NOON, "it hadn't come"
        await proc.pause_schedule("s", "acme")
        clock.stand(NOON + DAY + MINUTE)
        await proc.resume_schedule("s", "acme")
        assert (await known(proc)).next_at == NOON + 2 * DAY + MINUTE
        assert await proc.run_due_schedules() == 0


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (scheduling.raising, "schedule 's': next_run: it raised LookupError"),
        (scheduling.backwards, "next_run: after 2026-03-04 12:00:00+00:00 it gave 2026-03-04 12:00:00+00:00"),
    ],
    ids=["raises", "goes back"],
)
async def test_one_that_goes_wrong_is_told_and_asked_again_in_a_minute(
    instance: Instance, clock: Clock, asked: list[Any], caplog: pytest.LogCaptureFixture, function: Any, why: str
) -> None:
    clock.stand(NOON - HOUR)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(next_run=function), tick)
        await proc.upsert_schedule(schedule("other", cron="* * * * *"), tick, "other")
        clock.stand(NOON)
        with caplog.at_level(logging.ERROR, "taskproc"):
            assert await proc.run_due_schedules() == 1, "the other one"
        assert sum(why in record.message for record in caplog.records) == 1
        assert "a secret of the calendar" not in caplog.text
        info = await known(proc)
        assert (info.next_at, info.runs, why in info.skip_reason) == (NOON, 0, True)
        for seconds, others, count in ((0, 0, 2), (59.9, 0, 2), (60, 1, 3), (61, 0, 3)):
            clock.stand(NOON + timedelta(seconds=seconds))
            assert await proc.run_due_schedules() == others
            assert len(asked) == count
        assert await proc.trigger_schedule("s", "acme"), "which needs no function"
        await proc.upsert_schedule(schedule(cron="* * * * *"), tick, "mended")
        clock.stand(NOON + 2 * MINUTE)
        assert await proc.run_due_schedules() == 2


async def told(proc: TaskProcessor, why: str) -> bool:
    """Whether the schedule says what is wrong."""
    return why in (await known(proc)).skip_reason


async def test_a_worker_that_does_not_know_the_function_leaves_it_to_one_that_does(instance: Instance) -> None:
    stranger = instance.process()
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(next_run=scheduling.soon), tick)
        due = (await known(proc)).next_at
        assert due is not None
        await until(lambda: told(proc, "no module with a handler that is known here"))
        assert (await known(proc)).runs == 0
        instance.process("--include", "tests.scheduling")
        [ran] = await instance.wait_records(1, "start")
        assert ran["due"] == due.timestamp()
        assert ran["pid"] != stranger.pid
        assert (await known(proc)).next_at is None


async def test_a_function_of_a_module_without_a_handler_is_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "next_run='tests.schedule_rules.doubling': no module with a handler"):
            await proc.upsert_schedule(schedule(next_run=schedule_rules.doubling), tick)


async def test_end_and_jitter_hold_for_what_it_says(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON - HOUR)
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "end="):
            await proc.upsert_schedule(schedule(next_run=scheduling.told, end=NOON - MINUTE), tick)
        await proc.upsert_schedule(schedule(next_run=scheduling.told, end=NOON + DAY, jitter=timedelta(minutes=5)), tick)
        first = (await known(proc)).next_at
        assert first is not None
        assert NOON <= first < NOON + 5 * MINUTE
        clock.stand(first)
        assert await proc.run_due_schedules() == 1
        assert (await known(proc)).next_at == first + DAY
        clock.stand(first + DAY)
        assert await proc.run_due_schedules() == 1
        assert (await known(proc)).next_at is None
        assert scheduling.asked[2:] == [NOON, NOON + DAY], "it knows nothing of the jitter"
