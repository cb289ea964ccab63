"""A batch's failure policy: it is cancelled when so many of its tasks have failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import Batch, InvalidValue
from tests import handlers
from tests.direct import LEASE, Direct, ending, group
from tests.harness import Instance, counters, refused, until


def failing(count: int, good: int = 0, **after: Any) -> Any:
    """Fills a batch with tasks that fail and others."""

    def build(batch: Batch) -> None:
        for n in range(count):
            batch.options(**after).enqueue(handlers.fail, tag=n)
        for n in range(good):
            batch.enqueue(handlers.noop, n)
        for on in ("done", "settled", "failed", "cancelled"):
            batch.options(on=on).continue_with(handlers.after, on)

    return build


async def test_the_first_failure_cancels_a_batch_that_is_to_fail_fast(instance: Instance) -> None:
    async with instance.open(max_workers=1, max_attempts=1) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.enqueue(handlers.fail)
            for n in range(50):
                batch.enqueue(handlers.mark, n)
                batch.options(delay=600).enqueue(handlers.mark, n)
            for on in ("done", "settled", "failed", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        batch_id = await proc.enqueue_batch("default", "acme", build, fail_after=1)
        before = await proc.get_batch(batch_id)
        assert before is not None
        assert before.fail_after == 1
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, counters(info)) == ("cancelled", (102, 1, 1, 100, 0))
        fired = {record["tag"]: record["state"] for record in instance.recorded("ran")}
        assert fired == {"settled": "cancelled", "cancelled": "cancelled"}
        assert await proc.get_dead_tasks() == []
        assert not await proc.append_batch("default", "acme", batch_id, lambda b: b.enqueue(handlers.noop))
        assert await proc.retry_dead_tasks() == 0
        assert not await proc.cancel_batch(batch_id)
        assert (await proc.audit()).differences == ()


@pytest.mark.parametrize(
    ("policy", "ends"), [(3, 3), ("30%", 3), ("25%", 3), ("20.5%", 3), ("100%", 10), (11, 10), (None, 10)]
)
async def test_so_many_have_to_fail_or_such_a_share(instance: Instance, policy: Any, ends: int) -> None:
    async with instance.open(max_workers=1, max_attempts=1) as proc:
        batch_id = await proc.tenant("acme").enqueue_batch(failing(10), fail_after=policy)
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        cancelled = policy not in (11, None)
        assert info.fail_after == policy
        assert (info.state, counters(info)) == ("cancelled" if cancelled else "failed", (10, 0, ends, 10 - ends, 0))


async def test_retries_that_go_on_snoozes_and_cancels_are_no_failures(instance: Instance) -> None:
    async with instance.open(backoff=0, max_attempts=3) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.fail, below=3)
            batch.enqueue(handlers.signal, "snooze", 0.0)
            batch.enqueue(handlers.signal, "cancel")

        async with proc.tenant("acme").batch(fail_after=1) as batch:
            build(batch)
        await proc.run_until_idle()
        info = await proc.get_batch(batch.id)
        assert info is not None
        assert (info.state, counters(info)) == ("done", (3, 2, 0, 1, 0))


@pytest.mark.parametrize("options", [{"max_attempts": 1, "deadletter": False}, {"max_attempts": 1}])
async def test_what_is_dropped_or_buried_counts_and_running_tasks_are_told_at_once(instance: Instance, options: Any) -> None:
    async with instance.worker(max_workers=4, **options) as proc:

        def build(batch: Batch) -> None:
            for n in range(3):
                batch.enqueue(handlers.nap, 30, n)
            batch.options(delay=0.2).enqueue(handlers.fail)

        async with proc.batch("default", "acme", fail_after="1%") as batch:
            build(batch)
        info = await proc.wait_batch(batch.id, 10)
        assert (info.state, counters(info)) == ("cancelled", (4, 0, 1, 3, 0))
        await instance.wait_records(3, "cancelled")
        await until(lambda: instance.client.hlen(f"{{{instance.name}}}:run") == 0)


async def test_a_large_batch_has_it_too_and_a_share_is_of_the_total_of_the_time(instance: Instance) -> None:
    async with instance.open(max_workers=10, max_attempts=1) as proc:

        async def build(batch: Batch) -> None:
            await batch.enqueue_many(handlers.fail, ((str(n),) for n in range(1_500)))

        large = await proc.enqueue_batch("default", "acme", build, fail_after="2%")
        await proc.run_until_idle()
        info = await proc.get_batch(large)
        assert info is not None
        assert (info.state, info.fail_after, info.total) == ("cancelled", "2%", 1_500)
        assert 30 <= info.failed <= 40
        small = await proc.enqueue_batch("default", "acme", failing(1, 1), fail_after="50.1%")
        await proc.run_until_idle()
        assert (await proc.get_batch(small)).state == "failed"  # type: ignore[union-attr]
        assert await proc.append_batch("default", "acme", small, failing_more)
        await proc.run_until_idle()
        info = await proc.get_batch(small)
        assert info is not None
        assert (info.state, info.failed, info.total) == ("cancelled", 4, 5)


def failing_more(batch: Batch) -> None:
    """Three more that fail."""
    for n in range(3):
        batch.enqueue(handlers.fail, tag=f"more {n}")


@pytest.mark.parametrize("policy", [0, -1, True, 1.5, "5", "0%", "101%", "%", "-5%", " 5%", "5 %", "١%", b"5%", [1], "1e2%"])
async def test_a_policy_that_makes_no_sense_is_refused(instance: Instance, policy: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "fail_after="):
            await proc.enqueue_batch("default", "acme", failing(1), fail_after=policy)


# by the scripts


def test_a_batch_is_cancelled_once_whatever_comes_in_the_same_call(direct: Direct) -> None:
    batch = direct.create(3, queues=["q", "p"], fail="2", ends=[ending("cancelled"), ending("failed", 1)])
    leases = direct.claim(4, queues=["q", "p"])
    here, there = [x for x in leases if x < batch + f"{3:010}"], [x for x in leases if x >= batch + f"{3:010}"]
    first = group(here, "dead", 0, "")
    answer = direct.step(0, [first, group(there, "dead", 0, "", queue="p")])
    assert (answer[5], answer[6], answer[9]) == ([], [], [])
    failed = len(here)
    assert failed >= 2
    assert direct.counters(batch) == ("cancelled", 6, 0, failed, 6 - failed)
    assert int(direct.record("b", batch)["zombies"]) == 0
    assert len(direct.claim(9, queues=["after"])) == 1  # the continuation


def test_a_rescue_cancels_nothing_since_its_tasks_go_on(direct: Direct) -> None:
    batch = direct.create(2, fail="1")
    direct.claim(1)
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert direct.counters(batch)[0] == "running"
    lease, *_ = direct.claim(1)
    assert direct.settle([lease], "exhausted", 0, "") == []
    assert direct.counters(batch) == ("cancelled", 2, 0, 1, 1)


def test_cancels_of_one_step_are_bounded_and_the_rest_is_put_off(direct: Direct) -> None:
    queues = [f"q{n}" for n in range(64)]
    batches = [direct.create(1, queues=queues, fail="1") for _ in range(4)]
    leases = [lease for queue in queues[:1] for lease in direct.claim(4, queues=[queue])]
    groups = [group([lease], "dead", 0, "", queue="q0") for lease in sorted(leases)]
    answer = direct.step(0, groups)
    assert (answer[5], len(answer[6])) == ([], 3)
    assert [direct.counters(batch)[0] for batch in batches] == ["cancelled"] + ["running"] * 3
    for left in (2, 1, 0):
        groups = groups[1:]
        assert len(direct.step(0, groups)[6]) == left
    assert [direct.counters(batch) for batch in batches] == [("cancelled", 64, 0, 1, 63)] * 4
    assert direct.step(0, groups)[5] == [max(leases).encode()]


def test_a_retried_failure_is_none_any_more(direct: Direct) -> None:
    batch = direct.create(3, fail="2")
    [task] = direct.kill(1)
    assert direct.once("dead_retry", f'[["{batch}","q","{task[22:]}"]]', 0) == [b"ok", 1]
    direct.kill(1)
    assert direct.counters(batch)[0] == "running"
    direct.kill(1)
    assert direct.counters(batch)[0] == "cancelled"


async def test_of_many_workers_failures_one_cancels(instance: Instance) -> None:
    async with instance.worker(max_workers=20, max_attempts=1) as proc, instance.worker(max_workers=20, max_attempts=1):
        ids = await asyncio.gather(*(proc.enqueue_batch("default", "acme", failing(30, 5), fail_after=5) for _ in range(20)))
        for batch_id in ids:
            info = await proc.wait_batch(batch_id, 20)
            assert info.state == "cancelled"
            assert info.failed >= 5
        await until(lambda: len(instance.recorded("ran")) >= 40)
        assert (await proc.audit()).differences == ()
    fired = sorted((record["batch"], record["tag"]) for record in instance.recorded("ran"))
    assert fired == sorted((batch_id, on) for batch_id in ids for on in ("settled", "cancelled"))


def test_what_is_done_cancels_nothing(direct: Direct) -> None:
    batch = direct.create(4, fail="2")
    direct.kill()
    direct.client.hset(direct.key("b", batch), "fail_after", "1")
    assert direct.settle(direct.claim()) == []
    assert direct.counters(batch) == ("running", 4, 2, 1, 0)


def test_failures_that_cancel_nothing_are_not_put_off(direct: Direct) -> None:
    queues = [f"q{n}" for n in range(64)]
    for _ in range(4):
        direct.create(1, queues=queues, fail="2")
    leases = direct.claim(4, queues=["q0"])
    answer = direct.step(0, [group([lease], "dead", 0, "", queue="q0") for lease in leases])
    assert (answer[5], answer[6]) == ([], [])
