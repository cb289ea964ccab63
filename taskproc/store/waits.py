"""Waiting for Redis: wake-up markers of queues, and pub/sub messages. Each has a connection of its own.

Both are hints. A marker or a message that was lost costs time until the next poll or lease renewal, never
a task; so a failure here only means to connect again, after a pause.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection

from taskproc.keys import key
from taskproc.store.lua import Script
from taskproc.store.wire import Wire

logger = logging.getLogger("taskproc")

PAUSE = 0.2
PING_SECONDS = 10.0


class Marker:
    """Waits for the wake-up marker of any of some queues, in their order.

    A call that is sent after the wait is done by Redis as soon as the wait ends, so its answer comes with the marker: what
    an idle worker asks for anyway is here one round trip earlier.
    """

    def __init__(self, wire: Wire, prefix: str, queues: Sequence[str]) -> None:
        self._wire = wire
        self._slot_key = prefix + "~"
        self._of = {queue: key(prefix, "wake", queue) for queue in queues}
        self._keys = self._waited = list(self._of.values())
        self._connection: AbstractConnection | None = None
        self._waiting = False
        self._dropped = False
        self._next: bytes | None = None  # the call behind the wait at hand, or the next one

    @property
    def taken(self) -> bool:
        """Whether there is a call behind the wait; there is room for one."""
        return self._next is not None

    async def ask(self, script: Script, args: Sequence[Any]) -> None:
        """Have a script called when the wait ends. Its answer is a hint too: it may never come."""
        self._next = _pack((b"EVALSHA", script.sha, 1, self._slot_key, *args))
        if self._waiting and self._connection is not None:
            with suppress(redis.RedisError, OSError):  # the wait notices it too
                await self._connection.send_packed_command(self._next, check_health=False)

    async def wait(self, seconds: float) -> tuple[bool, Any]:
        """Whether a marker came within some seconds, and the call's answer. Cancelling drops the connection."""
        try:
            if self._connection is None or not self._connection.is_connected:
                self._connection = await self._wire.connect()
            self._waited = self._keys
            command = _pack((b"BLPOP", *self._keys, max(0.01, round(seconds, 3))))
            async with asyncio.timeout(seconds + PING_SECONDS):
                self._waiting = True
                await self._connection.send_packed_command(command + (self._next or b""), check_health=False)
                came = await self._connection.read_response(timeout=math.inf) is not None
                self._waiting = False
                return came, await self._answer(self._connection)
        except (redis.RedisError, OSError, TimeoutError) as error:
            if not self._dropped:
                await self.close()
                await self._wire.forget(error)
                await asyncio.sleep(min(PAUSE, seconds))
            return False, None
        finally:
            self._waiting, self._next, self._dropped = False, None, False

    async def _answer(self, connection: AbstractConnection) -> Any:
        if self._next is None:
            return None
        try:
            return await connection.read_response(timeout=math.inf)
        except redis.ResponseError:  # such as a script that the server doesn't know any more
            return None

    async def only(self, queues: Sequence[str]) -> None:
        """Wait for these from now on; a wait at hand for less than these ends without a marker."""
        self._keys = [self._of[queue] for queue in queues]
        if self._waiting and not set(self._keys) <= set(self._waited):
            await self.drop()

    async def drop(self) -> None:
        """Take the call behind the wait back, and with it the wait, which ends without a marker."""
        self._dropped, self._next = self._waiting, None
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)


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
                channel, text = (part.decode("utf-8", "replace") for part in message[1:3])  # anybody may publish anything
                self._on_message(channel[len(self._prefix) :], text)


def _pack(command: tuple[Any, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed
