"""Handlers with limits."""

from __future__ import annotations

import asyncio
import time

from taskproc import RateLimited, Snooze, current_task, task
from tests.recording import note


async def _nap(seconds: float, tag: object) -> None:
    note("start", tag=tag)
    try:
        await asyncio.sleep(seconds)
    finally:
        note("end", tag=tag)


@task(max_concurrency=2)
async def two(seconds: float = 0.0, tag: object = None) -> None:
    """Two at once."""
    await _nap(seconds, tag)


@task(max_concurrency=1, timeout=0.3, max_attempts=2, backoff=0.1)
async def one(seconds: float = 0.0, tag: object = None, how: str = "") -> None:
    """One at once, which may end in any way."""
    note("start", tag=tag)
    if how == "fail" and current_task().attempt == 1:
        raise ValueError("broken")
    if how == "snooze" and current_task().delivery == 1:
        raise Snooze(0.2)
    try:
        await asyncio.sleep(seconds)
    finally:
        note("end", tag=tag)


@task(max_concurrency=1)
def one_thread(seconds: float = 0.0, tag: object = None) -> None:
    """One at once, in a thread."""
    note("start", tag=tag)
    time.sleep(seconds)
    note("end", tag=tag)


@task(max_concurrency=1, executor="process")
def one_process(seconds: float = 0.0, tag: object = None) -> None:
    """One at once, in a process of its own."""
    note("start", tag=tag)
    time.sleep(seconds)
    note("end", tag=tag)


@task(max_concurrency=1, concurrency_key=lambda customer, seconds=0.0: customer)
async def of_customer(customer: str, seconds: float = 0.0) -> None:
    """One of each customer at once."""
    await _nap(seconds, customer)


@task(max_concurrency=1, concurrency_key="tenant")
async def of_tenant(seconds: float = 0.0) -> None:
    """One of each tenant at once."""
    await _nap(seconds, current_task().tenant)


@task(rate_limit="20/s")
async def twenty(tag: object = None) -> None:
    """Twenty a second."""
    note("ran", tag=tag)


@task(rate_limit="10/s burst 5")
async def bursts(tag: object = None) -> None:
    """Ten a second, five at once."""
    note("ran", tag=tag)


@task(rate_limit="20/s", max_concurrency=2)
async def both(seconds: float = 0.0, tag: object = None) -> None:
    """Two at once and twenty a second."""
    await _nap(seconds, tag)


@task(max_concurrency=100)
async def api(seconds: float, tag: object = None) -> None:
    """Calls something that takes no more for a while, the first time."""
    note("start", tag=tag)
    if current_task().delivery == 1 and tag == "first":
        raise RateLimited(seconds)
    note("end", tag=tag)


@task(max_concurrency=100, concurrency_key=lambda seconds, key, first: key)
async def api_of(seconds: float, key: str, first: bool) -> None:
    """The same, by a key."""
    note("start", tag=key)
    if current_task().delivery == 1 and first:
        raise RateLimited(seconds)
    note("end", tag=key)


@task
async def plain_api(seconds: float, tag: object = None) -> None:
    """The same without a limit."""
    note("start", tag=tag)
    if current_task().delivery == 1 and tag == "first":
        raise RateLimited(seconds)
    note("end", tag=tag)


@task(name="limited-raw", raw=True, max_concurrency=1, concurrency_key=lambda data: data[:1].decode())
async def raw(data: bytes) -> None:
    """Raw work, one at once for each first byte."""
    await _nap(0.1, data.decode())


@task(max_concurrency=3)
async def step_three(seconds: float, tag: object = None) -> None:
    """Works a little, three at once."""
    await _nap(seconds, tag)


@task(max_concurrency=1, concurrency_key=lambda seconds, tag=None: str(int(str(tag)) % 5))
async def step_key(seconds: float, tag: object = None) -> None:
    """Works a little, one at once of each of five keys."""
    await _nap(seconds, tag)


@task(rate_limit="40/s", max_concurrency=1000)
async def step_rate(seconds: float, tag: object = None) -> None:
    """Works a little, forty a second."""
    await _nap(seconds, tag)


@task(max_concurrency=1, concurrency_key=lambda key: key)
async def of_anything(key: object) -> None:
    """One of each key at once."""
    await _nap(0.05, key)


@task(max_concurrency=1, concurrency_key=lambda order: order["customer"])
async def of_order(order: dict[str, int]) -> None:
    """One of each order's customer at once."""
