"""What is told of a schedule: words, the next occurrences, and its last runs with their times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import InvalidValue, ScheduleInfo, ScheduleRun, TaskProcessor, TaskState
from tests import handlers, scheduling
from tests.frozen import Clock
from tests.harness import Instance, until
from tests.scheduling import DAY, HOUR, MINUTE, NOON, SECONDLY, known, now, schedule, shown_as, tick


@pytest.mark.parametrize(
    ("options", "words", "upcoming"),
    [
        ({"cron": "0 3 * * *", "timezone": "Europe/Berlin"}, "At 03:00 (Europe/Berlin)",
         [NOON + timedelta(hours=14 + 24 * n) for n in range(3)]),
        ({"cron": "0 13 * * *|30 * * * *"}, "At 13:00 and at 30 minutes past the hour",
         [NOON + 30 * MINUTE, NOON + HOUR, NOON + 90 * MINUTE]),
        ({"every": 90}, "Every 1 minute and 30 seconds", [NOON + timedelta(seconds=90 * n) for n in (1, 2, 3)]),
        ({"every": HOUR, "start": NOON - 10 * MINUTE}, "Every hour", [NOON + n * HOUR + 50 * MINUTE for n in range(3)]),
        ({"every": HOUR, "end": NOON + 2 * HOUR}, "Every hour", [NOON + HOUR, NOON + 2 * HOUR]),
        ({"every": HOUR, "max_runs": 2}, "Every hour", [NOON + HOUR, NOON + 2 * HOUR]),
        ({"at": NOON + DAY}, "Once, at 2026-03-05 12:00 UTC", [NOON + DAY]),
        ({"next_run": scheduling.told}, "When tests.scheduling.told says", [NOON]),
    ],
    ids=shown_as,
)  # fmt: skip
async def test_words_and_the_next_occurrences(
    instance: Instance, clock: Clock, options: dict[str, Any], words: str, upcoming: list[datetime]
) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(**options), tick)
        info = await known(proc)
        assert (info.words, info.upcoming(3), info.next_at) == (words, upcoming, upcoming[0])
        assert info.upcoming(1) == upcoming[:1]
        assert info.upcoming(0) == []
        for wrong in (-1, 10_001, "3", 1.5):
            with pytest.raises(InvalidValue, match="n="):
                info.upcoming(wrong)  # type: ignore[arg-type]
        await proc.pause_schedule("s", "acme")
        assert (await known(proc)).upcoming(3) == upcoming, "as if it went on"
        await proc.cancel_schedule("s", "acme")


@pytest.mark.row("CT-57")
async def test_fields_come_back_as_they_were_given(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    given = schedule(
        "ü:1", "acme", cron="0 4 * * *|@hourly", queue="low", label="täglich", timezone="Asia/Tokyo", unique=True,
        expire=timedelta(milliseconds=1500), misfire="all", start=NOON + DAY, end=NOON + 9 * DAY, max_runs=7,
        jitter=timedelta(seconds=30),
    )  # fmt: skip
    async with instance.open() as proc:
        await proc.upsert_schedule(given, tick)
        await proc.upsert_schedule(schedule("plain", every=1.5, expire=2), tick)
        info = await known(proc, "ü:1")
        assert {name: getattr(info, name) for name in FIELDS} == {name: getattr(given, name) for name in FIELDS}
        plain = await known(proc, "plain")
        assert (plain.every, plain.expire) == (timedelta(seconds=1.5), timedelta(seconds=2))
        assert {getattr(plain, name) for name in ("cron", "at", "next_run", "start", "end", "max_runs", "jitter")} == {None}
        assert (plain.last_at, plain.runs, plain.skipped, plain.skip_reason, plain.history) == (None, 0, 0, "", ())
        assert (plain.paused, plain.coded, plain.orphan, plain.handler) == (False, False, False, "tests.scheduling.tick")
        for one in (info, plain):
            await proc.upsert_schedule(one, tick)  # what was read can be given
        assert await known(proc, "plain") == plain
        assert {time.tzinfo for time in (info.next_at, info.created_at, info.changed_at, info.start) if time} == {UTC}


FIELDS = [name for name in ScheduleInfo.__dataclass_fields__ if name in schedule().__dataclass_fields__ and name != "_"]


async def test_the_last_runs_are_told_with_their_outcome_drift_and_length(instance: Instance) -> None:
    async with instance.worker(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule("done", cron=SECONDLY, max_runs=2), tick, "done", 0.25)
        await proc.upsert_schedule(schedule("failed", cron=SECONDLY, max_runs=1), scheduling.tick_broken)
        await proc.upsert_schedule(schedule("stopped", at=now(instance)), tick, "stopped", 600)
        await proc.upsert_schedule(schedule("asks", at=now(instance)), handlers.give_up)
        [running] = await instance.wait_records(1, "start", tag="stopped")
        assert (await known(proc, "stopped")).history == (), "it hasn't ended"
        await proc.cancel_task(running["id"])
        done = await until(lambda: runs(proc, "done", 2))
        [failed], [stopped], [asks] = [await until(lambda id=id: runs(proc, id, 1)) for id in ("failed", "stopped", "asks")]
        starts, ends = instance.recorded("start", tag="done"), instance.recorded("end", tag="done")
        assert [run.task_id for run in done] == [record["id"] for record in reversed(starts)]
        assert (await known(proc, "done")).last_at == done[0].due_at
    for run, start, end in zip(reversed(done), starts, ends, strict=True):
        assert (run.state, run.due_at.timestamp()) == (TaskState.DONE, start["due"])
        assert run.started_at is not None
        assert run.due_at <= run.started_at <= run.ended_at
        assert run.started_at.timestamp() - 0.001 <= start["at"]
        assert end["at"] <= run.ended_at.timestamp() + 0.001
        assert run.drift == (run.started_at - run.due_at).total_seconds()
        assert run.seconds == (run.ended_at - run.started_at).total_seconds() >= 0.25
    assert failed.state is TaskState.FAILED
    assert failed.drift is not None
    assert failed.drift >= 0.05, "the last attempt counts"
    assert (stopped.state, asks.state) == (TaskState.CANCELLED, TaskState.CANCELLED)


async def runs(proc: TaskProcessor, id: str, count: int) -> tuple[ScheduleRun, ...]:
    """The runs of a schedule, once there are so many."""
    found = (await known(proc, id)).history
    return found if len(found) >= count else ()


async def test_ten_runs_are_told_the_newest_first(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(cron="* * * * *", misfire="all"), tick)
        clock.stand(NOON + 13 * MINUTE)
        assert await proc.run_due_schedules() == 13
        assert await proc.run_until_idle() == 13
        history = (await known(proc)).history
        assert {run.due_at for run in history} <= {NOON + n * MINUTE for n in range(1, 14)}
        assert len(history) == 10
        clock.stand(NOON + 14 * MINUTE)
        assert await proc.run_due_schedules() == 1
        assert await proc.run_until_idle() == 1
        newest, *others = (await known(proc)).history
        assert (newest.due_at, newest.drift, newest.seconds) == (NOON + 14 * MINUTE, 0.0, 0.0)
        assert others == list(history[:9])


async def test_a_task_that_was_cancelled_before_it_ran_has_no_start(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(), tick)
        assert await proc.trigger_schedule("s", "acme")
        [task] = await proc.get_tasks_in_queue("default")
        clock.stand(NOON + MINUTE)
        assert await proc.cancel_task(task.id)
        [run] = (await known(proc)).history
    assert run == ScheduleRun(task.id, TaskState.CANCELLED, NOON, None, NOON + MINUTE)
    assert (run.drift, run.seconds) == (None, 0.0)


async def test_what_ends_after_its_schedule_was_cancelled_is_noted_nowhere(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(), tick)
        assert await proc.trigger_schedule("s", "acme")
        assert await proc.cancel_schedule("s", "acme")
        assert await proc.run_until_idle() == 1
        assert instance.names(":s:") == []
        await proc.upsert_schedule(schedule(), tick)
        assert (await known(proc)).history == ()


async def test_one_that_is_over_is_kept_for_the_retention(instance: Instance) -> None:
    async with instance.worker(retention=1) as proc:
        await proc.upsert_schedule(schedule(at=now(instance)), tick)
        await proc.upsert_schedule(schedule("goes on"), tick)
        [run] = await until(lambda: runs(proc, "s", 1))
        over = await known(proc)
        assert (over.next_at, over.last_at, over.runs) == (None, run.due_at, 1)
        await until(lambda: gone(proc))
        assert await proc.count_schedules("acme") == 1
        assert instance.now() >= run.due_at.timestamp() + 1


async def gone(proc: TaskProcessor) -> bool:
    """Whether the schedule is there no more."""
    return await proc.get_schedule("s", "acme") is None
