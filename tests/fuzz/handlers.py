"""Handlers that the fuzzer's tasks call: they note in memory what ran."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from taskproc import Bury, TaskContext, current_task, task

ran: Counter[str] = Counter()
"""How often each task of this process ran to its end, by its id."""

asks: dict[int, Callable[[TaskContext], Awaitable[None]]] = {}
"""What tasks of ``ask`` are to do, by the number of their input."""


@task(max_attempts=2, backoff=0)
async def take(tag: str, canary: str, more: Any = None) -> None:
    """Notes that it ran."""
    ran[current_task().id] += 1


@task(max_attempts=3, backoff=0)
async def fail_first(tag: str, canary: str) -> None:
    """Fails in its first attempt."""
    if current_task().attempt == 1:
        raise ValueError("not yet")
    ran[current_task().id] += 1


@task
async def bury_first(tag: str, canary: str) -> None:
    """Is dead at first, and runs once it is retried by a person."""
    if current_task().delivery == 1:
        raise Bury("later")
    ran[current_task().id] += 1


@task(backoff=0, max_attempts=1)
async def ask(number: int, canary: str) -> None:
    """Does what an input asks for."""
    await asks[number](current_task())
    ran[current_task().id] += 1


@task
async def strict(number: int, text: str, *, flag: bool = False) -> None:
    """Has typed parameters."""
    ran[current_task().id] += 1


@task(name="fuzz.raw", raw=True)
async def raw(data: bytes) -> None:
    """Raw work."""
    ran[current_task().id] += 1


def unmarked(tag: str) -> None:
    """Is no handler."""


def scheduled_later(tag: str) -> None:
    """Is none before it is scheduled."""


def next_hour(last: datetime | None) -> datetime | None:
    """Each hour of a century to come."""
    return datetime(2100, 1, 1, tzinfo=UTC) if last is None else last + timedelta(hours=1)


BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
"""When the functions below begin, to go wrong later."""


def next_raises(last: datetime | None) -> Any:
    """Raises."""
    return BEGIN if last is None else [][0]


def next_exits(last: datetime | None) -> Any:
    """Asks the program to end."""
    if last is None:
        return BEGIN
    raise SystemExit(1)


def next_cancels(last: datetime | None) -> Any:
    """Raises a cancel of its own."""
    if last is None:
        return BEGIN
    raise asyncio.CancelledError


def next_again(last: datetime | None) -> Any:
    """Gives the same time again."""
    return BEGIN


def next_naive(last: datetime | None) -> Any:
    """Gives a time without a zone."""
    return BEGIN if last is None else datetime(2030, 1, 1)


def next_text(last: datetime | None) -> Any:
    """Gives no time."""
    return BEGIN if last is None else "soon"


def next_slow(last: datetime | None) -> Any:
    """Gives a time a moment later, for ever."""
    return BEGIN if last is None else last + timedelta(milliseconds=1)


def next_never(last: datetime | None) -> Any:
    """Comes to an end."""
    return BEGIN if last is None else None


GONE_WRONG = (next_raises, next_exits, next_cancels, next_again, next_naive, next_text, next_slow, next_never)


def source(seed: int, number: int) -> random.Random:
    """All chance of an input."""
    return random.Random(f"{seed}:{number}")


@task
async def linger(canary: str) -> None:
    """Takes a little while."""
    await asyncio.sleep(0.1)
    ran[current_task().id] += 1
