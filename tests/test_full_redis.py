"""A Redis without memory: what frees space or lets work go on is done, and what would store more is refused whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from taskproc.store.scripts import to_json
from tests.direct import LEASE, W1, Direct, group

Do = Callable[[], Any]


def claimed(direct: Direct, count: int = 1) -> list[str]:
    """Leases of a new batch's tasks, one of which is still ready."""
    direct.create(count + 1)
    return direct.claim(count)


# what goes through


def paused_step(direct: Direct) -> Do:
    """A step that neither settles nor claims."""
    direct.once("instance_pause", 1)
    return lambda: direct.step(1)[:1] == [b"ok"]


def settling_step(direct: Direct) -> Do:
    """A step that settles in every way, and claims."""
    leases = claimed(direct, 4)
    groups = [group(leases)]
    groups[0][4] = [[2, "retry", 0, "{}"], [3, "retry", 50, "{}"], [4, "dead", 0, "{}"]]
    return lambda: len(direct.step(1, groups)[7]) == 1


def step_that_comes_again(direct: Direct) -> Do:
    """A step whose marker is gone and whose queue is not empty."""
    direct.create(2)
    direct.step(1, seq=1)
    direct.client.delete(direct.key("wake", "q"))
    return lambda: len(direct.step(1, seq=1)[7]) == 1


def renewal(direct: Direct) -> Do:
    """A worker keeps what it runs."""
    [lease] = claimed(direct)

    def renew() -> bool:
        direct.call("lease_renew", W1, "{}", 2 * LEASE, lease)
        return direct.client.zscore(direct.key("leases"), lease) == direct.now + 2 * LEASE

    return renew


def rescue(direct: Direct) -> Do:
    """A worker is gone."""
    claimed(direct)
    direct.wait(LEASE)
    return lambda: direct.rescue() == 1


def promotion(direct: Direct) -> Do:
    """A task falls due."""
    direct.create(2, delay=10)
    direct.wait(10)
    return lambda: direct.promote() == 2


def pruning(direct: Direct) -> Do:
    """The first batch that is due is to be looked at later, the next goes."""
    [lease] = claimed(direct)
    direct.once("batch_cancel", lease[:22], "")
    direct.wait(1)
    direct.create(0)
    return lambda: direct.call("batch_prune", 0, 100) == [b"ok", 2, 2, []] and len(direct.named("tb:")) == 1


def pruning_of_tenants(direct: Direct) -> Do:
    """A tenant is to be looked at later."""
    direct.create(0)
    return lambda: direct.call("tenant_prune", 0, 10) == [b"ok", 1, 1, []]


def cancelling(direct: Direct) -> Do:
    """A batch has tasks that wait and that run."""
    [lease] = claimed(direct)
    return lambda: direct.once("batch_cancel", lease[:22], "") == [b"ok"]


def cancelling_what_has_ended(direct: Direct) -> Do:
    """A batch has settled; it is a producer's first call, so that there is nothing to forget either."""
    batch, call = direct.create(0), to_json(["another000000000000000", 1, 1])
    return lambda: direct.call("batch_cancel", call, batch, "") == [b"settled"]


def cancelling_a_running_task(direct: Direct) -> Do:
    """It is marked."""
    [lease] = claimed(direct)
    return lambda: direct.once("task_cancel", lease[:32], "", "") == [b"running"]


def cancelling_a_ready_task(direct: Direct) -> Do:
    """An empty entry takes its place."""
    batch = direct.create(3)
    return lambda: direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]


def cancelling_a_delayed_task(direct: Direct) -> Do:
    """It is gone."""
    batch = direct.create(3, delay=50)
    return lambda: direct.once("task_cancel", f"{batch}{1:010}", "", "") == [b"ok"]


def discarding(direct: Direct) -> Do:
    """A dead letter goes."""
    direct.create(1)
    [task] = direct.kill()
    return lambda: direct.once("dead_discard", to_json([[task[:22], "q", task[22:]]])) == [b"ok", 1]


def retrying(direct: Direct) -> Do:
    """A dead letter is ready again."""
    direct.create(1)
    [task] = direct.kill()
    return lambda: direct.once("dead_retry", to_json([[task[:22], "q", task[22:]]]), 0) == [b"ok", 1]


def watching(direct: Direct) -> Do:
    """Somebody waits for a batch."""
    batch = direct.create(1)
    return lambda: len(direct.call("batch_get", 1, batch)[0]) > 0 and direct.record("b", batch)["watched"] == "1"


def pausing(direct: Direct) -> Do:
    """A person stops it all."""
    return lambda: direct.once("instance_pause", 1) == [b"ok", 0]


def leaving(direct: Direct) -> Do:
    """A worker stops."""
    direct.call("lease_renew", W1, "{}", LEASE)
    return lambda: direct.call("worker_leave", W1) == [b"ok"] and not direct.named("workers")


def dropping(direct: Direct) -> Do:
    """What was staged goes."""
    seg = direct.new()
    direct.stage(seg)
    return lambda: direct.call("stage_drop", seg) == [b"ok"] and not direct.named(seg)


@pytest.mark.parametrize(
    "ground",
    [
        paused_step, settling_step, step_that_comes_again, renewal, rescue, promotion, pruning, pruning_of_tenants,
        cancelling, cancelling_what_has_ended, cancelling_a_running_task, cancelling_a_ready_task, cancelling_a_delayed_task,
        discarding, retrying, watching, pausing, leaving, dropping,
    ],
    ids=lambda ground: ground.__name__,
)  # fmt: skip
def test_a_full_redis_drains(direct: Direct, ground: Callable[[Direct], Do]) -> None:
    do = ground(direct)
    with direct.full():
        assert do()


# what is refused


def creating(direct: Direct) -> Do:
    """A batch."""
    return lambda: direct.create(2)


def creating_nothing(direct: Direct) -> Do:
    """A batch of no tasks."""
    return lambda: direct.create(0)


def appending(direct: Direct) -> Do:
    """More tasks for a batch that has settled."""
    batch = direct.create(0)
    return lambda: direct.append(batch, 2)


def staging(direct: Direct) -> Do:
    """The next chunk of a large batch."""
    seg = direct.new()
    direct.stage(seg)
    return lambda: direct.stage(seg, chunk=1)


def committing(direct: Direct) -> Do:
    """A staged batch."""
    seg = direct.new()
    direct.stage(seg, 2)
    return lambda: direct.commit(seg, 2)


def committing_a_segment(direct: Direct) -> Do:
    """A staged segment of a batch that has settled."""
    seg = direct.create(0) + "+1"
    direct.stage(seg, 2)
    return lambda: direct.commit(seg, 2)


def enqueueing(direct: Direct) -> Do:
    """A task of a tenant that is known."""
    direct.single(1)
    return lambda: direct.single(2)


def enqueueing_the_first(direct: Direct) -> Do:
    """A task of a new tenant."""
    return lambda: direct.single(1, idem="key")


def beginning(direct: Direct) -> Do:
    """The first use of an instance."""
    direct.clear()
    return lambda: direct.call("instance_open", 1)


@pytest.mark.parametrize(
    "ground",
    [
        creating, creating_nothing, appending, staging, committing, committing_a_segment, enqueueing, enqueueing_the_first,
        beginning,
    ],
    ids=lambda ground: ground.__name__,
)  # fmt: skip
def test_a_full_redis_takes_nothing_more_and_nothing_by_halves(direct: Direct, ground: Callable[[Direct], Do]) -> None:
    do = ground(direct)
    with direct.full(), direct.unchanged(), pytest.raises(redis.exceptions.ResponseError, match="maxmemory"):
        do()
    do()
