"""Queues that take no more than so many waiting tasks: what is refused, what never is, and when there is room again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from taskproc import Batch, BatchState, QuotaExceeded, TaskprocError, TaskProcessor
from taskproc.errors import InvalidValue
from taskproc.store.scripts import to_json
from tests import handlers
from tests.building import marks, noops
from tests.damaging import crash, key
from tests.direct import Direct, plain
from tests.harness import MODES, Instance, counters, refused, until
from tests.watching import counts, fired, prune, state_of


@pytest.mark.row("PJ-30")
async def test_a_full_queue_refuses_until_something_ends(instance: Instance) -> None:
    async with instance.open(max_workers=1) as proc:
        await proc.set_queue_limit("default", 2)
        assert (await proc.get_queue("default")).max_waiting == 2
        await proc.enqueue_task("default", "acme", handlers.nap, 30, "first")
        await proc.options(delay=60).enqueue_task("default", "acme", handlers.mark, "later")
        told = "queue default has 2 waiting tasks and a limit of 2: .*1 more.*nothing was stored.*set_queue_limit"
        with refused(instance, QuotaExceeded, told):
            await proc.enqueue_task("default", "other", handlers.mark, "third")
        assert issubclass(QuotaExceeded, TaskprocError)
        assert issubclass(QuotaExceeded, RuntimeError)
        async with instance.worker(max_workers=1):
            await instance.wait_records(1, "start")
            await proc.enqueue_task("default", "acme", handlers.mark, "third")  # one has begun to run
            with pytest.raises(QuotaExceeded):
                await proc.enqueue_task("default", "acme", handlers.mark, "fourth")
            assert await proc.cancel_task(instance.records[0]["id"])
            await instance.wait_records(1, "ran", tag="third")
            await proc.enqueue_task("default", "acme", handlers.mark, "fourth")
            await instance.wait_records(1, "ran", tag="fourth")
    assert not instance.recorded(tag="later")


Way = Callable[[TaskProcessor, str], Awaitable[Any]]


async def _flushed(batch: Batch) -> None:
    await batch.enqueue_many(handlers.noop, ((n,) for n in range(2_001)))


async def _ready_and_delayed(batch: Batch) -> None:
    batch.options(delay=9).enqueue(handlers.noop)
    for _ in range(50):
        batch.enqueue(handlers.noop)


async def _elsewhere_too(batch: Batch) -> None:
    batch.options(queue="other").enqueue(handlers.noop)
    await _ready_and_delayed(batch)


WAYS: dict[str, Way] = {
    "a small batch": lambda p, _: p.enqueue_batch("default", "acme", noops(51)),
    "a small batch, some delayed": lambda p, _: p.enqueue_batch("default", "acme", _ready_and_delayed),
    "a batch of two queues": lambda p, _: p.enqueue_batch("default", "acme", _elsewhere_too),
    "a large batch": lambda p, _: p.enqueue_batch("default", "acme", _flushed),
    "an append": lambda p, b: p.append_batch("default", "acme", b, noops(51)),
    "a large append": lambda p, b: p.append_batch("default", "acme", b, _flushed),
    "a large append of a tenant": lambda p, b: p.tenant("acme").append(b, _flushed),
    "a single task": lambda p, _: p.options(queue="full").enqueue_task("default", "acme", handlers.noop),
    "a delayed task": lambda p, _: p.options(queue="full", delay=9).enqueue_task("default", "acme", handlers.noop),
    "raw work": lambda p, _: p.enqueue_raw("full", "acme", "nobody.knows", b""),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", WAYS)
async def test_all_or_nothing_is_taken(instance: Instance, how: str, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        batch_id = await proc.enqueue_batch("default", "acme", noops(50))
        await proc.set_queue_limit("default", 100)
        await proc.set_queue_limit("full", 0)
        with refused(instance, QuotaExceeded, "no room"):
            await WAYS[how](proc, batch_id)
        assert counters(await proc.get_batch(batch_id)) == (50, 0, 0, 0, 50)
        assert await counts(proc) == (50, 0, 0, 0)
        assert await proc.count_batches("acme") == 1
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert totals.total == 50
        await proc.set_queue_limit("default", 50 + 2_001)
        await proc.set_queue_limit("full", None)
        assert await WAYS[how](proc, batch_id) is not False
        assert await proc.run_until_idle() >= 50


@pytest.mark.parametrize("more", [0, 1])
async def test_the_last_place_is_taken(instance: Instance, more: int) -> None:
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 10)
        await proc.enqueue_batch("default", "acme", noops(4))
        if more:
            with pytest.raises(QuotaExceeded, match=r"4 waiting tasks.* 7 more"):
                await proc.enqueue_batch("default", "acme", noops(7))
        else:
            await proc.enqueue_batch("default", "acme", noops(6))
            await proc.enqueue_batch("default", "acme", noops(0))
            with pytest.raises(QuotaExceeded):
                await proc.enqueue_batch("default", "acme", noops(1))


async def test_nothing_more_is_no_more_than_there_is_room_for(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(4))
        await proc.set_queue_limit("default", 2)
        assert await proc.append_batch("default", "acme", batch_id, noops(0))
        assert await proc.enqueue_batch("default", "acme", lambda batch: batch.continue_with(handlers.mark))
        assert await counts(proc) == (5, 0, 0, 0)


async def test_large_payloads_take_no_place(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 4)
        large = lambda batch: [batch.enqueue(handlers.swallow, "x" * 10_000) for _ in range(2)]  # noqa: E731
        assert await proc.append_batch("default", "acme", await proc.enqueue_batch("default", "acme", large), large)
        assert await counts(proc) == (4, 0, 0, 0)


async def test_a_handler_that_appends_to_a_full_queue_is_told(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.grow, 3))
        await proc.set_queue_limit("default", 2)
        await proc.run_until_idle()
        [letter] = await proc.get_dead_tasks()
        assert letter.errors[-1].type == "taskproc.errors.QuotaExceeded"
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 1, 0, 0)


async def test_what_was_acknowledged_is_never_refused(instance: Instance) -> None:
    """Continuations, retries, tasks that fall due, that are handed back, rescued, or retried by a person."""

    def build(batch: Batch) -> None:
        batch.enqueue(handlers.fail, below=2)
        batch.options(delay=0.1).enqueue(handlers.mark)
        batch.enqueue(handlers.mark)
        batch.continue_with(handlers.after, "ready")
        batch.options(delay=0.1).continue_with(handlers.after, "delayed")

    async with instance.open(backoff=0.1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", build)
        dead = await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.fail, below=2)
        await proc.set_queue_limit("default", 0)
        await crash(instance, proc)
        async with instance.worker(backoff=0.1):
            await proc.wait_batch(batch_id, 10)
            await until(lambda: len(fired(instance)) == 2)
            await until(proc.get_dead_tasks)
            with pytest.raises(QuotaExceeded):
                await proc.enqueue_task("default", "acme", handlers.mark)
        assert await state_of(proc, batch_id) is BatchState.DONE
        assert [letter.id for letter in await proc.get_dead_tasks()] == [dead]
        assert await proc.retry_dead_tasks(max_attempts=5) == 1
        assert await counts(proc) == (1, 0, 0, 0)


async def test_a_key_that_was_used_answers_whatever_waits(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")

        async def all_of_them() -> list[object]:
            batch_id = await acme.enqueue_batch(marks(2), idempotency_key="once")
            large = await acme.enqueue_batch(_flushed, idempotency_key="large")
            await acme.append(batch_id, noops(2), idempotency_key="more")
            await acme.append(batch_id, _flushed, idempotency_key="much more")
            return [batch_id, large, await acme.options(idempotency_key="one").enqueue(handlers.mark)]

        first = await all_of_them()
        await proc.set_queue_limit("default", 0)
        before = await counts(proc)
        assert await all_of_them() == first
        assert await counts(proc) == before


async def test_a_limit_is_lifted_and_outlives_the_last_tenant(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 3)
        await proc.set_queue_limit("default", 1)
        await proc.enqueue_task("default", "acme", handlers.noop)
        assert await proc.run_until_idle() == 1
        await prune(instance, proc)
        assert instance.names(":t:") == []
        assert (await proc.get_queue("default")).max_waiting == 1
        with pytest.raises(QuotaExceeded):
            await proc.enqueue_batch("default", "acme", noops(2))
        await proc.set_queue_limit("default", None)
        assert (await proc.get_queue("default")).max_waiting is None
        await proc.enqueue_batch("default", "acme", noops(2))


async def test_many_at_once_take_no_more_places_than_there_are(instance: Instance) -> None:
    async with instance.open() as proc, instance.open() as other:
        await proc.set_queue_limit("default", 20)
        calls = [one.enqueue_task("default", "acme", handlers.mark, n) for n in range(30) for one in (proc, other)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 40
        assert await proc.run_until_idle() == 20


@pytest.mark.parametrize("most", [-1, 1.5, "2", True, 10**16])
async def test_limits_that_make_no_sense_are_refused(instance: Instance, most: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "max_waiting="):
            await proc.set_queue_limit("default", most)
        with refused(instance, InvalidValue, "queue"):
            await proc.set_queue_limit("no queue", 1)


async def test_a_limit_that_can_not_be_read_limits_nothing(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_queue_limit("default", 1)
        instance.client.hset(key(instance, "q", "default"), "limit", "many")
        await proc.enqueue_batch("default", "acme", noops(2))
        with pytest.raises(TaskprocError, match="queue default"):
            await proc.get_queue("default")
        await proc.set_queue_limit("default", None)


# calls that come again


@pytest.mark.parametrize("script", ["batch_create", "batch_append", "task_enqueue", "batch_commit", "segment_commit"])
def test_a_refusal_that_comes_again_stays_one(direct: Direct, script: str) -> None:
    """Its producer was told that nothing is stored, so a copy of the call that arrives late stores nothing."""
    batch, (lists, bodies), sizes = direct.create(1), plain(1, ["q"], start=7), to_json([["r", "q", 1]])
    seg = direct.new() if script == "batch_commit" else f"{batch}+0123456789"
    if script.endswith("commit"):
        direct.stage(seg, 1)
    assert direct.call("queue_limit", "q", 1) == [b"ok"]
    args: dict[str, tuple[Any, ...]] = {
        "batch_create": (direct.new(), "acme", "", "", "", lists, 0, *bodies),
        "batch_append": (batch, "acme", "", lists, *bodies),
        "task_enqueue": ("acme", "seed", "", 9, lists, f"{7:010}", *bodies),
        "batch_commit": (seg, "acme", "", "", "", sizes),
        "segment_commit": (batch, "acme", seg, "", sizes),
    }
    number = direct.number()
    answer = direct.call(script, number, *args[script])
    assert answer == [b"full", b"q", 1, 1, 1]
    assert direct.call("queue_limit", "q", "") == [b"ok"]
    with direct.unchanged():
        assert direct.call(script, number, *args[script]) == answer
    assert direct.once(script, *args[script])[0] == b"ok"
    assert direct.counts()[0] == 2


def test_tasks_of_several_lists_of_a_queue_are_added_up(direct: Direct) -> None:
    now, soon = plain(2, ["q", "p"]), plain(2, ["q"], 1_000, start=50)
    lists = to_json([["r", "q", 2, 0], ["r", "p", 2, 0], ["d", "q", 2, 1_000]])
    assert direct.call("queue_limit", "q", 3) == direct.call("queue_limit", "p", 2) == [b"ok"]
    with direct.unchanged_but("p:"):
        answer = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *now[1], *soon[1])
    assert answer == [b"full", b"q", 3, 0, 4]
