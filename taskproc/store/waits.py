"""Waiting for Redis: wake-up markers of queues, and pub/sub messages. Each has a connection of its own.

Both are hints. A marker or a message that was lost costs time until the next poll or lease renewal, never
a task; so a failure here only means to connect again, after a pause.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection

from taskproc.keys import key
from taskproc.store.wire import Wire

logger = logging.getLogger("taskproc")

PAUSE = 0.2
PING_SECONDS = 10.0


class Marker:
    """Waits for the wake-up marker of any of some queues, in their order."""

    def __init__(self, wire: Wire, prefix: str, queues: Sequence[str]) -> None:
        self._wire = wire
        self._keys = [key(prefix, "wake", queue) for queue in queues]
        self._connection: AbstractConnection | None = None

    async def wait(self, seconds: float) -> bool:
        """Whether a marker came within some seconds. Cancelling it drops the connection."""
        try:
            if self._connection is None or not self._connection.is_connected:
                self._connection = await self._wire.connect()
            command = (b"BLPOP", *self._keys, max(0.01, round(seconds, 3)))
            async with asyncio.timeout(seconds + PING_SECONDS):
                await self._connection.send_packed_command(_pack(command), check_health=False)
                return await self._connection.read_response(timeout=math.inf) is not None
        except (redis.RedisError, OSError, TimeoutError) as error:
            await self.close()
            await self._wire.forget(error)
            await asyncio.sleep(min(PAUSE, seconds))
            return False

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)
            self._connection = None


class Events:
    """Messages of some channels, for as long as ``run`` runs."""

    def __init__(
        self,
        wire: Wire,
        prefix: str,
        channels: Sequence[str],
        on_message: Callable[[str, str], None],
        on_subscribed: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._prefix = prefix
        self._channels = channels
        self._on_message = on_message
        self._on_subscribed = on_subscribed

    async def run(self) -> None:
        """Listen until cancelled. ``on_subscribed`` is called at each (re)connect: what was missed is read then."""
        while True:
            connection: AbstractConnection | None = None
            try:
                connection = await self._wire.connect(protocol=2)
                await self._listen(connection)
            except (redis.RedisError, OSError, TimeoutError) as error:
                logger.debug("subscription lost: %s", type(error).__name__)
                await self._wire.forget(error)
            finally:
                if connection is not None:
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(PAUSE)

    async def _listen(self, connection: AbstractConnection) -> None:
        names = [self._prefix + channel for channel in self._channels]
        await connection.send_packed_command(_pack((b"SUBSCRIBE", *names)), check_health=False)
        waiting, silent = len(names), False
        while True:
            message = await connection.read_response(timeout=PING_SECONDS)
            if message is None:
                if silent:
                    raise redis.TimeoutError("no answer to PING")
                silent = True
                await connection.send_packed_command(_pack((b"PING",)), check_health=False)
                continue
            silent = False
            if message[0] == b"subscribe":
                waiting -= 1
                if waiting == 0:
                    self._on_subscribed()
            elif message[0] == b"message":
                self._on_message(message[1].decode()[len(self._prefix) :], message[2].decode())


def _pack(command: tuple[Any, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed
