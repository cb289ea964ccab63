"""Records of tasks with keep="all", script by script: written, found, ended and dropped."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from taskproc.store.scripts import to_json
from tests.direct import ERROR, PAYLOAD, Direct, body, ending
from tests.direct import group as settlement
from tests.kept import append, create, kept, read, records, single, state
from tests.told import Told

# written


def test_only_kept_tasks_have_records(direct: Direct) -> None:
    batch = create(direct, 2, plain=2)
    assert records(direct, batch) == [b"0000000000", b"0000000001"]
    other = direct.create(1)
    assert records(direct, other) == []
    looks_kept = body(0, b'["x",[{"k":"a"}]]')
    plain = b'0000000001+{"m":5}\n' + b'["x",[{"k":"a"}]]\n'
    lists = to_json([["r", "q", 2, 0, False, 1]])
    answer = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, looks_kept, plain)
    assert records(direct, answer[1].decode()) == []


def test_other_kinds_of_keeping_have_no_records(direct: Direct) -> None:
    lists = to_json([["r", "q", 2, 0, False, 1]])
    bodies = [b'0000000000+{"k":"f"}\n' + PAYLOAD, b'0000000001+{"k":"n"}\n' + PAYLOAD]
    batch = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *bodies)[1].decode()
    assert records(direct, batch) == []


def test_a_batch_with_records_has_the_queues_of_its_tasks(direct: Direct) -> None:
    batch = create(direct, 2, plain=1)
    assert direct.record("b", batch)["queues"] == "q"
    assert direct.counters(batch) == ("running", 3, 3, 0, 0)
    assert append(direct, batch, "0123456789", 50, 2) == [b"ok"]
    assert direct.record("b", batch)["queues"] == "q"
    assert direct.counters(batch) == ("running", 5, 5, 0, 0)


def test_a_continuation_has_its_record_when_it_fires(direct: Direct) -> None:
    entry = b'settled after 0\n0000000009+{"p":1,"k":"a"}\n' + PAYLOAD
    batch = direct.create(1, ends=[entry, ending("settled", 8)])
    assert not direct.named(":rec")
    direct.settle(direct.claim())
    [name] = direct.named(":rec")
    assert direct.client.hkeys(f"{direct.prefix}{name}") == [b"0000000009"]
    assert read(direct, f"{name.split(':')[1]}0000000009")[:2] == [b"ready", b"after"]
    assert batch not in name


def test_what_was_not_staged_whole_is_not_committed(direct: Direct) -> None:
    batch = direct.new()
    lists = to_json([["r", "q", 2, 0, False, 2]])
    assert direct.call("batch_stage", batch, 0, 0, lists, kept(0), kept(1)) == [b"ok"]
    direct.client.hdel(direct.key("b", batch, "rec"), "0000000001")
    sizes = to_json([["r", "q", 2], ["rec", "", 2, False, 0, "0000000000"]])
    assert direct.once("batch_commit", batch, "acme", "", "", "", sizes) == [b"gap"]
    assert direct.call("stage_drop", batch) == [b"ok"]
    assert direct.named(batch) == []


def test_lists_that_can_not_be_are_refused(direct: Direct) -> None:
    lists = to_json([["r", "q", 1, 0, False, "many"]])
    with direct.unchanged(), pytest.raises(redis.ResponseError, match="lists: kind"):
        direct.once("task_enqueue", "acme", "acme", "", 9, lists, "0" * 10, kept(0))


# found


def test_records_of_segments_are_found_by_their_ids(direct: Direct) -> None:
    batch = create(direct, 1)
    assert append(direct, batch, "later00000", 9_000, 2) == [b"ok"]
    assert append(direct, batch, "early00000", 5_000, 2) == [b"ok"]
    leases = direct.claim(5)
    for local in (0, 5_000, 5_001, 9_000, 9_001):
        assert read(direct, f"{batch}{local:010}")[9] == 1
    assert read(direct, f"{batch}{7_000:010}")[0] == b"unknown"
    assert direct.settle(leases, "done") == []
    assert [state(direct, f"{batch}{local:010}") for local in (0, 5_001, 9_001)] == [b"done"] * 3
    assert not [name for name in direct.named(batch) if name.endswith((":segs", ":r:q"))]
    direct.wait(10)
    direct.prune()
    assert direct.named(batch) == []


def test_a_large_payload_of_a_segment_stays_with_its_record(direct: Direct) -> None:
    batch = direct.create(1)
    seg, stub = f"{batch}+1234567890", b'0000005000*{"g":"' + f"{batch}+1234567890".encode() + b'","k":"a","z":9}\n'
    lists = to_json([["r", "q", 1, 0, False, 1], ["big", "", 1, 0]])
    assert direct.call("batch_stage", seg, 0, 1, lists, stub, "0000005000", "x" * 9_000) == [b"ok"]
    sizes = to_json([["r", "q", 1], ["big", "", 1], ["rec", "", 1, False, 0, "0000005000"]])
    assert direct.once("segment_commit", batch, "acme", seg, "", sizes) == [b"ok"]
    assert direct.settle(direct.claim(2), "done") == []
    assert direct.client.hlen(direct.key("b", seg, "big")) == 1
    assert not [name for name in direct.named(batch) if name.endswith(":segs")]
    direct.wait(10)
    direct.prune()
    assert direct.named(batch) == []


def test_a_cancelled_batch_tells_for_those_that_had_not_ended(direct: Direct) -> None:
    batch = create(direct, 4)
    leases = direct.claim(3)
    direct.settle(leases[:1], "done")
    direct.settle(leases[1:2], "dead", 0, ERROR)
    direct.client.hset(direct.key("b", batch, "big"), "0000000003", "payload")
    direct.once("batch_cancel", batch, "")
    assert [state(direct, f"{batch}{n:010}") for n in range(4)] == [b"done", b"failed", b"cancelled", b"cancelled"]
    assert len(read(direct, f"{batch}{1:010}")[8]) == 1
    assert direct.client.hlen(direct.key("b", batch, "big")) == 1
    assert direct.settle(leases[2:]) == []
    assert state(direct, f"{batch}{2:010}") == b"cancelled"
    direct.wait(10)
    direct.prune()
    assert direct.named(batch) == []


def test_a_cancelled_batch_without_records_keeps_nothing(direct: Direct) -> None:
    batch = direct.create(2)
    direct.settle(direct.claim(), "retry", 9, ERROR)
    direct.once("batch_cancel", batch, "")
    assert direct.named(batch) == [f"b:{batch}"]


# ended


@pytest.mark.parametrize(
    ("verb", "details", "told"),
    [
        ("done", (), b"done 1 {claimed} {now}\n"),
        ("done", (0, "j7"), b"done 1 {claimed} {now}\nj7"),
        ("dead", (0, ERROR), b"failed 1 {claimed} {now}\n"),
        ("drop", (0, ERROR), b"failed 1 {claimed} {now}\n"),
        ("exhausted", (0, ERROR), b"failed 0 {claimed} {now}\n"),
        ("cancelled", (), b"cancelled 1 {claimed} {now}\n"),
    ],
)
def test_a_record_tells_how_its_task_ended(direct: Direct, verb: str, details: tuple[Any, ...], told: bytes) -> None:
    task = single(direct)
    leases, claimed = direct.claim(), direct.now
    direct.wait(1_234)
    assert direct.settle(leases, verb, *details) == []
    found = read(direct, task)
    assert found[10] == told.replace(b"{claimed}", str(claimed).encode()).replace(b"{now}", str(direct.now).encode())
    assert len(found[8]) == (1 if details and details[-1] == ERROR else 0)
    assert direct.client.zrange(direct.key("b", task[:22], "kept"), 0, -1) == [task[22:].encode()]


def test_errors_stay_with_the_record(direct: Direct) -> None:
    task = single(direct)
    direct.settle(direct.claim(), "retry", 0, ERROR)
    direct.settle(direct.claim(), "done")
    assert state(direct, task) == b"done"
    assert len(read(direct, task)[8]) == 1


def test_a_task_that_runs_again_has_not_ended(direct: Direct) -> None:
    task = single(direct)
    direct.kill()
    assert direct.once("dead_retry", to_json([[task[:22], "q", task[22:]]]), 0) == [b"ok", 1]
    assert state(direct, task) == b"ready"
    assert read(direct, task)[10] == b""
    assert not direct.client.exists(direct.key("b", task[:22], "kept"))
    assert direct.client.zrange(direct.key("settled"), 0, -1) == []
    direct.wait(10)
    direct.prune()
    assert state(direct, task) == b"ready"


def test_a_waiting_task_that_is_cancelled_is_told_as_such(direct: Direct) -> None:
    for delay in (0, 500):
        task = single(direct, delay, delay=delay)
        assert direct.once("task_cancel", task, "", "") == [b"ok"]
        assert state(direct, task) == b"cancelled"
        assert read(direct, task)[10].startswith(b"cancelled 0 0 ")


# who is told


def test_who_waits_for_a_task_is_told_of_its_end_alone(direct: Direct) -> None:
    tasks = [single(direct, n) for n in range(2)]
    field, home = tasks[0][22:] + "w", direct.key("b", tasks[0][:22], "rec")
    assert read(direct, tasks[0], 1)[0] == b"ready"
    assert direct.client.hget(home, field) == b"1"
    leases = direct.claim(2)
    direct.settle(leases[1:], "done")
    assert direct.client.hexists(home, field)
    direct.settle(leases[:1], "done")
    assert not direct.client.hexists(home, field)
    assert read(direct, tasks[0], 1)[0] == b"done"
    assert not direct.client.hexists(home, field)


def test_who_waits_is_told_and_nobody_else(direct: Direct) -> None:
    tasks, told = [single(direct, n) for n in range(3)], Told(direct)
    leases = direct.claim(3)
    read(direct, tasks[1], 1)
    direct.settle(leases[:1], "done")
    assert told.ids() == []
    direct.settle(leases[1:2], "done")
    assert told.ids() == [tasks[1]]
    read(direct, tasks[2], 1)
    assert direct.once("task_cancel", tasks[2], "", "") == [b"running"]
    direct.settle(leases[2:], "cancelled")
    assert told.ids() == [tasks[2]]
    plain = direct.single(9)
    assert read(direct, plain, 1)[0] == b"ready"
    direct.settle(direct.claim(), "done")
    assert told.ids() == [plain[:22]]


def test_a_full_redis_lets_waits_and_ends_through(direct: Direct) -> None:
    tasks = [single(direct, n) for n in range(2)]
    leases = direct.claim(2)
    with direct.full():
        assert read(direct, tasks[0], 1)[0] == b"running"
        assert direct.step(0, [settlement(leases, "done", 0, "j7")])[5] == []
    assert read(direct, tasks[0])[10].endswith(b"\nj7")


def test_what_is_watched_is_not_watched_less(direct: Direct) -> None:
    batch = direct.create(1)
    for level, found in ((1, "1"), (3, "3"), (2, "3"), (1, "3")):
        direct.call("batch_get", level, batch)
        assert direct.record("b", batch)["watched"] == found
