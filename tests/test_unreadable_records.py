"""Records that can't be read: an error of ours that names them, or what can be read of them."""

from __future__ import annotations

import re

import pytest

from taskproc import TaskprocError
from taskproc.errors import CorruptRecord, SchemaMismatch, ServerRefused
from tests import handlers
from tests.building import marks
from tests.damaging import broken, key
from tests.harness import Instance


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "odd"),
        ("total", "many"),
        ("remaining", "1e999"),
        ("tenant", b"\xff"),
        ("us", ""),
        ("ended", "never"),
        ("label", b"\xff"),
    ],
)
async def test_a_batch_that_can_not_be_read_is_named(instance: Instance, field: str, value: str | bytes) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(1))
        await proc.run_until_idle()
        record = key(instance, "b", batch_id)
        before = instance.client.hget(record, field)
        instance.client.hset(record, field, value)  # type: ignore[arg-type]
        with pytest.raises(CorruptRecord, match=f"^batch {batch_id}: "):
            await proc.get_batch(batch_id)
        if field != "tenant":
            with pytest.raises(CorruptRecord, match=f"^batch {batch_id}: "):
                await proc.get_batches("acme")
        instance.client.hset(record, field, before or "")  # type: ignore[arg-type]


async def test_what_redis_refuses_is_named(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(1))
        with broken(instance, "b", batch_id):
            for call in (proc.get_batch(batch_id), proc.cancel_batch(batch_id), proc.get_task(batch_id + "0" * 10)):
                with pytest.raises(ServerRefused, match=batch_id):
                    await call
        with broken(instance, "tq", "default", "acme"), pytest.raises(ServerRefused, match="tenants acme"):
            await proc.get_tenant("acme")
        with broken(instance, "q", "default"), pytest.raises(ServerRefused, match="queues default"):
            await proc.get_queue("default")


async def test_workers_and_queues_that_make_no_sense_hide_no_others(instance: Instance) -> None:
    async with instance.worker() as proc:
        [before] = await proc.get_workers()
        odd = [b"", b"\xff", b"5", b"[]", b'{"name":5,"queues":"x","started":"y","lease":null,"pid":1e300}']
        for n, said in enumerate(odd):
            instance.client.set(key(instance, "worker", f"odd{n}"), said, px=60_000)
            instance.client.zadd(key(instance, "workers"), {f"odd{n}": "inf" if n else 9e15})  # type: ignore[dict-item]
        found = {info.id: info for info in await proc.get_workers()}
        assert len(found) == 6
        assert found[before.id].pid == before.pid
        assert (found["odd4"].name, found["odd4"].queues, found["odd4"].pid) == ("", (), 0)
        await proc.enqueue_task("default", "acme", handlers.noop)
        instance.client.sadd(key(instance, "queues"), b"\xff", "no name", "")
        assert [queue.name for queue in await proc.get_queues()] == ["default"]
        instance.client.srem(key(instance, "queues"), b"\xff", "no name", "")
        instance.client.zrem(key(instance, "workers"), *(f"odd{n}" for n in range(len(odd))))


async def test_keys_and_names_that_are_no_ids(instance: Instance) -> None:
    async with instance.open() as proc:
        calls = [
            lambda: proc.enqueue_batch("default", "acme", marks(1), idempotency_key="once"),
            lambda: proc.options(idempotency_key="once").enqueue_task("default", "acme", handlers.mark),
        ]
        first = [await call() for call in calls]
        names = instance.names("idem:")
        before = {name: instance.client.dump(name) for name in names}
        for name in names:
            instance.client.set(name, b"\xff no id", px=60_000)
        for call in calls:
            with pytest.raises(CorruptRecord, match=r"^tenant acme, idempotency key 'once': "):
                await call()
        for name, stored in before.items():
            instance.client.restore(name, 60_000, stored, replace=True)  # type: ignore[arg-type]
        assert [await call() for call in calls] == first
        batch_key = next(name for name in names if instance.client.get(name) == first[0].encode())
        instance.client.persist(batch_key)


async def test_an_open_batch_of_no_name_is_replaced(instance: Instance) -> None:
    async with instance.open() as proc:
        instance.client.hset(key(instance, "t", "acme"), "hidden", b"\xff:no:id")
        task_id = await proc.enqueue_task("default", "acme", handlers.mark)
        assert re.fullmatch("[0-9A-Za-z]{32}", task_id)
        assert await proc.run_until_idle() == 1


async def test_answers_that_can_not_be_read(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.pause()
        await proc.resume()
        ledger = proc._store.batches._ledger
        for answer in ("5", '"ok"', "[]", "{}", "[1]", "no JSON"):
            instance.client.hset(key(instance, "p", ledger.producer), str(ledger._next), answer)
            with pytest.raises(TaskprocError, match=f"producer {ledger.producer}|instance_pause"):
                await proc.pause()


async def test_a_schema_that_is_no_number(instance: Instance) -> None:
    async with instance.open() as proc:
        instance.client.hset(key(instance, "m"), "schema", b"\xffnone")
        with pytest.raises(SchemaMismatch, match=r"schema .xffnone"):
            await proc.is_paused()
        with pytest.raises(SchemaMismatch, match=r"schema .xffnone"):
            await instance.processor().run()
        instance.client.hset(key(instance, "m"), "schema", 1)


async def test_a_dead_letter_without_its_body_is_listed_and_can_be_discarded(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.fail))
        await proc.run_until_idle()
        instance.client.delete(key(instance, "b", batch_id, "w"))
        instance.client.hset(key(instance, "b", batch_id, "e"), "0000000000:1", '{"attempt":1e300,"at":"x"}')
        [letter] = await proc.get_dead_tasks()
        assert letter.id == batch_id + "0000000000"
        assert letter.errors[0].type == "ValueError"
        assert await proc.discard_dead_tasks() == 1
