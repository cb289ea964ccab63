"""Keys of a wrong type and entries that make no sense: what they belong to is unusable, everything else goes on."""

from __future__ import annotations

import logging

import pytest

from taskproc import Batch, BatchState, TaskProcessor
from taskproc.store import WorkerStore
from tests import handlers
from tests.building import marks
from tests.damaging import broken, crash, forgotten, key
from tests.harness import FAR, Instance, counters, until
from tests.sweep import Sweep


async def test_a_queue_that_is_broken_holds_up_no_other(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.worker(queues=["good", "bad", "last"], max_workers=50) as proc:
        with broken(instance, "ring", "bad"):
            for queue in ("good", "last"):
                batch_id = await proc.enqueue_batch(queue, "acme", marks(100))
                assert counters(await proc.wait_batch(batch_id, 10)) == (100, 100, 0, 0, 0)
    assert len(instance.recorded("ran")) == 200
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1, "once a minute is enough"
    assert "queue bad: WRONGTYPE" in told[0]


@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_a_batch_whose_record_is_broken_holds_up_no_other(
    instance: Instance, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with instance.open(**FAR) as proc:
        await proc.set_queue_mode("default", mode)  # type: ignore[arg-type]
        bad, *good = [await proc.enqueue_batch("default", tenant, marks(10)) for tenant in ("a", "a", "b")]
        with broken(instance, "b", bad):
            async with instance.worker(**FAR, max_workers=8):
                for batch_id in good:
                    assert counters(await proc.wait_batch(batch_id, 10)) == (10, 10, 0, 0, 0)
        assert f"batch {bad}: WRONGTYPE" in caplog.text
        assert instance.client.llen(key(instance, "b", bad, "r", "default")) == 10, "what can't be claimed is not lost"
        instance.client.delete(key(instance, "fifo", "default"))


@pytest.mark.parametrize("parts", [("tq", "default", "bad"), ("t", "bad"), ("q", "other")])
async def test_an_account_that_is_broken_falsifies_no_other(instance: Instance, parts: tuple[str, ...]) -> None:
    async with instance.worker(**FAR, queues=["default", "other"], max_workers=20) as proc:
        held = [
            await proc.enqueue_batch(queue, tenant, lambda batch: [batch.enqueue(handlers.nap, 0.3) for _ in range(4)])
            for queue, tenant in (("default", "bad"), ("default", "good"), ("other", "bad"), ("default", "best"))
        ]
        await instance.wait_records(16, "start")
        with forgotten(instance, "bad", "other", *(held[0], held[2])), broken(instance, *parts):
            for batch_id, tenant in ((held[1], "good"), (held[3], "best")):
                assert counters(await proc.wait_batch(batch_id, 10)) == (4, 4, 0, 0, 0)
                totals = await proc.get_tenant(tenant)
                assert totals is not None
                assert (totals.done, totals.remaining, totals.running) == (4, 0, 0)
            await until(lambda: instance.client.hlen(key(instance, "run")) == 0)
    instance.client.srem(key(instance, "queues"), "other")
    instance.client.hincrby(key(instance, "q", "default"), "tenants", -1)


async def test_a_time_of_creation_that_is_none_ends_no_worker(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(3))
        instance.client.hset(key(instance, "b", batch_id), "created", "long ago")
        async with instance.worker():
            await instance.wait_records(3, "ran")
        instance.client.hset(key(instance, "b", batch_id), "created", 1)
        assert counters(await proc.get_batch(batch_id)) == (3, 3, 0, 0, 0)


async def test_leases_are_renewed_beside_a_broken_batch(instance: Instance) -> None:
    async with instance.open() as proc:
        bad, good = [await proc.enqueue_batch("default", "acme", marks(1)) for _ in range(2)]
        sweep, worker = Sweep(instance.client, instance.name), "x" * 22
        sweep.call("step", 1, worker, 1, 1_000, 128, b'["default"]', b"[]", 1)
        members = instance.client.zrange(key(instance, "leases"), 0, -1)
        with broken(instance, "b", bad), broken(instance, "workers"):
            assert sweep.call("lease_renew", worker, "{}", 60_000, *members) == [b"ok", [], []]
        ends = [score for _, score in instance.client.zrange(key(instance, "leases"), 0, -1, withscores=True)]
        assert min(ends) > (instance.now() + 50) * 1000
        assert (await proc.get_batch(good)) is not None


async def test_a_rescue_goes_on_beside_a_broken_batch(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open() as proc:
        bad, good = [await proc.enqueue_batch("default", tenant, marks(3)) for tenant in ("bad", "good")]
        await crash(instance, proc)
        with forgotten(instance, "bad", bad), broken(instance, "b", bad):
            async with instance.worker():
                assert counters(await proc.wait_batch(good, 10)) == (3, 3, 0, 0, 0)
    assert f"batch {bad}: WRONGTYPE" in caplog.text
    instance.client.hincrby(key(instance, "q", "default"), "tenants", -1)


@pytest.mark.parametrize("entry", [b"", b"default", b"elsewhere\n5\n0000000000.[]", None])
async def test_a_running_task_of_which_nothing_can_be_read_is_dead(instance: Instance, entry: bytes | None) -> None:
    async with instance.open(max_attempts=2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(3))
        single = await proc.enqueue_task("default", "acme", handlers.mark)
        await crash(instance, proc)
        lost = [batch_id + "0000000001", single]
        for task_id in lost:
            if entry is None:
                instance.client.hdel(key(instance, "run"), task_id)
            else:
                instance.client.hset(key(instance, "run"), task_id, entry)  # type: ignore[arg-type]
        async with instance.worker(max_attempts=2):
            assert counters(await proc.wait_batch(batch_id, 10)) == (3, 2, 1, 0, 0)
            letters = await until(lambda: _letters(proc, 2))
        assert {letter.errors[-1].type for letter in letters} == {"taskproc.errors.CorruptTask"}
        assert {letter.queue for letter in letters} == {"default"}
        assert len(instance.recorded("ran")) == 2


async def _letters(proc: TaskProcessor, count: int) -> list:  # type: ignore[type-arg]
    found = await proc.get_dead_tasks()
    return found if len(found) == count else []


async def test_due_tasks_are_promoted_beside_broken_ones(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    def later(batch: Batch) -> None:
        batch.options(delay=0.05).enqueue(handlers.mark)

    async with instance.open() as proc:
        bad, good = [await proc.enqueue_batch("default", "acme", later) for _ in range(2)]
        junk = {"": 0, "nothing": 1, ":": 2, "\x00": 3}
        instance.client.zadd(key(instance, "delayed"), junk)
        with broken(instance, "b", bad, "d", "default"):
            async with instance.worker():
                assert counters(await proc.wait_batch(good, 10)) == (1, 1, 0, 0, 0)
        assert f"delayed tasks {bad}:default: WRONGTYPE" in caplog.text
        left = instance.client.zrange(key(instance, "delayed"), 0, -1, withscores=True)
        assert [member.decode() for member, _ in left] == [f"{bad}:default"], "it is looked at again in a minute"
        assert left[0][1] > (instance.now() + 50) * 1000


async def test_pruning_goes_on_beside_broken_batches_and_tenants(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", tenant, marks(1)) for tenant in ("bad", "good", "worse")]
        await proc.run_until_idle()
        instance.client.zadd(key(instance, "settled"), {"": 0, ":": 1, ":x": 2, "nobody": 3})
        store = WorkerStore(proc._store.target, instance.name, [], 1_000)
        with broken(instance, "b", ids[0]), broken(instance, "t", "worse"):
            for _ in range(4):
                await store.work.prune(0)
            assert instance.names("good") == []
            assert instance.names(ids[1]) == []
        await store.close()


@pytest.mark.parametrize("name", ["w", "wake"])
async def test_what_a_worker_remembers_for_itself_may_be_broken(instance: Instance, name: str) -> None:
    async with instance.worker() as proc:
        [worker] = await until(proc.get_workers)
        broken_key = key(instance, name, "default" if name == "wake" else worker.id)
        instance.client.delete(broken_key)
        instance.client.sadd(broken_key, "x")
        await proc.enqueue_task("default", "acme", handlers.mark, 1)
        await instance.wait_records(1, "ran")
        if name == "w":
            instance.client.hset(broken_key, "seq", "many")
        await proc.enqueue_task("default", "acme", handlers.mark, 2)
        await instance.wait_records(2, "ran")


async def test_running_tasks_that_are_broken_as_a_whole_stop_all_before_anything_is_done(instance: Instance) -> None:
    async with instance.worker(poll_interval=0.05) as proc:
        for name in ("run", "cx"):
            with broken(instance, name):
                batch_id = await proc.enqueue_batch("default", "acme", marks(20))
                await until(lambda: instance.client.llen(key(instance, "wake", "default")) == 0)
                info = await proc.get_batch(batch_id)
                assert counters(info) == (20, 0, 0, 0, 20)
            assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE
    assert len(instance.recorded("ran")) == 40


async def test_a_message_that_is_no_text_ends_no_worker(instance: Instance) -> None:
    async with instance.worker() as proc:
        for channel in ("cancel", "control"):
            instance.client.publish(key(instance, channel), b"\xff\xfe")
        batch_id = await proc.enqueue_batch("default", "acme", marks(1))
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE


async def test_tickets_that_are_none_keep_no_queue_in_its_mode(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", "fifo")
        instance.client.rpush(key(instance, "fifo", "default"), "no ticket", b"\xff", ":", "")
        await proc.set_queue_mode("default", "fair")
        assert (await proc.get_queue("default")).mode == "fair"
