"""Looking at things is bounded too, however much there is, and so is what is kept of a task that is tried for ever."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct, body, ending, plain

# what was kept for long


def test_20_errors_of_a_task_are_kept(direct: Direct) -> None:
    batch = direct.create(1)
    for n in range(25):
        direct.settle(direct.claim(), "retry", 0, f'{{"attempt":{n}}}')
    kept = [value.decode() for value in direct.client.hvals(direct.key("b", batch, "e"))]
    assert sorted(int(value[:-1].split(":")[-1]) for value in kept) == list(range(5, 25))
    direct.settle(direct.claim(), "done")
    assert direct.named(batch) == [f"b:{batch}"]


@pytest.mark.parametrize(("size", "apart"), [(8_192, 0), (8_193, 1)])
def test_a_payload_above_8_kb_goes_apart_when_its_continuation_fires(direct: Direct, size: int, apart: int) -> None:
    direct.create(1, ends=[ending("done", 1, b"x" * size)])
    direct.settle(direct.claim())
    assert len(direct.named(":big")) == apart


# looking


@pytest.mark.parametrize("size", [10, 5_000])
def test_a_ready_task_is_looked_for_a_bounded_way_at_a_time(direct: Direct, size: int) -> None:
    batch = direct.new()
    count = 1_500 if size == 10 else 150
    bodies = [body(9_000 - n, b"x" * size) for n in range(count)]  # out of order, so that none is where its id has it
    direct.once("batch_create", batch, "acme", "", "", "", to_json([["r", "q", count, 0]]), 0, *bodies)
    task, cursor, calls = f"{batch}{9_000:010}", "", 0
    while (answer := direct.once("task_cancel", task, "", cursor))[0] == b"more":
        cursor, calls = answer[1].decode(), calls + 1
        assert calls < 5, "it is looked for again and again"
        read = direct.call("task_read", task, "", 0)
        assert read[0] == b"more"
    assert answer == [b"ok"]
    assert calls == 1
    assert direct.counters(batch)[4] == 1


def test_a_tenants_long_line_is_not_looked_through_for_a_list_that_is_empty(direct: Direct) -> None:
    for stale, left in ((9_000, 0), (11_000, 1)):
        batch = direct.create(1)
        direct.create(1)
        direct.client.rpush(direct.key("lane", "q", "acme"), *(["stale"] * stale))
        direct.once("task_cancel", f"{batch}{0:010}", "", "")
        assert direct.client.lrange(direct.key("lane", "q", "acme"), 0, 3).count(batch.encode()) == left
        direct.clear()


def test_a_change_of_mode_drops_500_tickets_at_a_time(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    direct.client.rpush(direct.key("fifo", "q"), *(f"{direct.new()}:1" for _ in range(700)))
    assert direct.call("queue_mode", "q", "fair") == [b"more"]
    assert direct.call("queue_mode", "q", "fair") == [b"ok"]


def test_2_000_lists_of_a_queue_are_looked_at(direct: Direct) -> None:
    direct.create(1)
    lane = direct.key("lane", "q", "acme")
    for stale, found in ((1_999, 1), (2_000, 0)):
        direct.client.delete(lane)
        direct.client.rpush(lane, *(f"stale{n}" for n in range(stale)), f"b{1:021}")
        assert len(direct.call("queue_tasks", "q", 0, 10)) == found
    direct.client.lrange(lane, 0, 999)
    direct.client.ltrim(lane, 0, 1_200)
    direct.client.zadd(direct.key("ring", "q"), {"late": 9e18})
    direct.client.rpush(direct.key("lane", "q", "late"), *(f"more{n}" for n in range(900)), f"b{1:021}")
    assert direct.call("queue_tasks", "q", 0, 10) == []
    direct.clear()


def test_the_oldest_task_is_looked_for_among_20_tenants(direct: Direct) -> None:
    direct.create(1, "z")
    for n in range(20):
        direct.wait(1_000)
        direct.create(1, f"a{n:02}")
    assert direct.call("queue_read", "q")[1][5] == b"%d" % (direct.now - 19_000)
    direct.once("batch_cancel", f"b{2:021}", "")
    assert direct.call("queue_read", "q")[1][5] == b"%d" % (direct.now - 20_000)


def test_tenants_are_read_until_1_000_queues(direct: Direct) -> None:
    for n in range(4):
        direct.client.sadd(direct.key("tqs", f"t{n}"), *(f"q{m}" for m in range(500)))
    assert len(direct.call("tenant_read", "t0", "t1", "t2", "t3")) == 2
    direct.clear()


def test_1_000_workers_are_listed(direct: Direct) -> None:
    direct.client.zadd(direct.key("workers"), {f"w{n}": direct.now + 1 for n in range(1_100)} | {"gone": direct.now - 1})
    assert len(direct.call("worker_list")) == 1_001
    direct.client.zremrangebyrank(direct.key("workers"), 1, 1_098)
    assert [entry[0] for entry in direct.call("worker_list")[1:]] == [b"w998", b"w999"]


def test_lists_are_as_long_as_was_asked(direct: Direct) -> None:
    batches = [direct.create(2, tenant) for tenant in ("a", "b", "c") for _ in range(3) if not direct.wait(1)]
    assert direct.call("batch_list", "b", 1, 1, "") == [3, batches[4].encode()]
    assert direct.call("batch_list", "b", 0, 9, batches[5]) == [3, batches[4].encode(), batches[3].encode()]
    assert direct.call("batch_list", "b", 0, 9, batches[0]) == [3]
    assert direct.call("tenant_list", 1, 1) == [3, b"b"]
    assert [len(entry) - 4 for entry in direct.call("queue_tasks", "q", 1, 4)] == [1, 2, 1]
    direct.kill(1)
    assert len(direct.call("dead_batches", "q", 0, 1)) == 1
    assert direct.call("queue_list") == [b"q"]
    assert plain(0, ["q"]) == (b"[]", [])


def test_pages_of_dead_letters_are_as_long_as_was_asked(direct: Direct) -> None:
    batches = [direct.create(3) for _ in range(3)]
    for _ in batches:
        direct.kill(3)
        direct.wait(1)
    assert [entry[0] for entry in direct.call("dead_batches", "q", 1, 1)] == [batches[1].encode()]
    assert [entry[0] for entry in direct.call("dead_tasks", batches[0], "q", 1, 1)[3:]] == [f"{1:010}".encode()]


def test_a_task_is_looked_for_from_where_the_last_call_stopped(direct: Direct) -> None:
    batch = direct.create(600, queues=["a", "b", "c"])
    first = direct.call("task_read", f"{batch}{9_999:010}", "", 0)
    assert first[0] == b"more"
    assert direct.call("task_read", f"{batch}{9_999:010}", first[1], 0)[0] == b"unknown"


def test_a_task_in_the_last_of_several_lists_is_found(direct: Direct) -> None:
    batch = direct.new()
    bodies = [body(9_999 - n) for n in range(1_800)]  # out of order, so that none is where its id has it
    lists = to_json([["r", queue, 600, 0] for queue in "abc"])
    direct.once("batch_create", batch, "acme", "", "", "", lists, 0, *bodies)
    for place in (0, 600, 1_200):
        task, found = f"{batch}{9_999 - place:010}", [b"more", b""]
        for _ in range(9):
            found = direct.call("task_read", task, found[1], 0) if found[0] == b"more" else found
        assert found[:2] == [b"ready", b"abc"[place // 600 : place // 600 + 1]]
