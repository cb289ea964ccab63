"""What scripts refuse producers by the state of things: unknown, open, cancelled or others' batches, torn and late parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskproc.store.scripts import to_json
from tests.direct import Direct, plain
from tests.harness import UNKNOWN

Ground = Callable[[Direct], str]


def unknown(_direct: Direct) -> str:
    """There is none."""
    return UNKNOWN


def opened(direct: Direct) -> str:
    """The tenant's open batch."""
    return direct.single()[:22]


def others(direct: Direct) -> str:
    """Another tenant's."""
    return direct.create(1, "other")


def cancelled(direct: Direct) -> str:
    """A cancelled one."""
    batch = direct.create(2)
    direct.claim()
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    return batch


def done(direct: Direct) -> str:
    """One that has settled."""
    return direct.create(0)


# batches


@pytest.mark.parametrize(
    ("ground", "told"),
    [(unknown, b"unknown"), (opened, b"unknown"), (others, b"unknown"), (cancelled, b"settled"), (done, b"settled")],
)
def test_a_batch_that_can_not_be_cancelled(direct: Direct, ground: Ground, told: bytes) -> None:
    batch = ground(direct)
    before = direct.record("b", batch)
    assert direct.once("batch_cancel", batch, "acme") == [told]
    assert direct.record("b", batch) == before


def test_an_unknown_batch_is_unknown_whoever_asks(direct: Direct) -> None:
    with direct.unchanged():
        assert direct.call("batch_cancel", to_json(["p", 1, 1]), UNKNOWN, "") == [b"unknown"]


def test_a_failed_batch_is_cancelled_for_its_dead_letters(direct: Direct) -> None:
    batch = direct.create(1)
    [task] = direct.kill()
    assert direct.once("batch_cancel", batch, "acme") == [b"ok"]
    assert direct.named(batch) == [f"b:{batch}"]
    assert direct.once("batch_cancel", batch, "acme") == [b"settled"]
    assert direct.once("dead_retry", to_json([[batch, "q", task[22:]]]), 0) == [b"ok", 0]


@pytest.mark.parametrize(
    ("ground", "told"), [(unknown, b"unknown"), (opened, b"unknown"), (others, b"unknown"), (cancelled, b"cancelled")]
)
def test_a_batch_that_takes_no_more_tasks(direct: Direct, ground: Ground, told: bytes) -> None:
    batch = ground(direct)
    with direct.unchanged():
        assert direct.call("batch_append", to_json(["p", 1, 1]), batch, "acme", "", plain(1, ["q"])[0], b"x") == [told]
    before = direct.dump()
    direct.stage(batch + "+1", 2, queues=["q", "r"], delay=9)
    assert direct.commit(batch + "+1", 2) == [told]
    assert direct.dump() == before  # what was staged is dropped


def test_a_batch_of_more_than_64_queues_is_refused_in_every_way(direct: Direct) -> None:
    many = [f"q{n}" for n in range(65)]
    batch = direct.create(1, queues=many[:63])
    assert direct.append(batch, queues=many[63:64]) == [b"ok"]
    lists, bodies = plain(1, many)
    staged = direct.new()
    direct.stage(staged, queues=many)
    direct.stage(batch + "+1", queues=many[64:])
    with direct.unchanged():
        assert direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *bodies) == [b"queues", 65]
        assert direct.append(batch, queues=many[64:]) == [b"queues", 65]
        assert direct.commit(staged, queues=many) == [b"queues", 65]
    assert direct.commit(batch + "+1", queues=many[64:]) == [b"queues", 65]


def test_a_batch_that_keeps_its_list_of_queues_short(direct: Direct) -> None:
    batch = direct.create(1, queues=["q", "r"])
    for _ in range(3):
        assert direct.append(batch, queues=["r", "s"]) == [b"ok"]
    assert direct.record("b", batch)["queues"] == "q r s"


def test_a_batch_under_an_id_exists_once(direct: Direct) -> None:
    batch, staged = direct.create(1), direct.new()
    direct.stage(staged, 2)
    assert direct.commit(staged, 2) == [b"ok", staged.encode()]
    before = direct.counts()
    for _ in range(2):
        assert direct.create(3, batch=batch) == batch
        assert direct.commit(staged, 3) == [b"ok", staged.encode()]
    assert direct.counts() == before == (3, 0, 0, 0)


def test_what_an_idempotency_key_has_made_is_made_once(direct: Direct) -> None:
    batch, task = direct.create(1, idem="key"), direct.single(idem="other", keep=9_000)
    staged = direct.new()
    direct.stage(staged)
    for _ in range(2):
        assert direct.create(1, idem="key") == batch
        assert direct.commit(staged, idem="key") == [b"ok", batch.encode()]
        assert direct.single(7, idem="other") == task
        assert direct.append(batch, idem="more") == [b"ok"]
    direct.stage(batch + "+1")
    assert direct.commit(batch + "+1", idem="more") == [b"ok"]
    assert not direct.named(batch + "+1")
    assert direct.counts() == (3, 0, 0, 0)


def test_a_segment_remembers_its_idempotency_key(direct: Direct) -> None:
    batch = direct.create(1)
    direct.stage(batch + "+1")
    assert direct.commit(batch + "+1", idem="key") == [b"ok"]
    assert direct.append(batch, idem="key") == [b"ok"]
    assert direct.counts() == (2, 0, 0, 0)


# staging


def test_a_chunk_is_staged_once_and_in_its_turn(direct: Direct) -> None:
    seg = direct.new()
    assert direct.stage(seg, 2) == direct.stage(seg, 2) == [b"ok"]
    with direct.unchanged():
        assert direct.stage(seg, 2, chunk=2) == [b"gap", 1]
    assert direct.stage(seg, 1, chunk=1) == [b"ok"]
    assert direct.commit(seg, 3) == [b"ok", seg.encode()]
    assert not direct.named("stag")
    with direct.unchanged():
        assert direct.stage(seg, 2) == [b"late"]


def test_a_segment_is_staged_and_committed_once(direct: Direct) -> None:
    seg = direct.create(1) + "+1"
    direct.stage(seg, 2)
    assert direct.commit(seg, 2) == [b"ok"]
    assert direct.counts() == (3, 0, 0, 0)
    with direct.unchanged():
        assert direct.stage(seg, 2) == [b"late"]
    assert direct.commit(seg, 2) == [b"ok"]
    assert direct.counts() == (3, 0, 0, 0)
    assert not direct.named("stag")


def test_a_late_drop_takes_nothing_of_what_was_committed(direct: Direct) -> None:
    seg = direct.create(1) + "+1"
    direct.stage(seg, 2, delay=9)
    sizes = to_json([["d", "q", 2]])
    assert direct.once("segment_commit", seg[:22], "acme", seg, "", sizes) == [b"ok"]
    with direct.unchanged():
        direct.call("stage_drop", seg)


@pytest.mark.parametrize("append", [False, True])
def test_what_is_missing_a_part_is_not_committed(direct: Direct, append: bool) -> None:
    seg = direct.create(1) + "+1" if append else direct.new()
    direct.stage(seg, 2)
    for count in (1, 3):
        with direct.unchanged():
            assert direct.commit(seg, count) == [b"gap"]


def test_a_batch_of_500_segments_that_wait_takes_no_more(direct: Direct) -> None:
    batch = direct.create(1)
    direct.stage(batch + "+1")
    for count, told in ((501, b"busy"), (500, b"ok")):
        direct.client.sadd(direct.key("b", batch, "segs"), *(f"{batch}+{n:09}:r:q" for n in range(count)))
        assert direct.commit(batch + "+1") == [told]
        direct.client.delete(direct.key("b", batch, "segs"))
    direct.clear()


def test_a_batch_that_runs_again_is_kept(direct: Direct) -> None:
    for more in (direct.append, lambda batch, _: direct.stage(batch + "+1") and direct.commit(batch + "+1")):
        batch = direct.create(0)
        assert more(batch, 1) == [b"ok"]
        assert direct.counters(batch)[0] == "running"
        assert "ended" not in direct.record("b", batch)
        direct.wait(1)
        direct.prune()
        assert direct.counters(batch) == ("running", 1, 1, 0, 0)


def test_an_append_of_nothing_opens_no_batch_again(direct: Direct) -> None:
    batch = direct.create(0)
    assert direct.append(batch, 0) == [b"ok"]
    assert direct.counters(batch) == ("done", 0, 0, 0, 0)
