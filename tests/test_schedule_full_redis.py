"""Schedules and a Redis without memory: what would store more is refused whole, and they can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.direct import Direct
from tests.schedule_direct import entry, fire, history, indexed, move, pause, resume, run, store, stored, trigger

Do = Callable[[], Any]


# what goes through


def pausing_a_schedule(direct: Direct) -> Do:
    """It would bring more."""
    key = store(direct)
    return lambda: pause(direct, key) == [b"ok"] and indexed(direct) == {}


def resuming_a_schedule(direct: Direct) -> Do:
    """It goes on."""
    key = store(direct)
    pause(direct, key)
    return lambda: resume(direct, key, 5) == [b"ok"] and indexed(direct) == {"schedules": {key: 5}}


def cancelling_a_schedule(direct: Direct) -> Do:
    """It is gone."""
    key = store(direct)
    return lambda: direct.once("schedule_cancel", key) == [b"ok"] and not stored(direct)


def pruning_of_schedules(direct: Direct) -> Do:
    """One that is over goes."""
    key = store(direct, next="")
    return lambda: direct.call("schedule_prune", 0, 10)[1] == 1 and key not in stored(direct)


def ending_a_schedule_s_task(direct: Direct) -> Do:
    """Its schedule hears of it."""
    key = store(direct)
    fire(direct, entry(direct, key))
    return lambda: run(direct) and len(history(direct, key)) == 1


def limiting_schedules(direct: Direct) -> Do:
    """Their number."""
    return lambda: direct.call("schedule_limit", "all", 5) == [b"ok"] and direct.record("slimits") == {"all": "5"}


@pytest.mark.parametrize(
    "ground",
    [
        pausing_a_schedule, resuming_a_schedule, cancelling_a_schedule, pruning_of_schedules, ending_a_schedule_s_task,
        limiting_schedules,
    ],
    ids=lambda ground: ground.__name__,
)  # fmt: skip
def test_schedules_can_be_stopped_on_a_full_redis(direct: Direct, ground: Callable[[Direct], Do]) -> None:
    do = ground(direct)
    with direct.full():
        assert do()


# what is refused


def putting_a_schedule(direct: Direct) -> Do:
    """The first of its id."""
    return lambda: store(direct)


def changing_a_schedule(direct: Direct) -> Do:
    """Its rule is another."""
    fire(direct, entry(direct, store(direct)))
    return lambda: store(direct, rule="another")


def declaring_a_schedule(direct: Direct) -> Do:
    """One that was made at run time."""
    store(direct)
    return lambda: store(direct, coded="digest")


def firing_schedules(direct: Direct) -> Do:
    """Some, and one that can't be."""
    keys = [store(direct, f"{n}") for n in range(4)]
    entries = [entry(direct, key) for key in keys]
    problem = [keys[3], *entries[3][1:3], "odd", 5]
    return lambda: fire(direct, *entries[:3], problems=[problem])


def putting_schedules_off(direct: Direct) -> Do:
    """One that can't be fired."""
    problem = [*entry(direct, store(direct))[:3], "odd", 5]
    return lambda: move(direct, problems=[problem])


def triggering_a_schedule(direct: Direct) -> Do:
    """A large payload, and a lock."""
    key = store(direct, payload=b"x" * 9_000, unique=True)
    fire(direct, entry(direct, key))
    run(direct)
    return lambda: trigger(direct, key)


def triggering_the_first_schedule(direct: Direct) -> Do:
    """Of a tenant that had no tasks."""
    key = store(direct)
    return lambda: trigger(direct, key)


@pytest.mark.parametrize(
    "ground",
    [
        putting_a_schedule, changing_a_schedule, declaring_a_schedule, firing_schedules, putting_schedules_off,
        triggering_a_schedule, triggering_the_first_schedule,
    ],
    ids=lambda ground: ground.__name__,
)  # fmt: skip
def test_a_full_redis_takes_nothing_of_schedules_by_halves(direct: Direct, ground: Callable[[Direct], Do]) -> None:
    do = ground(direct)
    with direct.full(), direct.unchanged(), pytest.raises(redis.exceptions.ResponseError, match="maxmemory"):
        do()
    do()
