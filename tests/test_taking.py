"""Tasks that are taken out of their lists many at once: what is left of the lists, their lines and what counts them."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import ERROR, Direct, body
from tests.test_move import move

LIMITED = b'0000000000+{"l":"0123456789"}\n["tests.handlers.noop",[]]'


def cancel(direct: Direct, seg: str, kind: str = "r", count: int = 100, first: int = 0) -> list[int]:
    """Cancel tasks of a list; how many, and where to go on."""
    answer = direct.once("tasks_cancel", "acme", seg, kind, "q", first, count, "")
    assert answer[0] == b"ok"
    return answer[1:]


def entries(direct: Direct, seg: str, queue: str = "q") -> list[bytes]:
    """A ready list."""
    return direct.client.lrange(direct.key("b", seg, "r", queue), 0, -1)


def lane(direct: Direct, queue: str = "q") -> list[str]:
    """The lists in line of a tenant."""
    return [seg.decode() for seg in direct.client.lrange(direct.key("lane", queue, "acme"), 0, -1)]


def test_empty_entries_leave_with_the_tasks_around_them(direct: Direct) -> None:
    batch = direct.create(5)
    for local in (1, 3):
        direct.once("task_cancel", f"{batch}{local:010}", "", "")
    assert cancel(direct, batch, count=3) == [2, 0]
    assert (len(entries(direct, batch)), direct.record("b", batch)[f"tombs:{batch}:q"]) == (2, "1")
    assert cancel(direct, batch, count=1) == [0, 0]
    assert f"tombs:{batch}:q" not in direct.record("b", batch)
    assert direct.counts() == (1, 0, 0, 0)
    assert [task[22:32] for task in direct.claim(5)] == ["0000000004"]


def test_a_list_of_nothing_else_leaves_its_line(direct: Direct) -> None:
    first, second = direct.create(2), direct.create(2)
    assert lane(direct) == [first, second]
    direct.once("task_cancel", f"{first}{1:010}", "", "")
    assert cancel(direct, first, count=1) == [1, 0]
    assert lane(direct) == [second]
    assert f"tombs:{first}:q" not in direct.record("b", first)
    assert entries(direct, first) == []
    assert cancel(direct, second) == [2, -1]
    assert direct.client.zcard(direct.key("ring", "q")) == 0


def test_an_appended_part_that_is_empty_is_forgotten(direct: Direct) -> None:
    batch = direct.create(1)
    seg = batch + "+1"
    direct.stage(seg, 2)
    assert direct.commit(seg, 2) == [b"ok"]
    direct.stage(batch + "+2", 2, delay=1_000)
    assert direct.once("segment_commit", batch, "acme", batch + "+2", "", to_json([["d", "q", 2]])) == [b"ok"]
    segs = direct.client.smembers(direct.key("b", batch, "segs"))
    assert {f"{seg}:r:q".encode(), f"{batch}+2:d:q".encode(), f"{batch}+2:w".encode()} == segs
    cancel(direct, seg)
    cancel(direct, batch + "+2", "d")
    assert direct.client.exists(direct.key("b", batch, "segs")) == 0
    assert direct.counters(batch) == ("running", 5, 1, 0, 4)


def test_a_strict_queue_keeps_entries_for_its_tickets(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    first, second = direct.create(3), direct.create(1)
    direct.client.delete(direct.key("wake", "q"))
    assert cancel(direct, first, count=2) == [2, 2]
    assert (entries(direct, first)[:2], direct.record("b", first)[f"tombs:{first}:q"]) == ([b"", b""], "2")
    assert direct.client.llen(direct.key("wake", "q")) == 1
    assert cancel(direct, first, first=2) == [1, -1]
    direct.append(first, 1)
    assert [task[:22] for task in direct.claim(5)] == [second, first]


def test_what_waits_for_a_limit_goes_on_as_the_list_in_line_is_taken(direct: Direct) -> None:
    direct.once("limit_set", "0123456789", "", '{"m":1}')
    lists = to_json([["r", "q", 1, 0, False, 0, 0, "0123456789"]])
    batches = [direct.new() for _ in range(3)]
    for batch in batches:
        direct.once("batch_create", batch, "acme", "", "", "", lists, 0, LIMITED)
    held = direct.claim(1)
    assert direct.claim(1) == []
    assert direct.settle(held, "done") == []
    [in_line] = lane(direct)
    assert cancel(direct, in_line) == [1, -1]
    [next_] = lane(direct)
    assert next_ != in_line
    held = direct.claim(1)
    assert held[0][:22] == next_[:22]
    assert direct.settle(held, "done") == []


def test_delayed_ones_leave_their_index(direct: Direct) -> None:
    batch = direct.create(2, delay=1_000)
    assert cancel(direct, batch, "d", 1) == [1, 0]
    assert direct.client.zscore(direct.key("delayed"), f"{batch}:q") == direct.now + 1_000
    assert cancel(direct, batch, "d") == [1, -1]
    assert direct.client.exists(direct.key("delayed"), direct.key("b", batch, "w")) == 0
    assert direct.counts() == (0, 0, 0, 0)
    assert direct.counters(batch)[0] == "done"


def test_a_page_ends_where_tasks_are_large(direct: Direct) -> None:
    batch, large = direct.new(), b"x" * 8_000
    direct.once(
        "batch_create", batch, "acme", "", "", "", to_json([["r", "q", 120, 0]]), 0, *(body(n, large) for n in range(120))
    )
    looked, over, *_ = direct.call("tasks_read", "acme", batch, "r", "q", 0, 100, 0)
    assert (looked, over) == (75, 0)
    looked, over, _, *found = direct.call("tasks_read", "acme", batch, "r", "q", 100, 100, 1)
    assert (looked, over, len(found)) == (20, 1, 20)
    assert direct.call("tasks_read", "other", batch, "r", "q", 0, 100, 0) == []


def test_dead_letters_of_a_single_task_move_with_their_age(direct: Direct) -> None:
    task = direct.single()
    direct.kill()
    died = direct.client.zscore(direct.key("settled"), f"{task[:22]}:q")
    stored = direct.client.hget(direct.key("b", task[:22], "w"), task[22:])
    assert stored is not None
    assert direct.call(*move(direct, task[:22], [stored[2:]], "x")) == [b"ok", 1, 0]
    assert direct.client.zscore(direct.key("settled"), f"{task[:22]}:other") == died
    assert direct.client.zscore(direct.key("settled"), f"{task[:22]}:q") is None
    assert direct.client.zscore(direct.key("dead", "other"), task[:22]) == died
    assert direct.client.smembers(direct.key("tqs", "acme")) == {b"q", b"other"}
    assert direct.record("q", "other")["tenants"] == "1"


def test_a_batch_names_the_queue_to_which_its_tasks_went(direct: Direct) -> None:
    batch = direct.create(2)
    assert direct.call(*move(direct, batch, [body(0)])) == [b"ok", 1, 1]
    assert direct.record("b", batch)["queues"] == "q other"
    direct.once("batch_cancel", batch, "")
    assert direct.counts("other") == direct.counts() == (0, 0, 0, 0)


def test_what_stays_between_keeps_its_place(direct: Direct) -> None:
    batch = direct.create(4)
    assert direct.call(*move(direct, batch, [body(1), body(3)])) == [b"ok", 2, 0]
    assert entries(direct, batch) == [body(0), b"", body(2), b""]
    assert direct.record("b", batch)[f"tombs:{batch}:q"] == "2"
    assert [task[22:32] for task in direct.claim(4)] == ["0000000000", "0000000002"]


def test_errors_and_attempts_move_along(direct: Direct) -> None:
    batch = direct.create(1)
    assert direct.settle(direct.claim(1), "retry", 0, ERROR) == []
    [stored] = entries(direct, batch)
    assert direct.call(*move(direct, batch, [stored])) == [b"ok", 1, 1]
    assert entries(direct, batch, "other") == [stored]
    assert direct.client.hlen(direct.key("b", batch, "e")) == 1


@pytest.mark.parametrize("batches", [0, 1])
def test_only_the_tenants_own_running_tasks_are_told(direct: Direct, batches: int) -> None:
    batch, single, other = direct.create(1), direct.single(), direct.create(1, tenant="acme2")
    cancelled = direct.create(1)
    assert len(direct.claim(4)) == 4
    direct.once("batch_cancel", cancelled, "")
    call = direct.number()
    for _ in range(2):
        assert direct.call("tenant_stop", call, "acme", "", batches, "0", "") == [b"ok", b"0", 1 + batches]
    told = {task.decode()[:22] for task in direct.client.zrange(direct.key("cx"), 0, -1)}
    assert told == {single[:22], *([batch] if batches else [])}
    assert direct.once("tenant_stop", "acme2", "elsewhere", 1, "0", "") == [b"ok", b"0", 0]
    assert direct.once("tenant_stop", "acme2", "q", 1, "0", "") == [b"ok", b"0", 1]
    assert direct.once("tenant_stop", "acme2", "q", 1, "0", "") == [b"ok", b"0", 0]
    assert other


# purging


def test_a_tenant_that_has_something_is_not_deleted(direct: Direct) -> None:
    batch = direct.create(1)
    with direct.unchanged():
        assert direct.once("purge_tenant", "acme") == [b"busy"]
    held = direct.claim(1)
    assert direct.once("purge_batches", "acme", 0) == [b"ok", b"", 1, 1]
    assert direct.counters(batch)[0] == "cancelled"
    assert direct.settle(held) == []
    with direct.unchanged():
        assert direct.once("purge_tenant", "acme") == [b"busy"]
    assert direct.once("purge_batches", "acme", 0) == [b"ok", batch.encode(), 0, 1]
    direct.single()
    with direct.unchanged():
        assert direct.once("purge_tenant", "acme") == [b"busy"]
    held = direct.claim(1)
    with direct.unchanged():
        assert direct.once("purge_tenant", "acme") == [b"busy"]
    direct.settle(held)
    delayed = direct.single(delay=1)
    with direct.unchanged():
        assert direct.once("purge_tenant", "acme") == [b"busy"]
    direct.once("task_cancel", delayed, "", "")
    home = direct.record("t", "acme")["hidden"].encode()
    assert direct.once("purge_tenant", "acme") == [b"ok", home]
    assert direct.named("acme") == []
    assert direct.client.zrange(direct.key("idle"), 0, -1) == direct.client.zrange(direct.key("tenants"), 0, -1) == []


def test_only_what_is_the_tenants_own_is_deleted(direct: Direct) -> None:
    mine, other = direct.create(1, idem="i"), direct.create(1, tenant="other", idem="j")
    for batch, name in ((mine, "a"), (other, "b")):
        direct.client.hset(direct.key("uniq"), name, f"{batch}{0:010}:99")
        direct.client.zadd(direct.key("uniqends"), {name: 99})
    direct.stage(mine + "+1", 1)
    direct.stage(other + "+1", 1)
    assert direct.once("purge_loose", "acme", "uniq", "a", "b") == [b"ok", 1]
    assert direct.client.hkeys(direct.key("uniq")) == direct.client.zrange(direct.key("uniqends"), 0, -1) == [b"b"]
    assert direct.once("purge_loose", "acme", "idem", "i", "j") == [b"ok", 1]
    assert direct.once("purge_loose", "acme", "staging", mine + "+1", other + "+1") == [b"ok", 1]
    assert direct.client.zrange(direct.key("staging"), 0, -1) == [f"{other}+1".encode()]
    direct.client.hdel(direct.key("uniq"), "b")


def test_a_key_that_another_batch_has_got_stays_with_it(direct: Direct) -> None:
    """A purge has taken the first batch's key away, and has not gone on."""
    first = direct.create(1, idem="i")
    assert direct.once("purge_loose", "acme", "idem", "i") == [b"ok", 1]
    second = direct.create(1, idem="i")
    direct.once("batch_cancel", first, "")
    direct.prune()
    assert (direct.named(first), direct.client.get(direct.key("idem", "i"))) == ([], second.encode())


def test_tickets_lose_the_tenants_name_and_no_other(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    mine, other, third = direct.create(1), direct.create(1, tenant="other"), direct.create(1, tenant="third")
    for batch in (mine, third):
        direct.once("batch_cancel", batch, "")
    assert direct.once("purge_tickets", "acme", "q", 0) == [b"ok", 1, 3]
    assert direct.client.lrange(direct.key("fifo", "q"), 0, -1) == [b"", f"{other}:1".encode(), f"{third}:1".encode()]
    assert direct.once("purge_tickets", "acme", "q", 3) == [b"ok", 0, 0]
    assert [task[:22] for task in direct.claim(2)] == [other]


def test_ready_tasks_keep_their_tickets(direct: Direct) -> None:
    """A purge may be late: its tenant was purged by another, and has been used again."""
    direct.call("queue_mode", "q", "fifo")
    batch, single = direct.create(2), direct.single()
    assert direct.once("purge_tickets", "acme", "q", 0) == [b"ok", 0, 2]
    assert [lease[:32] for lease in direct.claim(3)] == [f"{batch}{0:010}", f"{batch}{1:010}", single]


def test_a_tenant_that_goes_on_after_half_a_purge_loses_no_task(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    for _ in range(2):
        assert direct.once("task_cancel", direct.single(), "", "") == [b"ok"]
    assert direct.once("purge_tickets", "acme", "q", 0) == [b"ok", 1, 1]
    single = direct.single()
    assert [lease[:32] for lease in direct.claim(1)] == [single]


def test_what_is_said_of_a_tenant_stays_until_it_is_gone(direct: Direct) -> None:
    rules = direct.key("rules")
    direct.client.hset(rules, "t:acme", '{"w":3}')
    direct.client.hset(rules, "t:other", "{}")
    direct.once("purge_begin", "acme", "")
    assert direct.client.hget(rules, "t:acme") in (b'{"w":3,"s":"draining"}', b'{"s":"draining","w":3}')
    direct.client.hset(rules, "t:acme", "no JSON")
    direct.once("purge_begin", "acme", "")
    assert direct.client.hget(rules, "t:acme") == b'{"s":"draining"}'
    direct.once("purge_end", "acme", "", 0)
    assert direct.client.hkeys(rules) == [b"t:other"]
    direct.client.delete(rules)


def test_a_full_redis_lets_a_tenant_be_purged(direct: Direct) -> None:
    direct.create(2)
    task = direct.single()
    direct.client.hset(direct.key("rules"), "t:acme", "{}")
    with direct.full():
        assert direct.once("task_cancel", task, "", "") == [b"ok"]
        assert direct.once("purge_begin", "acme", "") == [b"ok"]
        assert direct.once("purge_batches", "acme", 0)[0] == b"ok"
        assert direct.once("purge_tickets", "acme", "q", 0)[0] == b"ok"
        assert direct.once("purge_loose", "acme", "uniq")[0] == b"ok"
        assert direct.once("purge_tenant", "acme")[0] == b"ok"
        assert direct.once("purge_end", "acme", "", 0) == [b"ok"]
    assert direct.named("acme") == []


def test_a_full_strict_queue_can_be_cancelled(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch = direct.create(2)
    with direct.full():
        assert cancel(direct, batch) == [2, -1]
    assert direct.counters(batch)[0] == "done"
