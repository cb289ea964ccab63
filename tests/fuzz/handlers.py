"""Handlers that the fuzzer's tasks call: they note in memory what ran."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
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


def source(seed: int, number: int) -> random.Random:
    """All chance of an input."""
    return random.Random(f"{seed}:{number}")


@task
async def linger(canary: str) -> None:
    """Takes a little while."""
    await asyncio.sleep(0.1)
    ran[current_task().id] += 1
