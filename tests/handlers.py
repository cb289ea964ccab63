"""Handlers of the tests: what many of them enqueue."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from taskproc import Bury, Cancel, Retry, Snooze, current_task, task
from tests.recording import note, received


@task
async def noop(a: object = None, b: object = None) -> None:
    """Does nothing."""


@task(unique=True)
async def once(n: object = 0, words: dict[str, Any] | None = None, tag: object = None) -> None:
    """Records that it ran; one of each at a time."""
    note("ran", tag=tag)


@task(unique=lambda name, *, version=0: None if name == "any" else name)
async def by_name(name: str, *, version: int = 0) -> None:
    """One of each name at a time, whatever the version; as many as you like of "any"."""
    note("ran", tag=version)


@task(unique=True, unique_for=60)
async def each_minute(tag: object = None) -> None:
    """One of each in a minute."""
    note("ran", tag=tag)


@task(unique=True)
async def tagged(words: set[str]) -> None:
    """Takes a set."""
    note("ran")


@task
async def mark(tag: object = None) -> None:
    """Records that it ran."""
    note("ran", tag=tag)


@task
async def nap(seconds: float, tag: object = None) -> None:
    """Sleeps on the loop, records its start and end, and a cancel."""
    note("start", tag=tag)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled", tag=tag)
        raise
    note("end", tag=tag)


@task
def nap_thread(seconds: float, tag: object = None) -> None:
    """Sleeps in a thread; stops when it is told to."""
    note("start", tag=tag)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if current_task().cancelled:
            note("cancelled", tag=tag)
            current_task().raise_if_cancelled()
        time.sleep(0.01)
    note("end", tag=tag)


@task
def stubborn(seconds: float, tag: object = None) -> None:
    """Sleeps in a thread, whatever it is told."""
    note("start", tag=tag)
    time.sleep(seconds)
    note("end", tag=tag)


@task(executor="process")
def nap_process(seconds: float, tag: object = None) -> None:
    """Sleeps in a process of its own."""
    note("start", tag=tag)
    time.sleep(seconds)
    note("end", tag=tag)


@task
async def fail(message: str = "broken", below: int = 1_000_000, tag: object = None) -> None:
    """Fails in attempts before ``below``."""
    note("start", tag=tag)
    if current_task().attempt < below:
        raise ValueError(message)
    note("end", tag=tag)


@task
async def signal(kind: str, value: float = 0.0, times: int = 1) -> None:
    """Ends as it is told, so many times."""
    note("start")
    if current_task().delivery > times:
        note("end")
        return
    raise {"retry": Retry(value), "snooze": Snooze(value), "bury": Bury("no use"), "cancel": Cancel("not needed")}[kind]


@task
async def die(code: int = 1) -> None:
    """Ends its process."""
    note("start")
    os._exit(code)


@task
async def after(tag: object = None) -> None:
    """A continuation: records the batch's counters."""
    info = await current_task().batch()
    assert info is not None
    note("ran", tag=tag, continuation=current_task().is_continuation,
         counters=[info.total, info.done, info.failed, info.cancelled, info.remaining], state=info.state.value)  # fmt: skip


@task
async def grow(count: int) -> None:
    """Appends to its own batch."""
    note("start")
    await current_task().append(lambda batch: [batch.enqueue(mark, f"grown {n}") for n in range(count)])
    note("end")


@task
async def sow(queue: str, tag: object = None) -> None:
    """Records its start and enqueues ``mark`` in a queue."""
    note("start")
    info = current_task()
    await info.processor.enqueue_task(queue, info.tenant, mark, tag)


@task
async def linger(seconds: float, tag: object = None) -> None:
    """Sleeps when it is delivered for the first time, and ends at once later on."""
    note("start", tag=tag)
    try:
        if current_task().delivery == 1:
            await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled", tag=tag)
        raise
    note("end", tag=tag)


@task
async def keep_alive(seconds: float, every: float, lease: float, tag: object = None) -> None:
    """Sleeps as ``linger`` does; prolongs its lease every so many seconds for the first half of the time."""
    note("start", tag=tag)
    began = time.monotonic()
    while current_task().delivery == 1 and (spent := time.monotonic() - began) < seconds:
        if spent < seconds / 2:
            note("renewed", tag=tag, renewed=await current_task().renew(lease))
        await asyncio.sleep(every)
    note("end", tag=tag)


@task
async def block_loop(seconds: float, tag: object = None) -> None:
    """Blocks the event loop when it is delivered for the first time."""
    note("start", tag=tag)
    if current_task().delivery == 1:
        time.sleep(seconds)  # noqa: ASYNC251
    note("end", tag=tag)


@task
async def deaf(tag: object = None) -> None:
    """Goes on whatever cancels it."""
    note("start", tag=tag)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            note("cancelled", tag=tag)


@task
async def step(seconds: float, tag: object = None) -> None:
    """Works a little, between a start and an end that are recorded."""
    note("start", tag=tag)
    await asyncio.sleep(seconds)
    note("end", tag=tag)


@task(queue="high")
async def step_high(seconds: float, tag: object = None) -> None:
    """The same in a queue of its own."""
    await step(seconds, tag)


@task
async def die_below(attempt: int) -> None:
    """Ends its process in attempts before ``attempt``."""
    note("start")
    if current_task().attempt < attempt:
        os._exit(3)
    note("end")


@task
async def tell(secret: str) -> None:
    """Fails, and has a secret in its arguments alone."""
    note("start")
    assert secret
    raise ValueError("it went wrong")


@task
async def breed(count: int, tag: object = None) -> None:
    """Enqueues further tasks through its processor."""
    info = current_task()
    for n in range(count):
        await info.processor.enqueue_task(info.queue, info.tenant, mark, f"{tag} {n}")


@task(name="raw.echo", raw=True)
async def raw_echo(data: bytes) -> None:
    """Raw work."""
    received[current_task().id] = data
    note("raw", kind=type(data).__name__, size=len(data))


@task(name="raw.process", raw=True, executor="process")
def raw_process(data: bytes) -> None:
    """Raw work in a process."""
    note("raw", kind=type(data).__name__, hex=data.hex())


@task
async def give_up(tag: object = None) -> None:
    """Cancels itself after an await."""
    note("start", tag=tag)
    await asyncio.sleep(0.01)
    raise Cancel("nothing to do any more")


@task(queue="elsewhere")
async def placed(tag: object = None) -> None:
    """Has a queue of its own."""
    note("ran", tag=tag)


@task(name="renamed", aliases=["before.renaming"])
async def renamed(tag: object = None) -> None:
    """Goes by a name of its own, and by an older one."""
    note("ran", tag=tag)


@task
async def peek_batch(tag: object = None, broken: bool = False) -> None:
    """Ends or fails, for hooks to look at."""
    note("start", tag=tag)
    if broken:
        raise ValueError("broken")


@task(queue="own")
async def mark_own(tag: object = None) -> None:
    """Records that it ran, by default in a queue of its own."""
    note("ran", tag=tag)


@task
async def swallow(text: str, fails: int = 0, seconds: float = 0) -> None:
    """Records the size of a large argument, fails in its first attempts, or sleeps."""
    if current_task().attempt <= fails:
        note("failed", size=len(text))
        raise ValueError("not yet")
    note("start", size=len(text))
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled", size=len(text))
        raise
    note("end", size=len(text))


@task
def fail_late(seconds: float, tag: object = None) -> None:
    """Sleeps in a thread, whatever it is told, and fails then."""
    note("start", tag=tag)
    time.sleep(seconds)
    raise ValueError("late")
