"""When a task starts: delays, due times, and the order among those that are ready."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskproc import Batch, BatchInfo, BatchState, InvalidValue, TaskInfo, TaskProcessor, TaskState
from taskproc.store.work import Horizon
from tests import handlers
from tests.harness import LATE, Instance, refused, until


def at(seconds: float) -> datetime:
    """A time of the server's clock."""
    return datetime.fromtimestamp(seconds, UTC)


async def known(proc: TaskProcessor, task_id: str) -> TaskInfo:
    """What is known of a task that is there."""
    info = await proc.get_task(task_id)
    assert info is not None
    return info


async def ended(proc: TaskProcessor, batch_id: str) -> BatchInfo | None:
    """A batch of which a task has ended."""
    info = await proc.get_batch(batch_id)
    return info if info is not None and info.done else None


@pytest.mark.row("CT-04", "CT-05")
async def test_a_delayed_task_of_a_batch_runs_when_it_is_due_in_its_own_queue(instance: Instance) -> None:
    delays = [1.0, 1.1, 1.2]
    async with instance.open() as proc, instance.worker(queues=["high"]), instance.worker(queues=["default"]):
        ids: list[str] = []
        before = instance.now()

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, "at once")
            ids.extend(batch.options(queue="high", delay=delay).enqueue(handlers.mark, delay) for delay in delays)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        after = instance.now()
        [first] = await instance.wait_records(1, "ran")
        assert first["tag"] == "at once"
        info = await until(lambda: ended(proc, batch_id))
        assert (info.state, info.done, info.remaining) == (BatchState.RUNNING, 1, 3)
        assert (await known(proc, ids[0])).state is TaskState.DELAYED
        assert (await proc.get_queue("high")).delayed == 3
        assert (await proc.wait_batch(batch_id, 10)).done == 4
        ran = {r["tag"]: r for r in instance.recorded("ran")}
        assert all(ran[delay]["queue"] == "high" for delay in delays)
        assert all(ran[delay]["at"] >= before + delay for delay in delays)
        assert median(ran[delay]["at"] - after - delay for delay in delays) <= LATE


@pytest.mark.row("CT-18", "BR-07", "BN-13")
async def test_a_single_task_runs_after_its_delay(instance: Instance) -> None:
    delays: list[Any] = [0.5, timedelta(seconds=0.6), 1]
    async with instance.worker() as proc:
        before = instance.now()
        ids = [await proc.options(delay=delay).enqueue_task("default", "acme", handlers.mark) for delay in delays]
        seconds = [0.5, 0.6, 1]
        for task_id, delay in zip(ids, seconds, strict=True):
            info = await known(proc, task_id)
            assert (info.state, info.batch_id, info.attempt) == (TaskState.DELAYED, None, 0)
            assert info.scheduled_for is not None
            assert (info.scheduled_for - info.created_at).total_seconds() == delay
        assert await proc.get_batches("acme") == []
        assert await proc.count_batches("acme") == 0
        ran = {r["id"]: r for r in await instance.wait_records(3, "ran")}
        late = [ran[task_id]["at"] - before - delay for task_id, delay in zip(ids, seconds, strict=True)]
        assert min(late) >= 0
        assert median(late) <= LATE
        assert len(instance.recorded("ran")) == 3


@pytest.mark.row("BR-08", "BN-19", "PJ-11", "BN-13")
async def test_a_due_time_in_any_time_zone(instance: Instance) -> None:
    async with instance.worker() as proc:
        due = [instance.now() + 0.4 + 0.1 * n for n in range(3)]
        zones = [UTC, timezone(timedelta(hours=-9, minutes=-30)), ZoneInfo("Europe/Berlin")]
        for n, (when, zone) in enumerate(zip(due, zones, strict=True)):
            await proc.options(delay_until=at(when).astimezone(zone)).enqueue_task("default", "acme", handlers.mark, n)
        ran = await instance.wait_records(3, "ran")
        assert [r["tag"] for r in ran] == [0, 1, 2]
        assert all(r["at"] >= when for r, when in zip(ran, due, strict=True))
        assert median(r["at"] - when for r, when in zip(ran, due, strict=True)) <= LATE


@pytest.mark.row("BR-08", "BN-19")
async def test_a_time_in_the_past_means_at_once(instance: Instance) -> None:
    async with instance.open() as client:
        past = [
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC),
            at(instance.now() - 3600),
            at(instance.now()),
        ]
        ids = [await client.options(delay_until=when).enqueue_task("default", "acme", handlers.mark) for when in past]
        ids.append(await client.options(delay=0).enqueue_task("default", "acme", handlers.mark))
        ids.append(await client.enqueue_task("default", "acme", handlers.mark))
        for task_id in ids:
            assert (await known(client, task_id)).state is TaskState.READY
        async with instance.worker():
            await instance.wait_records(6, "ran")
            late = []
            for when in past[:3]:
                before = instance.now()
                task_id = await client.options(delay_until=when).enqueue_task("default", "acme", handlers.mark)
                [ran] = [r for r in await instance.wait_records(7 + len(late), "ran") if r["id"] == task_id]
                late.append(ran["at"] - before)
            assert median(late) <= LATE


@pytest.mark.row("BN-19")
async def test_a_time_in_the_future_does_not_start_before(instance: Instance) -> None:
    async with instance.worker() as proc:
        tomorrow = at(instance.now()) + timedelta(days=1)
        task_id = await proc.options(delay_until=tomorrow).enqueue_task("default", "acme", handlers.mark, "tomorrow")
        far = await proc.options(delay=timedelta(days=36525)).enqueue_task("default", "acme", handlers.mark, "in a century")
        await proc.enqueue_task("default", "acme", handlers.mark, "now")
        await asyncio.sleep(0.5)
        assert [r["tag"] for r in instance.recorded("ran")] == ["now"]
        info = await known(proc, task_id)
        assert info.state is TaskState.DELAYED
        assert info.scheduled_for is not None
        assert timedelta(0) <= info.scheduled_for - tomorrow <= timedelta(milliseconds=1)
        assert (await known(proc, far)).state is TaskState.DELAYED


@pytest.mark.row("PJ-11")
async def test_a_run_by_hand_takes_what_is_due_and_nothing_else(instance: Instance) -> None:
    async with instance.open() as proc:
        due = instance.now() + 0.3
        await proc.options(delay_until=at(due)).enqueue_task("default", "acme", handlers.mark)
        assert await proc.run_until_idle() == 0
        assert instance.recorded("ran") == []
        await asyncio.sleep(max(0.0, due - instance.now()) + 0.01)
        assert await proc.run_until_idle() == 1


@pytest.mark.row("BN-13")
async def test_a_delay_outlives_the_worker(instance: Instance) -> None:
    async with instance.open() as client:
        async with instance.worker():
            due = instance.now() + 1.2
            await client.options(delay_until=at(due)).enqueue_task("default", "acme", handlers.mark)
        assert instance.now() < due
        async with instance.worker():
            [ran] = await instance.wait_records(1, "ran")
        assert due <= ran["at"] <= due + 2 * LATE


async def test_a_delay_counts_from_the_commit_of_the_batch(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[str] = []
        async with proc.batch("default", "acme") as batch:
            ids.append(batch.options(delay=10).enqueue(handlers.mark))
            await asyncio.sleep(0.2)
            before = instance.now()
        after = instance.now()
        scheduled = (await known(proc, ids[0])).scheduled_for
        assert scheduled is not None
        assert before + 10 - 0.001 <= scheduled.timestamp() <= after + 10


@pytest.mark.row("BN-17")
async def test_due_tasks_start_in_the_order_of_their_times(instance: Instance) -> None:
    async with instance.open() as proc:
        now = instance.now()
        for ago in (3, 1, 2):
            await proc.options(delay_until=at(now - ago)).enqueue_task("default", "acme", handlers.mark, f"{ago} ago")
        for n in range(2):
            await proc.enqueue_task("default", "acme", handlers.mark, f"at once {n}")
        async with instance.worker(max_workers=1):
            ran = await instance.wait_records(5, "ran")
        assert [r["tag"] for r in ran] == ["3 ago", "2 ago", "1 ago", "at once 0", "at once 1"]


@pytest.mark.row("BE-27")
@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_the_oldest_task_goes_first(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        for n in range(50):
            await proc.enqueue_task("default", "acme", handlers.mark, n)
        async with instance.worker(max_workers=1):
            ran = await instance.wait_records(50, "ran")
        assert [r["tag"] for r in ran] == list(range(50))


async def test_tasks_that_fall_due_join_the_end_of_the_line(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.options(delay=0.1).enqueue_task("default", "acme", handlers.mark, "due")
        for n in range(3):
            await proc.enqueue_task("default", "acme", handlers.mark, n)
        await asyncio.sleep(0.15)
        async with instance.worker(max_workers=1):
            ran = await instance.wait_records(4, "ran")
        assert [r["tag"] for r in ran] == [0, 1, 2, "due"]


async def test_a_continuation_is_delayed_from_the_end_of_its_batch(instance: Instance) -> None:
    async with instance.worker() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.nap, 0.2)
            batch.options(delay=0.4).continue_with(handlers.after)
            with pytest.raises(InvalidValue, match="give a delay"):
                batch.options(delay_until=datetime.now(UTC)).continue_with(handlers.after)

        await proc.enqueue_batch("default", "acme", build)
        [ran] = await instance.wait_records(1, "ran")
        [ended] = instance.recorded("end")
        assert ran["at"] >= ended["at"] + 0.4


async def test_many_tasks_fall_due_at_once(instance: Instance) -> None:
    async with instance.worker(max_workers=50) as proc:
        due = instance.now() + 0.5

        def build(batch: Batch) -> None:
            for n in range(600):
                batch.options(delay_until=at(due)).enqueue(handlers.mark, n)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert (await proc.wait_batch(batch_id, 20)).done == 600
        ran = instance.recorded("ran")
        assert sorted(r["tag"] for r in ran) == list(range(600))
        assert min(r["at"] for r in ran) >= due


@pytest.mark.row("BR-06")
async def test_an_enqueue_returns_an_id_of_its_own_before_anything_runs(instance: Instance) -> None:
    async with instance.worker(max_workers=4) as proc:
        took = []
        ids: set[str] = set()
        for _ in range(4):
            before = instance.now()
            ids.add(await proc.enqueue_task("default", "acme", handlers.nap, 0.5))
            took.append(instance.now() - before)
        assert median(took) < 0.05
        assert instance.recorded("end") == []
        later = await proc.enqueue_task("default", "acme", handlers.mark)
        assert (await known(proc, later)).id == later
        ids.add(later)
        for _ in range(200):
            ids.add(await proc.options(delay=60).enqueue_task("default", "acme", handlers.mark))
        for _ in range(10):
            batch_id = await proc.enqueue_batch(
                "idle", "acme", lambda batch: ids.update(batch.enqueue(handlers.noop) for _ in range(980))
            )
            await proc.cancel_batch(batch_id)
        assert len(ids) == 4 + 1 + 200 + 9_800


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"delay": -1}, "delay=-1"),
        ({"delay": -0.001}, "delay=-0.001"),
        ({"delay": timedelta(microseconds=-1)}, "from 0 to 36525 days"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"delay": timedelta.max}, "from 0 to 36525 days"),
        ({"delay": "5"}, "delay='5'"),
        ({"delay": True}, "delay=True"),
        ({"delay_until": datetime(2030, 1, 1)}, "it has no time zone"),
        ({"delay_until": 1_700_000_000}, "use a datetime"),
        ({"delay_until": "2030-01-01T00:00:00Z"}, "use a datetime"),
        ({"delay": 1, "delay_until": datetime(2030, 1, 1, tzinfo=UTC)}, "give one of them"),
    ],
)
async def test_times_that_are_refused(instance: Instance, options: dict[str, Any], told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, told):
            await proc.options(**options).enqueue_task("default", "acme", handlers.mark)
        with refused(instance, InvalidValue, told):
            await proc.tenant("acme").options(**options).enqueue(handlers.mark)
        with refused(instance, InvalidValue, told):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.options(**options).enqueue(handlers.mark))


def test_an_answer_that_was_overtaken_tells_nothing_of_what_is_due() -> None:
    horizon = Horizon()
    horizon.note(b"1000000", b"1005000", b"")
    due = horizon.due
    assert due is not None
    horizon.note(b"999990", b"", b"")
    assert horizon.due == due
    horizon.note(b"900000", b"", b"")  # the server's clock was set back
    assert horizon.due is None
