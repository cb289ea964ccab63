"""arq on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import uvloop
from arq import Worker, create_pool, func
from arq.connections import RedisSettings
from asyncio_peer import Peer, Send, run, together
from recorder import hit

CALLERS = 20


async def noop(ctx: dict[Any, Any], text: str) -> None:
    """Nothing."""
    hit()


async def nap(ctx: dict[Any, Any], ms: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(ms / 1000)


async def stamp(ctx: dict[Any, Any], sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


class Arq(Peer):
    """The library by its own calls."""

    name = "arq"
    distribution = "arq"
    settings = (
        "uvloop, msgpack, polls every 5 ms (the default of 0.5 s makes a drain 60% slower, 1 ms none faster), no results; "
        "20 callers at once for bulk, as it has no bulk call. Acknowledges after running."
    )
    lacks = (
        "A killed worker's tasks come back only when their time-out is over, 5 minutes by default, as nothing is renewed; "
        "no batches, fair shares of tenants, dead letters, or, by default, cancelling."
    )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        pool = await create_pool(RedisSettings.from_dsn(self.url), job_serializer=msgpack.packb)
        yield pool.enqueue_job
        await pool.aclose()

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        await together(send, tasks, text, CALLERS)

    def work(self, kind: str, slots: int) -> None:
        asyncio.set_event_loop(uvloop.new_event_loop())
        Worker(
            [func(handler, keep_result=0) for handler in (noop, nap, stamp)],
            redis_settings=RedisSettings.from_dsn(self.url),
            max_jobs=slots,
            poll_delay=0.005,
            log_results=False,
            job_serializer=msgpack.packb,
            job_deserializer=msgpack.unpackb,
        ).run()


if __name__ == "__main__":
    run(Arq)
