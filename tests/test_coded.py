"""Schedules in code: made when workers start, changed with the code, left alone where a person has decided."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskproc import ScheduleInfo, TaskProcessor
from tests.coding import NIGHTLY, Program
from tests.frozen import Clock
from tests.harness import FAR, Instance, until
from tests.scheduling import DAY, HOUR, MINUTE, NOON, known, schedule, tick


async def started(instance: Instance, **options: Any) -> None:
    """A worker starts and stops."""
    async with instance.worker(**options):
        pass


async def only(proc: TaskProcessor, tenant: str = "system") -> ScheduleInfo:
    """The tenant's one schedule."""
    [info] = await proc.get_schedules(tenant)
    return info


@pytest.mark.row("PJ-17")
async def test_schedules_come_from_code_and_by_hand(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule("by hand", "system", cron="0 3 * * *"), tick, "by hand")
        assert await proc.count_schedules("system") == 1
        async with instance.worker():
            await until(lambda: counted(proc, 2))
            coded = await known(proc, f"{code.name}.nightly", "system")
            assert (coded.coded, coded.orphan, coded.handler, coded.cron) == (True, False, coded.id, "0 3 * * *")
            assert not (await known(proc, "by hand", "system")).coded
            clock.stand(NOON + DAY)
            ran = await instance.wait_records(2, "start")
    due = (NOON + 15 * HOUR).timestamp()
    assert {(record["tag"], record["due"], record["tenant"]) for record in ran} == {
        ("first", due, "system"),
        ("by hand", due, "system"),
    }


async def counted(proc: TaskProcessor, count: int) -> bool:
    """Whether the tenant has so many schedules."""
    return await proc.count_schedules("system") == count


async def test_a_schedule_changes_with_its_code_and_not_otherwise(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await started(instance)
        first = await only(proc)
        assert first.next_at == NOON + 15 * HOUR
        clock.stand(NOON + MINUTE)
        await started(instance)
        assert await only(proc) == first, "nothing was stored anew"
        clock.stand(NOON + DAY)
        code.deploy(NIGHTLY.replace('["first"]', '["second"], label="new", unique=True'))
        async with instance.worker(queues=["other"]):
            await until(lambda: ran(proc, 1))
        info = await only(proc)
        assert (info.label, info.unique, info.changed_at) == ("new", True, NOON + DAY)
        assert (info.next_at, info.runs) == (NOON + DAY + 15 * HOUR, 1), "what was missed ran"
        code.deploy(NIGHTLY.replace("0 3 * * *", "0 4 * * *"))
        clock.stand(NOON + DAY + MINUTE)
        await started(instance, queues=["other"])
        info = await only(proc)
        assert (info.next_at, info.runs, info.unique) == (NOON + DAY + 16 * HOUR, 0, False)
        assert [task.data[-12:] for task in await proc.get_tasks_in_queue("default")] == [b',["second"]]']


@pytest.mark.row("PJ-18")
async def test_one_that_a_person_paused_is_not_switched_on_by_the_code(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await started(instance)
        id = (await only(proc)).id
        assert await proc.pause_schedule(id, "system")
        for text in (NIGHTLY, NIGHTLY.replace("0 3", "0 4"), NIGHTLY):
            code.deploy(text)
            clock.ahead(timedelta(days=1000))
            async with instance.worker() as worker:
                assert (await only(proc)).paused
                await worker.upsert_schedule(schedule("other", at=NOON), tick, "other")
                await instance.wait_records(1, "start", tag="other")
                await worker.cancel_schedule("other", "acme")
        assert not instance.recorded("start", tag="first")
        clock.stand(NOON)
        async with instance.worker():
            assert await proc.resume_schedule(id, "system")
            clock.stand(NOON + DAY)
            await instance.wait_records(1, "start", tag="first")


@pytest.mark.row("PJ-19")
async def test_one_that_a_person_deleted_comes_back_once(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await started(instance)
        id = (await only(proc)).id
        assert await proc.cancel_schedule(id, "system")
        assert await proc.count_schedules("system") == 0
        clock.stand(NOON + DAY)
        async with instance.worker():
            info = await only(proc)
            assert (info.id, info.next_at, info.created_at) == (id, NOON + DAY + 15 * HOUR, NOON + DAY)
            clock.stand(NOON + DAY + 15 * HOUR)
            await instance.wait_records(1, "start")
        for _ in range(5):
            await started(instance)
        assert (await only(proc)).runs == 1
        assert len(instance.recorded("start")) == 1


@pytest.mark.row("PJ-19")
async def test_five_restarts_of_four_processes_make_one_of_each(instance: Instance, code: Program) -> None:
    each = (
        '@schedule(every=0.5, tenant="system", start=datetime(2026, 1, 1, tzinfo=UTC))\nasync def each(): record("start")\n'
    )
    env, include = code.environment(code.write(NIGHTLY, each)), ("--include", code.name, "--log-level", "error")
    async with instance.open() as proc:
        for round in range(5):
            workers = [
                instance.process(*include, env=env, wait=False, shutdown_grace=1) for _ in range(4 if round < 2 else 1)
            ]
            for worker in workers:
                await asyncio.to_thread(worker.wait_ready)
            found = [info.id for info in await proc.get_schedules("system")]
            assert found == [f"{code.name}.each", f"{code.name}.nightly"]
            runs = len(instance.recorded("start"))
            await instance.wait_records(runs + 2, "start")
            for worker in workers:
                worker.kill() if round % 2 else worker.process.terminate()
            for worker in workers:
                await asyncio.to_thread(worker.wait)
    ran = {record["id"]: record["due"] for record in instance.recorded("start")}
    assert len({*ran.values()}) == len(ran), "two tasks for one occurrence"


async def test_ten_workers_that_start_at_once_make_one(instance: Instance, code: Program) -> None:
    code.deploy(NIGHTLY, NIGHTLY.replace("nightly", "daily").replace("0 3", "0 9"))
    async with instance.open() as proc:
        release = asyncio.Event()

        async def work() -> None:
            async with instance.worker(max_workers=1, **FAR):
                await release.wait()

        workers = [asyncio.create_task(work()) for _ in range(10)]
        await until(lambda: live(proc, 10))
        assert await proc.count_schedules("system") == 2
        assert [len(instance.names(part)) for part in (":s:", ":ts:")] == [2, 1]
        release.set()
        await asyncio.gather(*workers)


async def live(proc: TaskProcessor, count: int) -> bool:
    """Whether there are so many workers."""
    return len(await proc.get_workers()) == count


# orphans


@pytest.mark.row("PJ-20")
async def test_one_that_the_code_no_longer_names_is_kept_as_an_orphan_and_ignored(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY, NIGHTLY.replace("nightly", "other").replace("first", "other"))
    async with instance.open() as proc:
        await started(instance)
        assert not any(info.orphan for info in await proc.get_schedules("system")), "without a worker nobody can say"
        for day in range(1, 4):
            code.deploy(NIGHTLY.replace("nightly", "other").replace("first", "other"))
            clock.stand(NOON + day * DAY)
            async with instance.worker():
                await instance.wait_records(day, "start", tag="other")
                orphan, other = await proc.get_schedules("system")
                assert [(one.coded, one.orphan, one.paused) for one in (orphan, other)] == [
                    (True, True, False),
                    (True, False, False),
                ]
                assert (orphan.next_at, orphan.runs) == (NOON + 15 * HOUR, 0)
                assert (await known(proc, orphan.id, "system")).orphan
        async with instance.open() as other:
            assert await other.run_due_schedules() == 0
        code.deploy(NIGHTLY)
        async with instance.worker():
            [again] = await instance.wait_records(1, "start", tag="first")
            assert again["due"] == (NOON + 2 * DAY + 15 * HOUR).timestamp(), "what was missed is one, once it is named again"
            assert [info.orphan for info in await proc.get_schedules("system")] == [False, True]
        assert await proc.cancel_schedule(f"{code.name}.other", "system")
        await started(instance)
        assert await proc.count_schedules("system") == 1


@pytest.mark.row("PJ-20")
async def test_a_handler_that_nobody_knows_holds_up_no_other_schedule(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    module = code.deploy("@task\nasync def gone(): ...\n")
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule("gone", cron="* * * * *", unique=True), module.gone)
        await proc.upsert_schedule(schedule("other", cron="* * * * *"), tick, "other")
    code.forget()
    for minute in range(1, 4):
        clock.stand(NOON + minute * MINUTE)
        async with instance.worker(unknown_grace=600) as proc:
            await instance.wait_records(minute, "start", tag="other")
            info = await known(proc, "gone")
            assert (info.handler, info.orphan) == (f"{code.name}.gone", False)
            assert info.next_at is not None
    async with instance.open() as proc:
        for queue in await proc.get_queues():
            for task in await proc.get_tasks_in_queue(queue.name):
                await proc.cancel_task(task.id)


# beside those of people


async def test_what_a_person_upserts_stays_until_the_code_changes(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    module = code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await started(instance)
        id = (await only(proc)).id
        await proc.upsert_schedule(schedule(id, "system", cron="0 5 * * *"), module.nightly, "person")
        await started(instance)
        info = await only(proc)
        assert (info.cron, info.coded, info.next_at) == ("0 5 * * *", True, NOON + 17 * HOUR)
        code.deploy(NIGHTLY.replace("first", "second"))
        await started(instance)
        assert (await only(proc)).cron == "0 3 * * *"


async def test_one_made_by_hand_becomes_one_of_the_code(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    module = code.deploy(NIGHTLY)
    async with instance.open() as proc:
        await proc.upsert_schedule(schedule(f"{code.name}.nightly", "system", cron="5 * * * *"), module.nightly, "person")
        async with instance.worker():
            info = await only(proc)
            assert (info.coded, info.cron, info.next_at) == (True, "0 3 * * *", NOON + 15 * HOUR)
            clock.stand(NOON + DAY)
            await instance.wait_records(1, "start")
            await until(lambda: ran(proc, 1))
        code.forget()
        clock.stand(NOON + 3 * DAY)
        async with instance.worker():
            assert (await only(proc)).orphan
            await proc.upsert_schedule(schedule(at=NOON), tick, "other")
            await instance.wait_records(1, "start", tag="other")
            assert instance.names(":schedules") == [], "it is no longer looked at as one made by hand"
            assert (await only(proc)).runs == 1
    assert [record["tag"] for record in instance.recorded("start")] == ["first", "other"]


async def ran(proc: TaskProcessor, count: int) -> bool:
    """Whether the one schedule ran so often."""
    return (await only(proc)).runs == count


async def test_those_of_the_code_are_fired_by_hand_too(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY)
    await started(instance)
    clock.stand(NOON + DAY)
    async with instance.open() as proc:
        assert [await proc.run_due_schedules() for _ in range(2)] == [1, 0]
        assert await proc.run_until_idle() == 1
        code.forget()
    clock.stand(NOON + 2 * DAY)
    async with instance.open() as proc:
        assert await proc.run_due_schedules() == 0
