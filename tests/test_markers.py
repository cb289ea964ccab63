"""Hints: the marker that wakes an idle worker, and the messages to those who listen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.direct import ERROR, LEASE, W2, Direct, group

# markers


def markers(direct: Direct, queue: str = "q") -> int:
    """How many a queue has."""
    return int(direct.client.llen(direct.key("wake", queue)))


def take(direct: Direct) -> None:
    """An idle worker takes the marker."""
    direct.client.delete(direct.key("wake", "q"))


def test_tasks_leave_one_marker_however_many_they_are(direct: Direct) -> None:
    direct.create(3)
    direct.create(3)
    direct.single()
    assert markers(direct) == 1


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_a_step_that_leaves_tasks_behind_leaves_a_marker_and_one_that_does_not_takes_it(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    direct.create(3)
    for want, left in ((1, 1), (0, 1), (1, 1), (1, 0)):
        take(direct)
        direct.step(want)
        assert markers(direct) == left
    direct.client.rpush(direct.key("wake", "q"), "1")
    direct.step(1)
    assert markers(direct) == 0


def test_a_step_that_settles_leaves_a_marker_for_what_comes_back(direct: Direct) -> None:
    direct.create(1)
    leases = direct.claim()
    take(direct)
    direct.settle(leases, "retry", 0, ERROR)
    assert markers(direct) == 1


@pytest.mark.parametrize("back", [0, 1])
def test_a_step_of_the_past_leaves_the_marker_that_it_took(direct: Direct, back: int) -> None:
    direct.create(3)
    for seq in (1, 2):
        direct.step(1, seq=seq)
    take(direct)
    direct.step(1, seq=2 - back)
    assert markers(direct) == 1


def test_a_step_of_the_past_leaves_no_marker_where_nothing_is_ready(direct: Direct) -> None:
    direct.create(1)
    direct.step(1, seq=1)
    direct.step(1, seq=1)
    assert markers(direct) == 0


def test_a_task_that_is_due_before_all_others_leaves_a_marker(direct: Direct) -> None:
    for delay, left in ((50, 1), (60, 0), (40, 1)):
        take(direct)
        direct.create(1, delay=delay)
        assert markers(direct) == left


def test_what_is_promoted_and_what_is_rescued_leaves_a_marker(direct: Direct) -> None:
    direct.create(1, delay=10)
    direct.wait(10)
    take(direct)
    direct.promote()
    assert markers(direct) == 1
    direct.claim()
    direct.wait(LEASE)
    direct.rescue()
    assert markers(direct) == 1


def test_in_a_strict_queue_somebody_has_to_take_a_cancelled_tasks_ticket(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    batch = direct.create(1)
    take(direct)
    direct.once("task_cancel", f"{batch}{0:010}", "", "")
    assert markers(direct) == 1


def test_a_step_tells_when_the_next_task_is_due_and_the_next_lease_ends(direct: Direct) -> None:
    assert direct.step()[2:4] == [b"", b""]
    direct.create(1, delay=70)
    direct.create(1, delay=50)
    direct.create(2)
    direct.claim(lease=900, worker=W2)
    direct.claim(lease=800)
    told = [str(direct.now + 50).encode(), str(direct.now + 800).encode()]
    assert direct.step()[2:4] == direct.call("upkeep_rescue", 1)[3:5] == direct.call("upkeep_promote", 1)[3:5] == told


# messages


@contextmanager
def heard(direct: Direct) -> Iterator[list[tuple[str, str]]]:
    """What is told during the block, on the channels of the instance."""
    found: list[tuple[str, str]] = []
    with direct.client.pubsub() as listener:
        listener.psubscribe(direct.prefix + "*")
        listener.get_message(timeout=5)
        yield found
        direct.client.publish(direct.prefix + "end", "")
        while (message := listener.get_message(timeout=5)) is not None:
            channel = message["channel"].decode().removeprefix(direct.prefix)
            if channel == "end":
                return
            found.append((channel, message["data"].decode()))
        raise AssertionError("the messages did not come")


def test_a_cancel_is_told_once(direct: Direct) -> None:
    batch, other = direct.create(2), direct.create(2)
    [lease] = direct.claim()
    with heard(direct) as told:
        direct.once("task_cancel", lease[:32], "", "")
        direct.once("task_cancel", f"{batch}{1:010}", "", "")  # nobody runs it
        for _ in range(2):
            direct.once("batch_cancel", other, "")
    assert told == [("cancel", lease[:32]), ("cancel", other)]


def test_the_end_of_a_batch_is_told_where_somebody_waits(direct: Direct) -> None:
    watched, other = direct.create(1), direct.create(1)
    direct.call("batch_get", 1, watched)
    direct.call("batch_get", 0, other)
    with heard(direct) as told:
        direct.step(0, [group([lease]) for lease in direct.claim(2)])
    assert told == [("settled", watched)]
    cancelled = direct.create(1)
    direct.call("batch_get", 1, cancelled)
    with heard(direct) as told:
        direct.once("batch_cancel", cancelled, "")
    assert sorted(told) == [("cancel", cancelled), ("settled", cancelled)]


def test_nobody_waits_for_a_batch_that_is_open_or_not_there(direct: Direct) -> None:
    task = direct.single()
    with direct.unchanged():
        assert direct.call("batch_get", 1, task[:22], "0" * 22) == [[], []]


def test_a_pause_and_its_end_are_told(direct: Direct) -> None:
    with heard(direct) as told:
        for pause in (1, 0):
            direct.once("instance_pause", pause)
    assert told == [("control", "pause"), ("control", "resume")]
    assert direct.record("m") == {"schema": "1"}
