"""Schedules and workers that run by the server's own clock: once for each occurrence, on time, whoever dies."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from statistics import median
from typing import Any

import pytest

from taskproc import QueueInfo, TaskProcessor
from taskproc.occurrences import jitter_ms
from tests.harness import FAR, LATE, Instance, Record, until
from tests.measure import overlap
from tests.scheduling import SECONDLY, dues, known, now, schedule, tick

CASES: dict[str, tuple[bool, float, float]] = {
    "alone": (True, 3.5, 12),
    "overlapping": (False, 3.5, 12),
    "stored": (True, 2.0, 12),
    "on-demand": (True, 2.5, 10),
}
"""Each second, in a queue of its own: whether it is unique, how long its body takes, how long it is watched."""


@pytest.mark.row("CT-50", "CT-51", "BE-30", "PJ-15")
async def test_of_a_unique_schedule_one_task_is_there_and_others_overlap(instance: Instance) -> None:
    async with instance.worker(queues=[*CASES], max_workers=8, cron_seconds=True, shutdown_grace=10) as proc:
        for name, (unique, seconds, _) in CASES.items():
            await proc.upsert_schedule(schedule(name, cron=SECONDLY, queue=name, unique=unique), tick, name, seconds)
        most = dict.fromkeys(CASES, 0)
        first = min(record["due"] for record in await instance.wait_records(1, "start"))
        while instance.now() < first + 12:
            for name in CASES:
                most[name] = max(most[name], alive(await proc.get_queue(name)))
            await asyncio.sleep(0.02)
        for name in CASES:
            await proc.cancel_schedule(name, "acme")
    runs = {name: len(within(instance.recorded("start", tag=name), first, span)) for name, (_, _, span) in CASES.items()}
    overlaps = {name: overlap(instance.recorded(tag=name)) for name in CASES}
    assert (3 <= runs["alone"] <= 4, overlaps["alone"], most["alone"]) == (True, 1, 1), runs
    assert (4 <= runs["stored"] <= 6, overlaps["stored"], most["stored"]) == (True, 1, 1), runs
    assert (3 <= runs["on-demand"] <= 4, overlaps["on-demand"], most["on-demand"]) == (True, 1, 1), runs
    assert (runs["overlapping"] >= 10, overlaps["overlapping"] >= 3) == (True, True), (runs, overlaps)


def alive(info: QueueInfo) -> int:
    """How many tasks of a queue wait or run."""
    return info.ready + info.delayed + info.running


def within(records: list[Record], first: float, seconds: float) -> list[Record]:
    """The records of occurrences within some seconds of the first."""
    return [record for record in records if first <= record["due"] < first + seconds]


@pytest.mark.row("CT-54")
async def test_each_occurrence_runs_once_over_four_processes_of_which_one_dies(instance: Instance) -> None:
    """The clocks of two of them are an hour off."""
    shifts = (0, 3600, -3600, 0)
    options: dict[str, Any] = {"wait": False, "cron_seconds": True, "max_workers": 2}
    workers = [
        instance.process("--include", "tests.scheduling", env={"TASKPROC_TEST_SHIFT": str(shift)}, **options)
        for shift in shifts
    ]
    for worker in workers:
        await asyncio.to_thread(worker.wait_ready)
    async with instance.open(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule(cron=SECONDLY), tick)
        first = (await instance.wait_records(1, "start"))[0]["due"]
        await instance.wait_records(10, "start", seconds=20)
        workers[0].kill()
        await until(lambda: instance.now() >= first + 20, 30)
        await proc.cancel_schedule("s", "acme")
    runs = {record["id"]: record for record in within(instance.recorded("start"), first, 20)}
    found = dues([*runs.values()])
    assert len(found) == len(runs), "two tasks for one occurrence"
    assert 19 <= len(found) <= 21
    assert {round(due - first, 3) for due in found} <= set(map(float, range(20)))
    assert len({record["pid"] for record in runs.values()}) >= 2
    assert median(record["at"] - record["due"] for record in runs.values()) <= LATE
    assert min(record["at"] - record["due"] for record in runs.values()) >= 0


@pytest.mark.row("CT-53")
async def test_what_all_workers_missed_becomes_one_run_and_then_each_second_again(instance: Instance) -> None:
    include = ("--include", "tests.scheduling")
    workers = [instance.process(*include, wait=False) for _ in range(2)]
    async with instance.open(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule(cron=SECONDLY), tick)
        await instance.wait_records(2, "start", seconds=30)
        for worker in workers:
            worker.kill()
        killed = instance.now()
        await until(lambda: instance.now() >= killed + 6)
        instance.process(*include)
        before = {record["due"] for record in instance.records if record["due"] <= killed}
        await until(lambda: len({*dues(instance.recorded("start"))} - before) >= 4, 20)
        await proc.cancel_schedule("s", "acme")
    later = [record for record in instance.recorded("start") if record["due"] not in before]
    found = dues(later)
    assert len({record["id"] for record in later}) == len(found)
    assert found[0] - max(before) >= 6, "one run for all that was missed"
    assert found == [found[0] + n for n in range(len(found))], "and none is left out from then on"
    assert 0 <= later[0]["at"] - later[0]["due"] < 1 + LATE, "it is the last of those missed"


async def test_a_schedule_wakes_a_worker_that_sleeps_for_long(instance: Instance) -> None:
    """A later one is there before: the earliest of all is told to workers."""
    async with instance.worker(**FAR) as proc:
        await proc.upsert_schedule(schedule("later", every=timedelta(minutes=5)), tick, "later")
        late = []
        for n in range(4):
            due = now(instance) + timedelta(seconds=0.3)
            await proc.upsert_schedule(schedule(f"s{n}", at=due), tick, n)
            [ran] = await instance.wait_records(1, "start", tag=n)
            late.append(ran["at"] - due.timestamp())
        assert min(late) >= 0
        assert median(late) <= LATE


@pytest.mark.row("BE-29", "PJ-16")
async def test_every_kind_of_rule_runs_a_plain_handler_with_its_input(instance: Instance) -> None:
    async with instance.worker(cron_seconds=True) as proc:
        begin = now(instance)
        soon, later = begin + timedelta(seconds=1), begin + timedelta(seconds=2.1)
        half = timedelta(seconds=0.5)
        for options in (
            {"id": "once", "at": soon},
            {"id": "thrice", "every": half, "max_runs": 3},
            {"id": "bounded", "every": half, "start": soon, "end": later},
            {"id": "cycle", "cron": SECONDLY, "max_runs": 2},
            {"id": "late", "cron": SECONDLY, "max_runs": 2, "jitter": 0.9},
        ):
            await proc.upsert_schedule(schedule(**options), tick, {"of": options["id"]})
        made = now(instance)
        ran = {id: await of(instance, id, runs) for id, runs in RUNS.items()}
        await until(lambda: all_over(proc))
        assert {id: len(instance.recorded("start", tag={"of": id})) for id in RUNS} == RUNS
    assert ran["once"] == [pytest.approx(soon.timestamp(), abs=0.0011)]
    first = ran["thrice"][0]
    assert begin.timestamp() <= first <= made.timestamp() + 0.5
    assert ran["thrice"] == pytest.approx([first, first + 0.5, first + 1.0])
    assert ran["bounded"] == pytest.approx([ran["once"][0] + 0.5 * n for n in range(3)])
    assert [due % 1 for due in ran["cycle"]] == [0, 0]
    assert [round(due % 1 * 1000) for due in ran["late"]] == [jitter_ms(schedule("late", jitter=0.9))] * 2
    starts = instance.recorded("start")
    assert min(record["at"] - record["due"] for record in starts) >= 0
    assert median(record["at"] - record["due"] for record in starts) <= LATE


RUNS = {"once": 1, "thrice": 3, "bounded": 3, "cycle": 2, "late": 2}


async def of(instance: Instance, id: str, count: int) -> list[float]:
    """The occurrences that ran of a schedule."""
    return dues(await instance.wait_records(count, "start", tag={"of": id}))


async def all_over(proc: TaskProcessor) -> bool:
    """Whether no schedule comes again."""
    return all([(await known(proc, id)).next_at is None for id in RUNS])


@pytest.mark.row("BN-14")
@pytest.mark.parametrize("cron", ["0-59/1 * * * JAN-DEC MON-SUN", "*,5 0-59 0-22,23 * * *", "* */1 * 1-31 1,2-12 sun-SAT"])
async def test_lists_ranges_steps_and_names_repeat(instance: Instance, cron: str) -> None:
    async with instance.worker() as proc, instance.open(cron_seconds=True) as exact:
        await exact.upsert_schedule(schedule(cron=cron, unique=True), tick)
        ran = await instance.wait_records(3, "start")
        assert dues(ran) == [ran[0]["due"] + n for n in range(len(ran))]
        await proc.cancel_schedule("s", "acme")
