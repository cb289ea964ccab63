"""Producers' calls that come again: each is done once, answers the same, and is remembered for as long as it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskproc.store.scripts import to_json
from tests import schedule_direct as schedules
from tests.direct import PRODUCER, Direct, body, plain

Call = tuple[str, tuple[Any, ...], Callable[[], Any]]
LISTS, BODIES = plain(1, ["q"])


def nothing() -> None:
    """Nothing happens meanwhile."""


def pruned(direct: Direct) -> None:
    """All that has ended is gone."""
    direct.wait(1)
    direct.prune()


def creating(direct: Direct) -> Call:
    """A batch that is gone when the call comes again."""
    return "batch_create", (direct.new(), "acme", "", "", "", to_json([]), 0), lambda: pruned(direct)


def committing(direct: Direct) -> Call:
    """The same for a staged one."""
    seg = direct.new()
    direct.stage(seg)

    def end() -> None:
        direct.once("batch_cancel", seg, "")
        pruned(direct)

    return "batch_commit", (seg, "acme", "", "", "", to_json([["r", "q", 1]])), end


def appending(direct: Direct) -> Call:
    """Without an idempotency key."""
    return "batch_append", (direct.create(1), "acme", "", LISTS, *BODIES), nothing


def committing_a_segment(direct: Direct) -> Call:
    """The batch is cancelled when the call comes again."""
    batch = direct.create(1)
    direct.stage(batch + "+1")
    args = batch, "acme", batch + "+1", "", to_json([["r", "q", 1]])
    return "segment_commit", args, lambda: direct.once("batch_cancel", batch, "")


def appending_again(direct: Direct) -> Call:
    """With a key that has appended before; the batch is cancelled when the call comes again."""
    batch = direct.create(1)
    direct.append(batch, idem="key")
    return "batch_append", (batch, "acme", "key", LISTS, *BODIES), lambda: direct.once("batch_cancel", batch, "")


def committing_again(direct: Direct) -> Call:
    """The same for a segment."""
    batch = direct.create(1)
    direct.append(batch, idem="key")
    direct.stage(batch + "+1")
    args = batch, "acme", batch + "+1", "key", to_json([["r", "q", 1]])
    return "segment_commit", args, lambda: direct.once("batch_cancel", batch, "")


def enqueueing(direct: Direct) -> Call:
    """Without an idempotency key."""
    return "task_enqueue", ("acme", "seed", "", 0, LISTS, f"{0:010}", body(0)), nothing


def cancelling(direct: Direct) -> Call:
    """A batch that runs."""
    return "batch_cancel", (direct.create(1), ""), nothing


def cancelling_a_task(direct: Direct) -> Call:
    """One that is ready."""
    return "task_cancel", (f"{direct.create(2)}{0:010}", "", ""), nothing


def retrying(direct: Direct) -> Call:
    """A dead letter."""
    direct.create(1)
    [task] = direct.kill()
    return "dead_retry", (to_json([[task[:22], "q", task[22:]]]), 0), nothing


def discarding(direct: Direct) -> Call:
    """A dead letter."""
    direct.create(1)
    [task] = direct.kill()
    return "dead_discard", (to_json([[task[:22], "q", task[22:]]]),), nothing


def pausing(direct: Direct) -> Call:
    """What runs."""
    return "instance_pause", (1,), nothing


def putting_a_schedule(direct: Direct) -> Call:
    """It is cancelled when the call comes again."""
    args = schedules.given(direct)
    return "schedule_put", args, lambda: direct.once("schedule_cancel", args[0])


def cancelling_a_schedule(direct: Direct) -> Call:
    """There is another of its id when the call comes again."""
    return "schedule_cancel", (schedules.store(direct),), lambda: schedules.store(direct)


def pausing_a_schedule(direct: Direct) -> Call:
    """It goes on when the call comes again."""
    key = schedules.store(direct)
    return "schedule_pause", (key, 1, 0, ""), lambda: schedules.resume(direct, key, direct.now)


def resuming_a_schedule(direct: Direct) -> Call:
    """It is paused when the call comes again."""
    key = schedules.store(direct)
    schedules.pause(direct, key)
    args = key, 0, int(direct.record("s", key)["rev"]), direct.now
    return "schedule_pause", args, lambda: schedules.pause(direct, key)


def triggering_a_schedule(direct: Direct) -> Call:
    """Its task is there."""
    return "schedule_trigger", (schedules.store(direct), "seed", f"{0:010}", 0), nothing


@pytest.mark.parametrize(
    "ground",
    [
        creating, committing, appending, committing_a_segment, appending_again, committing_again,
        enqueueing, cancelling, cancelling_a_task, retrying,
        discarding, pausing, putting_a_schedule, cancelling_a_schedule, pausing_a_schedule, resuming_a_schedule,
        triggering_a_schedule,
    ],
    ids=lambda ground: ground.__name__,
)  # fmt: skip
def test_a_call_that_comes_again_changes_nothing_and_answers_the_same(
    direct: Direct, ground: Callable[[Direct], Call]
) -> None:
    script, args, meanwhile = ground(direct)
    call = to_json([PRODUCER, 100, 1])
    answer = direct.call(script, call, *args)
    assert answer[0] == b"ok"
    meanwhile()
    with direct.unchanged():
        assert direct.call(script, call, *args) == answer


def pause(direct: Direct, number: int, low: int) -> Any:
    """A producer's call."""
    return direct.call("instance_pause", to_json([PRODUCER, number, low]), 1)[0]


def test_a_call_that_was_acknowledged_is_refused(direct: Direct) -> None:
    assert pause(direct, 5, 5) == b"ok"
    direct.once("instance_pause", 0)
    with direct.unchanged():
        assert pause(direct, 4, 4) == b"stale"


def test_a_call_that_was_late_takes_back_no_acknowledgement(direct: Direct) -> None:
    assert pause(direct, 9, 9) == b"ok"
    assert pause(direct, 10, 3) == b"ok"
    assert direct.record("p", PRODUCER)["low"] == "9"
    assert pause(direct, 5, 3) == b"stale"


def test_what_was_acknowledged_is_forgotten(direct: Direct) -> None:
    for number, low in ((1, 1), (2, 1), (3, 3)):
        assert pause(direct, number, low) == b"ok"
    assert direct.record("p", PRODUCER).keys() == {"low", "3"}


def test_of_many_calls_that_were_acknowledged_some_are_forgotten_at_a_time(direct: Direct) -> None:
    for number, low, known in ((1, 1, "1"), (2_000, 1_000, "251"), (2_001, 1_000, "501")):
        assert pause(direct, number, low) == b"ok"
        assert direct.record("p", PRODUCER)["low"] == known


def test_a_producer_that_is_gone_is_forgotten_after_an_hour(direct: Direct) -> None:
    assert pause(direct, 1, 1) == b"ok"
    assert 3_590_000 < direct.client.pttl(direct.key("p", PRODUCER)) <= 3_600_000
