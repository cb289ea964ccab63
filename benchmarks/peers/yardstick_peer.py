"""No queue, but what bounds one here: the yardstick's drain, a bare call of a script, and a bare message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio as redis
from asyncio_peer import Peer, Send, looped, run
from recorder import hit
from yardstick import PREFIX, Yardstick

CHANNEL = PREFIX + "hop"
SCRIPT = "return ARGV[1]"
TASKS = PREFIX + "tasks"


async def noop(number: int, text: str) -> None:
    """Nothing."""
    hit()


class Bound(Peer):
    """redis-py by itself."""

    name = "(the least there is)"
    distribution = "redis"
    settings = (
        "redis-py, uvloop and hiredis. Drain and bulk: the least that a leased, counted and shared queue must do. One by"
        " one: EVALSHA of an empty script. Latency: a message published, one subscriber, which calls an empty script."
    )
    lacks = "Everything else."

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        async with redis.from_url(self.url, protocol=2) as self.client:
            script = self.client.register_script(SCRIPT)
            await script(args=[""])

            async def send(handler: str, argument: Any) -> object:
                if handler == "stamp":
                    while not await self.client.publish(CHANNEL, argument):  # nobody listens yet
                        await asyncio.sleep(0.1)
                    return None
                return await self.client.evalsha(script.sha, 0, argument)

            yield send

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        await self.client.set(TASKS, tasks)
        await Yardstick(self.url, tasks, 0).enqueue(text)

    def work(self, kind: str, slots: int) -> None:
        looped(self._listen() if kind == "stamps" else self._drain(slots))

    async def _drain(self, slots: int) -> None:
        async with redis.from_url(self.url, protocol=2) as client:
            tasks = int(await client.getdel(TASKS))
        yardstick = Yardstick(self.url, tasks, slots)
        yardstick.handlers["noop"] = noop
        await yardstick.drain()
        await self._listen()

    async def _listen(self) -> None:
        async with redis.from_url(self.url, protocol=2) as client, client.pubsub() as messages:
            script = client.register_script(SCRIPT)
            await script(args=[""])
            await messages.subscribe(CHANNEL)
            async for message in messages.listen():
                if message["type"] == "message":
                    await client.evalsha(script.sha, 0, "")
                    hit(int(message["data"]))


if __name__ == "__main__":
    run(Bound)
