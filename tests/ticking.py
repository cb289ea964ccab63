"""A handler of schedules, which records the occurrence that it runs for, and functions for the next run that go wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from taskproc import current_task, task
from tests.recording import note


@task
async def tick(tag: str, seconds: float = 0.0) -> None:
    """Works a little, and tells for which occurrence, and when its task was made."""
    info = current_task()
    assert info.scheduled_for is not None
    due, made = (round(moment.timestamp() * 1000) for moment in (info.scheduled_for, info.created_at))
    note("start", tag=tag, due=due, made=made)
    await asyncio.sleep(seconds)
    note("end", tag=tag, due=due, made=made)


BEGIN = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""When they begin, to go wrong later."""


def exits(last: datetime | None) -> Any:
    """Asks the program to end."""
    if last is None:
        return BEGIN
    raise SystemExit(1)


def cancels(last: datetime | None) -> Any:
    """Raises a cancel of its own."""
    if last is None:
        return BEGIN
    raise asyncio.CancelledError


def interrupts(last: datetime | None) -> Any:
    """What a person's Ctrl-C raises."""
    raise KeyboardInterrupt


def hurries(last: datetime | None) -> datetime:
    """Each millisecond."""
    return BEGIN if last is None else last + timedelta(milliseconds=1)


def tenths(last: datetime | None) -> datetime:
    """Each even tenth of a second, whenever it is asked."""
    step = timedelta(milliseconds=100)
    return BEGIN if last is None else BEGIN + ((last - BEGIN) // step + 1) * step


async def later(last: datetime | None) -> datetime | None:
    """Has to be awaited."""
    return last
