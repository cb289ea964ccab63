"""Handlers of the tests. Each records itself under a prefix of its own, by the server's clock."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import time
from typing import Any, ClassVar

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


received: dict[str, Any] = {}
"""What handlers of this process were given, by the id of their task."""


@task
async def add(a: int, b: int) -> None:
    """Adds on the loop."""
    note("sum", tag="async", result=a + b)


@task
def add_thread(a: int, b: int) -> None:
    """Adds in a thread."""
    note("sum", tag="thread", result=a + b)


@task
async def _hidden(tag: object = None) -> None:
    note("ran", tag=tag)


async def unmarked(tag: object = None) -> None:
    """A handler for those who include this module."""
    note("ran", tag=tag)


class Service:
    """A class whose methods are handlers. It counts its instances, and how often each was closed."""

    made: ClassVar[list[Service]] = []

    def __init__(self, greeting: str = "none") -> None:
        self.greeting = greeting
        self.closed = 0
        self.made.append(self)

    @task
    async def greet(self, tag: object = None, *, broken: bool = False) -> None:
        """On the loop."""
        note("greeted", tag=tag, greeting=self.greeting, instance=self.made.index(self), closed=self.closed)
        if broken:
            raise ValueError("no greeting")

    @task
    def greet_thread(self, tag: object = None) -> None:
        """In a thread."""
        note("greeted", tag=tag, greeting=self.greeting, instance=self.made.index(self), closed=self.closed)

    @task(executor="process")
    def greet_process(self, tag: object = None) -> None:
        """In a process."""
        note("greeted", tag=tag, greeting=self.greeting)

    @staticmethod
    @task
    async def plain(tag: object = None) -> None:
        """Without an instance."""
        note("greeted", tag=tag)

    @classmethod
    @task
    def of_class(cls, tag: object = None) -> None:
        """With the class."""
        note("greeted", tag=tag, greeting=cls.__name__)


@task
async def look_around(tag: object = None) -> None:
    """Records all that it knows of itself; fails at first."""
    info = current_task()
    note("looked", tag=tag, data=info.data.decode(), created=info.created_at.timestamp(), zone=str(info.created_at.tzinfo),
         most=info.max_attempts, continuation=info.is_continuation, schedule=info.schedule_id, cancelled=info.cancelled,
         outcome=info.outcome)  # fmt: skip
    if info.attempt == 1:
        raise ValueError("once more")


@task
def ask_in_thread() -> None:
    """Asks everything that a handler in a thread can ask."""
    ctx = current_task().sync
    before = ctx.batch()
    ctx.append(lambda batch: batch.enqueue(mark, "appended"))
    after = ctx.batch()
    note("asked", totals=[before and before.total, after and after.total], renewed=ctx.renew(5))


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


@task(max_attempts=1)
async def fail_once_only(tag: object = None) -> None:
    """Always fails, and isn't tried again unless a call says so."""
    note("start", tag=tag)
    raise ValueError("broken")


class LongText(Exception):
    """An error with an own constructor, which pickle can't bring back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Wordless(Exception):
    """An error whose text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@task
async def break_down(kind: str) -> None:
    """Fails in one of many ways, always."""
    note("start", tag=kind)
    raise_it(kind)


@task
def break_down_thread(kind: str) -> None:
    """Fails in a thread."""
    note("start", tag=kind)
    raise_it(kind)


@task(executor="process", backoff=0)
def break_down_process(kind: str) -> None:
    """Fails in a process."""
    note("start", tag=kind)
    raise_it(kind)


def raise_it(kind: str) -> None:
    """One of many errors."""
    if kind == "exit process":
        os._exit(3)
    if kind == "signals":
        raise {1: Retry(0), 2: Snooze(0), 3: Bury("no use")}[current_task().delivery]
    raise {
        "value": ValueError("x"), "exit": SystemExit(3), "cancelled": asyncio.CancelledError(), "base": BaseException("b"),
        "stop": StopIteration(1), "generator": GeneratorExit(), "own": LongText(1, 2), "wordless": Wordless(),
        "surrogate": ValueError("a\ud800b"), "long": ValueError("x" * 100_000), "group": ExceptionGroup("two", [OSError(1)]),
    }[kind]  # fmt: skip


@task(retry_on=ConnectionError, backoff=0)
async def fail_remotely(kind: str) -> None:
    """Is tried again after errors of the connection alone."""
    note("start", tag=kind)
    raise {"refused": ConnectionRefusedError("gone"), "value": ValueError("wrong")}[kind]


@task(retry_on=(ConnectionError, TimeoutError), executor="process", backoff=0)
def fail_remotely_process(kind: str) -> None:
    """The same in a process."""
    note("start", tag=kind)
    raise {"refused": ConnectionRefusedError("gone"), "value": ValueError("wrong")}[kind]


@task(timeout=0.3, backoff=0)
async def slow(seconds: float = 5.0, tag: object = None) -> None:
    """Has a time limit of 0.3 s for each attempt."""
    note("start", tag=tag)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled", tag=tag)
        raise
    note("end", tag=tag)


@task(timeout=0.2, backoff=0)
def slow_thread(seconds: float, obedient: bool = True) -> None:
    """Has a time limit of 0.2 s, in a thread."""
    note("start")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if current_task().cancelled and obedient:
            note("cancelled")
            current_task().raise_if_cancelled()
        time.sleep(0.005)
    note("end", cancelled=current_task().cancelled)


@task(timeout=1.5, backoff=0, executor="process")
def slow_process(seconds: float, tag: object = None) -> None:
    """Has a time limit of 1.5 s, in a process."""
    note("start", tag=tag)
    time.sleep(seconds)
    note("end", tag=tag)


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


def plainly(function: Any) -> Any:
    """A decorator that forgets that a function is async."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def rightly(function: Any) -> Any:
    """A decorator that doesn't."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


@task
@plainly
async def forgotten(tag: object = None) -> None:
    """Would never run."""
    note("ran", tag=tag)


@task(executor="process")
@plainly
async def forgotten_process(tag: object = None) -> None:
    """Would never run in a process."""
    note("ran", tag=tag)


@task
@rightly
async def decorated(number: int, tag: object = None) -> None:
    """Runs, with the parameters that it shows."""
    note("ran", tag=tag, number=number)


@task
@plainly
def decorated_thread(number: int, tag: object = None) -> None:
    """The same in a thread."""
    note("ran", tag=tag, number=number)
