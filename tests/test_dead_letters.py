"""Dead letters: what they keep, and how they are retried and discarded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskInfo, TaskProcessor, TaskState
from taskproc.store.dead import DeadLetters
from tests import breaking, handlers
from tests.harness import UNKNOWN, Instance, until


@pytest.mark.row("CT-23")
async def test_dead_letters_keep_all_that_is_known(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("mail", "acme", lambda batch: batch.enqueue(handlers.fail, "in a batch"))
        single = await proc.enqueue_task("mail", "umbrella", handlers.fail, "single")
        raw = await proc.enqueue_raw("mail", "acme", "raw.echo.unknown", b"\x00\xff")
        other = await proc.enqueue_task("default", "acme", handlers.fail, "elsewhere")
        async with instance.open(queues=["mail", "default"], max_attempts=1, unknown_grace=0) as worker:
            await worker.run_until_idle()
        assert [(q.name, q.dead) for q in await proc.get_queues()] == [("default", 1), ("mail", 3)]
        letters = {d.data: d for d in await proc.get_dead_tasks("mail")}
        assert len(letters) == 3
        assert letters[b"\x00\xff"].id == raw
        by_batch = letters[b'["tests.handlers.fail",["in a batch"]]']
        assert (by_batch.batch_id, by_batch.tenant, by_batch.queue) == (batch_id, "acme", "mail")
        assert by_batch.id.startswith(batch_id)
        alone = letters[b'["tests.handlers.fail",["single"]]']
        assert (alone.id, alone.batch_id, alone.tenant, alone.state) == (single, None, "umbrella", TaskState.FAILED)
        assert [(e.type, e.message) for e in alone.errors] == [("ValueError", "single")]
        assert [d.id for d in await proc.get_dead_tasks("default")] == [other]
        assert [d.id for d in await proc.get_dead_tasks(tenant="umbrella")] == [single]
        assert [d.id for d in await proc.get_dead_tasks(batch_id=batch_id)] == [by_batch.id]
        assert len(await proc.get_dead_tasks()) == 4
        assert len(await proc.get_dead_tasks(skip=1, take=2)) == 2
        assert await proc.get_task(single) == alone


@pytest.mark.row("CT-24")
@pytest.mark.parametrize("how", ["processor", "call", "call of one"])
async def test_without_a_dead_letter_nothing_of_the_task_is_left(instance: Instance, how: str) -> None:
    keep = "none" if how != "processor" else None
    async with instance.open(deadletter=how != "processor", max_attempts=2, backoff=0) as proc:
        text = "x" * 20_000

        def build(batch: Batch) -> None:
            batch.options(keep=keep).enqueue(handlers.fail, text)
            batch.enqueue(handlers.mark)
            batch.options(on="failed").continue_with(handlers.after)

        if how == "call of one":
            await proc.options(keep=keep).enqueue_task("default", "acme", handlers.fail, text)
            await proc.run_until_idle()
        else:
            batch_id = await proc.enqueue_batch("default", "acme", build)
            await proc.run_until_idle()
            info = await proc.get_batch(batch_id)
            assert info is not None
            assert (info.state, info.done, info.failed, info.remaining) == (BatchState.FAILED, 1, 1, 0)
            assert [r["event"] for r in instance.recorded("start", "ran")].count("ran") == 2
        assert len(instance.recorded("start")) == 2
        assert await proc.get_dead_tasks() == []
        assert (await proc.get_queue("default")).dead == 0
        assert not rest(instance)
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.failed, totals.remaining) == (1, 0)


def rest(instance: Instance) -> list[bytes]:
    """Keys that hold something of single tasks."""
    return [name for name in sorted(instance.keys()) if name.endswith((b":w", b":e", b":big", b":x:default"))]


@pytest.mark.row("CT-25")
@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_dead_tasks_are_retried_oldest_first_with_fresh_attempts(instance: Instance, mode: Any) -> None:
    async with instance.open(max_attempts=1, max_workers=1) as proc:
        await proc.set_queue_mode("default", mode)
        for n in range(30):
            await proc.enqueue_task("default", "acme", handlers.fail, tag=f"single {n}")
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.fail, tag=f"batch {n}") for n in range(120)]
        )
        await proc.run_until_idle()
        letters = await proc.get_dead_tasks(take=1_000)
        assert len(letters) == 150
        assert [d.errors[0].at for d in letters] == sorted(d.errors[0].at for d in letters)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.FAILED, 120, 0)

        assert await proc.retry_dead_tasks() == 100
        left = await proc.get_dead_tasks(take=1_000)
        assert {d.id for d in left} == {d.id for d in letters[100:]} or same_time(letters)
        mine = sum(d.batch_id is not None for d in left)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.RUNNING, mine, 120 - mine)
        assert await proc.retry_dead_tasks(max_attempts=2) == 50
        assert await proc.retry_dead_tasks() == 0
        queue = await proc.get_queue("default")
        assert (queue.ready, queue.dead) == (150, 0)

        async with instance.open(max_attempts=1, backoff=0, max_workers=20) as worker:
            await worker.run_until_idle()
        again = await proc.get_dead_tasks(take=1_000)
        assert sorted(d.attempt for d in again) == [1] * 100 + [2] * 50
        assert {d.attempt for d in again if d.id in {kept.id for kept in left}} == {2}
        assert len(instance.recorded("start")) == 150 + 100 + 2 * 50
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.failed, info.remaining) == (BatchState.FAILED, 120, 0)


def same_time(letters: list[TaskInfo]) -> bool:
    """Whether the two around the hundredth died in the same millisecond, so that either may go first."""
    return letters[99].errors[0].at == letters[100].errors[0].at


async def test_a_dead_task_that_is_retried_can_be_done(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance.open(max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark)
            batch.enqueue(handlers.fail, "x", 1_000)
            batch.continue_with(handlers.after)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        assert instance.recorded("ran", tag=None)[-1].get("continuation") is None
        spoil = f"{{{instance.name}}}:b:{batch_id}:w"
        [(field, body)] = instance.client.hgetall(spoil).items()
        instance.client.hset(spoil, field, body.replace(b",1000", b",1"))
        assert await proc.retry_dead_tasks(batch_id=batch_id) == 1
        assert (await proc.get_task(letter.id)) is not None
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.done, info.failed) == (BatchState.DONE, 2, 0)
        [after] = [r for r in instance.recorded("ran") if r.get("continuation")]
        assert after["counters"] == [2, 2, 0, 0, 0]


@pytest.mark.row("CT-26")
async def test_discarded_dead_tasks_stay_counted_as_failed(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            for n in range(3):
                batch.enqueue(handlers.mark, n)
            batch.enqueue(handlers.fail, "x" * 20_000)
            batch.continue_with(handlers.after, "done")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        single = await proc.enqueue_task("default", "acme", handlers.fail)
        await proc.run_until_idle()
        assert await proc.discard_dead_tasks(count=1) == 1
        assert await proc.discard_dead_tasks() == 1
        assert await proc.discard_dead_tasks() == 0
        assert await proc.retry_dead_tasks() == 0
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.total, info.done, info.failed, info.remaining) == (BatchState.FAILED, 4, 3, 1, 0)
        assert await proc.get_task(single) is None
        assert await proc.run_until_idle() == 0
        assert instance.recorded("ran", tag="done") == []
        assert (await proc.get_queue("default")).dead == 0
        assert not rest(instance)


@pytest.mark.row("CT-26")
async def test_a_hundred_are_discarded_at_once(instance: Instance) -> None:
    async with instance.open(max_attempts=1, max_workers=20) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.fail) for _ in range(130)])
        await proc.run_until_idle()
        assert [await proc.discard_dead_tasks() for _ in range(3)] == [100, 30, 0]
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.fail) for _ in range(130)])
        await proc.run_until_idle()
        assert [await proc.discard_dead_tasks(count=None) for _ in range(2)] == [130, 0]


async def test_errors_are_kept_up_to_a_bound(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:
        await proc.options(max_attempts=30).enqueue_task("default", "acme", breaking.break_down, "long")
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        attempts = [e.attempt for e in letter.errors]
        assert 5 <= len(attempts) <= 20
        assert attempts == list(range(31 - len(attempts), 31))
        assert sum(len(e.message) + len(e.traceback) for e in letter.errors) <= 20 * 7_000


@pytest.mark.parametrize("count", [50, None])
async def test_a_retry_takes_a_letter_once_although_it_dies_again_meanwhile(
    instance: Instance, count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = DeadLetters.retry

    async def slowly(letters: DeadLetters, *args: Any, **kwargs: Any) -> int:
        moved = await retry(letters, *args, **kwargs)
        await until(lambda: all_dead(proc, 30))
        return moved

    monkeypatch.setattr(DeadLetters, "retry", slowly)
    async with instance.worker(max_attempts=1) as proc:
        await proc.enqueue_batch("default", "acme", lambda batch: [batch.enqueue(handlers.fail) for _ in range(30)])
        await until(lambda: all_dead(proc, 30))
        assert await proc.retry_dead_tasks(count=count) == 30
        assert len(instance.records) == 60


async def all_dead(proc: TaskProcessor, count: int) -> bool:
    """Whether there are so many dead letters."""
    return (await proc.get_queue("default")).dead == count


@pytest.mark.row("BN-18")
async def test_only_dead_tasks_are_retried(instance: Instance) -> None:
    """What runs, is done, was cancelled or is unknown doesn't start a second time, whoever asks for a retry of it."""
    async with instance.worker(max_attempts=1, max_workers=2) as proc:
        ids: dict[str, str] = {}
        for state, build in {
            "running": lambda batch: batch.enqueue(handlers.nap, 30),
            "done": lambda batch: batch.enqueue(handlers.mark),
            "cancelled": lambda batch: batch.enqueue(handlers.nap, 30),
            "discarded": lambda batch: batch.enqueue(handlers.fail),
        }.items():
            ids[state] = await proc.enqueue_batch("default", "acme", build)
            if state == "cancelled":
                await instance.wait_records(2, "start")
                assert await proc.cancel_batch(ids[state])
                await instance.wait_records(1, "cancelled")
        await proc.wait_batch(ids["discarded"], 10)
        assert await proc.discard_dead_tasks() == 1
        ids["unknown"] = UNKNOWN
        before = {state: await proc.get_batch(batch_id) for state, batch_id in ids.items()}
        assert [info.state.value if info else None for info in before.values()] == [
            "running", "done", "cancelled", "failed", None
        ]  # fmt: skip
        started = len(instance.recorded("start", "ran"))
        for batch_id in ids.values():
            assert await proc.retry_dead_tasks(batch_id=batch_id) == 0
            assert await proc.tenant("acme").retry_dead_tasks(batch_id=batch_id, count=None) == 0
        assert await proc.retry_dead_tasks() == 0
        await asyncio.sleep(0.5)
        assert len(instance.recorded("start", "ran")) == started
        assert {state: await proc.get_batch(batch_id) for state, batch_id in ids.items()} == before
        assert await proc.cancel_batch(ids["running"])
