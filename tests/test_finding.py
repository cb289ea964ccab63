"""Where tasks lie once they are stored: counted, listed, and found again by their ids."""

from __future__ import annotations

import pytest

from taskproc.codec import read_body
from taskproc.store.lua import load
from taskproc.store.scripts import to_json
from tests.direct import ERROR, Direct, body, ending


def test_a_ready_task_is_found_at_once_where_ids_rise(direct: Direct) -> None:
    batch = direct.new()
    for chunk in range(4):
        bodies = [body(1_000 * chunk + n) for n in range(1_000)]
        assert direct.call("batch_stage", batch, chunk, 0, to_json([["r", "q", 1_000, 0]]), *bodies) == [b"ok"]
    assert direct.commit(batch, 4_000)[0] == b"ok"
    for local in (0, 1, 1_999, 2_000, 3_999):
        assert direct.call("task_read", f"{batch}{local:010}", "", 0)[0] == b"ready"
        assert direct.once("task_cancel", f"{batch}{local:010}", "", "") == [b"ok"]
        assert direct.call("task_read", f"{batch}{local:010}", "", 0)[0] != b"ready"
    assert direct.counters(batch) == ("running", 4_000, 3_995, 0, 5)


@pytest.mark.parametrize("place", ["run", "delayed", "dead", "ready", "segment", "segment later"])
def test_a_task_is_found_wherever_it_is(direct: Direct, place: str) -> None:
    batch, local = direct.create(1), 0
    if place.startswith("segment"):
        local, kind = 2_000, "d" if place == "segment later" else "r"
        direct.stage(batch + "+1", delay=9 if kind == "d" else 0)
        sizes = to_json([[kind, "q", 1]])
        assert direct.once("segment_commit", batch, "acme", batch + "+1", "", sizes) == [b"ok"]
    elif place == "run":
        direct.claim()
    elif place == "delayed":
        direct.settle(direct.claim(), "retry", 9, ERROR)
    elif place == "dead":
        direct.kill()
    states = {"run": b"running", "delayed": b"delayed", "dead": b"dead", "segment later": b"delayed"}
    found = direct.call("task_read", f"{batch}{local:010}", "", 0)
    assert found[:4] == [states.get(place, b"ready"), b"q", b"acme", batch.encode()]
    assert found[7].startswith(f"{local:010}".encode())
    assert found[8] == ([] if place not in ("delayed", "dead") else [found[8][0]])


def test_a_body_of_what_is_nowhere_is_no_task(direct: Direct) -> None:
    batch = direct.create(1)
    for stored in ("q\n" + "x" * 10, "no queue"):
        direct.client.hset(direct.key("b", batch, "w"), "x" * 10, stored)
        assert direct.call("task_read", f"{batch}{'x' * 10}", "", 0)[0] == b"unknown"
    assert direct.call("task_read", "0" * 32, "", 0) == [b"unknown"]


def test_a_single_task_is_shown_without_a_batch(direct: Direct) -> None:
    assert direct.call("task_read", direct.single(), "", 0)[3] == b""
    assert [entry[1] for entry in direct.call("queue_tasks", "q", 0, 9)] == [b""]


def test_lists_of_one_queue_count_together(direct: Direct) -> None:
    lists = to_json([["d", "q", 1, 10], ["d", "q", 1, 20], ["r", "q", 1, 0], ["r", "q", 2, 0], ["big", "", 1]])
    bodies = [body(n) for n in range(5)]
    batch = direct.new()
    assert direct.once("batch_create", batch, "acme", "", "", "", lists, 0, *bodies, f"{4:010}", "large")[0] == b"ok"
    assert direct.counters(batch) == ("running", 5, 5, 0, 0)
    assert direct.counts() == (3, 0, 2, 0)
    assert direct.record("b", batch)["queues"] == "q"
    assert not direct.named(":segs")
    assert direct.client.llen(direct.key("lane", "q", "acme")) == 1
    assert direct.client.zscore(direct.key("delayed"), f"{batch}:q") == direct.now + 10


def test_a_queue_of_nothing_but_delayed_tasks_is_listed(direct: Direct) -> None:
    direct.create(1, queues=["later"], delay=10)
    assert direct.call("queue_list") == [b"later"]
    direct.create(1)
    direct.settle(direct.claim(), "retry", 10, ERROR)
    assert direct.call("queue_list") == [b"later", b"q"]


def test_what_joins_a_batch_later_notes_its_own_time(direct: Direct) -> None:
    batch = direct.create(1)
    direct.wait(5_000)
    told = f'{7:010}+{{"m":3}}\n[]'.encode()
    lists = to_json([["r", "q", 2, 0]])
    assert direct.once("batch_append", batch, "acme", "", lists, body(6), told) == [b"ok"]
    bodies = [read_body(stored) for stored in direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1)]
    assert [one.number("c") for one in bodies] == [0, direct.now, direct.now]
    assert [one.number("m") for one in bodies] == [0, 0, 3]
    assert direct.call("queue_read", "q")[1][5] == str(direct.now - 5_000).encode()


def test_a_due_time_is_taken_as_it_is_told(direct: Direct) -> None:
    batch = direct.new()
    lists = to_json([["d", "q", 1, 0, direct.now + 77]])
    direct.once("batch_create", batch, "acme", "", "", "", lists, 0, body(0))
    assert direct.client.zscore(direct.key("b", batch, "d", "q"), f"{0:010}") == direct.now + 77


def test_a_task_of_a_batch_that_is_gone_is_unknown(direct: Direct) -> None:
    batch = direct.create(1)
    direct.claim()
    direct.client.unlink(direct.key("b", batch))
    assert direct.call("task_read", f"{batch}{0:010}", "", 0) == [b"unknown"]
    direct.clear()


def test_a_task_that_has_ended_is_unknown(direct: Direct) -> None:
    batch = direct.create(2)
    direct.settle(direct.claim())
    assert direct.once("task_cancel", f"{batch}{0:010}", "", "") == [b"unknown"]


def test_a_continuation_that_waits_makes_its_queue_known(direct: Direct) -> None:
    direct.create(0, ends=[ending("done", delay=50)])
    assert direct.call("queue_list") == [b"after"]


def test_time_is_the_servers_to_the_microsecond(direct: Direct) -> None:
    script = load("instance_open")
    found = set()
    for _ in range(20):
        seconds, us = direct.client.time()
        _, now, _ = direct.client.eval(script.text, 1, direct.prefix + "~", direct.prefix, 1)
        assert 0 <= int(now) - (seconds * 1000 + us // 1000) < 1_000
        found.add(int(now))
    assert any(now % 1000 for now in found)
