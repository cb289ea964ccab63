"""SAQ on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from asyncio_peer import Peer, Send, looped, run, together
from recorder import hit
from redis.asyncio import Redis
from saq import Worker
from saq.queue.redis import RedisQueue

CALLERS = 50
SLOTS = 50
"""For no-op tasks."""


async def noop(ctx: dict[str, Any], *, argument: str) -> None:
    """Nothing."""
    hit()


async def nap(ctx: dict[str, Any], *, argument: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(argument / 1000)


async def stamp(ctx: dict[str, Any], *, argument: int) -> None:
    """Tell when it was sent."""
    hit(argument)


class Saq(Peer):
    """The library by its own calls."""

    name = "SAQ"
    distribution = "saq"
    settings = (
        "uvloop, hiredis, orjson, 50 slots for no-op tasks (10 drain 10% to 26% less, 100 no more), no time-out, no stored "
        "result; 50 callers at once for bulk, as it has no bulk call. Acknowledges after running."
    )
    lacks = (
        "A killed worker's tasks come back only by a time-out or heartbeat, looked for once a minute, and run again only "
        "where retries are asked for; no counters of batches, fair shares of tenants, or dead letters."
    )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        queue = self._queue()
        await queue.redis.ping()

        async def send(handler: str, argument: Any) -> object:
            return await queue.enqueue(handler, argument=argument, ttl=-1, timeout=0)

        yield send
        await queue.disconnect()

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        await together(send, tasks, text, CALLERS)

    def work(self, kind: str, slots: int) -> None:
        looped(self._work(SLOTS if kind == "noop" else slots))

    async def _work(self, slots: int) -> None:
        queue = self._queue()
        await Worker(queue, [noop, nap, stamp], concurrency=slots).start()
        await queue.disconnect()

    def _queue(self) -> RedisQueue:
        return RedisQueue(Redis.from_url(self.url), dump=orjson.dumps, load=orjson.loads, max_concurrent_ops=CALLERS)


if __name__ == "__main__":
    run(Saq)
