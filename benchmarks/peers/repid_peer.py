"""Repid on Redis streams."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from asyncio_peer import Peer, Send, looped, run, together
from recorder import hit
from repid import Repid, Router
from repid.connections.redis import RedisServer

CALLERS, BATCH = 50, 100
router = Router(timeout=math.inf, keep_alive=False)


@router.actor(channel="noop")
async def noop(text: str) -> None:
    """Nothing."""
    hit()


@router.actor(channel="nap")
async def nap(ms: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(ms / 1000)


@router.actor(channel="stamp")
async def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


ARGUMENTS = {"noop": "text", "nap": "ms", "stamp": "sent"}


class RepidPeer(Peer):
    """The library by its own calls."""

    name = "Repid"
    distribution = "repid"
    settings = (
        "uvloop, hiredis, orjson; reads of 100 messages (10 and 1,000 are no faster); no time-out and no keep-alive of a "
        "task, which as defaults make it about 8% slower; 50 callers at once for bulk, as it has no bulk call. "
        "Acknowledges after running."
    )
    lacks = (
        "By default nothing takes up what a killed worker held, and its streams keep every message that was acknowledged; "
        "no batches, fair shares of tenants, retries with a delay, or cancelling."
    )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        app, server = self._app()

        async def send(handler: str, argument: Any) -> None:
            headers = {"topic": handler}
            await app.send_message_json(channel=handler, payload={ARGUMENTS[handler]: argument}, headers=headers)

        async with server.connection():
            yield send

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        await together(send, tasks, text, CALLERS)

    def work(self, kind: str, slots: int) -> None:
        looped(self._work(slots))

    async def _work(self, slots: int) -> None:
        app, server = self._app()
        app.include_router(router)
        async with server.connection():
            await app.run_worker(tasks_limit=slots)

    def _app(self) -> tuple[Repid, RedisServer]:
        app, server = Repid(default_serializer=orjson.dumps), RedisServer(self.url, batch_size=BATCH)
        app.servers.register_server("redis", server, is_default=True)
        return app, server


if __name__ == "__main__":
    run(RepidPeer)
