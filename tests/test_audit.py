"""`taskproc audit`: every kind of damage is told and mended, and a healthy instance has none."""

from __future__ import annotations

import re
from typing import Any

import pytest

from taskproc import AuditReport, Batch, BatchState
from taskproc.keys import SCHEMA
from taskproc.store.differences import KINDS, difference
from taskproc.store.scripts import to_json
from tests import handlers
from tests.building import noops
from tests.commands import of, quick
from tests.damage import DAMAGES, HOLDER, TOTAL, Damage, Scene
from tests.damaging import broken
from tests.harness import FAR, Instance, counters
from tests.proxy import Cut, Proxy
from tests.store_machine import READ
from tests.watching import fired, state_of


def dump(instance: Instance) -> Any:
    """All that is stored, but for what is remembered of calls."""
    names = sorted(name for name in instance.client.keys(f"{{{instance.name}}}:*") if b":p:" not in name)
    found = zip(names, instance.client.eval(READ, len(names), *names), strict=True)
    return [(name, sorted(value) if kind in (b"set", b"hash") else value) for name, (kind, value) in found]


def told(report: AuditReport, kind: str, words: str = "") -> bool:
    """Whether a report tells of a kind of difference in some words."""
    return any(one.kind == kind and words in one.found for one in report.differences)


def kinds(report: AuditReport) -> set[str]:
    """What kinds of differences a report tells of."""
    return {one.kind for one in report.differences}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: f"{d.kind}-{d.mode}-{d.told[:20]}")
async def test_damage_is_told_and_mended(instance: Instance, damage: Damage) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill(damage.mode)
        assert (await proc.audit()).differences == ()
        damage.do(scene)
        before = dump(instance)
        report = await proc.audit()
        assert dump(instance) == before
        assert told(report, damage.kind, damage.told), report.differences
        assert report.wrong == report.differences
        repaired = await proc.audit(repair=True)
        one = next(one for one in repaired.differences if one.kind == damage.kind)
        assert (one.repairable, one.repaired) == (damage.repairable, damage.repairable)
        assert one.cure
        again = await proc.audit()
        assert kinds(again) == (set() if damage.repairable else {damage.kind})
        assert again.unsure == ()
        await scene.drain()
        done = damage.total - damage.failed
        assert counters(await proc.get_batch(scene.a)) == (damage.total, done, damage.failed, 0, 0)
        queues = {queue.name: (queue.ready, queue.running, queue.delayed) for queue in await proc.get_queues()}
        assert queues == {"default": (0, 0, 0), "mail": (0, 0, 0)}
        assert kinds(await proc.audit()) <= (set() if damage.repairable else {damage.kind})
        assert len(fired(instance)) == (0 if damage.failed else damage.fires)


LIMITED = {"slot", "gone", "unheld", "forgotten"}
"""Kinds that ``test_limit_audit.py`` tries."""

SCHEDULED = {"unscheduled", "belated", "misplaced", "resting", "unover", "over", "unnamed_schedule", "unmade", "unread"}
"""Kinds that ``test_schedule_audit.py`` tries."""

OUTSIDE = {"outside", "unwoken", "set_aside"}
"""Kinds that ``test_tenant_audit.py`` tries."""


def test_every_kind_is_tried() -> None:
    elsewhere = {"astray", "homeless", "nobodys", "unsettled"} | LIMITED | SCHEDULED | OUTSIDE
    assert {damage.kind for damage in DAMAGES} | elsewhere == set(KINDS)


@pytest.mark.parametrize(
    "place",
    [
        "b:A", "b:A:d:default", "b:A:w", "b:A:segs", "q:default", "tq:default:acme", "tqs:acme",
        "t:acme", "tb:acme", "lane:default:acme", "ring:default", "queues", "delayed", "settled", "tenants", "dead:default",
        "uniq", "lim:x", "park:x", "park:x:default", "out:acme",
    ],
)  # fmt: skip
async def test_a_key_of_a_wrong_type_hides_nothing_else(instance: Instance, place: str) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        parts = place.replace("A", scene.a).split(":")
        scene.stage(None)
        with broken(instance, *parts):
            looked = await proc.audit()
            assert any("its keys in Redis can't be used" in one for one in looked.unsure), looked.unsure
            assert told(looked, "unstaged")
            repaired = await proc.audit(repair=True)
            assert [one.repaired for one in repaired.differences if one.kind == "unstaged"] == [True]
        await proc.audit(repair=True)
        assert (await proc.audit()).differences == ()


async def test_an_open_batch_beside_another_stays_as_it_is(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        scene.r.hdel(scene.k("t", "acme"), "hidden")
        other = await proc.enqueue_task("mail", "acme", handlers.noop)
        assert other[:22] != scene.home
        [one] = [one for one in (await proc.audit(repair=True)).differences if one.kind == "strayed"]
        assert (one.subject, one.repairable) == (scene.home, False)
        assert scene.r.hget(scene.k("t", "acme"), "hidden") == other[:22].encode()
        assert await proc.cancel_task(other)
        scene.r.hset(scene.k("t", "acme"), "hidden", scene.home)
        scene.r.delete(scene.record(other[:22]))


async def test_a_lease_of_a_task_that_is_not_noted_ends_with_its_worker(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        entry = scene.r.hget(scene.k("run"), scene.held)
        scene.r.hdel(scene.k("run"), scene.held)
        [one, *_] = (await proc.audit(repair=True)).differences
        assert (one.kind, one.repairable, one.subject) == ("astray", False, scene.held)
        assert "its worker may still settle it" in one.cure
        scene.r.hset(scene.k("run"), scene.held, entry)
        assert kinds(await proc.audit(repair=True)) <= {"running", "queue_running"}
        scene.r.hdel(scene.k("run"), scene.held)
        group = [scene.a, "default", 0, [scene.lease], []]
        scene.sweep.call("step", SCHEMA, HOLDER, 2, 600_000, 0, to_json(["default"]), to_json([group]), 1)
        await scene.drain()
        assert counters(await proc.get_batch(scene.a)) == (TOTAL, TOTAL, 0, 0, 0)
        assert kinds(await proc.audit(repair=True)) <= {"running", "queue_running"}
        assert (await proc.audit()).differences == ()


async def test_a_task_whose_lease_has_ended_and_that_is_nowhere_has_failed(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        scene.r.hdel(scene.k("run"), scene.held)
        scene.r.zadd(scene.k("leases"), {scene.lease: 0})
        report = await proc.audit(repair=True)
        assert told(report, "astray", "is leased to worker holder")
        assert told(report, "remaining", "counts 7 tasks as remaining, 6 are there")
        assert report.wrong == ()
        assert (await proc.audit()).differences == ()
        await scene.drain()
        assert counters(await proc.get_batch(scene.a)) == (TOTAL, TOTAL - 1, 1, 0, 0)
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.done, totals.failed, totals.remaining) == (TOTAL + 1, TOTAL, 1, 0)


@pytest.mark.parametrize("failed", [0, 1])
async def test_a_batch_that_forgot_to_settle_does(instance: Instance, failed: int) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.noop)
            batch.options(queue="mail", on="settled").continue_with(handlers.after, "end")

        scene = Scene(instance, proc)
        batch_id = await proc.enqueue_batch("default", "acme", build)
        scene.r.delete(scene.list("r", batch_id), scene.k("lane", "default", "acme"), scene.k("ring", "default"))
        for name, field in (("b", "remaining"), ("t", "remaining"), ("tq:default", "pushed"), ("q", "pushed")):
            place = {"b": batch_id, "q": "default"}.get(name, "acme")
            scene.r.hincrby(scene.k(*name.split(":"), place), field, -1)
        if failed:
            scene.r.hset(scene.record(batch_id), "failed", 1)
        explained = await proc.explain_batch(batch_id)
        assert explained is not None
        assert explained.reasons[0].startswith("Nothing of it remains, but it hasn't settled")
        report = await proc.audit()
        assert told(report, "unsettled", f"batch {batch_id} has nothing left, but hasn't settled")
        assert (await proc.audit(repair=True)).wrong == ()
        assert await state_of(proc, batch_id) is (BatchState.FAILED if failed else BatchState.DONE)
        assert (await proc.audit()).differences == ()
        await scene_drained(instance)
        assert len(fired(instance)) == 1


async def scene_drained(instance: Instance) -> None:
    """Run what is ready."""
    async with instance.open(queues=["default", "mail"]) as proc:
        await proc.run_until_idle()


async def test_a_lost_record_of_single_tasks_is_made_again(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        scene.r.delete(scene.record(scene.home))
        assert told(await proc.audit(), "homeless", f"tenant acme has lost the record of its single tasks, {scene.home}")
        report = await proc.audit(repair=True)
        assert kinds(report) >= {"homeless", "remaining"}
        assert report.wrong == ()
        assert (await proc.audit()).differences == ()
        await scene.drain()
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.total, totals.done, totals.remaining) == (TOTAL + 2, TOTAL + 2, 0)


async def test_tasks_of_a_batch_without_a_record_are_left_to_a_person(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = Scene(instance, proc)
        batch_id = await proc.enqueue_batch("default", "acme", noops(2))
        scene.r.delete(scene.record(batch_id))
        report = await proc.audit(repair=True)
        assert told(report, "nobodys", f"there are tasks in queue default of batch {batch_id}, which has no record")
        assert {one.kind for one in report.wrong} == {"nobodys"}
        scene.r.delete(scene.list("r", batch_id))
        assert (await proc.audit(repair=True)).wrong == ()
        assert (await proc.audit()).differences == ()
        assert (await proc.get_queue("default")).ready == 0


@pytest.mark.parametrize("mode", ["fair", "fifo"])
async def test_appended_segments_are_put_in_line_and_named_again(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        scene = Scene(instance, proc)

        def build(batch: Batch) -> None:
            for _ in range(1_200):
                batch.enqueue(handlers.noop)
            for _ in range(3):
                batch.options(delay=0.3).enqueue(handlers.noop)

        batch_id = await proc.enqueue_batch("default", "acme", noops(1))
        assert await proc.append_batch("default", "acme", batch_id, build)
        assert (await proc.audit()).differences == ()
        [seg] = {name.split(":")[2] for name in instance.names("+")}
        scene.r.delete(scene.k("b", batch_id, "segs"), scene.k("delayed"), scene.k("fifo", "default"))
        scene.r.lrem(scene.k("lane", "default", "acme"), 0, seg)
        scene.r.hset(scene.k("b", seg, "w"), "nobody", "default\n")
        assert kinds(await proc.audit()) >= {"unnamed", "unlined", "undue"}
        assert (await proc.audit(repair=True)).wrong == ()
        assert (await proc.audit()).differences == ()
        async with instance.worker():
            assert (await proc.wait_batch(batch_id, 20)).done == 1_204
        assert (await proc.audit()).differences == ()


@pytest.mark.parametrize(("mode", "lost"), [("fair", ["lane:default:acme", "ring:default"]), ("fair", ["ring:default"]),
                                            ("fifo", ["fifo:default"])])  # fmt: skip
async def test_what_is_put_in_line_again_runs_at_once(instance: Instance, mode: Any, lost: list[str]) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        scene = Scene(instance, proc)
        scene.r.delete(scene.k("wake", "default"), *(scene.k(*name.split(":")) for name in lost))
        async with instance.worker(**FAR):
            assert (await proc.audit()).running == 0
            assert (await proc.audit(repair=True)).wrong == ()
            assert (await proc.wait_batch(batch_id, 10)).done == 3


async def test_cancelled_tasks_in_a_list_are_counted_again(instance: Instance) -> None:
    async with instance.open() as proc:
        ids: list[str] = []
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda b: ids.extend(b.enqueue(handlers.noop) for _ in range(4))
        )
        assert await proc.cancel_task(ids[1])
        scene = Scene(instance, proc)
        for wrong in (3, 0):
            scene.r.hset(scene.record(batch_id), f"tombs:{batch_id}:default", wrong)
            assert told(
                await proc.audit(), "tombs", f"counts {wrong} cancelled tasks in its list of queue default, there is 1"
            )
            assert (await proc.audit(repair=True)).wrong == ()
            assert (await proc.audit()).differences == ()
        assert await proc.run_until_idle() == 3
        assert counters(await proc.get_batch(batch_id)) == (4, 3, 0, 1, 0)


async def test_several_counters_of_one_tenant_are_told_apart_from_lost_tasks(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = Scene(instance, proc)
        first, second = [await proc.enqueue_batch("default", "acme", noops(4)) for _ in range(2)]
        scene.r.hincrby(scene.record(first), "remaining", 1)
        scene.r.hincrby(scene.record(second), "remaining", 2)
        assert (await proc.audit(repair=True)).wrong == ()
        assert counters(await proc.get_batch(first)) == counters(await proc.get_batch(second)) == (4, 0, 0, 0, 4)
        scene.r.lpop(scene.list("r", first))
        assert (await proc.audit(repair=True)).wrong == ()
        assert counters(await proc.get_batch(first)) == (4, 0, 1, 0, 3)
        assert (await proc.audit()).differences == ()


async def test_a_repair_whose_answer_is_lost_is_done_once(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open(redis=proxy.url) as proc:
        scene = Scene(instance, proc)
        batch_id = await proc.enqueue_batch("default", "acme", noops(4))
        scene.r.lpop(scene.list("r", batch_id))
        proxy.cut("audit_batches", Cut.AFTER, skip=2, times=1)
        report = await proc.audit(repair=True)
        assert proxy.cuts == [("audit_batches", Cut.AFTER)]
        assert told(report, "remaining")
        [cure] = [one.cure for one in report.differences if one.kind == "remaining"]
        assert cure == "1 gone without a trace, counted as failed"
        assert counters(await proc.get_batch(batch_id)) == (4, 0, 1, 0, 3)


async def test_the_command(instance: Instance) -> None:
    async with instance.open() as proc:
        scene = await Scene(instance, proc).fill()
        good = await quick("audit", **of(instance))
        assert (good.code, good.out) == (0, "4 batches, 2 queues, 2 tenants, 1 running tasks: no difference\n")
        scene.r.delete(scene.k("ring", "default"))
        bad = await quick("audit", **of(instance))
        assert bad.code == 1
        assert "tenant acme has 3 ready tasks in queue default, but no place in line: nobody takes them" in bad.out
        assert "→ --repair: it is put in line" in bad.out
        found = await quick("audit", "--json", **of(instance))
        assert (found.code, found.json["differences"][0]["kind"], found.json["batches"]) == (1, "unringed", 4)
        mended = await quick("audit", "--repair", **of(instance))
        assert mended.code == 0
        assert "→ repaired: it is put in line" in mended.out
        assert (await quick("audit", **of(instance))).code == 0
        scene.r.hincrby(scene.record(scene.failed), "cancelled", 5)
        hopeless = await quick("audit", "--repair", **of(instance))
        assert (hopeless.code, "→ can't be repaired" in hopeless.out) == (1, True)
        scene.r.hincrby(scene.record(scene.failed), "cancelled", -5)
        wrong = await quick("audit", "--repair", "--batch", scene.a, **of(instance))
        assert wrong.code == 2
        await scene.drain()


async def test_a_tenant_that_has_delayed_tasks_alone(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.options(delay=60).enqueue_task("default", "acme", handlers.noop)
        await proc.options(delay=60).enqueue_task("default", "b:ö", handlers.noop)
        assert (await proc.audit()).differences == ()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_is_told_as_one_and_several_as_several(kind: str) -> None:
    names = [kind, "lost" if kind == "remaining" else "A", "lost" if kind == "remaining" else "B"]
    one, several = (difference([*names, n, n, 0]) for n in (1, 2_000))
    plural, singular = r"tasks|letters|continuations|tickets|tenants|batches|bodies|are|have|were|they", "task|letter|is"
    assert not re.search(rf"\b1 ([a-z]+ )*?({plural})\b|there are 1", f"{one.found}; {one.cure}")
    assert not re.search(rf"\b2,000 ([a-z]+ )?({singular})\b|there is 2", f"{several.found}; {several.cure}")
