"""Rate limits: how many tasks start in a time, over all workers and by the server's clock."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from taskproc import Batch, InvalidValue, task
from taskproc.limits import Rate
from taskproc.store.scripts import SCRIPTS
from tests import handlers, limited
from tests.direct import Direct
from tests.harness import FAR, MODES, Instance, until
from tests.limiting import H, allow, crowd, limit, many, waiting

TENTH = {"i": 100_000, "b": 1}


def iter_until(commands: Iterable[dict[str, Any]], last: str) -> Iterator[dict[str, Any]]:
    """What a server did before a command."""
    for command in commands:
        if last in command["command"]:
            return
        yield command


def busiest(times: list[float], seconds: float) -> int:
    """How many of some times lie in the busiest span."""
    return max(bisect_left(times, start + seconds) - at for at, start in enumerate(times))


@pytest.mark.parametrize("mode", MODES)
def test_one_starts_each_interval_and_none_is_looked_for_meanwhile(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, **TENTH)
    batch = crowd(direct, [H] * 5)
    assert len(direct.claim(9)) == 1
    for _ in range(4):
        direct.wait(99)
        assert (direct.claim(9), direct.promote(), waiting(direct)) == ([], 0, [batch])
        assert not direct.named("wake:")
        direct.wait(1)
        direct.promote()
        assert direct.named("wake:") == ["wake:q"]
        assert len(direct.claim(9)) == 1
    assert not direct.named("park")


def test_a_burst_starts_at_once_and_comes_back_with_time(direct: Direct) -> None:
    allow(direct, i=100_000, b=4)
    crowd(direct, [H] * 50)
    assert len(direct.claim(20)) == 4
    assert int(direct.client.zscore(direct.key("delayed"), f"!{H}")) == direct.now + 200  # half a burst goes together
    direct.wait(200)
    direct.promote()
    assert len(direct.claim(20)) == 2
    direct.wait(100_000)
    direct.promote()
    assert len(direct.claim(20)) == 4


def test_a_clock_set_back_holds_nothing_up_for_longer_than_a_burst(direct: Direct) -> None:
    allow(direct, i=100_000, b=4)
    crowd(direct, [H] * 50)
    assert len(direct.claim(20)) == 4
    direct.wait(-3_600_000)
    assert direct.call("limit_wake", H, 0) == [b"0", []]  # as workers do when they are connected anew
    direct.wait(300)
    direct.promote()
    assert len(direct.claim(20)) == 3


def test_a_hold_ends_by_its_length_whatever_the_clock_did(direct: Direct) -> None:
    allow(direct, m=5)
    crowd(direct, [H] * 2)
    leases = direct.claim(1)
    direct.settle(leases, "limited", 5_000)
    direct.wait(-3_600_000)
    assert direct.claim(9) == []
    assert int(direct.client.zscore(direct.key("delayed"), f"!{H}")) == direct.now + 5_000


def test_a_shorter_hold_shortens_none(direct: Direct) -> None:
    allow(direct, m=5)
    crowd(direct, [H] * 5)
    leases = direct.claim(2)
    direct.settle(leases[:1], "limited", 5_000)
    direct.settle(leases[1:], "limited", 1_000)
    direct.wait(4_999)
    direct.promote()
    assert direct.claim(9) == []
    direct.wait(1)
    direct.promote()
    assert len(direct.claim(9)) == 5


def test_slots_and_tokens_hold_together(direct: Direct) -> None:
    allow(direct, m=2, i=100_000, b=2)
    crowd(direct, [H] * 9)
    leases = direct.claim(9)
    assert len(leases) == 2
    assert not direct.client.zscore(direct.key("delayed"), f"!{H}")  # a slot that comes back brings the next
    direct.settle(leases, "done")
    assert direct.client.zscore(direct.key("delayed"), f"!{H}") == direct.now + 100
    assert not direct.named("wake:")
    assert not direct.named("lane:")
    direct.wait(100)
    direct.promote()
    assert len(direct.claim(9)) == 1


@pytest.mark.parametrize(
    ("given", "interval", "burst"),
    [("100/s", 10_000, 10), ("10/min", 6_000_000, 1), ("5/h", 720_000_000, 1), ("3/s", 333_334, 1),
     ("100/s burst 20", 10_000, 20), (" 1 / s ", 1_000_000, 1), ("100000/s", 10, 10_000)],
)  # fmt: skip
def test_what_a_rate_means(given: str, interval: int, burst: int) -> None:
    rate = Rate.parse(given)
    assert (rate.interval_us, rate.burst) == (interval, burst)


@pytest.mark.parametrize(
    "given", ["", "100", "100/d", "0/s", "-1/s", "1.5/s", "100/s burst", "100/s burst 0", "100001/s", 5, "x/s"]
)
def test_a_rate_that_makes_no_sense_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue, match="rate_limit"):
        task(rate_limit=given)(handlers.noop)  # type: ignore[call-overload]


async def test_a_rate_is_exact_over_processes(instance: Instance) -> None:
    """Ten a second, five at once: forty take three and a half seconds, and no span has more than its share."""
    workers = [instance.process(max_workers=8, poll_interval=60, wait=False) for _ in range(3)]
    for worker in workers:
        worker.wait_ready()
    async with instance.open() as proc:
        began = instance.now()
        batch = await proc.enqueue_batch("default", "acme", many(limited.bursts, 40))
        await proc.wait_batch(batch, 20)
    times = [record["at"] - began for record in instance.recorded("ran")]
    assert all(at >= 0.1 * (n - 4) - 0.001 for n, at in enumerate(times))
    assert times[-1] < 4.5


async def test_workers_that_wait_for_a_rate_send_nothing(instance: Instance) -> None:
    async with instance.worker(max_workers=8, **FAR) as proc:
        await proc.set_limit(limited.twenty, rate_limit="1/h")
        await proc.enqueue_batch("default", "acme", many(limited.twenty, 500))
        await instance.wait_records(1, "ran")
        await until(lambda: not instance.names(":wake:"))
        with instance.client.monitor() as seen:
            await asyncio.sleep(1.0)
            instance.client.echo("that was it")
            said = [command["command"] for command in iter_until(seen.listen(), "that was it")]
        scripts = [SCRIPTS[name].sha.decode() for name in ("step", "upkeep_promote")]
        assert not [command for command in said if any(sha in command for sha in scripts)]
        info = await limit(proc, "twenty")
        assert info.next_at is not None
        assert (info.waiting, info.rate_limit, info.code_rate_limit) == (499, "1/h", "20/s")


@pytest.mark.parametrize("keyed", [False, True])
async def test_a_handler_that_is_told_to_wait_holds_up_its_key_or_all_of_it(instance: Instance, keyed: bool) -> None:
    def build(batch: Batch) -> None:
        for n in range(6):
            key = "slow" if n < 3 else "fast"
            if keyed:
                batch.enqueue(limited.api_of, 0.6, key, n == 0)
            else:
                batch.enqueue(limited.api, 0.6, "first" if n == 0 else key)

    async with instance.worker(max_workers=1, poll_interval=60) as proc:
        batch = await proc.enqueue_batch("default", "acme", build)
        info = await proc.wait_batch(batch, 10)
    starts = instance.recorded("start")
    assert info.done == 6
    assert len(starts) == 7
    held = [r for r in starts if r["tag"] in (("slow",) if keyed else ("first", "slow", "fast"))]
    assert 0.55 <= held[1]["at"] - held[0]["at"] <= 5, "and not by the next poll"
    assert held[1]["id"] == held[0]["id"]
    assert {r["attempt"] for r in starts} == {1}
    if keyed:
        assert all(r["at"] < held[1]["at"] for r in starts if r["tag"] == "fast")


async def test_a_handler_without_a_limit_that_is_told_to_wait_waits_alone(instance: Instance) -> None:
    async with instance.worker(max_workers=1, poll_interval=60) as proc:
        for tag in ("first", "second"):
            await proc.enqueue_task("default", "acme", limited.plain_api, 0.4, tag)
        await instance.wait_records(2, "end")
    assert [r["tag"] for r in instance.recorded("end")] == ["second", "first"]


async def test_at_once_and_a_rate_together(instance: Instance) -> None:
    async with instance.worker(max_workers=8, poll_interval=60) as proc:
        batch = await proc.enqueue_batch("default", "acme", many(limited.both, 12, 0.02))
        await proc.wait_batch(batch, 10)
    times = [r["at"] for r in instance.recorded("start")]
    assert busiest(times, 0.25) <= 2 + 5 + 1


def test_what_nobody_waits_for_is_not_looked_for(direct: Direct) -> None:
    allow(direct, i=3_600_000_000, b=1)
    batch = crowd(direct, [H] * 5)
    direct.claim(9)
    assert direct.client.zscore(direct.key("delayed"), f"!{H}")
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert not direct.named("delayed")
