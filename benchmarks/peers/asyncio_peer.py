"""What the adapters of asyncio libraries have in common: their commands, timing, and many calls at once.

An adapter is a subclass of ``Peer`` and ``run(ThatPeer)`` at its end. The standard library and uvloop only: it runs in
every peer's environment.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any, ClassVar

import uvloop
from recorder import now

Send = Callable[[str, Any], Awaitable[object]]
"""Enqueues a task: the name of its handler (noop, nap or stamp), and its argument."""


class Peer(ABC):
    """A library: how it enqueues and how it works."""

    name: ClassVar[str]
    distribution: ClassVar[str]
    """What it is installed as."""
    settings: ClassVar[str]
    lacks: ClassVar[str]

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[Send]:
        """Connections are open inside; gives the call that enqueues one task."""

    @abstractmethod
    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        """Enqueue no-op tasks as fast as the library can."""

    @abstractmethod
    def work(self, kind: str, slots: int) -> None:
        """Run a worker until SIGTERM."""


async def together(send: Send, tasks: int, text: str, callers: int) -> None:
    """The bulk of a library that has none: so many callers at once, each awaiting its call."""

    async def call(count: int) -> None:
        for _ in range(count):
            await send("noop", text)

    await asyncio.gather(*(call(tasks // callers + (number < tasks % callers)) for number in range(callers)))


def looped(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run(peer: type[Peer]) -> None:
    """Do what the command line asks for."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    command, *given = sys.argv[1:]
    if command == "about":
        told = {"version": version(peer.distribution), "settings": peer.settings, "lacks": peer.lacks}
        print(json.dumps({"name": peer.name, **told}))
    elif command == "work":
        peer(given[0]).work(given[1], int(given[2]))
    else:
        url, *numbers = given
        looped(_enqueue(peer(url), command, *map(int, numbers)))


async def _enqueue(peer: Peer, command: str, tasks: int, number: int = 0) -> None:
    async with peer.connected() as send:
        began = time.perf_counter()
        if command == "bulk":
            await peer.bulk(send, tasks, "x" * number)
        for _ in range(tasks if command == "single" else 0):
            await send("noop", "x" * 10)
        if command in ("bulk", "single"):
            print(json.dumps({"seconds": time.perf_counter() - began}))
        for _ in range(tasks if command == "naps" else 0):
            await send("nap", number)
        for _ in range(tasks if command == "stamps" else 0):
            await send("stamp", now())
            await asyncio.sleep(number / 1000)
