"""What callers are told of the past and of the moment: history, usage, queues of tenants, the pace of batches, signals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import Batch, Histogram, HistoryPoint, TaskProcessor
from taskproc.errors import InvalidValue
from taskproc.histogram import ceiling, floor
from tests import handlers
from tests.building import noops
from tests.frozen import Clock
from tests.harness import Instance, until

HOUR = timedelta(hours=1)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


async def last_hour(calls: Any, **only: Any) -> HistoryPoint:
    """What was done within the hour."""
    found: HistoryPoint = await calls.get_usage(now() - HOUR, now() + HOUR, **only)
    return found


def numbers(point: HistoryPoint) -> tuple[int, int, int, int]:
    """How many tasks were done, failed, cancelled, and tried again."""
    return point.done, point.failed, point.cancelled, point.retried


def fails(batch: Batch) -> None:
    """Two tasks that are done, and one that fails twice."""
    batch.enqueue(handlers.noop)
    batch.enqueue(handlers.noop)
    batch.options(max_attempts=2).enqueue(handlers.fail)


async def test_history_is_what_batches_say(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:
        acme, beta = proc.tenant("acme"), proc.tenant("beta")
        failed = await acme.enqueue_batch(fails)
        await beta.enqueue_batch(noops(5))
        await proc.run_until_idle()
        cancelled = await acme.enqueue_batch(noops(4))
        await acme.cancel_batch(cancelled)
        infos = [await proc.get_batch(one) for one in (failed, cancelled)]
        assert [(i.done, i.failed, i.cancelled) for i in infos if i] == [(2, 1, 0), (0, 0, 4)]
        assert numbers(await last_hour(acme)) == (2, 1, 4, 1)
        assert numbers(await last_hour(beta)) == (5, 0, 0, 0)
        everybody = await proc.get_usage(None, now() - HOUR, now())
        assert numbers(everybody) == (7, 1, 4, 1)
        assert everybody.executions == everybody.runs.total == everybody.waits.total == 9
        tenant = await acme.get_tenant()
        assert tenant is not None
        assert (tenant.done, tenant.failed, tenant.cancelled, tenant.retried, tenant.dead) == (2, 1, 4, 1, 1)
        assert (await last_hour(acme)).run_seconds == pytest.approx(tenant.run_seconds)


async def test_history_knows_queues(instance: Instance) -> None:
    async with instance.open(queues=["default", "mail"]) as proc:
        acme = proc.tenant("acme")
        await acme.enqueue_batch(noops(3))
        await acme.enqueue_batch(noops(2), queue="mail")
        await proc.run_until_idle()
        found = [numbers(await last_hour(acme, queue=queue))[0] for queue in ("default", "mail", "other", None)]
        assert found == [3, 2, 0, 5]


@pytest.mark.parametrize("tenant", ["ö:\n", "a\0b", "x" * 255])
async def test_any_tenant_has_a_history(instance: Instance, tenant: str) -> None:
    async with instance.open() as proc:
        try:
            await proc.enqueue_batch("default", tenant, noops(2))
        except InvalidValue:
            return
        await proc.run_until_idle()
        assert numbers(await last_hour(proc.tenant(tenant))) == (2, 0, 0, 0)
        assert numbers(await last_hour(proc.tenant(tenant[:-1] or "-"))) == (0, 0, 0, 0)


async def test_run_times_and_bytes_are_told(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        await acme.enqueue(handlers.nap, 0.3)
        await acme.enqueue(handlers.swallow, "x" * 20_000)
        await proc.run_until_idle()
        found = await last_hour(acme)
        assert found.run_seconds > 0.3
        longest = found.runs.p(1)
        assert longest is not None
        assert 0.26 <= longest <= 2.2
        assert 20_000 < found.bytes < 20_300


async def test_a_wait_counts_from_when_a_task_is_ready(instance: Instance) -> None:
    async with instance.open(backoff=1) as proc:
        acme = proc.tenant("acme")
        await acme.enqueue_batch(noops(3))
        await asyncio.sleep(1.1)
        await proc.run_until_idle()
        slow = (await last_hour(acme)).waits
        assert sum(n for bucket, n in slow.counts.items() if floor(bucket) >= 1) == 3
        await acme.options(delay=1.2).enqueue(handlers.noop)
        await acme.options(max_attempts=2).enqueue(handlers.fail)
        async with asyncio.timeout(20):
            while (await last_hour(acme)).executions < 6:
                await proc.run_until_idle()
                await asyncio.sleep(0.05)
        waits = (await last_hour(acme)).waits
        assert sum(n for bucket, n in waits.counts.items() if floor(bucket) >= 1) == 3, waits


async def test_steps_add_minutes_and_hours_up(instance: Instance, clock: Clock) -> None:
    async with instance.open(queues=["default"], retention=10**7) as proc:
        acme, start = proc.tenant("acme"), datetime(2030, 5, 1, tzinfo=UTC)
        for minutes, count in ((0, 1), (1, 2), (59, 3), (60, 4), (24 * 60, 5)):
            clock.stand(start + timedelta(minutes=minutes))
            await acme.enqueue_batch(noops(count))
            await proc.run_until_idle()

        async def done(begin: datetime, end: datetime, step: float) -> list[int]:
            return [point.done for point in await acme.get_history(begin, end, step)]

        assert await done(start, start + timedelta(minutes=3), 60) == [1, 2, 0]
        assert await done(start + timedelta(seconds=59), start + timedelta(seconds=61), 60) == [1, 2]
        assert await done(start, start + timedelta(minutes=61), 30 * 60) == [3, 3, 4]
        assert await done(start, start + timedelta(days=2), 3600 * 24) == [10, 5]
        assert await done(start + timedelta(minutes=30), start + timedelta(hours=2), 3600) == [6, 4]
        points = await acme.get_history(start + timedelta(seconds=30), start + timedelta(minutes=2), 60)
        assert [point.start for point in points] == [start, start + timedelta(minutes=1)]
        assert numbers(await acme.get_usage(start, start + timedelta(minutes=59)))[0] == 6


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("acme", 1, now(), 60), "start"),
        (("acme", now(), datetime(2030, 1, 1), 60), "end"),
        (("acme", now(), now() - HOUR, 60), "end"),
        (("acme", now() - HOUR, now(), 0), "step"),
        (("acme", now() - HOUR, now(), 90), "step"),
        (("acme", now() - HOUR, now(), "1h"), "step"),
        (("acme", now() - 200 * HOUR, now(), 60), "step"),
        (("", now() - HOUR, now(), 60), "tenant"),
    ],
)
async def test_what_makes_no_sense_is_refused(instance: Instance, args: Sequence[Any], named: str) -> None:
    async with instance.open() as proc:
        with pytest.raises(InvalidValue, match=named):
            await proc.get_history(*args)
        with pytest.raises(InvalidValue, match="queue"):
            await proc.get_history("acme", now() - HOUR, now(), 60, queue="!")
        with pytest.raises(InvalidValue, match="on="):
            await proc.set_statistics(1)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="target_wait"):
            await proc.get_signals(0)


async def test_statistics_can_be_switched_off(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_statistics(False)
        await proc.enqueue_batch("default", "acme", noops(2))
        await proc.run_until_idle()
        await proc.set_statistics(True)
        await proc.enqueue_batch("default", "acme", noops(3))
        await proc.run_until_idle()
        assert numbers(await last_hour(proc.tenant("acme"))) == (3, 0, 0, 0)


async def test_a_worker_sums_up_by_itself(instance: Instance) -> None:
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(10))
        await proc.wait_batch(batch_id, 10)
        await until(lambda: instance.names("sum:h:"), 20)
        await until(lambda: not instance.names(":stats"), 20)


async def test_history_ends_as_the_options_say(instance: Instance) -> None:
    async with instance.open(minute_history=0, hour_history=0, history_entries=0, retention=1) as proc:
        await proc.enqueue_batch("default", "acme", noops(1))
        await proc.run_until_idle()
        assert instance.names("sum:m:")
        worker = asyncio.create_task(proc.run())
        await until(lambda: not instance.names("sum"), 20)
        await proc.stop()
        await worker


async def test_history_is_exact_though_a_worker_is_killed(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        one, _ = instance.process(max_workers=5), instance.process(max_workers=5)
        batch_id = await acme.enqueue_batch(naps(100))

        async def under_way() -> bool:
            info = await proc.get_batch(batch_id)
            return info is not None and info.done >= 20

        await until(under_way, 20)
        one.kill()
        info = await proc.wait_batch(batch_id, 40)
        assert (info.done, info.failed, info.cancelled) == (100, 0, 0)
        found, tenant = await last_hour(acme), await acme.get_tenant()
        assert tenant is not None
        assert numbers(found) == (100, 0, 0, tenant.retried)
        assert found.executions == found.waits.total == 100
        assert 0 < tenant.retried <= 5


def naps(count: int) -> Any:
    """So many naps of a tenth of a second."""

    def build(batch: Batch) -> None:
        for _ in range(count):
            batch.enqueue(handlers.nap, 0.1)

    return build


# histograms


def test_percentiles_lie_in_their_bucket() -> None:
    many = Histogram({1: 10, 5: 80, 20: 10})
    assert many.total == 100
    assert many.p(0) == floor(1)
    for share, bucket in ((0.1, 1), (0.11, 5), (0.5, 5), (0.9, 5), (0.901, 20), (1, 20)):
        found = many.p(share)
        assert found is not None
        assert floor(bucket) <= found <= ceiling(bucket)
    assert many.p(1) == ceiling(20)
    assert Histogram().p(0.5) is None
    assert Histogram({0: 3}).p(0.5) == 0
    assert Histogram({1: 1, 2: 2}) + Histogram({2: 3}) == Histogram({1: 1, 2: 5})
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="share"):
            many.p(share)


async def test_a_processor_that_enqueues_alone_can_read(instance: Instance) -> None:
    async with instance.open() as reader, instance.open() as proc:
        await proc.enqueue_batch("default", "acme", noops(2))
        await proc.run_until_idle()
        assert isinstance(reader, TaskProcessor)
        assert numbers(await last_hour(reader.tenant("acme"))) == (2, 0, 0, 0)


async def test_a_spoiled_body_that_tells_of_any_size_holds_nothing_up(instance: Instance) -> None:
    async with instance.open() as proc:
        batch = await proc.enqueue_batch("default", "acme", noops(2))
        name = f"{{{instance.name}}}:b:{batch}:r:default"
        stored = instance.client.lindex(name, 0)
        instance.client.lset(name, 0, stored[:10] + b'*{"z":18446744073709551616}\n' + stored[11:])
        async with instance.worker():
            info = await proc.wait_batch(batch, 20)
        assert (info.done, info.failed) == (1, 1)
        [letter] = await proc.get_dead_tasks()
        assert letter.id == f"{batch}{stored[:10].decode()}"
