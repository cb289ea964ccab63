"""The scripts of audits write only what was asked for, and once; of batches they believe no number of the past."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskproc.store.scripts import to_json
from tests.auditing import Asked, account, batch_of, crowd, kinds, lists, look
from tests.direct import LEASE, Direct, ending

pytestmark = pytest.mark.usefixtures("cleared")

# what is wrong, how it is asked for, and how often it is there


def a_wrong_account(direct: Direct) -> Asked:
    direct.create(3)
    direct.client.hincrby(direct.key("tq", "q", "acme"), "pushed", 5)
    return account()


def a_lost_task(direct: Direct) -> Asked:
    batch = direct.create(3)
    direct.client.lpop(direct.key("b", batch, "r", "q"))
    return batch_of(batch)


def a_task_without_a_lease(direct: Direct) -> Asked:
    direct.create(1)
    [lease] = direct.claim()
    direct.client.zrem(direct.key("leases"), lease)
    return "audit_entries", lease[:32]


def a_stale_entry(direct: Direct) -> Asked:
    direct.client.zadd(direct.key("settled"), {"b" * 22: 1})
    return "audit_index", "settled", "", 0, 0


def a_lease_of_nothing(direct: Direct) -> Asked:
    direct.client.zadd(direct.key("leases"), {"b" * 32 + "w" * 22 + "1": 1})
    return "audit_leases", 0


def a_list_that_is_not_due(direct: Direct) -> Asked:
    batch = direct.create(1, delay=10)
    direct.client.delete(direct.key("delayed"))
    return lists(batch, "d")


def a_wrong_queue(direct: Direct) -> Asked:
    direct.create(3)
    direct.client.hincrby(direct.key("q", "q"), "pushed", 5)
    return "audit_queue", "q", 1, "acme"


def a_wrong_tenant(direct: Direct) -> Asked:
    direct.create(3)
    direct.client.hincrby(direct.key("t", "acme"), "remaining", 5)
    return "audit_tenant", "acme", 0, 0, ""


SPEC = to_json(["spec", '{"tenant":"acme","id":"id"}'])


def a_schedule_in_no_index(direct: Direct) -> Asked:
    direct.once("schedule_put", "s" * 22, "acme", "id", "{}", direct.now, "1", "", SPEC, "+{}\n[]")
    direct.client.delete(direct.key("schedules"))
    return "audit_schedules", "s" * 22


REPAIRS: list[Callable[[Direct], Asked]] = [
    a_wrong_account, a_lost_task, a_task_without_a_lease, a_stale_entry, a_lease_of_nothing, a_list_that_is_not_due,
    a_schedule_in_no_index, a_wrong_queue, a_wrong_tenant,
]  # fmt: skip
SCRIPTS = [
    "audit_accounts", "audit_batches", "audit_entries", "audit_index", "audit_leases", "audit_lists",
    "audit_schedules", "audit_queue", "audit_tenant",
]  # fmt: skip


@pytest.mark.parametrize("damage", REPAIRS, ids=SCRIPTS)
def test_looking_changes_nothing(direct: Direct, damage: Callable[[Direct], Asked]) -> None:
    asked = damage(direct)
    [kind] = kinds(look(direct, *asked))
    assert kinds(look(direct, *asked)) == [kind]
    script, *args = asked
    assert kinds(direct.once(script, *args)) == [kind]
    assert kinds(look(direct, *asked)) == []


@pytest.mark.parametrize("damage", REPAIRS, ids=SCRIPTS)
def test_a_repair_that_comes_again_is_answered_as_before(direct: Direct, damage: Callable[[Direct], Asked]) -> None:
    script, *args = damage(direct)
    call = direct.number()
    damaged = direct.dump()
    first = direct.call(script, call, *args)
    assert len(first) > 1
    ledger = direct.key("p").encode()
    direct.client.delete(*(name for name in direct.dump() if not name.startswith(ledger)))
    for name, stored in damaged.items():
        if not name.startswith(ledger):
            direct.client.restore(name, 0, stored)  # type: ignore[arg-type]
    with direct.unchanged():
        assert direct.call(script, call, *args) == first


def test_looking_settles_no_batch(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.delete(direct.key("b", batch, "r", "q"))
    direct.client.hset(direct.key("b", batch), "remaining", 0)
    assert kinds(look(direct, *batch_of(batch))) == [b"unsettled"]


def test_looking_makes_no_open_batch(direct: Direct) -> None:
    task = direct.single()
    direct.client.delete(direct.key("b", task[:22]))
    assert kinds(look(direct, "audit_index", "tenants", "", 0, 0)) == [b"homeless"]


def test_looking_wakes_nobody(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.delete(direct.key("lane", "q", "acme"), direct.key("wake", "q"))
    assert kinds(look(direct, *lists(batch))) == [b"unlined"]


def test_looking_counts_no_tombstones(direct: Direct) -> None:
    batch = direct.create(3)
    assert direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]
    for wrong in (3, 0):
        direct.client.hset(direct.key("b", batch), f"tombs:{batch}:q", wrong)
        assert b"tombs" in kinds(look(direct, *batch_of(batch)))


# batches


def test_a_batch_that_is_gone_has_no_differences(direct: Direct) -> None:
    assert look(direct, *batch_of("b" * 22)) == []


def test_a_batch_of_too_many_running_tasks_is_unsure(direct: Direct) -> None:
    batch = direct.create(1)
    crowd(direct, batch, 3_001)
    [[kind, what, name, version]] = look(direct, *batch_of(batch))
    assert (kind, what, name) == (b"unsure", b"batch", batch.encode())
    assert b"remaining" in kinds(look(direct, *batch_of(batch, 5, version.decode())))


@pytest.mark.parametrize("of", ["run", "leases"])
def test_a_batch_beside_too_many_running_tasks_is_unsure(direct: Direct, of: str) -> None:
    batch = direct.create(1)
    if of == "run":
        crowd(direct, "c" * 22, 20_001)
    else:
        direct.client.zadd(direct.key("leases"), {f"{'c' * 22}{n:010}": 1 for n in range(20_001)})
    assert kinds(look(direct, *batch_of(batch))) == [b"unsure"]


def test_what_is_to_fire_when_its_batch_has_settled_is_not_due_before(direct: Direct) -> None:
    batch = direct.create(1, ends=[ending("settled")])
    assert look(direct, *batch_of(batch)) == []


def test_a_batch_is_suspect_before_it_is_counted(direct: Direct) -> None:
    batch = direct.create(3)
    direct.claim(2)
    assert look(direct, *batch_of(batch, 2, exact=0)) == []
    assert look(direct, *batch_of(batch, 1, exact=0)) == [[b"suspect", batch.encode()]]


def test_a_task_that_is_only_leased_runs_as_long_as_its_lease_lasts(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    direct.client.hdel(direct.key("run"), lease[:32])
    assert look(direct, *batch_of(batch)) == []
    direct.wait(LEASE)
    assert kinds(look(direct, *batch_of(batch)))[0] == b"remaining"


def test_a_batch_that_stood_still_is_believed(direct: Direct) -> None:
    batch = direct.create(3)
    direct.claim(2)
    assert look(direct, *batch_of(batch, 2, "2:0")) == []
    assert look(direct, *batch_of(batch, 7, "2:0"))[0][3:5] == [3, 8]


@pytest.mark.parametrize("version", ["1:0", "2:1", ""])
def test_a_batch_that_moved_is_counted_anew(direct: Direct, version: str) -> None:
    batch = direct.create(3)
    direct.claim(2)
    assert look(direct, *batch_of(batch, 7, version)) == []


@pytest.mark.parametrize("moved", ["claim", "settle"])
def test_a_batch_that_moved_since_it_was_too_much_to_count_is_counted_anew(direct: Direct, moved: str) -> None:
    batch = direct.create(3)
    [lease] = direct.claim()
    crowd(direct, batch, 3_001)
    version = look(direct, *batch_of(batch))[0][3].decode()
    entries = direct.client.hkeys(direct.key("run"))
    direct.client.hdel(direct.key("run"), *(task for task in entries if task != lease[:32].encode()))
    assert look(direct, *batch_of(batch, 7, version))[0][4] == 9
    if moved == "claim":
        direct.claim()
    else:
        direct.settle([lease])
    assert look(direct, *batch_of(batch, 7, version)) == []


def test_a_counter_that_is_off_by_less_is_no_proof(direct: Direct) -> None:
    batch = direct.create(3)
    direct.client.delete(direct.key("b", batch, "r", "q"))
    direct.client.hincrby(direct.key("b", batch), "remaining", 1)
    script, *args = batch_of(batch)
    assert kinds(direct.once(script, *args))[0] == b"remaining"
    assert direct.counters(batch)[2:4] == (0, 4)


def test_long_lists_are_not_looked_through_for_tombstones(direct: Direct) -> None:
    batch = direct.create(1)
    for _ in range(10):
        direct.client.rpush(direct.key("b", batch, "r", "q"), *[""] * 10_000)
    assert b"tombs" not in kinds(look(direct, *batch_of(batch)))
    direct.client.lpop(direct.key("b", batch, "r", "q"))
    assert b"tombs" in kinds(look(direct, *batch_of(batch)))


def test_too_many_bodies_are_left_alone(direct: Direct) -> None:
    batch = direct.create(1)
    name = direct.key("b", batch, "w")
    direct.client.hset(name, mapping={f"{n:010}": b"q\n" for n in range(5_001)})
    script, *args = batch_of(batch)
    assert [one[5] for one in direct.once(script, *args)[1:]] == [2]
    assert direct.client.hlen(name) == 5_001
