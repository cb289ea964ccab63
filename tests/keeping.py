"""Handlers whose tasks have records, and some that tell of their progress."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from taskproc import current_task, task
from tests.recording import note

gates: dict[str, asyncio.Event] = {}
"""What handlers of this process wait for, by name."""

made: list[Any] = []
"""Values that a handler of this process is to return."""


def gate(name: str) -> asyncio.Event:
    """An event that a handler waits for."""
    return gates.setdefault(name, asyncio.Event())


@dataclass
class Invoice:
    """What a handler makes."""

    number: int
    at: datetime


@task(keep="all")
async def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


@task
async def triple(number: int) -> int:
    """Three times a number, of which nothing is kept."""
    return 3 * number


@task(keep="all")
async def invoice(number: int) -> Invoice:
    """A value of a type of its own."""
    return Invoice(number, datetime(2030, 1, 2, tzinfo=UTC))


@task(keep="all")
async def nothing() -> None:
    """Returns nothing."""


@task(keep="all")
async def whatever() -> Any:
    """What the test has put there."""
    note("ran")
    return made[-1]


@task(keep="all")
async def wrong() -> int:
    """Returns something else than it says."""
    return "seven"  # type: ignore[return-value]


@task(keep="all")
async def text_of(size: int) -> str:
    """A text of a size."""
    return "x" * size


@task(keep="all")
def in_thread(number: int) -> Invoice:
    """The same from a thread."""
    return Invoice(number, datetime(2030, 1, 2, tzinfo=UTC))


@task(keep="all", executor="process")
def in_process(number: int) -> Invoice:
    """The same from a process."""
    return Invoice(number, datetime(2030, 1, 2, tzinfo=UTC))


@task(keep="all", executor="process")
def unkept_in_process() -> object:
    """What no JSON can say."""
    return threading.Lock


@task(keep="all")
async def fail_below(below: int, message: str = "x") -> str:
    """Fails in attempts before ``below``."""
    note("start", tag=below)
    if current_task().attempt < below:
        raise ValueError(message)
    return f"attempt {current_task().attempt}"


@task(keep="none")
async def fail_unkept() -> None:
    """Fails and leaves nothing."""
    raise ValueError("x")


@task(keep="all")
async def wait_for(name: str, result: int = 0) -> int:
    """Ends when the test says so."""
    note("start", tag=name)
    await gate(name).wait()
    return result


@task(keep="all")
async def wait_for_text(name: str, size: int) -> str:
    """The same, with a text of a size."""
    note("start", tag=name)
    await gate(name).wait()
    return "x" * size


@task
async def wait_plainly(name: str) -> None:
    """The same, of which nothing is kept."""
    note("start", tag=name)
    await gate(name).wait()


@task
async def tell(name: str, *steps: list[Any]) -> None:
    """Tells of its progress, and ends when the test says so."""
    note("start", tag=name)
    for step in steps:
        await current_task().progress(*step)
    note("told", tag=name)
    await gate(name).wait()


@task
def tell_in_thread(done: float, total: float, note_: str) -> None:
    """Tells of its progress from a thread."""
    current_task().sync.progress(done, total, note_)
    until(lambda: current_task().cancelled)


@task
async def tell_often(times: int) -> None:
    """Tells of its progress again and again."""
    for number in range(times):
        await current_task().progress(number, times)
        if number % 100 == 0:
            await asyncio.sleep(0.001)


def until(check: Callable[[], bool]) -> None:
    """Wait in a thread."""
    while not check():
        threading.Event().wait(0.005)
