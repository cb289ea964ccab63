"""Fair shares of the tenants in a queue."""

from __future__ import annotations

import asyncio
from itertools import groupby, pairwise

import pytest

from taskproc.batch import Build
from tests import handlers
from tests.harness import Instance, Record, counters, until


def check_turns(records: list[Record], waiting_until: float) -> None:
    """While both tenants wait, a tenant has no more turns in a row than fit in the last turn of the other, and one.

    Records are of one slot, so between the end before a turn and the start after it lies what its worker counted.
    """
    turns = [(start["tenant"], start["at"], end["at"]) for start, end in zip(records[::2], records[1::2], strict=True)]
    rows = [list(row) for _, row in groupby(turns, key=lambda turn: turn[0])]
    for before, row in list(pairwise(rows))[1:]:
        if row[-1][1] < waiting_until:
            at = turns.index(before[-1])
            longest = row[0][1] - turns[at - 1][2]
            assert sum(end - start for _, start, end in row[:-1]) <= longest, row


@pytest.mark.row("CT-61")
@pytest.mark.parametrize("slots", [1, 10])
@pytest.mark.parametrize("late", [False, True])
async def test_a_small_batch_does_not_wait_for_another_tenants_large_one(instance: Instance, slots: int, late: bool) -> None:
    async with instance.open(max_workers=slots) as proc:

        def build(count: int) -> Build:
            return lambda batch: [batch.enqueue(handlers.nap, 0.015) for _ in range(count)]

        large = await proc.enqueue_batch("default", "a", build(1_000))
        serving = asyncio.create_task(proc.run()) if late else None
        if late:
            await instance.wait_records(20, "start")
        small = await proc.enqueue_batch("default", "b", build(10))
        came = instance.now()
        if serving is None:
            serving = asyncio.create_task(proc.run())
        assert counters(await proc.wait_batch(small, 30)) == (10, 10, 0, 0, 0)
        assert await proc.cancel_batch(large)
        await proc.stop()
        await serving
        starts = [r for r in instance.recorded("start") if r["at"] >= came]
        order = "".join(r["tenant"] for r in starts)
        last = order.rindex("b")
        assert order.count("b") == 10
        assert last < 60, order
        assert order[:last].count("a") >= (5 if slots == 1 else 1), order  # to come late is no credit
        if slots == 1:
            settled = [r for r in instance.records if r["event"] in ("start", "end", "cancelled") and r["at"] >= came]
            while settled and settled[0]["event"] != "start":
                settled.pop(0)
            check_turns(settled[: len(settled) // 2 * 2], starts[last]["at"])


async def test_tenants_share_a_queue_by_their_handlers_time(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        ids = [
            await proc.enqueue_batch(
                "default", tenant, lambda b, seconds=seconds: [b.enqueue(handlers.nap, seconds) for _ in range(200)]
            )
            for tenant, seconds in [("slow", 0.1), ("fast", 0.01)]
        ]

        async def served() -> bool:
            info = await proc.get_tenant("slow")
            return info is not None and info.run_seconds >= 0.6

        await until(served, 30)
        slow, fast = await proc.get_tenant("slow"), await proc.get_tenant("fast")
        for batch_id in ids:
            assert await proc.cancel_batch(batch_id)
        assert slow is not None
        assert fast is not None
        assert fast.done >= 2 * slow.done
        assert slow.run_seconds / 2 < fast.run_seconds < slow.run_seconds * 2
