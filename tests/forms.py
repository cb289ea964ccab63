"""Handlers of every form: functions, methods, decorated ones, and those that look around."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from taskproc import current_task, task
from tests.handlers import mark
from tests.recording import note


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
    """Is nobody else's business."""
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
