"""What a batch tells of itself while it runs: its counters, its time, the moves of its tasks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise

import pytest

from taskproc import Batch, BatchInfo, BatchState, TaskProcessor
from tests import handlers
from tests.harness import Instance, counters


@pytest.mark.row("CT-42")
async def test_run_seconds_are_the_handlers_time(instance: Instance) -> None:
    async with instance.worker(max_workers=6) as proc:

        def build(batch: Batch) -> None:
            for _ in range(12):
                batch.enqueue(handlers.nap, 0.2)

        batch_id = await proc.enqueue_batch("default", "acme", build, label="naps")
        info = await proc.wait_batch(batch_id, 20)
        starts, ends = ({r["id"]: r["at"] for r in instance.recorded(event)} for event in ("start", "end"))
        spent = sum(ends[task_id] - start for task_id, start in starts.items())
        assert spent * 0.99 <= info.run_seconds <= spent * 1.1
        assert (info.id, info.label, info.tenant, info.state) == (batch_id, "naps", "acme", BatchState.DONE)
        assert info.ended_at is not None
        assert info.created_at.timestamp() <= min(starts.values())
        assert info.ended_at.timestamp() >= max(ends.values())


@pytest.mark.row("CT-42")
async def test_the_counters_add_up_at_every_moment_of_a_chaotic_run(instance: Instance) -> None:
    options = {"max_attempts": 3, "backoff": 0.02, "invisibility": 0.5, "max_workers": 5}
    killed = instance.process(**options)
    async with instance.worker(**options) as proc:

        def build(batch: Batch) -> None:
            for n in range(25):
                batch.enqueue(handlers.nap, 0.02 * (n % 3))
                batch.enqueue(handlers.fail)
                batch.enqueue(handlers.fail, below=2)
                batch.options(delay=0.01 * n).enqueue(handlers.signal, "cancel", times=9)

        ids = [await proc.enqueue_batch("default", tenant, build) for tenant in ("acme", "other")]
        seen: list[BatchInfo] = []
        settled = False
        for moment in range(1_000_000):
            for batch_id in ids:
                info = await proc.get_batch(batch_id)
                assert info is not None
                assert info.total == info.done + info.failed + info.cancelled + info.remaining
                assert min(counters(info)) >= 0
                seen.append(info)
            if moment == 10:
                killed.kill()
                assert await proc.append_batch("default", "acme", ids[0], build)
            if moment == 20:
                assert await proc.cancel_batch(ids[1])
            settled = moment > 20 and all(info.state is not BatchState.RUNNING for info in seen[-2:])
            if settled:
                break
            await asyncio.sleep(0.01)
        first, second = [await proc.get_batch(batch_id) for batch_id in ids]
        assert counters(first) == (200, 100, 50, 50, 0)
        assert first is not None
        assert second is not None
        assert (first.state, second.state) == (BatchState.FAILED, BatchState.CANCELLED)
        assert len({counters(info) for info in seen}) > 5


MOVES = {
    "delayed": {"ready", "cancelled"},
    "ready": {"running", "cancelled"},
    "running": {"done", "ready", "delayed", "failed", "cancelled"},
    "failed": set(),
    "done": set(),
    "cancelled": set(),
}
"""The moves of a task that nobody retries."""


def reachable(state: str) -> set[str]:
    """The states in which a task may be found later, itself included."""
    found = {state}
    while more := {after for before in found for after in MOVES[before]} - found:
        found |= more
    return found


@pytest.mark.row("BE-39")
async def test_tasks_make_only_the_documented_moves(instance: Instance) -> None:
    dice = random.Random(39)
    fates: dict[str, str] = {}

    def build(batch: Batch) -> None:
        for _ in range(200):
            fate = dice.choice(["done", "retry", "failed", "bury", "cancel", "snooze", "cancelled"])
            calls = batch.options(delay=dice.choice([0, 0, 0.1, 0.3]) if fate != "cancelled" else dice.choice([0, 60]))
            match fate:
                case "done":
                    task_id: str = calls.enqueue(handlers.nap, 0.02)
                case "retry":
                    task_id = calls.enqueue(handlers.fail, below=3)
                case "failed":
                    task_id = calls.enqueue(handlers.fail)
                case "cancelled":
                    task_id = calls.enqueue(handlers.mark)
                case kind:
                    task_id = calls.enqueue(handlers.signal, kind, 0.05)
            fates[task_id] = fate

    async def look(proc: TaskProcessor, log: dict[str, list[str]]) -> None:
        for task_id, states in log.items():
            info = await proc.get_task(task_id)
            states.append("gone" if info is None else info.state.value)

    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", build)
        log: dict[str, list[str]] = {task_id: [] for task_id in fates}
        await look(proc, log)
        assert {states[0] for states in log.values()} == {"ready", "delayed"}
        for task_id in [task_id for task_id, fate in fates.items() if fate == "cancelled"]:
            assert await proc.cancel_task(task_id)
        async with instance.worker(max_workers=4, backoff=0.05):
            while (await proc.get_batch(batch_id)).remaining:  # type: ignore[union-attr]
                await look(proc, log)
        await look(proc, log)
        count = Counter(fates.values())
        failed, cancelled = count["failed"] + count["bury"], count["cancel"] + count["cancelled"]
        assert counters(await proc.get_batch(batch_id)) == (200, 200 - failed - cancelled, failed, cancelled, 0)
    ends = {"failed": "failed", "bury": "failed", "cancel": "cancelled", "cancelled": "cancelled"}
    starts = Counter(r["id"] for r in instance.recorded("start", "ran"))
    for task_id, fate in fates.items():
        states = [ends.get(fate, "done") if state == "gone" else state for state in log[task_id]]
        assert states[-1] == ends.get(fate, "done"), (fate, states)
        for state, later in pairwise(states):
            assert later in reachable(state), (fate, states)
        assert starts[task_id] == {"retry": 3, "failed": 3, "snooze": 2, "cancelled": 0}.get(fate, 1), fate


@pytest.mark.row("BN-15")
async def test_claims_are_exclusive(instance: Instance) -> None:
    workers = [instance.process(wait=False, max_workers=5) for _ in range(4)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        for _ in range(5):
            await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.nap, 0.05) for _ in range(10)])
        ends = await instance.wait_records(50, "end", seconds=20)
        starts = instance.recorded("start")
        assert len(starts) == len({r["id"] for r in starts}) == 50
        assert len(ends) == 50
        assert all(r["delivery"] == 1 for r in starts)
        assert len({r["pid"] for r in starts}) > 1
