"""Records of tasks with keep="all", script by script: dropped when their time has come, and their large results."""

from __future__ import annotations

from tests.direct import ERROR, Direct
from tests.kept import create, read, records, single, state


def test_records_of_single_tasks_are_dropped_by_age_50_at_a_time(direct: Direct) -> None:
    tasks = [single(direct, n) for n in range(60)]
    leases = direct.claim(60)
    for lease in leases[:55]:
        assert direct.call("task_result", lease, b"large") == [b"ok"]
    direct.settle(leases[:1], "retry", 0, ERROR)
    direct.settle([*leases[1:55], *direct.claim()], "done")
    read(direct, tasks[55], 1)
    direct.wait(1_000)
    direct.settle(leases[55:59], "done")
    home = tasks[0][:22]
    assert direct.prune(500)[1:3] == [0, 1]
    assert direct.client.zcard(direct.key("b", home, "kept")) == 9
    assert direct.prune(500)[1:3] == [1, 1]
    assert [n for n, task in enumerate(tasks) if state(direct, task) != b"unknown"] == [55, 56, 57, 58, 59]
    assert direct.client.hlen(direct.key("b", home, "e")) == 0
    assert [field[10:] for field in records(direct, home)] == [b"", b"o"] * 4 + [b""]
    assert direct.prune(500)[1:3] == [0, 0]
    direct.settle(leases[59:], "done")


def test_records_end_while_others_begin(direct: Direct) -> None:
    first, second = single(direct, 0), single(direct, 1)
    leases = direct.claim(2)
    direct.settle(leases[:1], "done")
    direct.wait(900)
    direct.settle(leases[1:], "done")
    direct.wait(200)
    direct.prune(1_000)
    assert [state(direct, first), state(direct, second)] == [b"unknown", b"done"]
    direct.wait(900)
    direct.prune(1_000)
    assert state(direct, second) == b"unknown"


def test_dead_letters_of_single_tasks_are_dropped_to_the_end(direct: Direct) -> None:
    for n in range(120):
        direct.single(n)
    direct.kill(120)
    direct.wait(10)
    rounds = [direct.prune()[1:3] for _ in range(4)]
    assert rounds == [[0, 1], [0, 1], [1, 1], [0, 0]]


def test_records_of_many_segments_are_dropped_500_at_a_time(direct: Direct) -> None:
    batch = create(direct)
    direct.settle(direct.claim(), "done")
    members = {f"{n:010}{n:010}": 0 for n in range(1_001)}
    direct.client.zadd(direct.key("b", batch, "recs"), members)
    direct.client.hset(direct.key("b", f"{batch}+{1_000:010}", "rec"), "x", "y")
    direct.wait(10)
    assert [direct.prune()[1:3] for _ in range(4)] == [[0, 1], [0, 1], [1, 1], [0, 0]]
    assert direct.named(batch) == []


def test_a_tenant_with_records_is_not_forgotten(direct: Direct) -> None:
    task = single(direct)
    direct.settle(direct.claim(), "done")
    direct.wait(100)
    direct.call("tenant_prune", 50, 10)
    assert state(direct, task) == b"done"
    direct.prune(50)
    direct.wait(100_000)
    direct.call("tenant_prune", 50, 10)
    assert direct.named("acme") == []


# large results


def test_a_large_result_is_fenced_by_the_lease(direct: Direct) -> None:
    task = single(direct)
    [lease] = direct.claim()
    with direct.unchanged():
        assert direct.call("task_result", lease[:-1] + "9", b"x") == [b"lost"]
    assert direct.call("task_result", lease, b"x") == [b"ok"]
    direct.settle([lease], "done", 0, "r")
    assert read(direct, task)[10:12] == [read(direct, task)[10], b"x"]
    with direct.unchanged():
        assert direct.call("task_result", lease, b"y") == [b"lost"]


def test_a_large_result_of_a_batch_that_is_gone_leaves_nothing(direct: Direct) -> None:
    batch = create(direct)
    [lease] = direct.claim()
    direct.client.unlink(direct.key("b", batch), direct.key("b", batch, "rec"))
    assert direct.call("task_result", lease, b"x") == [b"lost"]
    assert not direct.client.exists(direct.key("b", batch, "rec"))
    direct.clear()
