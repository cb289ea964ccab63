"""Purging a tenant: nothing of it is left, which the report proves; nothing of others is touched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskproc import InvalidValue, NotReady, PurgeReport, TaskProcessor
from taskproc.store.belongings import Walk
from taskproc.store.scripts import Scripts
from tests import handlers, limited
from tests.building import naps, noops
from tests.direct import Direct
from tests.harness import MODES, Instance
from tests.servers import KINDS, running
from tests.tenancy import ODD, bury, fill, healthy, places


async def content(instance: Instance, proc: TaskProcessor, tenant: str) -> Any:
    """What can be seen of a tenant."""
    batches = await proc.get_batches(tenant)
    return places(instance, tenant), await proc.get_tenant(tenant), batches, await proc.get_schedules(tenant)


def traces(instance: Instance, *texts: str) -> list[str]:
    """All keys that have one of some texts in their names or in their values, but the journal and replay records."""
    found = []
    for name in instance.client.scan_iter(f"{{{instance.name}}}:*", count=1000):
        plain = name.split(b"}:", 1)[1]
        if plain.split(b":")[0] in (b"journal", b"p", b"w", b"worker"):
            continue
        kind = instance.client.type(name).decode()
        value: Any = {
            "hash": instance.client.hgetall, "set": instance.client.smembers, "string": instance.client.get,
            "list": lambda n: instance.client.lrange(n, 0, -1), "zset": lambda n: instance.client.zrange(n, 0, -1),
        }[kind](name)  # fmt: skip
        if any(text.encode() in plain or text in repr(value) for text in texts):
            found.append(plain.decode("utf-8", "replace"))
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tenant", ["acme corp", *ODD[1:4]])
async def test_nothing_of_a_tenant_is_left_and_others_are_as_they_were(
    instance: Instance, mode: Any, tenant: str
) -> None:  # fmt: skip
    others = [name for name in ["acme", "acme corp x", *ODD[:3]] if name != tenant]
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        await proc.set_schedule_limit(tenant, 5)
        ids = {name: await fill(proc, name) for name in [tenant, *others]}
        await bury(instance)
        home = instance.client.hget(f"{{{instance.name}}}:t:{tenant}", "hidden")
        assert home is not None
        before = {name: await content(instance, proc, name) for name in others}
        locks = instance.client.hlen(f"{{{instance.name}}}:uniq")
        remaining = before[others[0]][1].remaining
        report = await proc.purge_tenant(tenant, actor="ann")
        assert report == PurgeReport(
            tenant, remaining, 3, 1, report.keys, report.fields, report.looked, ()
        )  # fmt: skip
        assert report.is_gone
        assert report.keys > 20
        assert report.fields > 5
        assert report.looked > 100
        assert traces(instance, *ids[tenant].values(), home.decode()) == []
        if tenant == "acme corp":
            assert {name.split(":")[-1] for name in traces(instance, tenant)} <= {"acme corp x", "tenants"} | {
                name.split(":")[-1] for name in traces(instance, "acme corp x")
            }
        assert await content(instance, proc, tenant) == ({}, None, [], [])
        for name in others:
            assert await content(instance, proc, name) == before[name]
        assert instance.client.hlen(f"{{{instance.name}}}:uniq") == locks // (len(others) + 1) * len(others)
        await healthy(proc)
        [end, begin, _] = await proc.get_journal(tenant)
        assert (begin.actor, end.actor, end.what, end.count) == ("ann", "ann", "purge_tenant", remaining)
        assert end.detail == {"cancelled": remaining, "batches": 3, "schedules": 1, "keys": report.keys, "left": 0}

        again = await proc.purge_tenant(tenant)
        assert (again.is_gone, again.keys, again.fields, again.cancelled) == (True, 0, 0, 0)
        batch_id = await proc.enqueue_batch("default", tenant, noops(2), idempotency_key="k")
        assert batch_id != ids[tenant]["mixed"]
        await proc.run_until_idle()
        info = await proc.get_tenant(tenant)
        assert info is not None
        assert (info.total, info.done) == (2, 2)
        await healthy(proc)


async def test_what_runs_is_waited_for(instance: Instance) -> None:
    async with instance.worker(max_workers=4) as proc:
        await proc.enqueue_batch("default", "acme", naps(2))
        await proc.enqueue_task("default", "acme", limited.of_tenant, 30)
        await proc.enqueue_task("default", "other", handlers.nap, 30)
        await instance.wait_records(3, "start")
        report = await proc.purge_tenant("acme", timeout=20)
        assert (report.cancelled, report.left) == (3, ())
        assert traces(instance, "acme") == []
        assert (await proc.get_queue("default")).running == 1
        assert await proc.cancel_tenant("other") == 1


async def test_what_does_not_end_in_time_is_told_and_the_next_purge_goes_on(instance: Instance) -> None:
    worker = instance.process(invisibility=2)
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", naps(1))
        await instance.wait_records(1, "start")
        worker.signal(19)  # SIGSTOP
        with pytest.raises(NotReady, match="still wait or run"):
            await proc.purge_tenant("acme", timeout=0.1)
        assert (await proc.get_tenant("acme")) is not None
        worker.kill()
        async with instance.worker():
            assert (await proc.purge_tenant("acme", timeout=20)).is_gone
        assert traces(instance, "acme") == []


async def test_work_that_comes_meanwhile_is_refused_or_goes_too(instance: Instance) -> None:
    async with instance.worker(max_workers=2) as proc:
        stop = False

        async def produce() -> None:
            while not stop:
                try:
                    await proc.enqueue_batch("default", "acme", noops(3))
                    await proc.enqueue_task("default", "acme", handlers.noop)
                except RuntimeError:
                    await asyncio.sleep(0.01)

        await proc.enqueue_batch("default", "acme", noops(50))
        producing = asyncio.create_task(produce())
        await asyncio.sleep(0.05)
        purging = asyncio.create_task(proc.purge_tenant("acme", timeout=20))
        await asyncio.sleep(0.2)
        stop = True
        await producing
        await purging
        assert (await proc.purge_tenant("acme", timeout=20)).is_gone
        assert traces(instance, "acme") == []
        await healthy(proc)


class Cut(Exception):
    """The process has ended."""


def cut_after(proc: TaskProcessor, steps: int) -> None:
    """Let the purge of a processor end after so many of its steps."""
    real, left = proc._store.purging._scripts, [steps]

    class Cutting:
        def __getattr__(self, name: str) -> Any:
            def call(*args: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise Cut
                return getattr(real, name)(*args)

            return call

    made: Any = Cutting()
    proc._store.purging._scripts = proc._store.control._scripts = made


@pytest.mark.parametrize("first", [0, 8, 16, 24])
async def test_a_purge_that_was_cut_anywhere_is_ended_by_the_next(instance: Instance, first: int) -> None:
    for steps in range(first, first + 8):
        async with instance.open() as proc, instance.open() as other:
            await proc.set_queue_mode("default", "fifo")
            ids = [*(await fill(proc, "acme")).values()]
            neighbour = await proc.enqueue_task("default", "neighbour", handlers.noop)
            cut_after(proc, steps)
            try:
                await proc.purge_tenant("acme")
                assert steps > 20
            except Cut:
                await healthy(other)
                assert (await other.purge_tenant("acme")).is_gone
            assert traces(instance, "acme", *ids) == []
            info = await other.get_task(neighbour)
            assert info is not None
            assert info.state == "ready"
            await healthy(other)
            assert await other.cancel_task(neighbour)


async def test_the_proof_finds_what_is_left(instance: Instance) -> None:
    """Whatever stands in any key of the tenant's, or names one of its batches, is told."""
    prefix, batch = f"{{{instance.name}}}:", "b" * 22
    put = instance.client
    async with instance.open() as proc:
        scripts: Scripts = proc._store._scripts
        made: dict[str, Any] = {
            "t:acme": lambda n: put.hset(n, "x", 1), "tqs:acme": lambda n: put.sadd(n, "q"),
            "tq:q:acme": lambda n: put.hset(n, "x", 1), "lane:q:acme": lambda n: put.rpush(n, "x"),
            "tb:acme": lambda n: put.zadd(n, {"x": 1}), "ts:acme": lambda n: put.zadd(n, {"x": 1}),
            f"b:{batch}": lambda n: put.hset(n, "tenant", "acme"), f"b:{batch}+x:r:q": lambda n: put.rpush(n, "x"),
            "s:x": lambda n: put.hset(n, "tenant", "acme"), "idem:x": lambda n: put.set(n, batch),
            "ring:q acme": lambda n: put.zadd(n, {"acme": 1}), "tenants acme": lambda n: put.zadd(n, {"acme": 1}),
            "idle acme": lambda n: put.zadd(n, {"acme": 1}), "slimits tacme": lambda n: put.hset(n, "tacme", 1),
            "rules t:acme": lambda n: put.hset(n, "t:acme", "{}"), f"run {batch}x": lambda n: put.hset(n, f"{batch}x", "q"),
            f"leases {batch}x": lambda n: put.zadd(n, {f"{batch}x": 1}), f"cx {batch}x": lambda n: put.zadd(n,
            {f"{batch}x": 1}), f"settled {batch}:q": lambda n: put.zadd(n, {f"{batch}:q": 1}),
            f"staging {batch}+y": lambda n: put.zadd(n, {f"{batch}+y": 1}),
            f"unlock {batch}": lambda n: put.zadd(n, {batch: 1}), f"delayed {batch}:q": lambda n: put.zadd(n,
            {f"{batch}:q": 1}), f"dead:q {batch}": lambda n: put.zadd(n, {batch: 1}), f"park:l:q {batch}!l": lambda n:
            put.zadd(n, {f"{batch}!l": 1}), f"lim:l {batch}x": lambda n: put.sadd(n, f"{batch}x"), "uniq digest": lambda
            n: put.hset(n, "digest", batch + "x"), f"fifo:q {batch}:1": lambda n: put.rpush(n, f"{batch}:1"),
        }  # fmt: skip
        for name, store in made.items():
            store(prefix + name.partition(" ")[0])
        neighbours = {
            "t:acme2": lambda n: put.hset(n, "x", 1), "t:x:acme": lambda n: put.hset(n, "x", 1),
            "tq:q:x:acme": lambda n: put.hset(n, "x", 1), "tb:q:acme": lambda n: put.zadd(n, {"x": 1}),
            f"b:{'c' * 22}": lambda n: put.hset(n, "tenant", "acme2"), "tenants": lambda n: put.zadd(n, {"acme2": 1}),
            "slimits": lambda n: put.hset(n, "acme", 1), "run": lambda n: put.hset(n, "c" * 32, "q"),
        }  # fmt: skip
        for name, store in neighbours.items():
            store(prefix + name)
        walk = Walk(proc._store.wire, prefix, scripts, 5, "acme", {batch.encode()})
        found = await walk.run()
        assert sorted(found.told) == sorted(made)
        assert (found.keys, found.fields) == (10, len(made) - 10)
        instance.client.hset(f"{prefix}b:{batch}", "tenant", "acme2")
        assert len((await Walk(proc._store.wire, prefix, scripts, 5, "acme", set()).run()).told) < len(made) - 10
        instance.client.delete(*(prefix + name.partition(" ")[0] for name in [*made, *neighbours]))


async def test_keys_that_nobody_knows_stop_no_purge(instance: Instance) -> None:
    strange = [
        instance.key(*name.split(":")) for name in ("run:old", "stats:copy", "uniq:a:b", "park", "ring:a:b:c", "b", "x")
    ]
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", noops(3))
        for name in strange:
            instance.client.set(name, "a copy")
        assert (await proc.purge_tenant("acme")).is_gone
        assert instance.client.delete(*strange) == len(strange)


async def test_arguments_of_a_purge(instance: Instance) -> None:
    async with instance.open() as proc:
        for call in (
            lambda: proc.purge_tenant(""),
            lambda: proc.purge_tenant("acme", timeout=-1),
            lambda: proc.purge_tenant("acme", actor=7),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidValue):
                await call()
        assert await proc.get_journal() == []
        report = await proc.purge_tenant("nobody")
        assert (report.keys, report.left) == (0, ())


def test_schedules_that_are_gone_end_no_purge_late(direct: Direct) -> None:
    member = "id\0" + "s" * 22
    direct.client.zadd(direct.key("ts", "acme"), {member: 0, "broken": 0})
    assert direct.once("purge_schedules", "acme") == [b"ok", 2, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_sums_that_another_purge_has_deleted_end_no_purge_and_no_pruning(kind: str) -> None:
    """Redis takes no -0 for a number, other than Valkey."""
    with running(kind) as server:
        direct = Direct(server, "sums")
        direct.client.hset(direct.key("sum", "m", "60"), "default\0acme", 1)
        direct.client.zadd(direct.key("periods", "m"), {"60": 60})
        direct.client.hset(direct.key("sums"), "entries", 1)
        for there in (1, 0):
            assert direct.once("purge_loose", "acme", "sum", "m:60\ndefault\0acme") == [b"ok", there]
        assert direct.call("stats_prune", 0, 0, 0, 100) == [b"ok", 1]
        assert direct.close() == []
