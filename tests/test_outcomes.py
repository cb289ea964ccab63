"""How a run that is not simply done goes on: attempts, delays, errors, dead letters."""

from __future__ import annotations

import pytest

from taskproc.codec import Body, read_body
from taskproc.store.scripts import to_json
from tests.direct import ERROR, LEASE, W1, Direct, ending, group


def ready(direct: Direct) -> list[Body]:
    """The ready tasks of the only list."""
    [name] = direct.named(":r:q")
    return [read_body(stored) for stored in direct.client.lrange(direct.prefix + name, 0, -1)]


@pytest.mark.parametrize(("verb", "attempts", "place"), [("retry", 1, 2), ("release", 0, 0), ("unknown", 0, 0)])
def test_what_goes_on_counts_its_attempt_or_not_and_goes_last_or_first(
    direct: Direct, verb: str, attempts: int, place: int
) -> None:
    direct.create(3)
    direct.settle(direct.claim(), verb, 0, ERROR, 1_000)
    [again] = [body for body in ready(direct) if body.local == f"{0:010}"]
    assert ready(direct).index(again) == place
    assert (again.number("a"), again.number("d")) == (attempts, 1)


def test_a_rescued_task_goes_first_and_has_used_an_attempt(direct: Direct) -> None:
    batch = direct.create(3)
    direct.claim(2)
    direct.wait(LEASE)
    assert direct.rescue() == 2
    assert [(body.local, body.number("a"), body.number("d")) for body in ready(direct)] == [
        (f"{0:010}", 1, 1), (f"{1:010}", 1, 1), (f"{2:010}", 0, 0)
    ]  # fmt: skip
    [error] = direct.client.hmget(direct.key("b", batch, "e"), f"{0:010}:0")
    assert error is not None
    assert W1.encode() in error
    assert b'"attempt":1' in error


@pytest.mark.parametrize(("verb", "attempts"), [("dead", 1), ("exhausted", 0)])
def test_a_dead_letter_has_used_the_attempt_that_it_died_of(direct: Direct, verb: str, attempts: int) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), verb, 0, ERROR)
    assert direct.letter(f"{batch}{0:010}").number("a") == attempts
    assert direct.counters(batch) == ("failed", 1, 0, 1, 0)


def test_work_that_nobody_knows_is_dead_after_its_grace(direct: Direct) -> None:
    batch = direct.create(1)
    for state in ("running", "running", "failed"):
        assert direct.settle(direct.claim(), "unknown", 0, ERROR, 1_000) == []
        assert direct.counters(batch)[0] == state
        direct.wait(600)


def test_the_grace_of_unknown_work_begins_anew_after_a_run(direct: Direct) -> None:
    batch = direct.create(1)
    for verb in ("unknown", "retry", "unknown"):
        assert direct.settle(direct.claim(), verb, 0, ERROR, 1_000) == []
        direct.wait(600)
    assert direct.counters(batch)[0] == "running"


def test_what_waits_for_its_retry_is_delayed(direct: Direct) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), "retry", 500, ERROR)
    assert direct.counts() == (0, 0, 1, 0)
    assert direct.client.zscore(direct.key("delayed"), f"{batch}:q") == direct.now + 500
    direct.wait(499)
    assert direct.promote() == 0
    direct.wait(1)
    assert direct.promote() == 1


@pytest.mark.parametrize(("verb", "failed", "cancelled"), [("done", 0, 0), ("drop", 1, 0), ("cancelled", 0, 1)])
def test_nothing_is_kept_of_what_has_ended(direct: Direct, verb: str, failed: int, cancelled: int) -> None:
    batch = direct.create(2)
    direct.settle(direct.claim(2), "retry", 0, ERROR)
    leases = direct.claim(2)
    direct.settle(leases, verb)
    assert direct.named(batch) == [f"b:{batch}"]
    assert direct.counters(batch) == ("failed" if failed else "done", 2, 0, 2 * failed, 2 * cancelled)


def test_an_error_that_is_none_is_not_kept(direct: Direct) -> None:
    batch = direct.create(1)
    direct.settle(direct.claim(), "retry", 0, "")
    assert not direct.named(f"b:{batch}:e")


@pytest.mark.parametrize("append", [False, True])
def test_a_large_payload_goes_with_its_task(direct: Direct, append: bool) -> None:
    batch = direct.create(1)
    seg = batch + "+1" if append else batch
    direct.client.delete(direct.key("b", batch, "r", "q"))
    told = b'*{"z":9,"g":"%s"}\n' % seg.encode() if append else b'*{"z":9}\n'
    direct.client.rpush(direct.key("b", batch, "r", "q"), f"{0:010}".encode() + told)
    direct.client.hset(direct.key("b", seg, "big"), f"{0:010}", "x")
    if append:
        direct.client.sadd(direct.key("b", batch, "segs"), f"{seg}:big")
    direct.settle(direct.claim(), "done")
    assert direct.named(batch) == [f"b:{batch}"]


def test_a_payload_that_others_still_need_keeps_its_segment(direct: Direct) -> None:
    batch = direct.create(1)
    seg = batch + "+1"
    lists = to_json([["r", "q", 2, 0], ["big", "", 2]])
    stubs = [f'{n:010}*{{"z":9,"g":"{seg}"}}\n' for n in (7, 8)]
    direct.call("batch_stage", seg, 0, 1, lists, *stubs, f"{7:010}", "x", f"{8:010}", "y")
    sizes = to_json([["r", "q", 2], ["big", "", 2]])
    assert direct.once("segment_commit", batch, "acme", seg, "", sizes) == [b"ok"]
    [_, one, two] = direct.claim(3)
    direct.settle([one], "done")
    assert direct.client.sismember(direct.key("b", batch, "segs"), f"{seg}:big")
    direct.settle([two], "done")
    assert not direct.named(":segs")


def test_a_retry_by_hand_is_fresh(direct: Direct) -> None:
    batch = direct.create(1)
    for verb in ("unknown", "retry", "dead"):
        direct.settle(direct.claim(), verb, 0, ERROR, 1_000)
    letters = to_json([[batch, "q", f"{0:010}"]])
    assert direct.letter(f"{batch}{0:010}").number("a") == 2
    assert direct.once("dead_retry", letters, 7) == [b"ok", 1]
    [body] = ready(direct)
    assert (body.number("a"), body.number("m"), body.number("n"), body.number("d")) == (0, 7, 0, 3)
    assert direct.counts() == (1, 0, 0, 0)
    assert not direct.named("dead")


def test_the_oldest_dead_letter_is_known(direct: Direct) -> None:
    batch = direct.create(2)
    [first] = direct.kill()
    died = direct.now
    direct.wait(10)
    direct.kill()
    index = direct.key("dead", "q")
    assert direct.client.zscore(index, batch) == died
    assert direct.once("dead_discard", to_json([[batch, "q", first[22:]]])) == [b"ok", 1]
    assert direct.client.zscore(index, batch) == died + 10


def test_delayed_continuations_wait_from_the_end_of_their_batch(direct: Direct) -> None:
    direct.create(1, ends=[ending("done", 1, delay=500), ending("done", 2)])
    direct.wait(1_000)
    direct.step(0, [group(direct.claim())])
    assert direct.counts("after") == (1, 0, 1, 0)
    [(_, due)] = direct.client.zrange(direct.key("delayed"), 0, -1, withscores=True)
    assert due == direct.now + 500
    direct.claim(queues=["after"])
