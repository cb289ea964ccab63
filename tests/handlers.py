"""Handlers of the tests. Each records itself under a prefix of its own, by the server's clock."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import redis
import redis.asyncio

from taskproc import Bury, Cancel, Retry, Snooze, current_task, task

RECORD = """
local t = redis.call('TIME')
redis.call('RPUSH', KEYS[1], cjson.encode({at = t[1] * 1000 + t[2] / 1000, entry = ARGV[1]}))
"""


class Recorder:
    """Where handlers of this process record themselves."""

    def __init__(self) -> None:
        self.clients: dict[str, redis.Redis] = {}

    def note(self, event: str, **more: Any) -> None:
        """Record an event of the running task."""
        info = current_task()
        url = os.environ["TASKPROC_TEST_RECORD"]
        if url not in self.clients:
            self.clients[url] = redis.Redis.from_url(url, protocol=2)
        entry = {
            "event": event, "id": info.id, "name": info.name, "attempt": info.attempt, "delivery": info.delivery,
            "tenant": info.tenant, "queue": info.queue, "batch": info.batch_id, "pid": os.getpid(), **more,
        }  # fmt: skip
        self.clients[url].eval(
            RECORD,
            1,
            f"record:{info.processor._options.prefix if info.processor else os.environ['TASKPROC_TEST_PREFIX']}",
            json.dumps(entry),
        )


recorder = Recorder()
note = recorder.note


@task
async def noop(a: object = None, b: object = None) -> None:
    """Does nothing."""


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
