"""Steps that claim by turns: so many tasks of a queue at most, and slots that no other queue may use."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.direct import W2, Direct
from tests.harness import in_each_mode

Turn = tuple[str, int, int]

mode = in_each_mode("a", "b", "c")


def took(direct: Direct, want: int, *turns: Turn | str, worker: str = W2) -> tuple[dict[str, int], int]:
    """How many a step claims of each queue, and whether it tells of more."""
    queues: Any = turns
    answer = direct.step(want, queues=queues, worker=worker)
    assert (answer[0], answer[9]) == (b"ok", []), answer
    counts: Counter[str] = Counter()
    for queue, _, _, _, bodies in answer[7]:
        counts[queue.decode()] += len(bodies)
    return dict(counts), answer[8]


def markers(direct: Direct) -> str:
    """The queues that have a wake-up marker."""
    return "".join(queue for queue in "abc" if direct.client.llen(direct.key("wake", queue)))


@pytest.mark.usefixtures("mode")
def test_a_turn_gives_so_many_at_most_and_the_next_queue_has_the_others(direct: Direct) -> None:
    direct.create(9, queues=["a", "b"])
    assert took(direct, 6, ("a", 2, 0), ("b", 3, 0)) == ({"a": 2, "b": 3}, 0)
    assert markers(direct) == "ab"


@pytest.mark.usefixtures("mode")
def test_a_queue_may_have_another_turn_for_what_others_have_left(direct: Direct) -> None:
    direct.create(1, queues=["b"])
    direct.create(9, queues=["a"])
    assert took(direct, 6, ("a", 2, 0), ("b", 3, 0), ("a", 6, 0), ("b", 6, 0)) == ({"a": 5, "b": 1}, 0)
    assert markers(direct) == "a"
    assert took(direct, 6, ("a", 2, 0), ("b", 3, 0), ("a", 6, 0), ("b", 6, 0))[0] == {"a": 4}
    assert markers(direct) == ""


@pytest.mark.usefixtures("mode")
def test_slots_of_another_queue_are_left_free_whether_it_comes_before_or_after(direct: Direct) -> None:
    direct.create(9, queues=["b"])
    assert took(direct, 4, ("a", 4, 1), ("b", 4, 0), ("c", 4, 1)) == ({"b": 2}, 0)
    assert took(direct, 2, ("a", 2, 1), ("b", 2, 0), ("c", 2, 1)) == ({}, 0)
    assert markers(direct) == "b"
    assert took(direct, 2, ("a", 2, 1), "b")[0] == {"b": 1}


@pytest.mark.usefixtures("mode")
def test_what_a_queue_takes_counts_first_as_its_own(direct: Direct) -> None:
    direct.create(9, queues=["a", "b"])
    assert took(direct, 5, ("a", 1, 2), ("b", 5, 0))[0] == {"a": 1, "b": 3}
    assert took(direct, 5, ("a", 3, 2), ("b", 5, 0))[0] == {"a": 3, "b": 2}
    direct.create(9, queues=["a"])
    assert took(direct, 5, ("a", 1, 2), ("b", 5, 0), ("a", 5, 2))[0] == {"a": 2, "b": 3}


@pytest.mark.usefixtures("mode")
def test_a_queue_that_has_no_room_is_no_reason_to_look_again_and_leaves_its_marker(direct: Direct) -> None:
    direct.create(3, queues=["b"])
    direct.client.delete(direct.key("wake", "b"))
    assert took(direct, 1, ("a", 1, 1), ("b", 1, 0)) == ({}, 0)
    assert markers(direct) == "b"


def test_a_step_that_comes_again_leaves_the_markers_of_its_turns(direct: Direct) -> None:
    direct.create(3, queues=["a"])
    for _ in range(2):
        direct.client.delete(direct.key("wake", "a"))
        direct.step(1, queues=[("a", 1, 0), ("b", 1, 0)], worker=W2, seq=7)  # type: ignore[list-item]
        assert markers(direct) == "a"
    assert direct.counts("a")[:2] == (2, 1)


@pytest.mark.usefixtures("cleared")
def test_a_broken_queue_is_looked_at_once_and_wakes_nobody(direct: Direct) -> None:
    direct.create(3, queues=["a", "b"])
    direct.client.delete(direct.key("q", "a"), direct.key("wake", "a"))
    direct.client.set(direct.key("q", "a"), "x")
    answer = direct.step(2, queues=[("a", 1, 0), ("b", 1, 0), ("a", 2, 0), ("b", 2, 0)], worker=W2)  # type: ignore[list-item]
    assert [note.split(b":")[0] for note in answer[9]] == [b"queue a"]
    assert sum(len(entry[4]) for entry in answer[7]) == 2
    assert markers(direct) == "b"


def test_what_makes_no_sense_in_a_turn_is_nothing(direct: Direct) -> None:
    direct.create(3, queues=["a"])
    queues: Any = [["a", "x", "y"], ["a"], ["a", 2, None]]
    answer = direct.step(3, queues=queues, worker=W2)
    assert sum(len(entry[4]) for entry in answer[7]) == 2
