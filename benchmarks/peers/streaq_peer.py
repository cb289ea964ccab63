"""streaQ on Redis streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from asyncio_peer import Peer, Send, run
from recorder import hit
from streaq import Worker

CHUNK = 1_000
"""Tasks of a pipeline."""


async def noop(text: str) -> None:
    """Nothing."""
    hit()


async def nap(ms: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(ms / 1000)


async def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


class Streaq(Peer):
    """The library by its own calls."""

    name = "streaQ"
    distribution = "streaq"
    settings = (
        "uvloop, orjson, prefetch of 100 (20 to 300 slots and a prefetch of 1,000 change nothing), no results, limit of "
        "tries or logging; bulk by enqueue_many, 1,000 at a time. Acknowledges after running, under a lease that is "
        "renewed."
    )
    lacks = "No counters of batches, fair shares of tenants, or dead letters."

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        self.worker = self._worker(1)

        async def send(handler: str, argument: Any) -> object:
            return await self.worker.registry[handler].enqueue(argument)

        async with self.worker:
            yield send

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        noop = self.worker.registry["noop"]
        for first in range(0, tasks, CHUNK):
            await self.worker.enqueue_many([noop.enqueue(text) for _ in range(min(CHUNK, tasks - first))])

    def work(self, kind: str, slots: int) -> None:
        self._worker(slots).run_sync()

    def _worker(self, slots: int) -> Worker[None]:
        worker: Worker[None] = Worker(
            self.url,
            concurrency=slots,
            prefetch=100,
            serializer=orjson.dumps,
            deserializer=orjson.loads,
            anyio_kwargs={"use_uvloop": True},
        )
        for handler in (noop, nap, stamp):
            worker.task(max_tries=None, silent=True, ttl=0)(handler)
        return worker


if __name__ == "__main__":
    run(Streaq)
