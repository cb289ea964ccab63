"""Cancelling all that a tenant has: counted at once, in steps, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import Batch, BatchState, TaskState
from tests import handlers
from tests.building import noops
from tests.direct import Direct, ending
from tests.harness import MODES, Instance, counters, until
from tests.tenancy import ODD, bury, fill, healthy, places


@pytest.mark.parametrize("mode", MODES)
async def test_all_of_a_tenant_is_cancelled_and_nothing_of_others(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        ids = {tenant: await fill(proc, tenant) for tenant in ODD[:3]}
        await bury(instance)
        before = {tenant: (places(instance, tenant), await proc.get_tenant(tenant)) for tenant in ODD[:3]}
        assert places(instance, "a:b") == before["a"][0]
        info = before["a:b"][1]
        assert info is not None
        assert await proc.cancel_tenant("a:b", actor="ann") == info.remaining == 14 + 1_011 + 6

        after = await proc.get_tenant("a:b")
        assert after is not None
        assert (after.remaining, after.cancelled, after.ready) == (1, info.remaining, 1)
        assert places(instance, "a:b") == {("x", "bad"): 1, ("r", "after"): 1}
        states = {name: (await proc.get_batch(id)).state for name, id in ids["a:b"].items()}  # type: ignore[union-attr]
        assert states == {"mixed": BatchState.CANCELLED, "done": BatchState.DONE, "large": BatchState.CANCELLED}
        for tenant in ("a", ODD[2]):
            assert (places(instance, tenant), await proc.get_tenant(tenant)) == before[tenant]
        await healthy(proc)
        [entry] = await proc.get_journal("a:b")
        assert (entry.actor, entry.what, entry.count) == ("ann", "cancel_tenant", info.remaining)
        assert await proc.cancel_tenant("a:b") == 1
        assert await proc.cancel_tenant("a:b") == 0
        assert await proc.cancel_tenant("nobody") == 0
        await healthy(proc)


@pytest.mark.parametrize("mode", MODES)
async def test_what_comes_after_a_cancel_runs(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        acme = proc.tenant("acme")
        for n in range(3):
            await acme.options(unique="one").enqueue(handlers.mark, n)
            await acme.enqueue(handlers.mark, n)
        await proc.enqueue_task("default", "other", handlers.mark, "other")
        assert await acme.cancel_all() == 4
        await acme.options(unique="one").enqueue(handlers.mark, "new")
        await acme.enqueue_batch(noops(3))
        assert await proc.run_until_idle() == 5
        assert [r["tag"] for r in instance.recorded("ran")] in (["other", "new"], ["new", "other"])
        await healthy(proc)


@pytest.mark.parametrize("mode", MODES)
async def test_a_queue_alone_is_cancelled(instance: Instance, mode: Any) -> None:
    def build(batch: Batch) -> None:
        for n in range(150):
            batch.options(queue="one").enqueue(handlers.noop, n)
            batch.options(queue="two").enqueue(handlers.noop, n)
            batch.options(queue="one", delay=60).enqueue(handlers.noop, n)
        batch.options(queue="two", on="done").continue_with(handlers.mark)

    async with instance.open(queues=["one", "two"]) as proc:
        await proc.set_queue_mode("one", mode)
        mixed = await proc.enqueue_batch("one", "acme", build)
        whole = await proc.enqueue_batch("one", "acme", noops(3))
        await proc.enqueue_task("one", "acme", handlers.noop)
        task = await proc.options(keep="all").enqueue_task("two", "acme", handlers.noop)
        assert await proc.cancel_tenant("acme", queue="one") == 300 + 3 + 1
        assert counters(await proc.get_batch(mixed)) == (450, 0, 0, 300, 150)
        assert counters(await proc.get_batch(whole)) == (3, 0, 0, 3, 0)
        assert places(instance, "acme") == {("r", "two"): 151}
        await healthy(proc)
        await proc.run_until_idle()
        assert counters(await proc.get_batch(mixed)) == (450, 150, 0, 300, 0)
        assert len(instance.recorded("ran")) == 1
        info = await proc.get_task(task)
        assert info is not None
        assert info.state is TaskState.DONE


async def test_kept_single_tasks_are_told_as_cancelled(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = [await proc.options(keep="all").enqueue_task("default", "acme", handlers.noop) for _ in range(3)]
        await proc.cancel_tenant("acme")
        assert [(await proc.get_task(id)).state for id in ids] == [TaskState.CANCELLED] * 3  # type: ignore[union-attr]


async def test_what_runs_is_told_to_stop(instance: Instance) -> None:
    async with instance.worker(max_workers=6) as proc:
        acme = proc.tenant("acme")
        batch_id = await acme.enqueue_batch(lambda b: [b.enqueue(handlers.nap, 30) for _ in range(2)])
        for _ in range(2):
            await acme.enqueue(handlers.nap, 30)
        await proc.enqueue_task("default", "acme2", handlers.nap, 30)
        await instance.wait_records(5, "start")
        assert await acme.cancel_all() == 4
        assert counters(await acme.get_batch(batch_id)) == (2, 0, 0, 2, 0)

        async def ended() -> bool:
            info = await acme.get_tenant()
            return info is not None and (info.running, info.cancelled, info.remaining) == (0, 4, 0)

        await until(ended)
        assert (await proc.get_queue("default")).running == 1
        assert await proc.cancel_tenant("acme2") == 1


# the scripts, cut after each step


def steps(direct: Direct, tenant: str = "acme", entry: str = "") -> list[Any]:
    """The calls of one cancel, each with what it needs of those before."""
    home = direct.record("t", tenant).get("hidden", "")
    return [
        ("tenant_stop", tenant, "", 0, "0", entry),
        ("tasks_cancel", tenant, home, "r", "q", 0, 2, entry),
        ("tasks_cancel", tenant, home, "d", "q", 0, 2, entry),
        ("tenant_cancel", tenant, "", "", 1, entry),
    ]


@pytest.mark.parametrize("cut", range(5))
def test_a_call_that_is_cut_short_is_done_by_the_next(direct: Direct, cut: int) -> None:
    batch = direct.create(3, ends=[ending("cancelled", queue="q")])
    for n in range(3):
        direct.single(n)
        direct.single(10 + n, delay=1_000)
    direct.claim(1)
    for name, *args in [*steps(direct)[:cut], *steps(direct), *steps(direct)]:
        call = direct.number()
        first = direct.call(name, call, *args)
        with direct.unchanged():
            assert direct.call(name, call, *args) == first
        ready, running, delayed, _ = direct.counts()
        left = sum(int(direct.record("b", b).get("remaining", 0)) for b in (batch, direct.record("t", "acme")["hidden"]))
        assert left == int(direct.record("t", "acme")["remaining"])
        assert ready + delayed <= left <= ready + delayed + running
    assert direct.counters(batch)[0] == "cancelled"


def test_batches_that_come_meanwhile_are_not_half_cancelled(direct: Direct) -> None:
    first = direct.create(2)
    answer = direct.once("tenant_cancel", "acme", "", str(direct.now * 1000 - 1), 1, "")
    assert answer == [b"ok", 0, b"", str(direct.now * 1000 - 1).encode(), []]
    answer = direct.once("tenant_cancel", "acme", "", "", 1, "")
    direct.wait(1)
    second = direct.create(2)
    assert direct.once("tenant_cancel", "acme", "", answer[3].decode(), 1, "")[:3] == [b"ok", 0, b""]
    assert direct.counters(first)[0] == "cancelled"
    assert direct.counters(second) == ("running", 2, 2, 0, 0)


def test_one_broken_batch_stops_no_others(direct: Direct) -> None:
    broken, whole = direct.create(1), direct.create(1)
    direct.client.set(direct.key("b", broken, "segs"), "x")
    answer = direct.once("tenant_cancel", "acme", "", "", 1, "")
    assert answer[1:3] == [1, b""]
    assert broken.encode() in answer[4][0]
    assert direct.counters(whole)[0] == "cancelled"
    direct.client.delete(direct.key("b", broken, "segs"))


def test_many_batches_take_many_steps(direct: Direct) -> None:
    for _ in range(120):
        direct.create(1)
    after, until_, parts, count = "", "", 0, 0
    while after or not parts:
        _, n, more, until, _ = direct.once("tenant_cancel", "acme", after, until_, 1, "")
        after, until_, parts, count = more.decode(), until.decode(), parts + 1, count + n
        assert n <= 40
    assert (count, parts) == (120, 4)


def test_cancelling_quietly_fires_nothing(direct: Direct) -> None:
    for fires in (0, 1):
        direct.create(1, ends=[ending("cancelled", queue="after")])
        direct.once("tenant_cancel", "acme", "", "", fires, "")
        assert direct.counts("after")[0] == fires


def test_a_tenant_cancels_no_list_of_others(direct: Direct) -> None:
    batch = direct.create(2)
    with direct.unchanged():
        assert direct.once("tasks_cancel", "other", batch, "r", "q", 0, 9, "") == [b"unknown"]
        assert direct.once("tasks_cancel", "acme", batch, "x", "q", 0, 9, "") == [b"unknown"]
    direct.once("batch_cancel", batch, "")
    assert direct.once("tasks_cancel", "acme", batch, "r", "q", 0, 9, "") == [b"unknown"]


def test_counters_that_are_no_numbers_stop_a_cancel_before_it_takes_anything(direct: Direct, cleared: None) -> None:
    batch = direct.create(2)
    for name, field in (("b", "remaining"), ("t", "cancelled"), ("tq", "pushed"), ("q", "pushed")):
        parts = {"b": (batch,), "t": ("acme",), "tq": ("q", "acme"), "q": ("q",)}[name]
        was = direct.client.hget(direct.key(name, *parts), field)
        direct.client.hset(direct.key(name, *parts), field, "x")
        with direct.unchanged(), pytest.raises(Exception, match="no whole number"):
            direct.once("tasks_cancel", "acme", batch, "r", "q", 0, 9, "")
        if was is None:
            direct.client.hdel(direct.key(name, *parts), field)
        else:
            direct.client.hset(direct.key(name, *parts), field, was)


def test_a_full_redis_lets_all_be_cancelled(direct: Direct) -> None:
    batch = direct.create(3)
    direct.single()
    direct.claim(1)
    with direct.full():
        for name, *args in steps(direct):
            assert direct.once(name, *args)[0] == b"ok"
    assert direct.counters(batch)[0] == "cancelled"
    assert direct.counts()[0] == 0


def test_what_has_ended_stays_as_it_is(direct: Direct) -> None:
    done, failed = direct.create(1), direct.create(1)
    direct.settle(direct.claim(1))
    direct.kill(1)
    before = [direct.counters(batch) for batch in (done, failed)]
    direct.client.hset(direct.key("b", done), "remaining", 1)
    assert direct.once("tenant_cancel", "acme", "", "", 1, "")[1] == 0
    direct.client.hset(direct.key("b", done), "remaining", 0)
    assert [direct.counters(batch) for batch in (done, failed)] == before
    assert direct.counts()[3] == 1
