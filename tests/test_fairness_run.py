"""Fairness on a real worker, in short: the benchmark's measurements with few tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import fairness
from benchmarks.fairness import Ran, gaps
from benchmarks.results import percentile
from tests.measure import in_time
from tests.servers import Server


@pytest.fixture
def url(alone: Server) -> Iterator[str]:
    """A server's, which is left as it was."""
    yield alone.app_url
    client = alone.client()
    for name in ("arrivals0", "arrivals20000", "shared1", "shared2", "idle", "within"):
        keys = list(client.scan_iter(f"{{{name}}}:*", count=1000))
        if keys:
            client.delete(*keys)
    client.close()


@pytest.mark.row("CT-61")
@pytest.mark.timeout(240)
async def test_small_tenants_wait_no_longer_beside_many_tasks_than_beside_a_tenant_that_takes_the_slots(url: str) -> None:
    async def times() -> float:
        found = [await fairness.arrivals(url, backlog, slots=20, small=20, seconds=3) for backlog in (0, 20_000)]
        assert [len(waits) for waits in found] == [200, 200]
        return percentile(found[1], 99) / percentile(found[0], 99)

    await in_time(times, 2)


@pytest.mark.timeout(200)
async def test_tenants_have_the_same_time_whatever_their_tasks_take(url: str) -> None:
    async def off() -> float:
        found = await fairness.shared(url, [1.0] * 4, 12, 25, 1)
        return 1 - found.jain(5, 25)

    await in_time(off, 0.01)


@pytest.mark.timeout(200)
async def test_tenants_have_time_by_their_weights(url: str) -> None:
    async def off() -> float:
        found = await fairness.shared(url, fairness.WEIGHTS, 16, 25, 2)
        parts = found.shares(5, 25)
        return max(abs(part / weight - 1) for part, weight in zip(parts, fairness.WEIGHTS, strict=True))

    await in_time(off, 0.1)


@pytest.mark.timeout(120)
async def test_no_slot_is_free_while_a_task_is_ready(url: str) -> None:
    async def longest() -> float:
        found, late = await fairness.idle(url, 20, 4)
        return max(found) - max(late)

    await in_time(longest, 0.1)  # the way to Redis and back, but for what the machine had to do besides


@pytest.mark.timeout(120)
async def test_a_small_batch_and_single_tasks_do_not_wait_for_their_own_tenants_large_one(url: str) -> None:
    async def longest() -> float:
        batch, single = await fairness.within(url, 20_000, 20)
        assert (len(batch), len(single)) == (10, 10)
        return max(*batch, *single)

    await in_time(longest, 1)  # all of the large one take 100 s


def test_what_counts_as_a_free_slot() -> None:
    ran = [
        Ran("a", "", 0.0, 1.0, 5.0),
        Ran("a", "", 0.0, 2.0, 3.0),
        Ran("b", "", 2.5, 3.5, 4.0),
        Ran("b", "", 8.0, 8.0, 9.0),
    ]
    assert gaps(ran, 2) == pytest.approx([1.0, 2.0, 0.5, 0.0])
