"""Huey on a Redis list: threads of one process."""

from __future__ import annotations

import time
from typing import Any

from blocking_peer import Peer, run, together
from huey import RedisHuey
from recorder import hit

THREADS = 4
CALLERS = 2


def noop(text: str) -> None:
    """Nothing."""
    hit()


def nap(ms: int) -> None:
    """Wait."""
    hit()
    time.sleep(ms / 1000)


def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


class HueyPeer(Peer):
    """The library by its own calls."""

    name = "Huey"
    distribution = "huey"
    settings = (
        "One process. Four threads for tasks that don't wait (one drains as much or less, more are not faster), as many"
        " as there are slots for those that sleep; a blocking pop, one task a call. No results, no periodic tasks, a list"
        " without priorities; hiredis, pickle as by default. Two threads for bulk, as it has no bulk call. There is no"
        " acknowledgement: a task is taken off the queue before it runs."
    )
    lacks = (
        "A task that runs or was just taken is lost with its worker; no late acknowledgement, counters of batches, fair"
        " shares of tenants, or cancelling of what runs (it can revoke what waits)."
    )

    def connect(self) -> None:
        self.huey = RedisHuey("bench", url=f"{self.url}?max_connections=256", results=False)
        self.tasks = {handler.__name__: self.huey.task(name=handler.__name__)(handler) for handler in (noop, nap, stamp)}
        self.huey.storage.conn.ping()

    def send(self, handler: str, argument: Any) -> None:
        self.tasks[handler](argument)

    def bulk(self, tasks: int, text: str) -> None:
        together(self, tasks, text, CALLERS)

    def work(self, kind: str, slots: int) -> None:
        self.connect()
        self.huey.create_consumer(workers=slots if kind == "naps" else THREADS, periodic=False).run()


if __name__ == "__main__":
    run(HueyPeer)
