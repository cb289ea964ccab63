"""What the adapters of libraries without asyncio have in common: their commands, timing, and calls of a few threads.

An adapter is a subclass of ``Peer`` and ``run(ThatPeer)`` at its end. The standard library only: it runs in every peer's
environment.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, ClassVar

from recorder import now


class Unable(Exception):
    """The library can't do what a measurement needs; the text says why."""


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
    def connect(self) -> None:
        """Open the connection that enqueueing takes."""

    @abstractmethod
    def send(self, handler: str, argument: Any) -> None:
        """Enqueue a task: the name of its handler (noop, nap or stamp), and its argument."""

    @abstractmethod
    def bulk(self, tasks: int, text: str) -> None:
        """Enqueue no-op tasks as fast as the library can."""

    @abstractmethod
    def work(self, kind: str, slots: int) -> None:
        """Run a worker until SIGTERM."""

    def naps(self, tasks: int, ms: int) -> None:
        """Enqueue tasks that sleep. Raises Unable."""
        for _ in range(tasks):
            self.send("nap", ms)


def together(peer: Peer, tasks: int, text: str, threads: int) -> None:
    """The bulk of a library that has none: calls of so many threads."""

    def call(count: int) -> None:
        for _ in range(count):
            peer.send("noop", text)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, (tasks // threads + (number < tasks % threads) for number in range(threads))))


def run(peer: type[Peer]) -> None:
    """Do what the command line asks for; status 3 where the library can't."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    command, *given = sys.argv[1:]
    try:
        if command == "about":
            told = {"version": version(peer.distribution), "settings": peer.settings, "lacks": peer.lacks}
            print(json.dumps({"name": peer.name, **told}))
        elif command == "work":
            peer(given[0]).work(given[1], int(given[2]))
        else:
            _enqueue(peer(given[0]), command, *map(int, given[1:]))
    except Unable as error:
        print(error, file=sys.stderr)
        sys.exit(3)


def _enqueue(peer: Peer, command: str, tasks: int, number: int = 0) -> None:
    peer.connect()
    began = time.perf_counter()
    if command == "bulk":
        peer.bulk(tasks, "x" * number)
    for _ in range(tasks if command == "single" else 0):
        peer.send("noop", "x" * 10)
    if command in ("bulk", "single"):
        print(json.dumps({"seconds": time.perf_counter() - began}))
    if command == "naps":
        peer.naps(tasks, number)
    for _ in range(tasks if command == "stamps" else 0):
        peer.send("stamp", now())
        time.sleep(number / 1000)
