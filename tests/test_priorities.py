"""Priorities of queues on real workers: shares, ageing, reserved slots; and what of them is refused."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from taskproc import InvalidValue, TaskProcessor
from taskproc.batch import Build
from taskproc.options import check_options
from tests import handlers
from tests.harness import FAR, MODES, Instance, until
from tests.proxy import Proxy
from tests.test_wakeups import all_wait, calm

SHARES = ["high:6", "default:3", "low:1"]


def naps(count: int, seconds: float) -> Build:
    """A batch of so many tasks of so many seconds."""
    return lambda batch: [batch.enqueue(handlers.nap, seconds) for _ in range(count)]


def started(instance: Instance) -> Counter[str]:
    """How many tasks of each queue have started."""
    return Counter(record["queue"] for record in instance.recorded("start"))


# what is refused


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"queues": ["high:6", "low"]}, "queues: 'low': where one has a share each has one, from 1 to 1000"),
        ({"queues": ["high:0"]}, "queues: 'high:0'"),
        ({"queues": ["high:-1"]}, "queues: 'high:-1'"),
        ({"queues": ["high:1001"]}, "queues: 'high:1001'"),
        ({"queues": ["high:10000000000"]}, "queues: 'high:1000"),
        ({"queues": ["high:1.5"]}, "queues: 'high:1.5'"),
        ({"queues": ["high:"]}, "queues: 'high:'"),
        ({"queues": ["high:٣"]}, "queues: 'high:٣'"),
        ({"queues": ["high:1 "]}, "queues: 'high:1 '"),
        ({"queues": ["a:b:1"]}, "queues: 'a:b:1'"),
        ({"queues": [":1"]}, "queue name ''"),
        ({"queues": ["a b:1"]}, "queue name 'a b'"),
        ({"queues": ["high:1", 5]}, "queues: 5"),
        ({"queues": ["high:1", "high:2"]}, "a queue stands there twice"),
        ({"queues": "high:1"}, "queues='high:1': give a list"),
        ({"ageing": 0}, "ageing=0: it must be at least a millisecond"),
        ({"ageing": -1}, "ageing=-1"),
        ({"ageing": "5"}, "ageing='5'"),
        ({"queues": ["high:1"], "ageing": 5}, "ageing is for queues that are served in their order"),
        ({"reserve": ["default"]}, "reserve=['default']: give how many slots by queue"),
        ({"reserve": {"high": 1}}, "reserve: the queue 'high' is not one of queues=['default']"),
        ({"reserve": {5: 1}}, "reserve: the queue 5 is not one of"),
        ({"reserve": {"default": 0}}, "reserve['default']=0"),
        ({"reserve": {"default": True}}, "reserve['default']=True"),
        ({"reserve": {"default": 11}}, "reserve={'default': 11}: 11 slots, but max_workers=10"),
        ({"queues": ["a", "b"], "reserve": {"a": 9, "b": 2}}, "11 slots, but max_workers=10"),
        ({"queues": ["a", "b", "c"], "reserve": {"a": 9, "b": 1}}, "of max_workers=10 no slot is left for 'c'"),
    ],
)
def test_priorities_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        TaskProcessor("redis://localhost", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"queues": ["a:1000", "b.c_d-9:1"], "reserve": {"a": 9}},
        {"queues": ("a", "b"), "reserve": {"a": 9, "b": 1}, "ageing": 0.001},
        {"queues": ["only:3"], "reserve": {"only": 10}, "ageing": None},
        {"reserve": None},
        {"reserve": {}},
    ],
)
def test_priorities_that_do(options: dict[str, Any]) -> None:
    assert not TaskProcessor("redis://localhost", **options).is_running


def test_names_are_plain_wherever_queues_are_told() -> None:
    found = check_options({"queues": SHARES, "reserve": {"high": 2}})
    assert found.queues == ("high", "default", "low")
    assert (found.serving.shares, found.serving.reserve) == ((6, 3, 1), {"high": 2})


def test_a_processor_that_serves_other_queues_keeps_what_fits_them() -> None:
    proc = TaskProcessor("redis://localhost", queues=["high", "low"], ageing=5, reserve={"high": 2, "low": 1})
    proc.configure(queues=["low", "other"])
    assert (proc._options.serving.reserve, proc._options.serving.ageing_ms) == ({"low": 1}, 5000)
    proc.configure(queues=["low:2", "other:1"])
    assert (proc._options.serving.shares, proc._options.serving.ageing_ms) == ((2, 1), 0)
    with pytest.raises(InvalidValue, match="no slot is left for 'other'"):
        proc.configure(max_workers=1)
    assert proc._options.max_workers == 10


# real workers


@pytest.mark.parametrize("mode", MODES)
async def test_queues_share_the_slots_by_their_shares(instance: Instance, mode: Any) -> None:
    async with instance.open(queues=SHARES, max_workers=10) as proc:
        for queue in ("high", "default", "low"):
            await proc.set_queue_mode(queue, mode)
        batches = [await proc.enqueue_batch(queue, "acme", naps(600, 0.05)) for queue in ("high", "default", "low")]
        running = asyncio.create_task(proc.run())
        await until(lambda: sum(started(instance).values()) >= 250, 40)
        for batch in batches:
            assert await proc.cancel_batch(batch)
        await proc.stop()
        await running
    first = Counter(record["queue"] for record in instance.recorded("start")[:240])
    assert [first[queue] / 240 for queue in ("high", "default", "low")] == pytest.approx([0.6, 0.3, 0.1], abs=0.06)


async def test_a_share_that_is_not_needed_is_used_by_the_others(instance: Instance) -> None:
    async with instance.worker(queues=SHARES, max_workers=4, **FAR) as proc:
        low = await proc.enqueue_batch("low", "acme", naps(4, 30))
        await instance.wait_records(4, "start")
        await proc.cancel_batch(low)
        high = await proc.enqueue_batch("high", "acme", naps(4, 0))  # by event
        assert (await proc.wait_batch(high, 10)).done == 4


async def test_long_low_work_never_holds_every_slot(instance: Instance) -> None:
    async with instance.worker(queues=["high", "low"], reserve={"high": 1}, max_workers=3, **FAR) as proc:
        low = await proc.enqueue_batch("low", "acme", naps(9, 30))
        await instance.wait_records(2, "start")
        for number in range(3):
            await proc.enqueue_task("high", "acme", handlers.mark, number)
            await instance.wait_records(number + 1, "ran")
        assert started(instance) == {"low": 2}
        [info] = await proc.get_workers()
        assert info.queues == ("high", "low")
        await proc.cancel_batch(low)


async def test_a_worker_whose_free_slot_is_reserved_lets_others_be_woken_and_does_not_look_again(instance: Instance) -> None:
    async with Proxy(instance.server) as proxy, instance.open() as producer:
        options = {"queues": ["high", "low"], "reserve": {"high": 1}, "max_workers": 2, **FAR}
        async with instance.worker(redis=proxy.url, **options):
            low = await producer.enqueue_batch("low", "acme", naps(1, 30))
            await instance.wait_records(1, "start")
            waiting = await producer.enqueue_batch("low", "acme", naps(5, 0))
            await until(lambda: calm(proxy))
            steps = proxy.requests.count("step")
            await asyncio.sleep(0.3)
            assert proxy.requests.count("step") == steps
            assert instance.client.llen(f"{{{instance.name}}}:wake:low") == 1
            async with instance.worker(queues=["low"], **FAR):
                assert (await producer.wait_batch(waiting, 10)).done == 5
            # once there is room again, an event is enough
            await producer.cancel_batch(low)
            await until(lambda: all_wait(instance, 1))
            await until(lambda: calm(proxy))
            last = await producer.enqueue_batch("low", "acme", naps(3, 0))
            assert (await producer.wait_batch(last, 10)).done == 3


async def test_a_queue_that_gets_room_while_its_worker_waits_is_waited_for(instance: Instance) -> None:
    async with instance.worker(queues=["high", "low"], reserve={"high": 1}, max_workers=3, **FAR) as proc:
        high = await proc.enqueue_batch("high", "acme", naps(1, 30))
        low = await proc.enqueue_batch("low", "acme", naps(2, 30))
        await instance.wait_records(3, "start")
        await proc.cancel_batch(high)
        await until(lambda: all_wait(instance, 1))
        await asyncio.sleep(0.1)
        [first, *_] = [record for record in instance.recorded("start") if record["queue"] == "low"]
        assert await proc.cancel_task(first["id"])
        await instance.wait_records(2, "cancelled")
        await asyncio.sleep(0.1)
        more = await proc.enqueue_batch("low", "acme", naps(2, 0))
        assert (await proc.wait_batch(more, 10)).done == 2
        await proc.cancel_batch(low)


async def test_low_work_is_not_starved_with_ageing(instance: Instance) -> None:
    async with instance.open(queues=["high", "low"], ageing=0.4, max_workers=1) as proc:
        high = await proc.enqueue_batch("high", "acme", naps(400, 0.02))
        low = await proc.enqueue_batch("low", "acme", naps(3, 0))
        running = asyncio.create_task(proc.run())
        assert (await proc.wait_batch(low, 20)).done == 3
        assert await proc.cancel_batch(high)
        await proc.stop()
        await running
    begun = [(record["at"], record["queue"]) for record in instance.recorded("start")]
    times = [at for at, queue in begun if queue == "low"]
    assert begun[0][1] == "high"
    assert all(b - a >= 0.39 for a, b in zip([begun[0][0], *times], times, strict=False)), times
    assert len([queue for at, queue in begun if queue == "high" and at < times[-1]]) > 9


@pytest.mark.parametrize(
    "options",
    [{"queues": SHARES}, {"queues": ["high", "default", "low"], "ageing": 1}, {"queues": SHARES, "reserve": {"low": 2}}],
)
async def test_all_that_is_ready_is_run_by_hand(instance: Instance, options: dict[str, Any]) -> None:
    async with instance.open(max_workers=3, **options) as proc:
        for tenant in "ab":
            for queue in ("high", "default", "low"):
                await proc.enqueue_batch(queue, tenant, naps(7, 0))
        assert await proc.run_until_idle() == 42


async def test_shares_on_the_command_line(instance: Instance) -> None:
    arguments = ("--queues", "high:6, low:1", "--max-workers", "7")
    await asyncio.to_thread(instance.process, *arguments, queues=["default", "high"], reserve={"high": 1, "default": 2})
    async with instance.open() as proc:
        [info] = await proc.get_workers()
        assert (info.queues, info.slots) == (("high", "low"), 7)
        for queue in ("low", "high"):
            await proc.enqueue_batch(queue, "acme", naps(20, 30))
        await instance.wait_records(7, "start")
        assert started(instance)["low"] <= 6
        for batch in await proc.get_batches("acme"):
            await proc.cancel_batch(batch.id)
        await until(lambda: instance.recorded("cancelled"))
