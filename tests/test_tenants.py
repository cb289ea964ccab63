"""Tenants and what is told of them: lists, pages, counts, handles, fair shares; and instances beside each other."""

from __future__ import annotations

import asyncio
from itertools import groupby, pairwise
from typing import Any

import pytest

from taskproc import Batch, BatchState, InvalidValue, NotFound, TaskInfo, TaskState, TenantInfo
from taskproc.batch import Build
from tests import handlers
from tests.harness import Instance, Record, counters, until

MODES = ["fair", "fifo"]


def noops(count: int) -> Build:
    """Fills a batch with tasks that do nothing."""
    return lambda batch: [batch.enqueue(handlers.noop, n) for n in range(count)]


def totals(info: TenantInfo | None) -> tuple[int, ...]:
    """Batches; total, done, failed, cancelled, remaining; ready and running."""
    assert info is not None
    assert info.total == info.done + info.failed + info.cancelled + info.remaining
    return info.batches, info.total, info.done, info.failed, info.cancelled, info.remaining, info.ready, info.running


# lists of batches


@pytest.mark.row("CT-40")
async def test_lists_and_counts_of_tenants_do_not_mix(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = {
            tenant: [await proc.enqueue_batch("default", tenant, noops(2), label=f"{tenant} {n}") for n in range(count)]
            for tenant, count in [("t1", 3), ("t2", 2)]
        }
        for tenant, mine in ids.items():
            listed = await proc.get_batches(tenant)
            assert [info.id for info in listed] == mine[::-1]
            assert [info.label for info in listed] == [f"{tenant} {n}" for n in reversed(range(len(mine)))]
            assert {info.tenant for info in listed} == {tenant}
            assert await proc.count_batches(tenant) == len(mine)
            assert await proc.tenant(tenant).get_batches() == listed
            assert await proc.tenant(tenant).count_batches() == len(mine)
        assert await proc.get_batches("t3") == []
        assert await proc.count_batches("t3") == 0


TENANTS = ["a", "a:b", "a:b:c", "*", "{x}", "a b\n", "ä\x00€", "default", "~", "x" * 255, "b", "q:default"]


async def test_a_tenant_may_have_any_name(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids = {name: await proc.enqueue_batch("default", name, noops(n + 1)) for n, name in enumerate(TENANTS)}
        for name in TENANTS:
            await proc.enqueue_task("default", name, handlers.mark, name)
        for n, (name, batch_id) in enumerate(ids.items()):
            assert counters(await proc.wait_batch(batch_id, 10)) == (n + 1, n + 1, 0, 0, 0)
            assert [info.id for info in await proc.get_batches(name)] == [batch_id]
        ran = await instance.wait_records(len(TENANTS), "ran")
        assert all(r["tag"] == r["tenant"] for r in ran)
        assert sorted(r["tenant"] for r in ran) == sorted(TENANTS)

        async def settled() -> bool:
            return all(info.remaining == 0 for info in await proc.get_tenants())

        await until(settled)
        assert [(info.tenant, info.total) for info in await proc.get_tenants()] == sorted(
            ((name, n + 2) for n, name in enumerate(TENANTS)), key=lambda pair: pair[0].encode()
        )


@pytest.mark.parametrize("name", ["", "x" * 256, "ä" * 128, "\ud800", 7, None, b"acme"])
async def test_names_that_no_tenant_can_have(instance: Instance, name: Any) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        calls = [
            lambda: proc.enqueue_batch("default", name, noops(1)),
            lambda: proc.enqueue_task("default", name, handlers.noop),
            lambda: proc.append_batch("default", name, "0" * 22, noops(1)),
            lambda: proc.get_batches(name),
            lambda: proc.count_batches(name),
            lambda: proc.get_tenant(name),
        ]
        for call in calls:
            with pytest.raises(InvalidValue, match="tenant"):
                await call()
        with pytest.raises(InvalidValue, match="tenant"):
            proc.tenant(name)
        assert instance.keys() == before


@pytest.mark.row("CT-41")
async def test_batches_are_listed_by_page_newest_first(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(1)) for _ in range(120)]
        pages = [await proc.get_batches("acme", skip, 50) for skip in (0, 50, 100, 150)]
        assert [len(page) for page in pages] == [50, 50, 20, 0]
        assert [info.id for page in pages for info in page] == ids[::-1]
        assert await proc.get_batches("acme") == pages[0]
        assert await proc.get_batches("acme", take=1_000) == pages[0] + pages[1] + pages[2]
        assert await proc.get_batches("acme", 119, 5) == pages[2][-1:]
        assert await proc.get_batches("acme", take=0) == []
        created = [info.created_at for page in pages for info in page]
        assert created == sorted(created, reverse=True)
        assert len(set(created)) == 120


async def test_a_page_may_be_longer_than_one_answer(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(0)) for _ in range(620)]
        assert [info.id for info in await proc.get_batches("acme", take=600)] == ids[:19:-1]
        assert [info.id for info in await proc.get_batches("acme", 10, 500, before=ids[600])] == ids[589:89:-1]


async def test_pages_before_a_batch_stay_as_they_are_while_batches_come_and_go(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.enqueue_batch("default", "acme", noops(1)) for _ in range(12)]
        found: list[str] = []
        for size in (5, 5, 2, 0):
            page = await proc.get_batches("acme", take=5, before=found[-1] if found else None)
            assert len(page) == size
            found += [info.id for info in page]
            await proc.enqueue_batch("default", "acme", noops(1))
            await proc.cancel_batch(ids[0])
        assert found == ids[::-1]
        assert await proc.get_batches("acme", before=ids[0]) == []
        other = await proc.enqueue_batch("default", "other", noops(1))
        assert await proc.get_batches("acme", before=other) == []
        assert await proc.get_batches("acme", before="0" * 22) == []


@pytest.mark.parametrize("bounds", [(-1, 5), (0, -1), (0, 10_001), (0.5, 1), ("0", 1), (True, 1), (None, 1)])
async def test_pages_that_make_no_sense(instance: Instance, bounds: tuple[Any, Any]) -> None:
    async with instance.open() as proc:
        for call in (
            lambda: proc.get_batches("acme", *bounds),
            lambda: proc.get_tasks_in_queue("default", *bounds),
            lambda: proc.get_tenants(*bounds),
            lambda: proc.get_dead_tasks(skip=bounds[0], take=bounds[1]),
        ):
            with pytest.raises(InvalidValue, match=r"skip|take"):
                await call()


@pytest.mark.row("CT-43")
async def test_an_unknown_batch_is_none(instance: Instance) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        for unknown in ("0" * 22, "no id at all", "", "0" * 23, "*" * 22):
            assert await proc.get_batch(unknown) is None
            with pytest.raises(NotFound):
                await proc.wait_batch(unknown, 1)
        single = await proc.enqueue_task("default", "acme", handlers.noop)
        assert await proc.get_batch(single[:22]) is None  # single tasks share one, which is nobody's business
        assert await proc.cancel_batch(single[:22]) is False
        assert await proc.append_batch("default", "acme", single[:22], noops(1)) is False
        assert await proc.run_until_idle() == 1
        assert set(before) <= set(instance.keys())


# queues


@pytest.mark.row("CT-44")
@pytest.mark.parametrize("mode", MODES)
async def test_a_queue_tells_exactly_what_it_holds(instance: Instance, mode: Any) -> None:
    async with instance.worker(queues=["work"], max_workers=2, max_attempts=1) as proc:
        await proc.set_queue_mode("work", mode)

        def build(batch: Batch) -> None:
            for _ in range(6):
                batch.enqueue(handlers.nap, 30)
            batch.options(delay=60).enqueue(handlers.noop)

        async def told() -> tuple[int, ...]:
            info = await proc.get_queue("work")
            assert [info.name, info.mode] == ["work", mode]
            return info.ready, info.running, info.delayed, info.dead

        await proc.enqueue_task("work", "acme", handlers.fail)

        async def dead() -> bool:
            return await told() == (0, 0, 0, 1)

        await until(dead)
        ids = [await proc.enqueue_batch("work", tenant, build) for tenant in ("acme", "other")]
        await proc.options(delay=60).enqueue_task("work", "acme", handlers.noop)
        await instance.wait_records(3, "start")
        assert await told() == (10, 2, 3, 1)
        assert [(info.name, info.ready, info.running) for info in await proc.get_queues()] == [("work", 10, 2)]
        assert await proc.cancel_batch(ids[0])

        async def others() -> bool:
            return await told() == (4, 2, 2, 1)

        await until(others)
        assert await proc.cancel_batch(ids[1])

        async def left() -> bool:
            return await told() == (0, 0, 1, 1)

        await until(left)
        assert await proc.discard_dead_tasks("work") == 1
        assert await told() == (0, 0, 1, 0)
        unused = await proc.get_queue("unused")
        assert (unused.ready, unused.running, unused.delayed, unused.dead, unused.oldest_ready_seconds) == (0, 0, 0, 0, None)


async def test_a_queue_tells_how_long_its_oldest_task_has_waited(instance: Instance) -> None:
    async with instance.open() as proc:
        begun = instance.now()
        await proc.enqueue_batch("default", "acme", noops(3))
        enqueued = instance.now()
        await asyncio.sleep(0.2)
        await proc.enqueue_task("default", "other", handlers.noop)
        asked = instance.now()
        waited = (await proc.get_queue("default")).oldest_ready_seconds
        assert waited is not None
        assert asked - enqueued - 0.002 <= waited <= instance.now() - begun + 0.002


@pytest.mark.row("CT-45")
@pytest.mark.parametrize("mode", MODES)
async def test_tasks_in_a_queue_are_listed_by_page_oldest_first(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.options(max_attempts=7).enqueue(handlers.noop, n, b="x") for n in range(60))
            batch.options(queue="other").enqueue(handlers.noop)
            batch.options(delay=60).enqueue(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        pages = [await proc.get_tasks_in_queue("default", skip, 25) for skip in (0, 25, 50, 75)]
        assert [len(page) for page in pages] == [25, 25, 10, 0]
        listed = [task for page in pages for task in page]
        assert [task.id for task in listed] == ids
        for n, task in enumerate(listed):
            assert (task.name, task.queue, task.tenant, task.batch_id) == (
                "tests.handlers.noop",
                "default",
                "acme",
                batch_id,
            )
            assert (task.state, task.attempt, task.max_attempts) == (TaskState.READY, 0, 7)
            assert task.data == b'["tests.handlers.noop",[%d],{"b":"x"}]' % n
            assert (task.scheduled_for, task.progress, task.errors) == (None, None, ())
        assert len(await proc.get_tasks_in_queue("default")) == 50


@pytest.mark.row("CT-45")
@pytest.mark.parametrize("mode", MODES)
async def test_pages_of_a_queue_show_each_task_once_whosever_it_is(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(handlers.noop, n) for n in range(7))

        for n in range(4):
            batch_id = await proc.enqueue_batch("default", f"tenant {n % 3}", build)
            assert await proc.append_batch("default", f"tenant {n % 3}", batch_id, build)
            ids.append(await proc.enqueue_task("default", f"tenant {n % 2}", handlers.noop))
        found: list[TaskInfo] = []
        while page := await proc.get_tasks_in_queue("default", len(found), 9):
            found += page
        assert sorted(task.id for task in found) == sorted(ids)
        assert await proc.get_tasks_in_queue("default", 0, 1_000) == found
        for _, group in groupby(sorted(found, key=lambda task: task.id[:22]), key=lambda task: task.id[:22]):
            listed = [task.id for task in group]
            assert [task_id for task_id in ids if task_id in listed] == [task.id for task in found if task.id in listed]


# a tenant's handle and totals


async def test_a_handle_finds_nothing_of_other_tenants(instance: Instance) -> None:
    async with instance.worker(max_attempts=1, max_workers=2) as proc:
        ids: dict[str, str] = {}

        def build(batch: Batch) -> None:
            ids["dead"] = batch.enqueue(handlers.fail)
            ids["running"] = batch.enqueue(handlers.nap, 30)
            ids["delayed"] = batch.options(delay=60).enqueue(handlers.noop)
            ids["ready"] = batch.options(queue="nobody").enqueue(handlers.noop)

        acme, other = proc.tenant("acme"), proc.tenant("other")
        batch_id = await acme.enqueue_batch(build)
        ids["single"] = await acme.options(delay=60).enqueue(handlers.noop)
        await instance.wait_records(2, "start")

        async def one_dead() -> bool:
            return len(await acme.get_dead_tasks()) == 1

        await until(one_dead)
        before = await proc.get_batch(batch_id)
        assert counters(before) == (4, 0, 1, 0, 3)

        assert await other.get_batch(batch_id) is None
        assert await other.get_batches() == []
        assert await other.get_batches(before=batch_id) == []
        assert await other.count_batches() == 0
        assert await other.cancel_batch(batch_id) is False
        assert await other.append_batch(batch_id, noops(1)) is False
        assert await other.append_batch(batch_id, noops(1_100)) is False
        with pytest.raises(NotFound):
            await other.append(batch_id, noops(1))
        with pytest.raises(NotFound):
            await other.wait_batch(batch_id, 5)
        for task_id in ids.values():
            assert await other.get_task(task_id) is None
            assert await other.cancel_task(task_id) is False
        for selected in ({}, {"batch_id": batch_id}, {"queue": "default"}):
            assert await other.get_dead_tasks(**selected) == []
            assert await other.retry_dead_tasks(**selected) == 0
            assert await other.discard_dead_tasks(**selected) == 0
        assert await other.get_totals() is None
        assert await proc.get_batch(batch_id) == before

        states = {name: info.state for name, task_id in ids.items() if (info := await acme.get_task(task_id))}
        assert states == {
            "dead": "failed",
            "running": "running",
            "delayed": "delayed",
            "ready": "ready",
            "single": "delayed",
        }
        assert await acme.get_batch(batch_id) == before
        assert [letter.id for letter in await acme.get_dead_tasks(batch_id=batch_id)] == [ids["dead"]]
        assert await acme.discard_dead_tasks(batch_id=batch_id) == 1
        for name in ("single", "ready", "delayed", "running"):
            assert await acme.cancel_task(ids[name]) is True
        await acme.append(batch_id, noops(1))
        assert counters(await acme.wait_batch(batch_id, 10)) == (5, 1, 1, 3, 0)


async def test_dead_tasks_are_listed_retried_and_discarded_by_tenant(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        for tenant, count in [("acme", 3), ("other", 2)]:
            await proc.enqueue_batch(
                "default", tenant, lambda b, count=count: [b.enqueue(handlers.fail) for _ in range(count)]
            )
            await proc.enqueue_task("second", tenant, handlers.fail)
        async with instance.open(queues=["default", "second"], max_attempts=1) as both:
            assert await both.run_until_idle() == 7
        acme, other = proc.tenant("acme"), proc.tenant("other")
        assert {letter.tenant for letter in await acme.get_dead_tasks()} == {"acme"}
        assert len(await proc.get_dead_tasks(tenant="acme")) == len(await acme.get_dead_tasks()) == 4
        assert len(await other.get_dead_tasks("second")) == 1
        assert await acme.retry_dead_tasks(count=2) == 2
        assert await acme.discard_dead_tasks() == 2
        assert len(await proc.get_dead_tasks()) == len(await other.get_dead_tasks()) == 3


async def test_totals_of_a_tenant(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        acme = proc.tenant("acme")
        assert await acme.get_totals() is None
        assert await proc.get_tenant("acme") is None

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.nap, 0.05, "nap")
            batch.enqueue(handlers.fail)
            batch.enqueue(handlers.fail)
            batch.options(delay=60).enqueue(handlers.noop)
            batch.options(on="settled").continue_with(handlers.noop)

        batch_id = await acme.enqueue_batch(build)
        await acme.enqueue(handlers.nap, 0.05, "nap")
        await proc.enqueue_batch("default", "other", noops(2))
        assert totals(await acme.get_totals()) == (1, 5, 0, 0, 0, 5, 4, 0)
        await proc.run_until_idle()
        assert totals(await acme.get_totals()) == (1, 5, 2, 2, 0, 1, 0, 0)
        assert await proc.retry_dead_tasks(tenant="acme", count=1) == 1
        assert totals(await acme.get_totals()) == (1, 5, 2, 1, 0, 2, 1, 0)
        assert await acme.discard_dead_tasks() == 1
        assert totals(await acme.get_totals()) == (1, 5, 2, 1, 0, 2, 1, 0)
        assert await acme.cancel_batch(batch_id)
        assert totals(await acme.get_totals()) == (1, 6, 2, 1, 2, 1, 1, 0)
        await proc.run_until_idle()
        info = await acme.get_totals()
        assert totals(info) == (1, 6, 3, 1, 2, 0, 0, 0)
        assert info is not None
        spent = sum(r["at"] * (1 if r["event"] == "end" else -1) for r in instance.recorded(tag="nap"))
        assert info.run_seconds >= spent * 0.99 > 0.09
        assert totals(await proc.get_tenant("other")) == (1, 2, 2, 0, 0, 0, 0, 0)


async def test_totals_show_what_runs_now(instance: Instance) -> None:
    async with instance.worker(max_workers=3) as proc:
        ids = [
            await proc.enqueue_batch("default", tenant, lambda b: [b.enqueue(handlers.nap, 30) for _ in range(2)])
            for tenant in ("acme", "other")
        ]
        await instance.wait_records(3, "start")
        shown = {info.tenant: (info.ready, info.running, info.remaining) for info in await proc.get_tenants()}
        assert sorted(shown.values()) == [(0, 2, 2), (1, 1, 2)]
        for batch_id in ids:
            assert await proc.cancel_batch(batch_id)

        async def none_runs() -> bool:
            return {(info.ready, info.running, info.cancelled) for info in await proc.get_tenants()} == {(0, 0, 2)}

        await until(none_runs)


async def test_tenants_are_listed_by_page(instance: Instance) -> None:
    async with instance.open() as proc:
        names = [f"tenant {n:03}" for n in range(60)]
        for name in reversed(names):
            await proc.enqueue_task("default", name, handlers.noop)
        assert [info.tenant for info in await proc.get_tenants()] == names[:50]
        assert [info.tenant for info in await proc.get_tenants(50)] == names[50:]
        assert [info.tenant for info in await proc.get_tenants(10, 20)] == names[10:30]


# fair shares


def check_turns(records: list[Record], waiting_until: float) -> None:
    """While both tenants wait, a tenant has no more turns in a row than fit in the last turn of the other, and one.

    Records are of one slot, so between the end before a turn and the start after it lies what its worker counted.
    """
    turns = [(start["tenant"], start["at"], end["at"]) for start, end in zip(records[::2], records[1::2], strict=True)]
    rows = [list(row) for _, row in groupby(turns, key=lambda turn: turn[0])]
    for before, row in list(pairwise(rows))[1:]:
        if row[-1][1] < waiting_until:
            at = turns.index(before[-1])
            longest = row[0][1] - turns[at - 1][2]
            assert sum(end - start for _, start, end in row[:-1]) <= longest, row


@pytest.mark.row("CT-61")
@pytest.mark.parametrize("slots", [1, 10])
@pytest.mark.parametrize("late", [False, True])
async def test_a_small_batch_does_not_wait_for_another_tenants_large_one(instance: Instance, slots: int, late: bool) -> None:
    async with instance.open(max_workers=slots) as proc:

        def build(count: int) -> Build:
            return lambda batch: [batch.enqueue(handlers.nap, 0.015) for _ in range(count)]

        large = await proc.enqueue_batch("default", "a", build(1_000))
        serving = asyncio.create_task(proc.run()) if late else None
        if late:
            await instance.wait_records(20, "start")
        small = await proc.enqueue_batch("default", "b", build(10))
        came = instance.now()
        if serving is None:
            serving = asyncio.create_task(proc.run())
        assert counters(await proc.wait_batch(small, 30)) == (10, 10, 0, 0, 0)
        assert await proc.cancel_batch(large)
        await proc.stop()
        await serving
        starts = [r for r in instance.recorded("start") if r["at"] >= came]
        order = "".join(r["tenant"] for r in starts)
        last = order.rindex("b")
        assert order.count("b") == 10
        assert last < 60, order
        assert order[:last].count("a") >= (5 if slots == 1 else 1), order  # to come late is no credit
        if slots == 1:
            settled = [r for r in instance.records if r["event"] in ("start", "end", "cancelled") and r["at"] >= came]
            while settled and settled[0]["event"] != "start":
                settled.pop(0)
            check_turns(settled[: len(settled) // 2 * 2], starts[last]["at"])


async def test_tenants_share_a_queue_by_their_handlers_time(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        ids = [
            await proc.enqueue_batch(
                "default", tenant, lambda b, seconds=seconds: [b.enqueue(handlers.nap, seconds) for _ in range(200)]
            )
            for tenant, seconds in [("slow", 0.1), ("fast", 0.01)]
        ]

        async def served() -> bool:
            info = await proc.get_tenant("slow")
            return info is not None and info.run_seconds >= 0.6

        await until(served, 30)
        slow, fast = await proc.get_tenant("slow"), await proc.get_tenant("fast")
        for batch_id in ids:
            assert await proc.cancel_batch(batch_id)
        assert slow is not None
        assert fast is not None
        assert fast.done >= 2 * slow.done
        assert slow.run_seconds / 2 < fast.run_seconds < slow.run_seconds * 2


# instances beside each other


def dump(instance: Instance) -> dict[str, Any]:
    """Everything that an instance has in Redis."""
    return {name: instance.client.dump(name) for name in instance.names()}


@pytest.mark.row("CT-72")
async def test_two_prefixes_on_one_server_do_not_see_each_other(instance: Instance, twin: Instance) -> None:
    options: dict[str, Any] = {"max_attempts": 1, "retention": 0.3}

    def build(batch: Batch) -> None:
        batch.enqueue(handlers.fail)
        batch.enqueue(handlers.mark)
        batch.options(delay=60).enqueue(handlers.mark)
        batch.options(on="cancelled").continue_with(handlers.mark, "cancelled")

    async with instance.open(**options) as one, twin.open(**options) as two:
        first, second = [await proc.enqueue_batch("default", "acme", build, idempotency_key="k") for proc in (one, two)]
        assert first != second
        for proc in (one, two):
            await proc.run_until_idle()
        before = dump(twin)

        assert await one.cancel_batch(second) is False
        assert await one.get_batch(second) is None
        assert await one.append_batch("default", "acme", second, noops(1)) is False
        assert [info.id for info in await one.get_batches("acme")] == [first]
        assert [letter.batch_id for letter in await one.get_dead_tasks()] == [first]
        await one.pause()
        assert await one.is_paused() is True
        assert await two.is_paused() is False
        await one.resume()
        assert await one.retry_dead_tasks() == 1
        await one.run_until_idle()
        assert await one.discard_dead_tasks() == 1
        assert await one.cancel_batch(first) is True
        await one.run_until_idle()
        async with instance.worker(**options):

            async def pruned() -> bool:
                return await one.get_batch(first) is None

            await until(pruned)
            assert {info.pid for info in await two.get_workers()} == set()
        assert dump(twin) == before

        assert await two.retry_dead_tasks() == 1
        assert counters(await two.get_batch(second)) == (3, 1, 0, 0, 2)
        await one.pause()
        assert await two.run_until_idle() == 1
        assert await two.cancel_batch(second) is True
        assert await two.run_until_idle() == 1
        info = await two.get_batch(second)
        assert info is not None
        assert (info.state, counters(info)) == (BatchState.CANCELLED, (3, 1, 1, 1, 0))
        assert [r["tag"] for r in twin.recorded("ran")] == [None, "cancelled"]
        assert [r["tag"] for r in instance.recorded("ran")] == [None, "cancelled"]
