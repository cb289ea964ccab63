"""Records that can't be counted in are looked at before anything is written or taken, and tasks of one id are told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from taskproc import BatchState
from taskproc.errors import ServerRefused
from taskproc.store.scripts import to_json
from tests import handlers
from tests.building import marks
from tests.damaging import broken, key
from tests.direct import LEASE, PAYLOAD, W1, Direct, body, group
from tests.harness import Instance, counters
from tests.watching import counts

Refused = redis.exceptions.ResponseError

# enqueueing

ENQUEUED: dict[str, Callable[[Direct, str], Any]] = {
    "a batch": lambda direct, _: direct.create(2),
    "a staged batch": lambda direct, _: direct.commit("staged" + "0" * 16, 2),
    "an append": lambda direct, batch: direct.append(batch, 2),
    "a staged append": lambda direct, batch: direct.commit(f"{batch}+0123456789", 2),
    "a single task": lambda direct, _: direct.single(9),
}


def wrong(direct: Direct, name: str, field: str) -> None:
    """A field of a record is no number; without a field it is all of a wrong type."""
    if field:
        direct.client.hset(direct.key(*name.split(" ")), field, "many")
    else:
        direct.client.delete(direct.key(*name.split(" ")))
        direct.client.rpush(direct.key(*name.split(" ")), "no hash")


TENANTS = [
    *((how, "") for how in ENQUEUED),
    *((how, "batches") for how in ("a batch", "a staged batch")),
    *((how, field) for how in ("an append", "a staged append") for field in ("total", "remaining")),
]


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize(("how", "field"), TENANTS)
def test_nothing_is_stored_for_a_tenant_that_can_not_be_counted(direct: Direct, how: str, field: str) -> None:
    batch = direct.create(1)
    for seg in ("staged" + "0" * 16, f"{batch}+0123456789"):
        direct.stage(seg, 2)
    wrong(direct, "t acme", field)
    with direct.unchanged(), pytest.raises(Refused):
        ENQUEUED[how](direct, batch)


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize("field", ["", "total", "remaining"])
@pytest.mark.parametrize("how", ["an append", "a staged append"])
def test_nothing_is_stored_in_a_batch_that_can_not_be_counted(direct: Direct, how: str, field: str) -> None:
    batch = direct.create(1)
    direct.stage(f"{batch}+0123456789", 2)
    wrong(direct, f"b {batch}", field)
    with direct.unchanged(), pytest.raises(Refused, match=f"{field} is no whole number" if field else "WRONGTYPE"):
        ENQUEUED[how](direct, batch)


async def test_a_tenant_whose_record_is_broken_keeps_what_it_has(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(2))
        before = instance.keys()
        with broken(instance, "t", "acme"):
            for call in (
                proc.enqueue_batch("default", "acme", marks(3)),
                proc.append_batch("default", "acme", batch_id, marks(3)),
                proc.enqueue_task("default", "acme", handlers.mark),
                proc.enqueue_batch("default", "acme", _many),
                proc.append_batch("default", "acme", batch_id, _many),
            ):
                with pytest.raises(ServerRefused):
                    await call
        assert instance.keys() == before
        assert await proc.run_until_idle() == 2
        assert counters(await proc.get_batch(batch_id)) == (2, 2, 0, 0, 0)


async def _many(batch: Any) -> None:
    await batch.enqueue_many(handlers.mark, ((n,) for n in range(1_500)))


# dead letters

RECORDS = [
    *(("b {batch}", field) for field in ("", "failed", "remaining")),
    *(("t acme", field) for field in ("", "failed", "remaining")),
    *(("q q", field) for field in ("", "dead", "pushed")),
    *(("tq q acme", field) for field in ("", "pushed", "claimed")),
]


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize(("record", "field"), RECORDS)
def test_no_letter_is_lost_where_its_records_can_not_be_counted(direct: Direct, record: str, field: str) -> None:
    sound, batch = direct.create(1, "other"), direct.create(1)
    [first], [task] = direct.kill(), direct.kill()
    wrong(direct, record.format(batch=batch), field)
    letters = to_json([[sound, "q", first[22:]], [batch, "q", task[22:]]])
    with direct.unchanged(), pytest.raises(Refused):
        direct.once("dead_retry", letters, 0)


@pytest.mark.usefixtures("cleared")
def test_no_letter_of_a_batch_of_nobody_is_retried(direct: Direct) -> None:
    batch = direct.create(1)
    [task] = direct.kill()
    direct.client.hdel(direct.key("b", batch), "tenant")
    with direct.unchanged(), pytest.raises(Refused, match=f"batch {batch}: its record names no tenant"):
        direct.once("dead_retry", to_json([[batch, "q", task[22:]]]), 0)


def test_several_letters_of_a_batch_are_retried_in_one_call(direct: Direct) -> None:
    batch = direct.create(2)
    tasks = direct.kill(2)
    assert direct.counters(batch)[0] == "failed"
    letters = to_json([[batch, "q", task[22:]] for task in [*tasks, tasks[0]]])
    assert direct.once("dead_retry", letters, 0) == [b"ok", 2]
    assert direct.counters(batch) == ("running", 2, 2, 0, 0)
    assert not direct.client.zscore(direct.key("settled"), batch)


async def test_a_dead_letter_outlives_its_batch_s_broken_record(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.fail, below=2))
        await proc.run_until_idle()
        record = key(instance, "b", batch_id)
        instance.client.hset(record, "failed", "many")
        with pytest.raises(ServerRefused, match=batch_id):
            await proc.retry_dead_tasks()
        assert len(await proc.get_dead_tasks()) == 1
        instance.client.hset(record, "failed", 1)
        assert await proc.retry_dead_tasks(max_attempts=5) == 1
        assert counters(await proc.get_batch(batch_id)) == (1, 0, 0, 0, 1)


# tasks of one id


@pytest.mark.parametrize("queues", [["q"], ["q", "p"]])
def test_tasks_of_one_id_are_told_apart(direct: Direct, queues: list[str]) -> None:
    batch = direct.create(4 // len(queues), queues=queues)
    ready = direct.key("b", batch, "r", queues[-1])
    direct.client.lset(ready, -1, body(0, b'["tests.handlers.twin",[]]'))
    claims = [f"{task}{W1}1" for task in direct_claims(direct, 4, queues)]
    assert len(set(claims)) == 4
    assert claims[0][22:32] == f"{0:010}"
    again = direct.step(4, worker=W1, seq=1, queues=queues)
    assert sorted(
        f"{b.decode()}{stored[:10].decode()}{W1}1" for _, _, b, _, bodies in again[7] for stored in bodies
    ) == sorted(claims)
    run = direct.client.hgetall(direct.key("run"))
    assert run[claims[0][:32].encode()].endswith(PAYLOAD)
    assert run[claims[3][:32].encode()].endswith(f'{claims[3][22:32]}?{0:010}.["tests.handlers.twin",[]]'.encode())
    ends = dict(direct.client.zrange(direct.key("leases"), 0, -1, withscores=True))
    assert set(ends.values()) == {direct.now + LEASE}
    groups = [
        group([claim], "retry" if claim == claims[3] else "", queue=queues[at >= 4 // len(queues)])
        for at, claim in enumerate(claims)
    ]
    assert direct.step(0, groups)[5] == []
    assert direct.counters(batch) == ("running", 4, 1, 0, 0)
    [task] = direct.kill(queues=[queues[-1]])
    assert task == claims[3][:32]
    assert direct.counters(batch) == ("failed", 4, 0, 1, 0)
    assert not direct.named("run")


def direct_claims(direct: Direct, want: int, queues: list[str]) -> list[str]:
    """The ids of what a first step claims."""
    answer = direct.step(want, queues=queues)
    assert answer[9] == []
    return [batch.decode() + stored[:10].decode() for _, _, batch, _, bodies in answer[7] for stored in bodies]


async def test_tasks_of_one_id_hold_up_no_batch(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", marks(5))
        ready = key(instance, "b", batch_id, "r", "default")
        for at in (1, 3):
            instance.client.lset(ready, at, instance.client.lindex(ready, 0) or b"")
        assert await proc.run_until_idle() == 5
        info = await proc.get_batch(batch_id)
        assert counters(info) == (5, 3, 2, 0, 0)
        assert info is not None
        assert info.state is BatchState.FAILED
        assert [letter.errors[-1].type for letter in await proc.get_dead_tasks()] == ["taskproc.errors.CorruptTask"] * 2
        assert sorted(r["tag"] for r in instance.records) == [0, 2, 4]
        assert await counts(proc) == (0, 0, 0, 2)


# cancelled tasks whose entry is lost


@pytest.mark.parametrize("entry", [None, b"", b"elsewhere\n5\n0000000000.[]"], ids=["none", "empty", "elsewhere"])
def test_a_cancelled_task_whose_entry_is_lost_keeps_its_batch_no_longer_than_its_lease(
    direct: Direct, entry: bytes | None
) -> None:
    batch = direct.create(2)
    one, _ = direct.claim(2)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    if entry is None:
        direct.client.hdel(direct.key("run"), one[:32])
    else:
        direct.client.hset(direct.key("run"), one[:32], entry)  # type: ignore[arg-type]
    direct.wait(LEASE)
    assert direct.rescue() == 2
    assert direct.record("b", batch)["zombies"] == "0"
    assert direct.counts() == (0, 0, 0, 0)
    assert direct.counters(batch) == ("cancelled", 2, 0, 0, 2)
    assert not direct.named("leases")
    direct.prune()
    assert direct.named(batch) == []


def test_a_lease_of_nothing_takes_nothing_off_a_cancelled_batch(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    direct.settle([lease])
    direct.client.zadd(direct.key("leases"), {lease: direct.now})
    assert direct.rescue() == 1
    assert (direct.record("b", batch)["zombies"], direct.counts()) == ("0", (0, 0, 0, 0))
    assert not direct.named("leases")
