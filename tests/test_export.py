"""A tenant's export: all that is kept of it, a JSON object a line, and nothing of others."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from taskproc import InvalidValue, TaskProcessor
from tests import handlers
from tests.building import noops
from tests.direct import Direct
from tests.harness import Instance
from tests.tenancy import ODD, bury, fill, places


async def exported(proc: TaskProcessor, tenant: str) -> list[dict[str, Any]]:
    """The objects of an export."""
    return [json.loads(line) async for line in proc.export_tenant(tenant)]


def of(found: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    """Those of one type."""
    return [one for one in found if one["type"] == type_]


@pytest.mark.parametrize("tenant", ODD[:3])
async def test_all_of_a_tenant_is_exported_once(instance: Instance, tenant: str) -> None:
    async with instance.open() as proc:
        ids = {name: await fill(proc, name) for name in ODD[:3]}
        await bury(instance)
        kept = await proc.options(keep="all", queue="now").enqueue_task("now", tenant, handlers.raw_echo, b"")
        async with instance.open(queues=["now"]) as worker:
            await worker.run_until_idle()
        found = await exported(proc, tenant)
        assert found[-1] == {"type": "end", "counts": dict(Counter(one["type"] for one in found[:-1]))}
        info = await proc.get_tenant(tenant)
        assert info is not None
        assert {name: found[0][name] for name in ("type", "tenant", "total", "remaining", "failed")} == {
            "type": "tenant", "tenant": tenant, "total": info.total, "remaining": info.remaining, "failed": info.failed
        }  # fmt: skip
        assert {one["id"]: one["label"] for one in of(found, "batch")} == {
            ids[tenant]["mixed"]: "mixed", ids[tenant]["done"]: "done", ids[tenant]["large"]: ""
        }  # fmt: skip
        assert sum(one["done"] + one["failed"] for one in of(found, "history") if one["queue"] == "now") == 1
        [schedule] = of(found, "schedule")
        assert (schedule["id"], schedule["cron"], schedule["tenant"]) == ("s", "0 0 1 1 *", tenant)

        tasks = of(found, "task")
        waiting = [
            one for one in tasks if one["state"] in ("ready", "delayed") or (one["state"] == "failed" and not one["kept"])
        ]
        assert len({one["id"] for one in waiting}) == len(waiting)
        kinds = {"ready": "r", "delayed": "d", "failed": "x"}
        assert Counter((kinds[one["state"]], one["queue"]) for one in waiting) == places(instance, tenant)
        [done] = [one for one in tasks if one["id"] == kept]
        assert done["state"] in ("done", "failed")
        assert done["kept"] is True
        dead = [one for one in waiting if one["state"] == "failed"]
        assert all(one["errors"][0]["type"] == "ValueError" and one["ended_at"] for one in dead)
        larges = [one["call"][1][0] for one in tasks if one["name"].endswith("swallow") and len(one["call"][1][0]) > 100]
        assert len(larges) == 5
        singles = [one for one in tasks if one["batch_id"] is None]
        assert len(singles) == 8


async def test_results_and_running_tasks_are_exported(instance: Instance) -> None:
    async with instance.worker(max_workers=2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.options(keep="all").enqueue(handlers.noop))
        await proc.wait_batch(batch_id, 10)
        running = await proc.enqueue_task("default", "acme", handlers.nap, 30)
        await proc.enqueue_task("default", "other", handlers.nap, 30)
        await instance.wait_records(2, "start")
        tasks = of(await exported(proc, "acme"), "task")
        assert [(one["state"], one.get("result"), one["id"] == running) for one in tasks] == [
            ("done", None, False), ("running", None, True)
        ]  # fmt: skip
        assert tasks[1]["call"] == ["tests.handlers.nap", [30]]
        for tenant in ("acme", "other"):
            await proc.cancel_tenant(tenant)


async def test_raw_and_sealed_payloads_are_exported(instance: Instance) -> None:
    async with instance.open(encryption_key="e" * 32) as proc, instance.open() as blind:
        await proc.enqueue_raw("default", "acme", "raw", b"\xff\x00")
        await proc.enqueue_task("default", "acme", handlers.noop, 7)
        calls = [(one.get("call"), one.get("data")) for one in of(await exported(proc, "acme"), "task")]
        assert calls == [(["tests.handlers.noop", [7]], None), (None, "/wA=")]
        hidden = of(await exported(blind, "acme"), "task")
        assert all("call" not in one and len(one["data"]) > 40 for one in hidden)


async def test_what_waits_is_there_while_work_goes_on(instance: Instance) -> None:
    async with instance.worker(max_workers=2, queues=["default"]) as proc:
        parked = await proc.enqueue_batch("parked", "acme", noops(500))
        await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.nap, 0.001) for _ in range(2_000)])
        lines = proc.export_tenant("acme")
        found = []
        async for line in lines:
            found.append(json.loads(line))
            if len(found) % 100 == 0:
                await proc.enqueue_task("parked", "acme", handlers.noop)
        mine = [one["id"] for one in of(found, "task") if one["batch_id"] == parked]
        assert (len(mine), len(set(mine))) == (500, 500)
        await proc.cancel_tenant("acme")


async def test_an_export_of_nobody(instance: Instance) -> None:
    async with instance.open() as proc:
        assert await exported(proc, "nobody") == [
            {"type": "tenant", "tenant": "nobody"}, {"type": "end", "counts": {"tenant": 1}}
        ]  # fmt: skip
        with pytest.raises(InvalidValue):
            proc.export_tenant("")


def test_readers_tell_nothing_of_others(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.hset(
        direct.key("b", batch, "rec"), mapping={"0" * 10: "q\n" + "0" * 10 + ".", "0" * 10 + "o": "done 1 0 0\n"}
    )
    assert len(direct.call("records_read", "acme", batch, "0")) == 6
    assert direct.call("records_read", "other", batch, "0") == []
    direct.client.zadd(direct.key("tb", "other"), {batch: 1})
    assert direct.call("tenant_lists", "other", "", "", "")[2:] == []
    assert direct.call("tenant_lists", "acme", "", "", "")[2:] == [[batch.encode(), b"r", b"q", 1]]
    assert direct.call("tenant_lists", "acme", "", "", str(direct.now * 1000 - 1))[2:] == []
    direct.client.delete(direct.key("tb", "other"), direct.key("b", batch, "rec"))


async def test_rules_are_told_by_the_names_of_the_arguments(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_tier("gold", weight=3)
        await proc.set_tenant_limits("acme", tier="gold", max_running=None, rate_limit="5/s", max_waiting=0)
        await proc.set_tenant_limits("acme", queue="mail", rate_limit=None)
        await proc.pause_tenant("acme")
        [rules] = of(await exported(proc, "acme"), "rules")
        assert rules["rules"] == {
            "tier": "gold", "max_running": None, "rate_limit": "5/s", "max_waiting": 0, "state": "paused",
            "queues": {"mail": {"rate_limit": None}},
        }  # fmt: skip
