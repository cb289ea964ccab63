"""Calls that are repeated, by a caller with an idempotency key or because an answer was lost: each is done once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from taskproc import Batch, BatchState, InvalidValue, OutcomeUnknown, RedisUnavailable, TaskProcessor
from taskproc.batch import Build
from tests import handlers
from tests.harness import Instance, counters, until
from tests.proxy import Cut, Proxy


def noops(count: int) -> Build:
    """Fills a batch with tasks that do nothing."""
    return lambda batch: [batch.enqueue(handlers.noop, n) for n in range(count)]


# idempotency keys


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


# lost requests and lost answers


@dataclass
class Ground:
    """What there is before a call: a batch of two dead tasks, one ready one and one that is delayed, and an empty one."""

    proc: TaskProcessor
    batch: str
    done: str
    ready: str
    delayed: str

    async def told(self) -> tuple[Any, ...]:
        """Everything that a call may change."""
        queue = await self.proc.get_queue("default")
        infos = await self.proc.get_batches("acme")
        totals = await self.proc.get_tenant("acme")
        assert totals is not None
        return (
            sorted((info.state.value, *counters(info)) for info in infos),
            (queue.ready, queue.running, queue.delayed, queue.dead),
            (totals.batches, totals.total, totals.done, totals.failed, totals.cancelled, totals.remaining),
        )


async def ground(instance: Instance) -> Ground:
    """Lay it out."""
    async with instance.open(max_attempts=1) as proc:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.fail)
            batch.enqueue(handlers.fail)
            ids.append(batch.options(delay=60).enqueue(handlers.noop))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        await proc.append_batch("default", "acme", batch_id, lambda b: ids.append(b.enqueue(handlers.noop)))
        done = await proc.enqueue_batch("default", "acme", lambda batch: None)
    reader = instance.processor()
    await reader.open()
    return Ground(reader, batch_id, done, ids[1], ids[0])


Call = Callable[[TaskProcessor, Ground], Awaitable[Any]]

CALLS: dict[str, tuple[str, Call, Any]] = {
    # what is cut, the call, and its result where that is always the same
    "enqueue_batch": ("batch_create", lambda proc, on: proc.enqueue_batch("default", "acme", noops(3)), None),
    "stage": ("batch_stage", lambda proc, on: proc.enqueue_batch("default", "acme", noops(2_500)), None),
    "commit": ("batch_commit", lambda proc, on: proc.enqueue_batch("default", "acme", noops(2_500)), None),
    "append": ("batch_append", lambda proc, on: proc.append_batch("default", "acme", on.batch, noops(3)), True),
    "reopen": ("batch_append", lambda proc, on: proc.append_batch("default", "acme", on.done, noops(3)), True),
    "stage_append": ("batch_stage", lambda proc, on: proc.append_batch("default", "acme", on.batch, noops(2_500)), True),
    "commit_append": ("segment_commit", lambda proc, on: proc.append_batch("default", "acme", on.batch, noops(2_500)), True),
    "cancel_batch": ("batch_cancel", lambda proc, on: proc.cancel_batch(on.batch), True),
    "cancel_done": ("batch_cancel", lambda proc, on: proc.cancel_batch(on.done), False),
    "enqueue_task": ("task_enqueue", lambda proc, on: proc.enqueue_task("default", "acme", handlers.noop), None),
    "delayed_task": (
        "task_enqueue", lambda proc, on: proc.options(delay=60).enqueue_task("default", "acme", handlers.noop), None
    ),
    "cancel_ready": ("task_cancel", lambda proc, on: proc.cancel_task(on.ready), True),
    "cancel_delayed": ("task_cancel", lambda proc, on: proc.cancel_task(on.delayed), True),
    "retry": ("dead_retry", lambda proc, on: proc.retry_dead_tasks(count=1), 1),
    "discard": ("dead_discard", lambda proc, on: proc.discard_dead_tasks(count=1), 1),
}  # fmt: skip


@pytest.mark.row("CT-01")
@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_whose_connection_breaks_is_done_once(instance: Instance, twin: Instance, name: str, cut: Cut) -> None:
    script, call, result = CALLS[name]
    undisturbed, on = await ground(twin), await ground(instance)
    before = await on.told()
    async with twin.open() as proc:
        assert await call(proc, undisturbed) == result or result is None
    expected = await undisturbed.told()
    async with Proxy(instance.server) as proxy, instance.open(redis=proxy.url) as proc:
        proxy.cut(script, cut, times=2)
        assert await call(proc, on) == result or result is None
        assert proxy.cuts == [(script, cut)] * 2
    assert await on.told() == expected
    assert (expected != before) == (name != "cancel_done")


@pytest.mark.row("CT-01")
async def test_batches_are_whole_or_not_there_whenever_connections_break(instance: Instance) -> None:
    stored: dict[str, str] = {}
    unknown: set[str] = set()
    refused: set[str] = set()
    async with Proxy(instance.server) as proxy, instance.open(max_workers=100) as direct:
        procs = [instance.processor(redis=proxy.url, redis_patience=0.05) for _ in range(4)]
        for proc in procs:
            await proc.open()

        async def enqueue(label: str, proc: TaskProcessor) -> None:
            try:
                stored[label] = await proc.enqueue_batch("default", "acme", noops(50), label=label)
            except OutcomeUnknown:
                unknown.add(label)
            except RedisUnavailable:
                refused.add(label)

        for turn in range(50):
            proxy.heal()
            proxy.cut_randomly(0.3, seed=turn)
            if turn % 10 == 0:
                proxy.refuse()
            await asyncio.gather(*(enqueue(f"{turn} {n}", proc) for n, proc in enumerate(procs)))
        proxy.heal()
        for proc in procs:
            await proc.close()
        assert len(stored) + len(unknown) + len(refused) == 200
        assert min(len(stored), len(unknown | refused)) > 5
        visible = {info.label: info for info in await direct.get_batches("acme", take=1_000)}
        assert all(counters(info) == (50, 0, 0, 0, 50) for info in visible.values())
        assert len(visible) == await direct.count_batches("acme")
        assert stored.items() <= {label: info.id for label, info in visible.items()}.items()
        assert visible.keys() <= stored.keys() | unknown
        assert (await direct.get_queue("default")).ready == 50 * len(visible)
        assert await direct.run_until_idle() == 50 * len(visible)
        assert {(info.state, counters(info)) for info in await direct.get_batches("acme", take=1_000)} == {
            (BatchState.DONE, (50, 50, 0, 0, 0))
        }


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


async def test_nothing_was_done_where_no_connection_could_be_had(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open(redis=proxy.url, redis_patience=0.1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        before = instance.keys()
        proxy.refuse()
        with pytest.raises(RedisUnavailable, match="Nothing was done"):
            await proc.get_batch(batch_id)
        for call in (  # from now on there is no connection on which a request could have gone out
            lambda: proc.enqueue_batch("default", "acme", noops(3)),
            lambda: proc.enqueue_batch("default", "acme", noops(1_500)),
            lambda: proc.enqueue_task("default", "acme", handlers.noop),
            lambda: proc.append_batch("default", "acme", batch_id, noops(3)),
            lambda: proc.cancel_batch(batch_id),
        ):
            with pytest.raises(RedisUnavailable, match="Nothing was done") as caught:
                await call()
            assert not isinstance(caught.value, OutcomeUnknown)
        proxy.heal()
        assert instance.keys() == before
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 0, 1)


async def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_the_callers_own_timeout(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open(redis=proxy.url) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        proxy.hold()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await proc.cancel_batch(batch_id)
        proxy.heal()
        # the next call gets its own answer, not that of the one that was given up
        assert await proc.count_batches("acme") == 1
        assert (await proc.get_batch(batch_id)) is not None


async def test_the_server_forgets_a_clients_calls_soon_after_it_has_closed(instance: Instance) -> None:
    async with instance.open() as proc:
        for _ in range(50):
            await proc.enqueue_batch("default", "acme", noops(1))
        (remembered,) = instance.names(":p:")
        assert instance.client.hlen(remembered) < 10  # what was acknowledged is not kept
    assert instance.client.pttl(remembered) <= 60_000


# a worker's calls


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_worker_whose_connection_breaks_claims_and_settles_each_task_once(instance: Instance, cut: Cut) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as direct:
        async with instance.worker(redis=proxy.url, max_workers=5, max_attempts=1) as proc:

            def build(batch: Batch) -> None:
                for n in range(30):
                    batch.enqueue(handlers.mark, n)
                batch.enqueue(handlers.fail)
                batch.continue_with(handlers.after, "done")
                batch.options(on="failed").continue_with(handlers.after, "failed")

            for skip in range(8):
                proxy.cut("step", cut, skip=skip, times=1)
            batch_id = await proc.enqueue_batch("default", "acme", build)
            assert counters(await direct.wait_batch(batch_id, 20)) == (31, 30, 1, 0, 0)
            await instance.wait_records(31, "ran")

            async def idle() -> bool:
                info = await direct.get_queue("default")
                return (info.ready, info.running, info.delayed, info.dead) == (0, 0, 0, 1)

            await until(idle)
            assert len(proxy.cuts) >= 4
        assert sorted(str(r["tag"]) for r in instance.recorded("ran")) == sorted([*map(str, range(30)), "failed"])
        assert len(instance.recorded("start")) == 1
        assert all(r["delivery"] == 1 for r in instance.records)
