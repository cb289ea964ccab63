"""Dramatiq on Redis: threads of one process."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import dramatiq
import orjson
from blocking_peer import Peer, run
from dramatiq.brokers.redis import RedisBroker
from recorder import hit

THREADS = 1
PREFETCH = 1000
POLL_MS = 10


class Orjson(dramatiq.Encoder):
    """Messages by orjson."""

    def encode(self, data: dict[str, Any]) -> bytes:
        return orjson.dumps(data)

    def decode(self, data: bytes) -> dict[str, Any]:
        return orjson.loads(data)


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


class DramatiqPeer(Peer):
    """The library by its own calls."""

    name = "Dramatiq"
    distribution = "dramatiq"
    settings = (
        "One process. One thread for tasks that don't wait (they contend for the GIL: 2 and 4 drain somewhat less, 8"
        " clearly less), as many as there are slots for those that sleep; 1000 prefetched where tasks don't wait. orjson,"
        " hiredis. No middleware, so no retries and no time limits. It polls: every 10 ms at most when idle, instead of"
        " every second, for latency. Bulk is a group, which sends one by one: it has no bulk call. Acknowledges after"
        " running."
    )
    lacks = (
        "Tasks of a killed worker come back after a minute at the earliest, as one command in a thousand looks for them;"
        " no counters of batches, fair shares of tenants, or cancelling."
    )

    def connect(self) -> None:
        dramatiq.set_encoder(Orjson())
        self.broker = RedisBroker(url=f"{self.url}?max_connections=256", middleware=[])
        dramatiq.set_broker(self.broker)
        self.actors = {handler.__name__: dramatiq.actor(handler) for handler in (noop, nap, stamp)}
        self.broker.client.ping()

    def send(self, handler: str, argument: Any) -> None:
        self.actors[handler].send(argument)

    def bulk(self, tasks: int, text: str) -> None:
        dramatiq.group([self.actors["noop"].message(text) for _ in range(tasks)]).run()

    def work(self, kind: str, slots: int) -> None:
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        self.connect()
        worker = dramatiq.Worker(self.broker, worker_timeout=POLL_MS, worker_threads=slots if kind == "naps" else THREADS)
        if kind != "naps":
            worker.queue_prefetch = PREFETCH
        worker.start()
        stopping.wait()
        worker.stop()


if __name__ == "__main__":
    run(DramatiqPeer)
