"""The tasks of schedules: what they know, where they run, how they are sealed, and how they end."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from taskproc import TaskProcessor, TaskState
from tests import handlers, keeping, limited, scheduling
from tests.frozen import Clock
from tests.harness import Instance, until
from tests.measure import overlap
from tests.scheduling import HOUR, NOON, SECONDLY, known, now, schedule, tick

AES = b"k" * 32


@pytest.mark.parametrize(
    "handler", [tick, scheduling.tick_thread, scheduling.tick_process], ids=lambda handler: handler.__name__
)
async def test_a_task_knows_its_schedule_and_its_occurrence(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.worker() as proc:
        due = now(instance).replace(microsecond=0)
        await proc.upsert_schedule(schedule("of the month", at=due), handler, "scheduled")
        await proc.enqueue_task("default", "acme", handler, "enqueued")
        found = {record["tag"]: record for record in await instance.wait_records(2, "start", seconds=20)}
    assert (found["scheduled"]["schedule"], found["scheduled"]["due"]) == ("of the month", due.timestamp())
    assert (found["enqueued"]["schedule"], found["enqueued"]["due"]) == (None, None)


async def test_a_task_is_shown_with_its_schedule(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON + HOUR)
    async with instance.worker() as proc:
        await proc.upsert_schedule(schedule(at=NOON), tick, seconds=600)
        await proc.upsert_schedule(schedule("kept", at=NOON), keeping.double, 21)
        ran = (await instance.wait_records(1, "start"))[0]
        info = await proc.get_task(ran["id"])
        assert info is not None
        assert (info.state, info.schedule_id, info.batch_id, info.tenant) == (TaskState.RUNNING, "s", None, "acme")
        [run] = await until(lambda: history(proc, "kept"))
        kept = await proc.get_task(run.task_id)
        assert kept is not None
        assert (kept.state, kept.schedule_id, kept.result) == (TaskState.DONE, "kept", 42)
        assert await proc.wait_result(run.task_id, 5) == 42
        assert await proc.tenant("globex").get_task(run.task_id) is None
        await proc.cancel_task(ran["id"])
        [run] = await until(lambda: history(proc))
        assert (run.state, run.task_id) == (TaskState.CANCELLED, ran["id"])


async def history(proc: TaskProcessor, id: str = "s") -> tuple[Any, ...]:
    """The runs of a schedule."""
    return (await known(proc, id)).history


async def test_a_task_goes_to_the_schedules_queue_or_else_to_its_handlers(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.open() as proc:
        for id, queue in (("plain", "default"), ("placed", "low")):
            await proc.upsert_schedule(schedule(id, at=NOON, queue=queue), tick)
            await proc.upsert_schedule(schedule(f"own {id}", at=NOON, queue=queue), scheduling.tick_own)
        assert await proc.run_due_schedules() == 4
        found = {
            task.schedule_id: task.queue
            for queue in ("default", "low", "apart")
            for task in await proc.get_tasks_in_queue(queue)
        }
    assert found == {"plain": "default", "placed": "low", "own plain": "apart", "own placed": "low"}


async def test_limits_and_unique_handlers_hold_for_schedules_too(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON - HOUR)
    async with instance.worker() as proc:
        for n in range(6):
            await proc.upsert_schedule(schedule(f"two {n}", at=NOON), limited.two, 0.2)
        clock.stand(NOON)
        await until(lambda: all_ran(proc, 6))
        assert overlap(instance.records) == 2
        await proc.pause()
        task = await proc.enqueue_task("default", "acme", handlers.once, 7)
        await proc.upsert_schedule(schedule("same", at=NOON), handlers.once, 7)
        await proc.upsert_schedule(schedule("other", at=NOON), handlers.once, 8)
        assert not await proc.trigger_schedule("same", "acme"), "an equal task is there"
        await proc.resume()
        await instance.wait_records(2, "ran")
        assert task in {record["id"] for record in instance.recorded("ran")}


async def all_ran(proc: TaskProcessor, count: int) -> bool:
    """Whether so many schedules have a run that has ended."""
    return sum(len(info.history) for info in await proc.get_schedules("acme")) == count


@pytest.mark.parametrize("size", [10, 10_000, 200_000])
async def test_arguments_of_any_size_are_frozen_at_the_upsert(instance: Instance, size: int) -> None:
    async with instance.worker(cron_seconds=True) as proc:
        words = ["x" * size]
        await proc.upsert_schedule(schedule(cron=SECONDLY, max_runs=2), tick, words)
        words[0] = "changed"
        assert [record["tag"] for record in await instance.wait_records(2, "start")] == [["x" * size]] * 2


@pytest.mark.parametrize("size", [10, 10_000])
async def test_a_failed_attempt_is_tried_again_with_the_same_occurrence(instance: Instance, size: int) -> None:
    async with instance.worker(cron_seconds=True, deadletter_schedules=True) as proc:
        await proc.upsert_schedule(schedule(cron=SECONDLY, max_runs=1), scheduling.tick_broken, "x" * size)
        [letter] = await until(lambda: dead(proc, 1))
        first, second = instance.recorded("start")
        assert (first["id"], first["due"], first["schedule"]) == (second["id"], second["due"], second["schedule"])
        assert (first["attempt"], second["attempt"], letter.id) == (1, 2, first["id"])
        assert await proc.retry_dead_tasks(max_attempts=1) == 1
        [*_, third] = await instance.wait_records(3, "start")
        assert (third["id"], third["due"], third["tag"]) == (first["id"], first["due"], "x" * size)
        await until(lambda: dead(proc, 1))
        assert await proc.discard_dead_tasks() == 1


async def test_raw_work_and_bytes_by_another_serializer_run_by_schedule(instance: Instance, clock: Clock) -> None:
    clock.stand(NOON)
    async with instance.worker(serializer=msgpack) as proc:
        await proc.upsert_schedule(schedule("raw", at=NOON), handlers.raw_echo, b"\x00\xff\n")
        await proc.upsert_schedule(schedule("packed", at=NOON), tick, {"a": [1, None], "b": "ü"})
        [raw] = await instance.wait_records(1, "raw")
        [packed] = await instance.wait_records(1, "start")
    assert handlers.received[raw["id"]] == b"\x00\xff\n"
    assert packed["tag"] == {"a": [1, None], "b": "ü"}


SEALS: list[dict[str, Any]] = [
    {"signing_key": "s" * 32},
    {"encryption_key": AES},
    {"signing_key": "s" * 32, "encryption_key": AES},
]


@pytest.mark.parametrize("keys", SEALS, ids=lambda keys: " ".join(keys))
async def test_sealed_payloads_run_by_schedule_and_are_not_readable(
    instance: Instance, clock: Clock, keys: dict[str, Any]
) -> None:
    clock.stand(NOON)
    async with instance.open(**keys) as proc:
        for id, text in (("short", "a secret"), ("long", "a secret" * 2_000)):
            await proc.upsert_schedule(schedule(id, cron="* * * * *"), tick, text)
        [name, _] = instance.names(":s:")
        readable = b"a secret" in (instance.client.hget(name, "body") or b"")
        assert readable is ("encryption_key" not in keys)
        for minutes in (1, 2):
            clock.stand(NOON.replace(minute=minutes))
            assert await proc.run_due_schedules() == 2
    async with instance.worker(**keys):
        ran = await instance.wait_records(4, "start")
        assert sorted(record["tag"] for record in ran) == sorted(["a secret", "a secret" * 2_000] * 2)


def payload_of(instance: Instance, id: str, tenant: str, payload: bytes | None = None) -> bytes:
    """The payload of a schedule's tasks as it is stored; or another in its place."""
    for name in instance.names(":s:"):
        if instance.client.hmget(name, "id", "tenant") == [id.encode(), tenant.encode()]:
            head, _, found = (instance.client.hget(name, "body") or b"").partition(b"\n")
            if payload is not None:
                instance.client.hset(name, "body", head + b"\n" + payload)
            return found
    raise AssertionError(f"no schedule {id}")


@pytest.mark.parametrize("keys", SEALS, ids=lambda keys: " ".join(keys))
async def test_a_payload_that_was_moved_or_changed_is_refused(instance: Instance, keys: dict[str, Any]) -> None:
    async with instance.open(**keys, deadletter_schedules=True) as proc:
        for id, tenant in (("a", "acme"), ("b", "acme"), ("a", "globex"), ("c", "acme"), ("d", "acme"), ("right", "acme")):
            await proc.upsert_schedule(schedule(id, tenant), tick, [id, tenant])
        mine = payload_of(instance, "a", "acme")
        payload_of(instance, "b", "acme", mine)
        payload_of(instance, "a", "globex", mine)
        payload_of(instance, "c", "acme", b'["tests.scheduling.tick",["forged"]]')
        for name in instance.names(":s:"):
            if instance.client.hget(name, "id") == b"d":
                instance.client.hset(name, "queue", "elsewhere")
        for id, tenant in (("b", "acme"), ("a", "globex"), ("c", "acme"), ("d", "acme"), ("right", "acme")):
            assert await proc.trigger_schedule(id, tenant)
        single = await proc.enqueue_task("default", "acme", tick, "single")
    async with instance.worker(queues=["default", "elsewhere"], **keys, deadletter_schedules=True) as proc:
        assert {r["id"] for r in await instance.wait_records(2, "start")} >= {single}
        letters = await until(lambda: dead(proc, 4))
        assert {(letter.schedule_id, letter.tenant) for letter in letters} == {
            ("b", "acme"), ("a", "globex"), ("c", "acme"), ("d", "acme"),
        }  # fmt: skip
        assert {letter.errors[0].type for letter in letters} == {"taskproc.errors.UntrustedTask"}
        assert len(instance.recorded("start")) == 2
        assert await proc.discard_dead_tasks() == 4


async def dead(proc: TaskProcessor, count: int) -> list[Any]:
    """The dead letters, if there are so many."""
    found = await proc.get_dead_tasks()
    return found if len(found) == count else []


# how they end


@pytest.mark.row("CT-27")
async def test_a_failed_task_of_a_schedule_is_no_dead_letter_and_the_next_cycle_fires(instance: Instance) -> None:
    async with instance.worker(cron_seconds=True) as proc:
        await proc.upsert_schedule(schedule(cron=SECONDLY, unique=True), scheduling.tick_broken)
        ran = await instance.wait_records(6, "start")
        assert len({record["due"] for record in ran}) == 3
        await proc.cancel_schedule("s", "acme")
        assert (await proc.get_dead_tasks(), (await proc.get_queue("default")).dead) == ([], 0)
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert totals.failed >= 2


@pytest.mark.row("CT-28")
@pytest.mark.parametrize("how", ["discard", "retry"])
async def test_with_dead_letters_of_schedules_a_unique_one_waits_for_its_own(instance: Instance, how: str) -> None:
    async with instance.worker(cron_seconds=True, deadletter_schedules=True) as proc:
        await proc.upsert_schedule(schedule(cron=SECONDLY, unique=True), scheduling.tick_broken, "held")
        await proc.upsert_schedule(schedule("free", cron=SECONDLY), tick, "free")
        [letter] = await until(lambda: dead(proc, 1))
        assert (letter.schedule_id, len(letter.errors)) == ("s", 2)
        runs = len(instance.recorded("start", tag="free"))
        await instance.wait_records(runs + 4, "start", tag="free")
        assert len(instance.recorded("start", tag="held")) == 2, "no fire for three cycles and more"
        info = await known(proc)
        assert (info.runs, info.skip_reason) == (1, "held")
        assert info.skipped >= 3
        assert not await proc.trigger_schedule("s", "acme")
        if how == "discard":
            assert await proc.discard_dead_tasks() == 1
        else:
            await proc.upsert_schedule(schedule(cron=SECONDLY, unique=True), tick, "mended")
            assert await proc.retry_dead_tasks(max_attempts=1) == 1
            await instance.wait_records(3, "start", tag="held")
            await until(lambda: dead(proc, 1))
            assert await proc.discard_dead_tasks() == 1
        tag, count = ("held", 3) if how == "discard" else ("mended", 1)
        [*_, again] = await instance.wait_records(count, "start", tag=tag)
        assert again["due"] > letter.ended_at.timestamp()
        await proc.cancel_schedule("s", "acme")
        await until(lambda: ended(proc))
        await proc.discard_dead_tasks(count=None)


async def ended(proc: TaskProcessor) -> bool:
    """Whether nothing waits or runs but what comes each second."""
    await proc.cancel_schedule("free", "acme")
    queue = await proc.get_queue("default")
    return queue.ready + queue.delayed + queue.running == 0
