"""Moving a tenant's tasks to another queue: each in one place, counted right, in order, and sealed for where it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest

from taskproc import Batch, InvalidValue, Schedule, TaskState
from taskproc.store.scripts import to_json
from tests import handlers, limited
from tests.building import noops
from tests.direct import Direct, body
from tests.harness import MODES, Instance, counters
from tests.tenancy import ODD, bury, fill, healthy, places

KEYS: dict[str, Any] = {"signing_key": "s" * 16, "encryption_key": "e" * 32}


def at(found: Counter[tuple[str, str]], queue: str) -> dict[str, int]:
    """How many tasks of each kind are in a queue."""
    return {kind: n for (kind, of), n in found.items() if of == queue}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("to_mode", MODES)
async def test_all_that_waits_goes_to_the_other_queue(instance: Instance, mode: Any, to_mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        await proc.set_queue_mode("other", to_mode)
        for tenant in ODD[:2]:
            await fill(proc, tenant)
        await bury(instance)
        before, neighbour = places(instance, "a:b"), places(instance, "a")
        totals = await proc.get_tenant("a:b")
        count = sum(at(before, "default").values())
        moved = await proc.move_tasks("a:b", "default", "other", actor="ann")
        assert (moved, moved.stayed) == (count, ())
        after = places(instance, "a:b")
        assert (at(after, "default"), at(after, "other")) == ({}, at(before, "default"))
        assert (places(instance, "a"), await proc.get_tenant("a:b")) == (neighbour, totals)
        queue, other = await proc.get_queue("default"), await proc.get_queue("other")
        assert {"r": other.ready, "d": other.delayed} == at(after, "other")
        assert {"r": queue.ready, "d": queue.delayed} == at(neighbour, "default")
        await healthy(proc)
        assert await proc.move_tasks("a:b", "bad", "other") == 3
        assert (await proc.get_queue("other")).dead == 3
        assert {task.queue for task in await proc.get_dead_tasks(tenant="a:b")} == {"other"}
        await healthy(proc)
        assert await proc.move_tasks("a:b", "default", "other") == 0
        [second, first] = await proc.get_journal("a:b")
        assert (first.actor, first.subject, first.count, dict(first.detail)) == (
            "ann",
            "default",
            count,
            {"to_queue": "other"},
        )
        assert second.count == 3
    async with instance.open(queues=["other"]) as there:
        ready = at(after, "other")["r"]
        assert await there.run_until_idle() == ready
        assert await there.retry_dead_tasks(tenant="a:b", max_attempts=1) == 3
        assert await there.run_until_idle() == 3
        await healthy(there)
        assert await there.cancel_tenant("a:b") == totals.remaining - ready if totals else 0
        await healthy(there)


@pytest.mark.parametrize("keys", [KEYS, {"signing_key": "s" * 16}, {"encryption_key": "e" * 32}])
async def test_seals_are_made_anew(instance: Instance, keys: dict[str, Any]) -> None:
    async with instance.open(queues=["other", "after"], **keys) as proc:
        await proc.upsert_schedule(Schedule(id="s", tenant="acme", cron="0 0 1 1 *"), handlers.mark, "scheduled")
        await proc.trigger_schedule("s", "acme")

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, "batch")
            batch.enqueue(handlers.swallow, "x" * 20_000)
            batch.options(keep="all").enqueue(handlers.mark, "kept")
            batch.options(delay=0.001).enqueue(handlers.mark, "delayed")
            batch.options(queue="default").continue_with(handlers.mark, "continuation")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.enqueue_task("default", "acme", handlers.mark, "single")
        async with instance.open(queues=["bad"], max_attempts=1, **keys) as bad:
            await bad.enqueue_task("bad", "acme", handlers.swallow, "dead", 1)
            await bad.run_until_idle()
        assert await proc.move_tasks("acme", "default", "other") == 6
        assert await proc.move_tasks("acme", "bad", "other") == 1
        assert await proc.retry_dead_tasks(tenant="acme") == 1
        assert await proc.run_until_idle(raise_errors=True) == 7
        assert sorted(r["tag"] for r in instance.recorded("ran")) == ["batch", "delayed", "kept", "scheduled", "single"]
        assert counters(await proc.get_batch(batch_id)) == (4, 4, 0, 0, 0)
        assert await proc.move_tasks("acme", "default", "other") == 1
        assert await proc.run_until_idle(raise_errors=True) == 1
        assert len(instance.recorded("ran", tag="continuation")) == 1
        await healthy(proc)


@pytest.mark.parametrize("mode", MODES)
async def test_what_cannot_be_opened_stays_and_is_told(instance: Instance, mode: Any) -> None:
    async with instance.open(queues=["other"], signing_key="s" * 16) as proc, instance.open() as forger:
        await proc.set_queue_mode("default", mode)
        ids: dict[str, str] = {}

        def build(batch: Batch) -> None:
            for n in range(300):
                ids[str(n)] = batch.enqueue(handlers.mark, n)

        def forge(batch: Batch) -> None:
            for n in range(150):
                ids[f"forged {n}"] = batch.options(delay=None if n else 60).enqueue(handlers.noop, n)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await forger.append_batch("default", "acme", batch_id, forge)
        await proc.append_batch("default", "acme", batch_id, build)
        moved = await proc.move_tasks("acme", "default", "other")
        assert moved == 600
        assert sorted(moved.stayed) == sorted(id for name, id in ids.items() if name.startswith("forged"))
        assert places(instance, "acme") == {("r", "default"): 149, ("d", "default"): 1, ("r", "other"): 600}
        await healthy(proc)
        assert await forger.move_tasks("acme", "other", "third") == 0
        assert await proc.run_until_idle() == 600
        assert [r["tag"] for r in instance.recorded("ran")] == [*range(300), *range(300)]


async def test_order_is_kept(instance: Instance) -> None:
    async with instance.open(queues=["other"], max_workers=1) as proc:
        await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.mark, n) for n in range(250)])
        assert await proc.move_tasks("acme", "default", "other") == 250
        await proc.run_until_idle()
        assert [r["tag"] for r in instance.recorded("ran")] == list(range(250))


@pytest.mark.parametrize("mode", MODES)
async def test_tasks_move_while_workers_take_them(instance: Instance, mode: Any) -> None:
    async with instance.worker(queues=["other", "default"], max_workers=5) as proc:
        await proc.set_queue_mode("default", mode)
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.mark, n) for n in range(4_000)])
        moved = await proc.tenant("acme").move_tasks("default", "other")
        assert counters(await proc.wait_batch(batch_id, 30)) == (4_000, 4_000, 0, 0, 0)
        assert Counter(r["tag"] for r in instance.recorded("ran")) == Counter(range(4_000))
        assert 0 <= moved <= 4_000
        await healthy(proc)


async def test_limits_hold_in_the_other_queue(instance: Instance) -> None:
    async with instance.worker(queues=["default", "other"], max_workers=5) as proc:
        build = lambda b: [b.enqueue(limited.one, 0.01, n) for n in range(6)]  # noqa: E731
        batch_id = await proc.enqueue_batch("nobody", "acme", build)
        assert await proc.move_tasks("acme", "nobody", "other") == 6
        assert counters(await proc.wait_batch(batch_id, 10)) == (6, 6, 0, 0, 0)
        await healthy(proc)


async def test_records_and_schedules_know_the_new_queue(instance: Instance) -> None:
    async with instance.open(deadletter_schedules=True, max_attempts=1) as proc:
        await proc.upsert_schedule(Schedule(id="s", tenant="acme", cron="0 0 1 1 *", unique=True), handlers.fail)
        await proc.trigger_schedule("s", "acme")
        await proc.run_until_idle()
        assert await proc.move_tasks("acme", "default", "other") == 1
        assert await proc.trigger_schedule("s", "acme") is False
        kept = await proc.options(keep="all").enqueue_task("default", "acme", handlers.noop)
        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        ids: list[str] = []
        await proc.append_batch(
            "default",
            "acme",
            batch_id,
            lambda b: [ids.append(b.options(keep="all").enqueue(handlers.noop)) for _ in range(1_001)],
        )
        assert await proc.move_tasks("acme", "default", "other") == 1_003
        for id in (kept, ids[0], ids[-1]):
            info = await proc.get_task(id)
            assert info is not None
            assert (info.state, info.queue) == (TaskState.READY, "other")


async def test_moves_that_make_no_sense(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)
        for args in (("acme", "default", "default"), ("acme", "a b", "c"), ("acme", "default", ""), ("", "default", "c")):
            with pytest.raises(InvalidValue):
                await proc.move_tasks(*args)
        assert await proc.move_tasks("nobody", "default", "c") == 0
        wide = [f"q{n}" for n in range(64)]
        await proc.enqueue_batch("q0", "acme", lambda b: [b.options(queue=q).enqueue(handlers.noop) for q in wide])
        with pytest.raises(InvalidValue, match="64 queues"):
            await proc.move_tasks("acme", "q0", "c")
        assert await proc.move_tasks("acme", "q0", "q1") == 1


# the script


def move(direct: Direct, batch: str, bodies: list[bytes], kind: str = "r", *, last: int = 99, tenant: str = "acme") -> Any:
    """Move tasks that have these bodies from q to other."""
    parts = [part for each in bodies for part in (hashlib.sha1(each).hexdigest(), "", "")]
    ids = to_json([each[:10].decode() for each in bodies])
    return ("tasks_move", direct.number(), tenant, batch, kind, "q", "other", ids, last, "", *parts)


def test_only_what_is_as_it_was_read_moves(direct: Direct) -> None:
    batch = direct.create(4)
    direct.claim(1)
    known = [body(0), body(1), body(2, b"other"), body(3)]
    call = move(direct, batch, known)
    assert direct.call(*call) == [b"ok", 2, 0]
    with direct.unchanged():
        assert direct.call(*call) == [b"ok", 2, 0]
        assert direct.call(*move(direct, batch, known, tenant="other")) == [b"unknown"]
    assert direct.counts() == (1, 1, 0, 0)
    assert direct.counts("other") == (2, 0, 0, 0)
    assert [direct.claim(1, queues=[q])[0][22:32] for q in ("q", "other", "other")] == [
        "0000000002",
        "0000000001",
        "0000000003",
    ]


@pytest.mark.parametrize("kind", ["d", "x"])
def test_delayed_and_dead_ones_keep_their_times(direct: Direct, kind: str) -> None:
    batch = direct.create(2, delay=5_000 if kind == "d" else 0)
    if kind == "x":
        direct.kill(2)
    stored = direct.client.hget(direct.key("b", batch, "w"), "0000000000")
    assert stored is not None
    before = direct.client.zrange(direct.key("b", batch, kind, "q"), 0, -1, withscores=True)
    assert direct.call(*move(direct, batch, [stored[2:], body(1, b"changed")], kind)) == [b"ok", 1, 0]
    assert direct.client.zrange(direct.key("b", batch, kind, "other"), 0, -1, withscores=True) == before[:1]
    assert direct.client.zrange(direct.key("b", batch, kind, "q"), 0, -1, withscores=True) == before[1:]
    assert direct.counts("other")[2:] == ((1, 0) if kind == "d" else (0, 1))
    assert direct.counts()[2:] == ((1, 0) if kind == "d" else (0, 1))
    index = ["delayed"] if kind == "d" else ["dead", "other"]
    member = f"{batch}:other" if kind == "d" else batch
    assert direct.client.zscore(direct.key(*index), member) == before[0][1]
    direct.wait(10_000)
    assert direct.promote() == (2 if kind == "d" else 0)


def test_a_cancelled_batch_moves_nothing(direct: Direct) -> None:
    batch = direct.create(2)
    direct.once("batch_cancel", batch, "")
    with direct.unchanged():
        assert direct.call(*move(direct, batch, [body(0)])) == [b"unknown"]


def test_a_full_redis_lets_tasks_move(direct: Direct) -> None:
    batch = direct.create(2)
    with direct.full():
        assert direct.call(*move(direct, batch, [body(0), body(1)])) == [b"ok", 2, 1]
    assert direct.counts("other")[0] == 2


def test_counters_that_are_no_numbers_stop_a_move_before_it_takes_anything(direct: Direct, cleared: None) -> None:
    batch = direct.create(2)
    for parts, field in ((("q", "other"), "pushed"), (("tq", "other", "acme"), "pushed"), (("q", "q"), "dead")):
        direct.client.hset(direct.key(*parts), field, "x")
        call = move(direct, batch, [body(0)])
        with direct.unchanged(), pytest.raises(Exception, match="no whole number"):
            direct.call(*call)
        direct.client.hdel(direct.key(*parts), field)
