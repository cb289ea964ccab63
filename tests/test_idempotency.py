"""Idempotency keys: a call that a caller repeats is done once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import BatchState, InvalidValue, OutcomeUnknown
from taskproc.batch import Build
from tests import handlers
from tests.building import noops
from tests.harness import Instance, counters
from tests.proxy import Cut, Proxy


@pytest.mark.parametrize("count", [0, 3, 1_500])
async def test_a_batch_with_a_key_is_stored_once(instance: Instance, count: int) -> None:
    async with instance.open() as proc, instance.open() as other:
        acme = proc.tenant("acme")
        first = await proc.enqueue_batch("default", "acme", noops(count), label="first", idempotency_key="key")
        before = instance.names(less=":p:")
        assert (
            await other.enqueue_batch("elsewhere", "acme", noops(count + 1), label="again", idempotency_key="key") == first
        )
        assert await acme.enqueue_batch(noops(1_200), idempotency_key="key") == first
        async with acme.batch(idempotency_key="key") as batch:
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(2_500)))
        assert batch.id == first
        assert instance.names(less=":p:") == before
        info = await proc.get_batch(first)
        assert info is not None
        assert (info.label, counters(info)) == ("first", (count, 0, 0, 0, count))
        assert await proc.count_batches("acme") == 1
        assert (await proc.get_queue("default")).ready == count


@pytest.mark.parametrize("count", [3, 1_500])
async def test_a_key_of_a_batch_that_is_gone_holds_nothing(instance: Instance, count: int) -> None:
    async with instance.open() as proc:
        first = await proc.enqueue_batch("default", "acme", noops(1), idempotency_key="key")
        await proc.run_until_idle()
        instance.client.delete(instance.key("b", first))  # as an evicting server does
        again = await proc.enqueue_batch("default", "acme", noops(count), idempotency_key="key")
        assert again != first
        assert counters(await proc.get_batch(again)) == (count, 0, 0, 0, count)
        assert await proc.enqueue_batch("default", "acme", noops(count), idempotency_key="key") == again
        await proc.audit(repair=True)


async def test_a_key_is_the_tenants_own_and_tells_calls_of_each_kind_apart(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: set[str] = set()
        for _ in range(2):
            for tenant in ("acme", "other", "acmek", "acm"):
                for key in ("k", "ek", "kk", "ä", " "):
                    ids.add(await proc.enqueue_batch("default", tenant, noops(1), idempotency_key=key))
                    ids.add(await proc.options(idempotency_key=key).enqueue_task("default", tenant, handlers.noop))
                    ids.add(await proc.options(idempotency_key=key).enqueue_raw("default", tenant, "raw", b""))
        assert Counter(len(one) for one in ids) == {22: 20, 32: 20}
        assert (await proc.get_queue("default")).ready == 40


async def test_of_many_calls_at_once_with_a_key_one_stores(instance: Instance) -> None:
    async with instance.open() as proc, instance.open() as other:
        tasks = [one.options(idempotency_key="key") for one in (proc, other)]
        found = await asyncio.gather(
            *(
                one.enqueue_batch("default", "acme", noops(n), idempotency_key="key")
                for one in (proc, other)
                for n in (5, 1_500)
            ),
            *(
                one.enqueue_batch("default", "acme", noops(n), idempotency_key="key")
                for one in (proc, other)
                for n in (6, 1_600)
            ),
        )
        assert len(set(found)) == 1
        info = await proc.get_batch(found[0])
        assert info is not None
        assert info.total in (5, 6, 1_500, 1_600)
        assert [info.id for info in await proc.get_batches("acme")] == [found[0]]
        singles = await asyncio.gather(
            *(calls.enqueue_task("other", "acme", handlers.noop) for calls in tasks for _ in range(10))
        )
        assert len(set(singles)) == 1
        assert ((await proc.get_queue("default")).ready, (await proc.get_queue("other")).ready) == (info.total, 1)
        assert not instance.names("stag")


@pytest.mark.parametrize("state", [BatchState.RUNNING, BatchState.DONE, BatchState.FAILED, BatchState.CANCELLED])
async def test_a_key_holds_however_the_batch_ended(instance: Instance, state: BatchState) -> None:
    async with instance.open(max_attempts=1) as proc:
        build: Build = lambda b: b.enqueue(handlers.fail if state is BatchState.FAILED else handlers.noop)  # noqa: E731
        batch_id = await proc.enqueue_batch("default", "acme", build, idempotency_key="key")
        if state is BatchState.CANCELLED:
            assert await proc.cancel_batch(batch_id)
        elif state is not BatchState.RUNNING:
            await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.state is state
        assert await proc.enqueue_batch("default", "acme", build, idempotency_key="key") == batch_id
        assert await proc.get_batch(batch_id) == info


@pytest.mark.parametrize("count", [2, 1_500])
async def test_an_append_with_a_key_is_done_once(instance: Instance, count: int) -> None:
    async with instance.open(max_workers=100) as proc, instance.open() as other:
        ids = [await proc.enqueue_batch("default", "acme", noops(1)) for _ in range(2)]
        for batch_id in ids:
            for one in (proc, other, proc):
                assert await one.append_batch("default", "acme", batch_id, noops(count), idempotency_key="key") is True
            assert await one.append_batch("default", "acme", batch_id, noops(count), idempotency_key="other") is True
            assert counters(await proc.get_batch(batch_id)) == (1 + 2 * count, 0, 0, 0, 1 + 2 * count)
        assert await proc.run_until_idle() == 2 + 4 * count
        done = await proc.get_batch(ids[0])
        assert await proc.append_batch("default", "acme", ids[0], noops(count), idempotency_key="key") is True
        assert await proc.get_batch(ids[0]) == done  # what was done before opens nothing again
        assert await proc.append_batch("default", "acme", ids[1], noops(1)) is True
        assert await proc.cancel_batch(ids[1])
        assert await proc.append_batch("default", "acme", ids[1], noops(count), idempotency_key="key") is False
        assert not instance.names("+")


@pytest.mark.parametrize("key", ["", 7, b"key", "x" * 1_001, "\ud800"])
async def test_keys_that_make_no_sense(instance: Instance, key: Any) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        before = instance.keys()

        async def block() -> None:
            async with proc.batch("default", "acme", idempotency_key=key):
                pass

        async def single() -> None:
            await proc.options(idempotency_key=key).enqueue_task("default", "acme", handlers.noop)

        for call in (
            lambda: proc.enqueue_batch("default", "acme", noops(1), idempotency_key=key),
            lambda: proc.append_batch("default", "acme", batch_id, noops(1), idempotency_key=key),
            block,
            single,
        ):
            with pytest.raises(InvalidValue, match="idempotency_key"):
                await call()
        assert instance.keys() == before


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("count", [3, 1_500])
async def test_a_call_that_was_given_up_is_done_once_with_its_key(instance: Instance, cut: Cut, count: int) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as direct:
        async with instance.open(redis=proxy.url, redis_patience=0.1) as proc:

            def enqueue() -> Awaitable[str]:
                return proc.enqueue_batch("default", "acme", noops(count), idempotency_key="key")

            def single() -> Awaitable[str]:
                return proc.options(idempotency_key="key").enqueue_task("single", "acme", handlers.noop)

            for script in ("batch_create", "batch_commit", "task_enqueue", "batch_append", "segment_commit"):
                proxy.cut(script, cut)
            executed = cut in (Cut.AFTER, Cut.ANSWER)
            for call in (enqueue, single):
                with pytest.raises(OutcomeUnknown, match="may or may not have been done"):
                    await call()
            assert await direct.count_batches("acme") == executed
            assert (await direct.get_queue("default")).ready == executed * count
            assert (await direct.get_queue("single")).ready == executed
            proxy.heal()
            batch_id = await enqueue()
            assert await enqueue() == batch_id
            assert await single() == await single()

            proxy.cut("batch_append", cut)
            proxy.cut("segment_commit", cut)
            append = {
                "queue": "default",
                "tenant": "acme",
                "batch_id": batch_id,
                "build": noops(count),
                "idempotency_key": "a",
            }
            with pytest.raises(OutcomeUnknown):
                await proc.append_batch(**append)
            assert counters(await direct.get_batch(batch_id))[0] == count * (1 + executed)
            proxy.heal()
            assert await proc.append_batch(**append) is True
            assert await proc.append_batch(**append) is True
        assert [counters(info) for info in await direct.get_batches("acme")] == [(2 * count, 0, 0, 0, 2 * count)]
        assert (await direct.get_queue("default")).ready == 2 * count
        assert (await direct.get_queue("single")).ready == 1
        assert not instance.names("stag")


@pytest.mark.parametrize("later", [None, "delay", "delay_until"])
async def test_a_tasks_idempotency_key_is_kept_for_the_retention_from_when_it_is_due(
    instance: Instance, later: str | None
) -> None:
    async with instance.open(retention=0.4) as proc:
        options: dict[str, Any] = {"idempotency_key": "key"}
        if later == "delay":
            options["delay"] = 0.8
        if later == "delay_until":
            options["delay_until"] = datetime.fromtimestamp(instance.now(), UTC) + timedelta(seconds=0.8)
        begun = instance.now()
        calls = proc.options(**options)
        first = await calls.enqueue_task("default", "acme", handlers.noop)
        enqueued = instance.now()
        again = first
        while again == first:
            asked = instance.now()
            again = await calls.enqueue_task("default", "acme", handlers.noop)
        kept = 0.4 + (0.8 if later else 0)
        assert instance.now() >= begun + kept - 0.002
        assert asked <= enqueued + kept + 2
