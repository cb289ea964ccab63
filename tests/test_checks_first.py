"""What a call brings is checked before anything is written: what makes no sense is refused whole, and stored as nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, PAYLOAD, Direct, body, ending, group

Refused = redis.exceptions.ResponseError

# settlements

SETTLEMENTS: dict[str, Callable[[list[Any]], list[Any]]] = {
    # of [batch, queue, us, members, verbs]
    "a batch that is no text": lambda g: [7, *g[1:]],
    "a queue that is no text": lambda g: [g[0], 7, *g[2:]],
    "time that is none": lambda g: [*g[:2], "long", *g[3:]],
    "time as a text": lambda g: [*g[:2], "5", *g[3:]],
    "time below zero": lambda g: [*g[:2], -1, *g[3:]],
    "time beyond all": lambda g: [*g[:2], 2e15, *g[3:]],
    "a member that is no text": lambda g: [*g[:3], [*g[3], 7], g[4]],
    "a member that is an id": lambda g: [*g[:3], [*g[3], g[3][0][:32]], g[4]],
    "a verb of nobody": lambda g: [*g[:4], [[2, "retry"]]],
    "a verb of the one before the first": lambda g: [*g[:4], [[0, "retry"]]],
    "a verb between two": lambda g: [*g[:3], g[3] * 2, [[1.5, "retry"]]],
    "a verb before all": lambda g: [*g[:4], [[-1, "retry"]]],
    "a verb of a name": lambda g: [*g[:4], [["one", "retry"]]],
    "no verb": lambda g: [*g[:4], [[1, "fly"]]],
    "rescues": lambda g: [*g[:4], [[1, "expired"]]],
    "a delay below zero": lambda g: [*g[:4], [[1, "retry", -1]]],
    "a delay beyond all": lambda g: [*g[:4], [[1, "retry", 2e13]]],
    "a delay that is none": lambda g: [*g[:4], [[1, "retry", "soon"]]],
    "an error that is no text": lambda g: [*g[:4], [[1, "retry", 0, 7]]],
    "a grace below zero": lambda g: [*g[:4], [[1, "unknown", 0, "", -1]]],
    "a grace beyond all": lambda g: [*g[:4], [[1, "unknown", 0, "", 2e13]]],
}


@pytest.mark.parametrize("how", SETTLEMENTS)
def test_a_settlement_that_makes_no_sense_settles_nothing(direct: Direct, how: str) -> None:
    direct.create(2)
    one, two = direct.claim(2)
    with direct.unchanged(), pytest.raises(Refused, match="settlement: "):
        direct.step(1, [group([two]), SETTLEMENTS[how](group([one]))])


# lists of tasks

BODIES = [body(5), body(6)]
LISTS: dict[str, list[list[Any]]] = {
    # for two bodies
    "more than were sent": [["r", "q", 3, 0]],
    "fewer than were sent": [["r", "q", 1, 0]],
    "none": [],
    "of an unknown kind": [["x", "q", 2, 0]],
    "of nothing": [["r", "q", 2, 0], ["d", "q", 0, 0]],
    "below zero": [["r", "q", 3, 0], ["r", "q", -1, 0]],
    "of no number": [["r", "q", "2", 0]],
    "large ones without a payload": [["big", "", 2]],
}


def creating(direct: Direct, lists: bytes) -> Any:
    """A batch."""
    return direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *BODIES)


def appending(direct: Direct, lists: bytes) -> Any:
    """More of it."""
    return direct.once("batch_append", f"b{1:021}", "acme", "", lists, *BODIES)


def staging(direct: Direct, lists: bytes) -> Any:
    """A chunk."""
    return direct.call("batch_stage", direct.new(), 0, 1, lists, *BODIES)


def enqueueing(direct: Direct, lists: bytes) -> Any:
    """A single task."""
    return direct.once("task_enqueue", "acme", "seed", "", 0, lists, f"{5:010}", *BODIES)


@pytest.mark.parametrize("how", LISTS)
@pytest.mark.parametrize("script", [creating, appending, staging, enqueueing], ids=lambda script: script.__name__)
def test_lists_that_make_no_sense_store_nothing(direct: Direct, script: Callable[[Direct, bytes], Any], how: str) -> None:
    direct.create(1)
    with direct.unchanged(), pytest.raises(Refused, match="lists: "):
        script(direct, to_json(LISTS[how]))


# continuations


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize(
    "entry", ["", "never q 0\nx", "done q\nx", "done q soon\nx", "done q -1\nx", "done  0\nx", "settled q 0"]
)
def test_continuations_that_make_no_sense_store_nothing(direct: Direct, entry: str, staged: bool) -> None:
    seg = direct.new()
    direct.stage(seg, 2)
    commit = seg, "acme", "", "", "", to_json([["r", "q", 2]]), ending("done"), entry
    create = direct.new(), "acme", "", "", "", to_json([]), 2, ending("done"), entry
    with direct.unchanged(), pytest.raises(Refused, match="continuation: "):
        direct.once(*(("batch_commit", *commit) if staged else ("batch_create", *create)))


@pytest.mark.parametrize("on", ["done", "settled", "failed", "cancelled"])
def test_continuations_that_do_are_taken(direct: Direct, on: str) -> None:
    batch = direct.create(1, ends=[ending(on)])
    assert direct.record("b", batch)["continuations"] == "1"


# what is stored

ODD = {
    "broken": b"+{\n[]",
    "a number": b"+7\n[]",
    "a text": b'+"a"\n[]',
    "no end": b"+{}",
    "beyond all numbers": b'+{"a":1e400,"c":1}\n[]',
    "none of all numbers": b'+{"d":-1e400}\n[]',
    "texts for numbers": b'+{"a":"1","d":"x","n":[],"c":{}}\n[]',
    "beyond all in a list": b'+{"k":[1e400]}\n[]',
    "a large one of no segment": b'*{"g":{"a":1},"z":1}\n',
    "a large one of another": b'*{"g":"x","z":1}\n',
    "an unknown kind": b"?",
}


@pytest.mark.parametrize("how", ODD)
def test_a_stored_task_that_makes_no_sense_goes_the_way_of_all_tasks(direct: Direct, how: str) -> None:
    batch = direct.create(1, ends=[ending("failed")])
    task = f"{batch}{0:010}"
    direct.client.lset(direct.key("b", batch, "r", "q"), 0, f"{0:010}".encode() + ODD[how])
    assert len(direct.call("queue_read", "q")[1]) == 8
    for details in (["retry", 0, ERROR], ["release", 0, ERROR], ["unknown", 0, ERROR, 5_000], ["retry", 10, ERROR]):
        assert direct.settle(direct.claim(), *details) == []
        direct.wait(10)
        direct.promote()
    direct.claim()
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert direct.kill() == [task]
    assert direct.counters(batch) == ("failed", 1, 0, 1, 0)
    letters = to_json([[batch, "q", task[22:]]])
    assert direct.once("dead_retry", letters, 3) == [b"ok", 1]
    assert direct.kill() == [task]
    assert direct.once("dead_discard", letters) == [b"ok", 1]
    assert direct.named(batch) == [f"b:{batch}"]


@pytest.mark.parametrize("ext", [b'{"a":1e400}', b'{"c":1e400}', b'{"k":[1e400]}', b"{", b"7"])
def test_what_can_not_be_read_stays_as_it_is(direct: Direct, ext: bytes) -> None:
    batch = direct.create(1)
    odd = f"{0:010}".encode() + b"+" + ext + b"\n[]"
    for verb in ("retry", "release", "unknown"):
        direct.client.lset(direct.key("b", batch, "r", "q"), 0, odd)
        direct.settle(direct.claim(), verb, 0, "", 1_000)
        assert direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1) == [odd]


@pytest.mark.parametrize("stored", [b"never q 0\nx", b"nothing", b""])
def test_a_stored_continuation_that_makes_no_sense_is_passed(direct: Direct, stored: bytes) -> None:
    batch = direct.create(1, ends=[ending("done", 1), ending("done", 2)])
    direct.client.lset(direct.key("b", batch, "c"), 0, stored)
    direct.settle(direct.claim())
    assert direct.counts("after")[0] == 1
    assert bool(direct.named(f"{batch}:c")) == stored.startswith(b"never")
    direct.claim(9, queues=["after"])
    assert PAYLOAD in direct.client.hvals(direct.key("run"))[0]


def test_a_running_entry_that_makes_no_sense_comes_back_as_far_as_it_can_be_read(direct: Direct) -> None:
    batch = direct.create(2)
    one, two = direct.claim(2)
    direct.client.hset(direct.key("run"), one[:32], "q\nnow")
    direct.client.hset(direct.key("run"), two[:32], b"q\nnow\n" + body(1))
    assert direct.settle([one, two], "retry", 0, ERROR) == []
    assert direct.counters(batch) == ("running", 2, 2, 0, 0)
    ready = direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1)
    assert (ready[0], ready[1][:10], ready[1].endswith(PAYLOAD)) == (f"{one[22:32]}?".encode(), two[22:32].encode(), True)


def test_a_time_of_a_claim_that_can_not_be_read_stops_no_rescue(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    direct.client.hset(direct.key("run"), lease[:32], b"q\nnow\n" + body(0))
    direct.wait(LEASE)
    assert direct.rescue() == 1
    assert direct.counts()[:2] == (1, 0)
