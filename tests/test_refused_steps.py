"""Steps that Redis refuses: what is to blame ends or goes on alone, and nothing else is held up."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from taskproc import Batch, BatchState, Retry, Snooze, current_task, task
from taskproc.worker import settler
from tests import handlers
from tests.harness import Instance, counters, until
from tests.recording import note
from tests.watching import dead

BAD: settler.Verb = ("retry", -1, "")
"""What no script takes."""


class Later(Retry):
    """A delay that was never looked at."""

    def __init__(self, delay: Any) -> None:
        Exception.__init__(self)
        self.delay_ms = delay


class Sooner(Snooze):
    """The same."""

    def __init__(self, delay: Any) -> None:
        Exception.__init__(self)
        self.delay_ms = delay


ODD = [Later(-1), Sooner(-5), Later("soon"), Sooner(None), Later(1.5)]


@task
async def later(n: int) -> None:
    """Asks once for a delay that makes no sense."""
    note("start", tag=n)
    if current_task().delivery == 1:
        raise ODD[n]


def spoiled(verb_of: Any) -> Any:
    """Let the ends of tasks that failed be told in a way that no script takes."""

    def told(outcome: Any, execution: Any) -> settler.Verb:
        found: settler.Verb = verb_of(outcome, execution)
        return BAD if found[0] == "retry" else found

    return told


def mixed(batch: Batch) -> None:
    """Two tasks that fail among ten that don't."""
    for n in range(12):
        batch.enqueue(handlers.fail if n in (3, 7) else handlers.noop)


async def test_an_end_that_is_refused_is_told_without_its_details(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settler, "verb_of", spoiled(settler.verb_of))
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", mixed)
        info = await proc.wait_batch(batch_id, 20)
        assert (info.state, *counters(info)) == (BatchState.FAILED, 12, 10, 2, 0, 0)
        assert [letter.errors for letter in await dead(proc, 2)] == [(), ()]
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1, "ran")
    assert "settlement: verb retry" in caplog.text


async def test_an_end_that_can_not_be_told_at_all_comes_back(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settler, "REFUSED", BAD)
    monkeypatch.setattr(settler, "verb_of", spoiled(settler.verb_of))
    caplog.set_level(logging.ERROR)
    async with instance.worker(invisibility=1, max_attempts=2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", mixed)
        info = await proc.wait_batch(batch_id, 20)
        assert (info.state, *counters(info)) == (BatchState.FAILED, 12, 10, 2, 0, 0)
        kinds = [[error.type for error in letter.errors] for letter in await dead(proc, 2)]
        assert kinds == [["taskproc.errors.LeaseExpired", "ValueError"]] * 2
    assert "its end can't be recorded; it is delivered again" in caplog.text


async def test_delays_that_make_no_sense_are_none(instance: Instance) -> None:
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(later, n) for n in range(len(ODD))]
        )
        info = await proc.wait_batch(batch_id, 10)
        assert info.state is BatchState.DONE
        assert len(instance.recorded("start")) == 2 * len(ODD)


async def test_a_queue_that_can_not_be_claimed_from_holds_up_no_settlement(instance: Instance) -> None:
    async with instance.worker(queues=["bad", "default"], max_workers=2) as proc:
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: [batch.enqueue(handlers.nap, 0.5) for _ in "ab"]
        )
        await instance.wait_records(2, "start")
        ring = f"{{{instance.name}}}:ring:bad"
        instance.client.set(ring, "no ring")
        assert (await proc.wait_batch(batch_id, 10)).state is BatchState.DONE
        await proc.enqueue_task("default", "acme", handlers.mark)
        instance.client.delete(ring)
        await until(lambda: instance.recorded("ran"))
