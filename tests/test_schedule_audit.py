"""Audits of schedules: those that nobody would fire, that stand where they shouldn't, and entries for what is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from taskproc import Schedule
from taskproc.ids import schedule_key
from taskproc.store.scripts import to_json
from tests import ticking
from tests.auditing import kinds, look
from tests.direct import Direct
from tests.harness import Instance, until

pytestmark = pytest.mark.usefixtures("cleared")

HOUR = 3_600_000
BODY = b'+{"p":1}\n["tests.handlers.noop",[]]'
Damage = Callable[[Direct, str], object]


def put(direct: Direct, id: str = "nightly", *, tenant: str = "acme", at: int = HOUR, coded: str = "") -> str:
    """Store a schedule that is due so many ms from now, or with 0 never again; what it goes by."""
    spec = to_json({"id": id, "tenant": tenant}).decode()
    sid, fields = schedule_key(tenant, id), ["spec", spec, "handler", "h", "queue", "q", "unique", ""]
    due = str(direct.now + at) if at else ""
    answer = direct.once("schedule_put", sid, tenant, id, "{}", direct.now, due, coded, to_json(fields), BODY)
    assert answer == [b"ok"]
    return sid


def told(direct: Direct, *sids: str) -> list[bytes]:
    """What an audit of schedules finds; it changes nothing."""
    return kinds(look(direct, "audit_schedules", *sids))


def taken_off(index: str) -> Damage:
    return lambda direct, sid: direct.client.zrem(direct.key(index), sid)


def put_on(index: str, at: float = 1) -> Damage:
    return lambda direct, sid: direct.client.zadd(direct.key(index), {sid: at})


def paused(direct: Direct, sid: str) -> None:
    direct.client.hset(direct.key("s", sid), "paused", 1)


def unnamed(direct: Direct, sid: str) -> None:
    direct.client.zremrangebylex(direct.key("ts", "acme"), "[nightly", "(nightlz")


@pytest.mark.parametrize(
    ("kind", "damage", "given"),
    [
        ("unscheduled", taken_off("schedules"), {}),
        ("unscheduled", taken_off("coded"), {"coded": "c"}),
        ("belated", put_on("schedules", 1_700_000_000_000 + HOUR + 1), {}),
        ("belated", put_on("schedules", float("inf")), {}),
        ("misplaced", put_on("coded"), {}),
        ("misplaced", put_on("schedules"), {"coded": "c"}),
        ("resting", paused, {}),
        ("resting", put_on("schedules"), {"at": 0}),
        ("unover", taken_off("over"), {"at": 0}),
        ("over", put_on("over"), {}),
        ("over", put_on("over"), {"coded": "c", "at": 0}),
        ("unnamed_schedule", unnamed, {}),
    ],
)
def test_what_stands_in_the_wrong_place_is_put_right(
    direct: Direct, kind: str, damage: Damage, given: dict[str, int]
) -> None:
    sid, whole = put(direct, **given), put(direct, "another")  # type: ignore[arg-type]
    assert told(direct, sid, whole) == []
    before = indexes(direct, sid)
    damage(direct, sid)
    assert told(direct, sid, whole) == [kind.encode()]
    assert [entry[5] for entry in direct.once("audit_schedules", sid, whole)[1:]] == [1]
    assert told(direct, sid, whole) == []
    if damage is not paused:
        assert indexes(direct, sid) == before


def indexes(direct: Direct, sid: str) -> list[float | None]:
    """Where a schedule stands."""
    return [direct.client.zscore(direct.key(name), sid) for name in ("schedules", "coded", "over")]  # type: ignore[misc]


def test_one_that_was_put_off_for_a_minute_is_in_order(direct: Direct) -> None:
    sid = put(direct, at=-1)
    direct.client.zadd(direct.key("schedules"), {sid: direct.now + 60_000})
    assert told(direct, sid) == []
    direct.client.zadd(direct.key("schedules"), {sid: direct.now + 60_001})
    assert told(direct, sid) == [b"belated"]


def test_one_whose_next_occurrence_can_not_be_read_is_looked_at_at_once(direct: Direct) -> None:
    sid = put(direct)
    direct.client.hset(direct.key("s", sid), "next", "soon")
    direct.client.zrem(direct.key("schedules"), sid)
    direct.once("audit_schedules", sid)
    assert direct.client.zscore(direct.key("schedules"), sid) == direct.now


def test_what_nobody_can_mend_is_told_and_left(direct: Direct) -> None:
    lacking, broken, nameless, another = (put(direct, id) for id in ("lacking", "broken", "nameless", "another"))
    direct.client.hdel(direct.key("s", lacking), "body")
    direct.client.delete(direct.key("s", broken))
    direct.client.set(direct.key("s", broken), "x")
    direct.client.hdel(direct.key("s", nameless), "id")
    direct.client.hset(direct.key("s", another), "tenant", "beta")
    with direct.unchanged_but("p:"):
        found = direct.once("audit_schedules", lacking, broken, nameless, another, "x" * 22)[1:]
    assert [(entry[0], entry[1], entry[5]) for entry in found] == [
        (b"unmade", b"lacking", 2), *((b"unread", sid.encode(), 2) for sid in (broken, nameless, another)),
    ]  # fmt: skip


@pytest.mark.parametrize("index", ["schedules", "coded", "over"])
def test_entries_for_schedules_that_are_gone_are_dropped(direct: Direct, index: str) -> None:
    sid = put(direct, at=0 if index == "over" else HOUR, coded="c" if index == "coded" else "")
    asked = ("audit_index", index, "", 0, 0)
    assert look(direct, *asked) == []
    direct.client.delete(direct.key("s", sid))
    assert kinds(look(direct, *asked)) == [b"stale"]
    direct.once(*asked)
    assert direct.client.exists(direct.key(index)) == 0


def test_a_tenants_list_holds_its_own_schedules_alone(direct: Direct) -> None:
    mine, other, broken = put(direct), put(direct, tenant="beta"), put(direct, "broken")
    asked = ("audit_index", "ts", "acme", 0, 0)
    direct.client.delete(direct.key("s", broken))
    direct.client.set(direct.key("s", broken), "x")  # what can't be read keeps its place
    assert look(direct, *asked) == []
    direct.client.zadd(direct.key("ts", "acme"), {"nightly\0" + other: 0, "another\0" + mine: 0, "gone\0" + "x" * 22: 0})
    assert kinds(look(direct, *asked)) == [b"stale"] * 3
    direct.once(*asked)
    assert direct.client.zcard(direct.key("ts", "acme")) == 2


def test_one_that_fires_is_not_pruned_for_being_listed_so(direct: Direct) -> None:
    sid, over = put(direct), put(direct, "once", at=0)
    direct.client.zadd(direct.key("over"), {sid: 1})
    direct.wait(HOUR)
    direct.call("schedule_prune", 1, 100)
    assert (direct.client.exists(direct.key("s", sid)), direct.client.exists(direct.key("s", over))) == (1, 0)


async def test_keys_that_can_not_be_used_are_told_and_all_else_is_looked_at(instance: Instance) -> None:
    prefix = f"{{{instance.name}}}:"
    async with instance.open() as proc:
        for tenant in ("acme", "beta"):
            await proc.upsert_schedule(Schedule("nightly", tenant, every=3600), ticking.tick, "far")
        instance.client.zrem(prefix + "schedules", schedule_key("beta", "nightly"))
        instance.client.delete(prefix + "ts:acme")
        instance.client.set(prefix + "ts:acme", "x")
        report = await proc.audit(repair=True)
        assert [(one.kind, one.repaired) for one in report.differences] == [("unscheduled", True)]
        assert sorted(report.unsure) == [
            "index ts acme: its keys in Redis can't be used",
            f"schedule {schedule_key('acme', 'nightly')}: its keys in Redis can't be used",
        ]
        instance.client.delete(prefix + "ts:acme")
        assert [one.kind for one in (await proc.audit(repair=True)).differences] == ["unnamed_schedule"]
        assert await proc.count_schedules("acme") == 1


async def test_a_schedule_that_nobody_would_fire_does_after_a_repair(instance: Instance) -> None:
    prefix, long_ago = f"{{{instance.name}}}:", datetime(2020, 1, 1, tzinfo=UTC)
    async with instance.worker() as proc:
        for number in range(250):
            await proc.upsert_schedule(Schedule(f"{number}", "acme", every=3600), ticking.tick, "far")
        await proc.upsert_schedule(Schedule("paused", "acme", every=3600), ticking.tick, "far")
        await proc.pause_schedule("paused", "acme")
        assert (await proc.audit()).differences == ()
        await proc.pause()
        await proc.upsert_schedule(Schedule("lost", "acme", at=long_ago), ticking.tick, "lost")
        instance.client.zrem(prefix + "schedules", schedule_key("acme", "lost"))
        await proc.resume()
        instance.client.zadd(prefix + "schedules", {"x" * 22: 1e15})
        found = (await proc.audit()).differences
        assert [(one.kind, one.repairable) for one in found] == [("stale", True), ("unscheduled", True)]
        assert found[1].found == "schedule lost of tenant acme is in no index: it would never fire"
        assert all(one.repaired for one in (await proc.audit(repair=True)).differences)
        await instance.wait_records(1, "end", tag="lost")
        await until(lambda: not instance.client.hlen(prefix + "run"))
        assert (await proc.audit()).differences == ()
