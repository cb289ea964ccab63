"""The scripts of audits, step by step: they look at so much and no more, believe no number of the past, and write once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, Answer, Direct, body

Asked = tuple[Any, ...]
LOOK = to_json([])


@pytest.fixture(autouse=True)
def cleared(direct: Direct) -> Iterator[None]:
    """What is broken here has no end of its own."""
    yield
    direct.clear()


def look(direct: Direct, script: str, *args: Any) -> Answer:
    """Ask a script of an audit only to look; what it found."""
    with direct.unchanged():
        return direct.call(script, LOOK, *args)[1:]


def kinds(found: Answer) -> list[bytes]:
    """What kinds of differences were found."""
    return [one[0] for one in found if isinstance(one, list)]


def batch_of(batch: str, running: int = 0, version: str = "", *, exact: int = 1) -> Asked:
    """An audit of one batch."""
    return "audit_batches", exact, to_json([[batch, running, version]])


def account(
    running: int = 0, *, aside: int = 0, version: str = "", ready: int = 0, exact: int = 1, tenant: str = "acme"
) -> Asked:
    """An audit of a tenant's account in a queue."""
    return "audit_accounts", exact, to_json([["q", tenant, running, aside, version, ready]])


def lists(segment: str, kind: str = "r") -> Asked:
    """An audit of one list."""
    return "audit_lists", to_json([[segment, kind, "" if kind == "staged" else "q"]])


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


REPAIRS: list[Callable[[Direct], Asked]] = [
    a_wrong_account, a_lost_task, a_task_without_a_lease, a_stale_entry, a_lease_of_nothing, a_list_that_is_not_due,
    a_wrong_queue, a_wrong_tenant,
]  # fmt: skip
SCRIPTS = [
    "audit_accounts", "audit_batches", "audit_entries", "audit_index", "audit_leases", "audit_lists", "audit_queue",
    "audit_tenant",
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


def crowd(direct: Direct, batch: str, count: int) -> None:
    """So many more running tasks of a batch."""
    for at in range(0, count, 1_000):
        ids = [f"{batch}{n:010}" for n in range(1_000_000 + at, 1_000_000 + min(at + 1_000, count))]
        direct.client.hset(direct.key("run"), mapping={task: b"q\n1\n" + body(0) for task in ids})  # type: ignore[arg-type]


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


# accounts


def test_an_account_is_suspect_before_it_is_counted(direct: Direct) -> None:
    direct.create(3)
    direct.claim(2)
    assert look(direct, *account(1, exact=0)) == [[b"suspect", b"q", b"acme"]]
    assert look(direct, *account(2, exact=0)) == look(direct, *account(1)) == []


def test_an_account_beside_too_many_running_tasks_is_unsure(direct: Direct) -> None:
    batch = direct.create(1)
    direct.claim()
    crowd(direct, batch, 3_000)
    assert look(direct, *account()) == [[b"unsure", b"running", b"q", b"acme", b"1:1:0:0"]]


def test_an_account_that_moves_meanwhile_is_unsure(direct: Direct) -> None:
    batch = direct.create(1)
    crowd(direct, batch, 3_001)
    assert look(direct, *account(3_001, version="1:0:0:0")) == [[b"running", b"q", b"acme", 0, 3_001, 0]]
    direct.claim()
    assert kinds(look(direct, *account(3_001, version="1:0:0:0"))) == [b"unsure"]


def test_running_tasks_are_counted_by_queue_and_tenant(direct: Direct) -> None:
    for tenant in ("acme", "beta"):
        direct.create(2, tenant, queues=["q", "r"])
    direct.claim(8, queues=["q", "r"])
    direct.client.hincrby(direct.key("tq", "q", "acme"), "settled", 1)
    assert look(direct, *account()) == [[b"running", b"q", b"acme", 1, 2, 0]]


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_a_line_that_is_too_long_is_unsure(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line, entry = (("lane", "q", "acme"), batch) if mode == "fair" else (("fifo", "q"), f"{batch}:1")
    direct.client.rpush(direct.key(*line), *[entry] * 2_999)
    assert look(direct, *account()) == []
    direct.client.rpush(direct.key(*line), entry)
    direct.client.hincrby(direct.key("tq", "q", "acme"), "pushed", 1)
    assert look(direct, *account()) == [[b"unsure", b"line", b"q", b"acme", b"2:0:0:0"]]


def test_a_list_of_several_tickets_is_counted_once(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch, _ = direct.create(2), direct.create(1)
    direct.append(batch, 2)
    assert direct.client.llen(direct.key("fifo", "q")) == 3
    assert look(direct, *account()) == []


def test_ready_tasks_in_a_strict_queue_are_counted_by_tenant(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    for tenant in ("acme", "beta"):
        direct.create(2, tenant)
    assert look(direct, *account()) == []


def test_a_tenant_without_an_account_is_not_enrolled(direct: Direct) -> None:
    assert look(direct, *account(tenant="nobody")) == []


# leases, running tasks, indexes


def test_an_entry_that_is_gone_gets_no_lease(direct: Direct) -> None:
    assert look(direct, "audit_entries", "b" * 32) == []


def test_too_many_leases_are_not_looked_through(direct: Direct) -> None:
    script, task = a_task_without_a_lease(direct)
    direct.client.zadd(direct.key("leases"), {f"{n}": 1 for n in range(20_001)})
    assert look(direct, script, task) == [[b"unsure", b"leases", b""]]


def test_leases_are_looked_through_in_parts(direct: Direct) -> None:
    direct.client.zadd(direct.key("leases"), {f"{'b' * 22}{n:010}{'w' * 23}": direct.now + LEASE for n in range(2_000)})
    cursor, ids, *_ = direct.call("audit_leases", LOOK, 0)
    assert (cursor != b"0", 500 * 32 <= len(ids) < 700 * 32) == (True, True)


def test_running_tasks_are_looked_through_in_parts(direct: Direct) -> None:
    crowd(direct, "b" * 22, 1_000)
    cursor, *found = direct.call("audit_run", 0)
    assert (cursor != b"0", 200 <= len(found) < 300) == (True, True)


def test_indexes_are_looked_through_in_parts(direct: Direct) -> None:
    direct.client.zadd(direct.key("settled"), {f"{n:022}": 1 for n in range(1_000)})
    cursor, *found = direct.call("audit_index", LOOK, "settled", "", 0, 0)
    assert (cursor != b"0", 200 <= len(found) < 300) == (True, True)


def test_an_entry_for_dead_letters_of_single_tasks_stands_for_something(direct: Direct) -> None:
    direct.single()
    [task] = direct.kill()
    assert direct.client.zscore(direct.key("settled"), f"{task[:22]}:q")
    assert look(direct, "audit_index", "settled", "", 0, 0) == []
    assert look(direct, *lists(task[:22], "x")) == []


def test_dead_letters_of_single_tasks_that_nobody_prunes_are_told(direct: Direct) -> None:
    direct.single()
    [task] = direct.kill()
    direct.client.delete(direct.key("settled"))
    assert kinds(look(direct, *lists(task[:22], "x"))) == [b"unfound"]


def test_dead_letters_that_are_listed_for_another_time_are_told(direct: Direct) -> None:
    batch = direct.create(1)
    direct.kill()
    direct.client.zadd(direct.key("dead", "q"), {batch: 1})
    assert kinds(look(direct, *lists(batch, "x"))) == [b"unfound"]


def test_what_is_being_staged_is_left_alone(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg)
    assert look(direct, *lists(seg)) == look(direct, *lists(seg, "staged")) == []
    assert look(direct, "audit_index", "staging", "", 60_000, 0) == []
    direct.wait(60_001)
    assert kinds(look(direct, "audit_index", "staging", "", 60_000, 0)) == [b"staged"]


def test_what_was_committed_and_is_still_staged_is_dropped(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg)
    direct.client.hset(direct.key("b", seg), "state", "running")
    assert kinds(look(direct, "audit_index", "staging", "", 60_000, 0)) == [b"staged"]


# lists


def test_a_list_that_is_gone_is_in_no_line(direct: Direct) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), "retry", 10, ERROR)
    direct.client.delete(direct.key("delayed"), direct.key("b", batch, "d", "q"))
    assert look(direct, *lists(batch, "d")) == look(direct, *lists(batch)) == []


def test_a_list_of_cancelled_tasks_is_in_no_line(direct: Direct) -> None:
    batch = direct.create(1)
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, "")
    direct.client.hset(direct.key("b", batch), f"tombs:{batch}:q", 1)
    direct.client.delete(direct.key("lane", "q", "acme"))
    assert look(direct, *lists(batch)) == []


@pytest.mark.parametrize(("mode", "most"), [("fair", 50_000), ("fifo", 5_000)])
def test_a_list_in_a_long_line_is_unsure(direct: Direct, mode: str, most: int) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line = direct.key("lane", "q", "acme") if mode == "fair" else direct.key("fifo", "q")
    direct.client.lpush(line, *["c" * 22 + ":1"] * (most - 1))
    assert look(direct, *lists(batch)) == []
    direct.client.lpush(line, "c" * 22 + ":1")
    assert look(direct, *lists(batch)) == [[b"unsure", b"line", b"q"]]


def ready(direct: Direct, batch: str) -> Answer:
    """How many tasks a list has ready, and whose."""
    return direct.call("audit_ready", to_json([[batch, "q"]]))


def test_staged_tasks_are_not_ready(direct: Direct) -> None:
    seg = direct.new()
    direct.stage(seg, 3)
    assert ready(direct, seg) == [[b"", 0]]
    assert direct.commit(seg, 3)[0] == b"ok"
    assert ready(direct, seg) == [[b"acme", 3]]


def test_cancelled_tasks_are_not_ready(direct: Direct) -> None:
    batch = direct.create(3)
    assert direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]
    assert ready(direct, batch) == [[b"acme", 2]]


# queues and tenants


def test_a_queue_that_gets_a_tenant_meanwhile_is_counted_anew(direct: Direct) -> None:
    direct.create(1)
    assert direct.call("audit_queue", LOOK, "q", -1) == [b"ok", 1, 1]
    direct.create(1, "beta")
    assert direct.call("audit_queue", LOOK, "q", 1, "acme") == [b"ok", 2, 1]
    assert direct.call("audit_queue", LOOK, "q", 2, "acme", "beta") == [b"ok", 2, 0]


def test_tenants_that_do_not_use_a_queue_do_not_count(direct: Direct) -> None:
    direct.create(1)
    assert look(direct, "audit_queue", "q", 1, "acme", "nobody") == [1, 0]


def test_a_queue_of_too_many_lists_is_unsure(direct: Direct) -> None:
    direct.create(1)
    direct.client.zadd(direct.key("delayed"), {f"{n}:q": 1 for n in range(3_001)})
    direct.client.zadd(direct.key("dead", "q"), {f"{n}": 1 for n in range(3_001)})
    unsure = [[b"unsure", b"queue_delayed", b"q"], [b"unsure", b"queue_dead", b"q"]]
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0, *unsure]
    direct.client.zrem(direct.key("delayed"), "0:q")
    direct.client.zrem(direct.key("dead", "q"), "0")
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0]


def test_delayed_tasks_are_counted_by_queue(direct: Direct) -> None:
    direct.create(2, queues=["q", "r"], delay=10)
    assert look(direct, "audit_queue", "q", 1, "acme") == [1, 0]
    direct.client.hincrby(direct.key("q", "q"), "delayed", 1)
    assert look(direct, "audit_queue", "q", 1, "acme")[2:] == [[b"queue_delayed", b"q", b"", 3, 2, 0]]


def tenant(direct: Direct, skip: int = 0, total: int = 0, version: bytes = b"") -> Answer:
    """A part of the audit of a tenant."""
    with direct.unchanged():
        return direct.call("audit_tenant", LOOK, "acme", skip, total, version)


def many(direct: Direct, count: int) -> None:
    """So many batches of which one task remains, and a single task."""
    direct.single()
    pipe = direct.client.pipeline(transaction=False)
    for n in range(count):
        pipe.hset(direct.key("b", f"m{n:021}"), "remaining", 1)
    pipe.zadd(direct.key("tb", "acme"), {f"m{n:021}": 1 for n in range(count)})
    pipe.hset(direct.key("t", "acme"), mapping={"remaining": count + 1, "batches": count, "total": count + 1})
    pipe.execute()


def test_a_tenants_batches_are_added_up_in_parts(direct: Direct) -> None:
    many(direct, 3_001)
    more, skip, total, version = tenant(direct)
    assert (more, skip, total) == (b"more", 3_000, 3_001)
    assert tenant(direct, skip, total, version) == [b"ok"]


def test_single_tasks_count_with_the_first_part(direct: Direct) -> None:
    many(direct, 3_001)
    _, skip, total, version = tenant(direct)
    assert tenant(direct, skip, total, version) == [b"ok"]


def test_a_tenant_that_moves_meanwhile_is_added_up_anew(direct: Direct) -> None:
    many(direct, 3_001)
    _, skip, total, version = tenant(direct)
    direct.settle(direct.claim())
    assert tenant(direct, skip, total, version) == [b"moved"]


# explanations


def test_what_is_no_batch_is_not_explained(direct: Direct) -> None:
    task = direct.single()
    assert direct.call("batch_explain", task[:22]) == []
    assert direct.call("batch_explain", "b" * 22) == []


def test_a_batch_without_ready_tasks_stands_in_no_line(direct: Direct) -> None:
    direct.create(1)
    batch = direct.create(1, delay=10)
    [place] = direct.call("batch_explain", batch)[3:]
    assert place[6:] == [0, -1, -1, -1]


@pytest.mark.parametrize(("mode", "most", "before"), [("fair", 10_000, [0, 9_999, -1]), ("fifo", 1_000, [-1, -1, 999])])
def test_a_place_far_back_is_not_told(direct: Direct, mode: str, most: int, before: list[int]) -> None:
    direct.call("queue_mode", "q", mode)
    batch = direct.create(1)
    line = direct.key("lane", "q", "acme") if mode == "fair" else direct.key("fifo", "q")
    direct.client.lpush(line, *["c" * 22 + ":1"] * (most - 1))
    assert direct.call("batch_explain", batch)[3][6:] == [1, *before]
    direct.client.lpush(line, "c" * 22 + ":1")
    assert direct.call("batch_explain", batch)[3][6:] == [1, 0 if mode == "fair" else -1, -1, -1]
