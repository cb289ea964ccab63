"""Large payloads, which are kept apart from their tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import Batch, PayloadTooLarge, TaskProcessor
from taskproc.store import WorkerStore
from taskproc.worker import Worker
from tests import handlers
from tests.building import noops
from tests.harness import Instance, counters, until
from tests.watching import BARE, counts


def large(size: int) -> str:
    """A text for which the payload of ``swallow`` has exactly so many bytes."""
    return "x" * (size - len('["tests.handlers.swallow",[""]]'))


def kept_apart(instance: Instance) -> list[str]:
    """The keys of large payloads."""
    return instance.names(":big")


async def test_a_payload_may_have_one_megabyte_and_no_byte_more(instance: Instance) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        for refused in (
            proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.swallow, large(1_000_001))),
            proc.enqueue_task("default", "acme", handlers.swallow, large(1_000_001)),
        ):
            with pytest.raises(PayloadTooLarge, match=r"swallow: its payload has 1,000,001 bytes; at most 1,000,000"):
                await refused
        assert instance.keys() == before
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: [b.enqueue(handlers.swallow, large(1_000_000)) for _ in range(3)]
        )
        assert await proc.append_batch(
            "default", "acme", batch_id, lambda b: [b.enqueue(handlers.swallow, large(1_000_000)) for _ in range(3)]
        )
        await proc.enqueue_task("default", "acme", handlers.swallow, large(1_000_000))
        assert len(kept_apart(instance)) == 3
        assert await proc.run_until_idle() == 7
        assert [r["size"] for r in instance.recorded("end")] == [len(large(1_000_000))] * 7
        assert not kept_apart(instance)
        assert set(instance.belonging(batch_id)) <= BARE


@pytest.mark.parametrize("size", [8_192, 8_193, 300_000])
async def test_a_large_payload_survives_retries_death_and_a_retry_by_hand(instance: Instance, size: int) -> None:
    async with instance.open(backoff=0, max_attempts=2) as proc:
        text = large(size)
        options: dict[str, Any] = {"fails": 2}
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.swallow, text, **options))
        await proc.append_batch("default", "acme", batch_id, lambda b: b.enqueue(handlers.swallow, text, **options))
        await proc.append_batch(
            "default", "acme", batch_id, lambda b: [noops(1_100)(b), b.enqueue(handlers.swallow, text, **options)]
        )
        await proc.enqueue_task("default", "acme", handlers.swallow, text, **options)
        await proc.run_until_idle()
        assert len(instance.recorded("failed")) == 8
        dead = await proc.get_dead_tasks()
        assert len(dead) == 4
        assert all(text.encode() in letter.data and letter.name == "tests.handlers.swallow" for letter in dead)
        assert await proc.retry_dead_tasks(batch_id=batch_id, max_attempts=3) == 3
        await proc.run_until_idle()
        assert [r["size"] for r in instance.recorded("end")] == [len(text)] * 3
        assert counters(await proc.get_batch(batch_id)) == (1_103, 1_103, 0, 0, 0)
        assert set(instance.belonging(batch_id)) <= BARE
        assert await proc.discard_dead_tasks() == 1
        assert not kept_apart(instance)


@pytest.mark.parametrize("count", [1, 1_100])
async def test_cancelling_a_batch_drops_its_large_payloads_at_once(instance: Instance, count: int) -> None:
    async with instance.worker(max_workers=2, max_attempts=1) as proc:
        text = large(20_000)

        def wait(batch: Batch) -> None:
            for n in range(count):
                batch.enqueue(handlers.swallow, text if n % 100 == 0 else "", seconds=30)
            batch.options(delay=60).enqueue(handlers.swallow, text)

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.swallow, text, fails=9)  # dies
            batch.options(max_attempts=2).enqueue(handlers.swallow, text, fails=9)  # waits for its next attempt
            batch.enqueue(handlers.swallow, text, seconds=30)
            wait(batch)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, wait)
        await instance.wait_records(2, "failed")
        await instance.wait_records(2, "start")
        assert kept_apart(instance)
        assert await proc.cancel_batch(batch_id)
        assert not kept_apart(instance)
        assert set(instance.belonging(batch_id)) <= BARE
        await instance.wait_records(2, "cancelled")
        total = 2 * count + 5
        assert counters(await proc.get_batch(batch_id)) == (total, 0, 1, total - 1, 0)


async def test_cancelling_tasks_drops_their_large_payloads(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        text, ids = large(20_000), list[str]()
        running = await proc.enqueue_task("default", "acme", handlers.swallow, text, seconds=30)
        await instance.wait_records(1, "start")

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue(handlers.swallow, text))
            ids.append(batch.options(delay=60).enqueue(handlers.swallow, text))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, build)
        await proc.append_batch("default", "acme", batch_id, lambda b: [build(b), noops(1_100)(b)])
        ids += [await proc.enqueue_task("default", "acme", handlers.swallow, text)]
        assert len(kept_apart(instance)) == 3
        for task_id in ids:
            assert await proc.cancel_task(task_id)
        assert len(kept_apart(instance)) == 1
        assert await proc.cancel_task(running)
        await until(lambda: not kept_apart(instance))
        assert counters(await proc.wait_batch(batch_id, 20)) == (1_106, 1_100, 0, 6, 0)
        assert set(instance.belonging(batch_id)) <= BARE
        assert [r["id"] for r in instance.recorded("start")] == [running]


async def test_a_continuation_may_have_a_large_payload_too(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.continue_with(handlers.swallow, large(900_000))

        await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == 2
        assert [r["size"] for r in instance.recorded("end")] == [len(large(900_000))]
        assert not kept_apart(instance)


async def test_large_continuations_go_apart_when_they_fire_and_batch_by_batch(instance: Instance) -> None:
    async with instance.open(max_attempts=1, max_workers=40) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            for n in range(3):
                batch.continue_with(handlers.swallow, large(300_000), fails=2 if n else 0)
            batch.options(delay=60).continue_with(handlers.swallow, large(90_000))

        batches = [await proc.enqueue_batch("default", "acme", build) for _ in range(20)]
        with pytest.raises(ExceptionGroup):
            await proc.run_until_idle(raise_errors=True)
        assert [counters(await proc.get_batch(batch_id)) for batch_id in batches] == [(1, 1, 0, 0, 0)] * 20
        assert await counts(proc) == (0, 0, 20, 40)
        assert all(
            len(instance.client.hget(key, f)) > 80_000 for key in kept_apart(instance) for f in instance.client.hkeys(key)
        )
        letters = await proc.get_dead_tasks(take=100)
        assert {(letter.name, len(letter.data)) for letter in letters} == {("tests.handlers.swallow", 300_012)}
        assert await proc.retry_dead_tasks(max_attempts=3) == 40
        async with instance.open(backoff=0, max_workers=40) as worker:
            assert await worker.run_until_idle() == 3 * 40
        assert len(instance.recorded("end")) == 60
        assert sum(instance.client.hlen(key) for key in kept_apart(instance)) == 20


async def test_the_most_and_largest_continuations_of_one_batch_fire_at_once(instance: Instance) -> None:
    async with instance.open(max_workers=100) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            for _ in range(100):
                batch.continue_with(handlers.swallow, large(10_000))

        await proc.enqueue_batch("default", "acme", build)
        assert await asyncio.wait_for(proc.run_until_idle(), 20) == 101
        assert {r["size"] for r in instance.recorded("end")} == {len(large(10_000))}


async def test_a_task_whose_payload_went_with_its_cancelled_batch_is_cancelled(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()
    fetch = WorkerStore.payload

    async def late(store: WorkerStore, segment: str, local: bytes) -> bytes | None:
        asked.set()
        await cancelled.wait()
        return await fetch(store, segment, local)

    monkeypatch.setattr(WorkerStore, "payload", late)
    monkeypatch.setattr(Worker, "_on_message", lambda *_: None)  # nor does it hear of the cancel
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.swallow, large(20_000)))
        await asked.wait()
        assert await proc.cancel_batch(batch_id)
        cancelled.set()
        await until(lambda: idle(proc))
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 1, 0)
        assert not instance.records
    assert "payload is missing" not in caplog.text


async def idle(proc: TaskProcessor) -> bool:
    """Whether nothing runs."""
    return (await proc.get_queue("default")).running == 0
