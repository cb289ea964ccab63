"""Handlers that break: errors of every kind, and time limits."""

from __future__ import annotations

import asyncio
import os
import time

from taskproc import Bury, Retry, Snooze, current_task, task
from tests.recording import note


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


class Odd(Exception):
    """An error that answers every question about itself with another error."""

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)


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
        "odd": Odd("odd"), "surrogate": ValueError("a\ud800b"), "long": ValueError("x" * 100_000),
        "group": ExceptionGroup("two", [OSError(1)]),
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
