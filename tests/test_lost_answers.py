"""Lost requests and lost answers: a call is sent again, and is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from taskproc import Batch, BatchState, OutcomeUnknown, RedisUnavailable, TaskProcessor
from tests import handlers
from tests.building import noops
from tests.harness import Instance, counters, until
from tests.proxy import Cut, Proxy

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
