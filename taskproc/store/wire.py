"""Calls of scripts on the primary: connections, the missing-script fallback, redirections, and time-bounded retries.

redis-py's own retries are off, since they send a script again without knowing whether it is safe. All
of ours are: the same call again changes nothing and gives the same answer. So a call whose answer was
lost is sent again until it is answered or the caller's patience ends. Then the error says what is
known: ``RedisUnavailable`` when nothing was done, ``OutcomeUnknown`` when something may have been.

A call in flight is never cut short by us; a caller that is cancelled loses its connection, not the
next caller's answer (redis-py drops a connection whose reply was not read whole).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from taskproc.errors import OutcomeUnknown, RedisFull, RedisUnavailable, ServerRefused, TaskprocError
from taskproc.store.faults import Fault, classify
from taskproc.store.lua import Script
from taskproc.store.scripts import READS
from taskproc.store.target import CONNECT_SECONDS, Node, Target

Argument = str | bytes | int
Send = Callable[[AbstractConnection, bool], Awaitable[Any]]
Attempt = tuple[Fault | None, BaseException | None, Any]

logger = logging.getLogger("taskproc")

REPLY_SECONDS = 10.0
"""How long one answer may take before the connection is given up."""

REMEMBERED_MS = 3_600_000
REPLICA_MS = 1_000
"""How long a replica may take to confirm, before the call is sent again."""

FIRST_PAUSE, WARN_PAUSE, LONGEST_PAUSE = 0.01, 0.1, 0.5


MOST_CONNECTIONS = 64
"""Calls at once; further ones wait for their turn."""


class Wire:
    """A few connections to the primary that holds our slot."""

    def __init__(self, target: Target, prefix: str, *, touched: str | None = None) -> None:
        """``touched``: a key with a TTL that calls write. Where it is given, a call is answered once a replica has it."""
        self._target = target
        self._touched = touched
        self._slot_key = prefix + "~"
        self._idle: list[AbstractConnection] = []
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._node: Node | None = None
        self._closed = False

    async def call(self, script: Script, args: Sequence[Argument], patience: float | None) -> Any:
        """Call a script until it is answered, for ``patience`` seconds at most (None: without end).

        Raises RedisUnavailable, RedisFull or OutcomeUnknown, or ServerRefused where trying again is no use.
        No error carries the call's arguments, which may be a payload.
        """
        send = partial(self._send, script, args)
        return await self._persist(partial(_subject, script, args), send, patience, reads=script.name in READS)

    async def command(self, *command: Argument, patience: float | None) -> Any:
        """Send a plain command whose second run changes nothing; raises as ``call`` does."""

        async def send(connection: AbstractConnection, asking: bool) -> Any:
            return await roundtrip(connection, command, asking=asking)

        return await self._persist(lambda: " ".join(map(str, command[:2])), send, patience, reads=True)

    async def _persist(self, name: Callable[[], str], send: Send, patience: float | None, *, reads: bool) -> Any:
        deadline = None if patience is None else time.monotonic() + patience
        pause, unknown, warned = FIRST_PAUSE, False, False
        while True:
            fault, error, reply = await self._attempt(send)
            if fault is None:
                return reply
            unknown = unknown or (fault is Fault.UNKNOWN and not reads)
            late = deadline is not None and time.monotonic() + pause > deadline
            if fault is Fault.FATAL or self._closed or late or (fault is Fault.FULL and deadline is not None):
                raise _given_up(name(), fault, unknown, error, self._target) from None
            if not warned and pause > WARN_PAUSE:
                warned = True
                logger.warning("Redis at %s can't be used (%s); trying on", self._target, _brief(error))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _attempt(self, send: Send) -> Attempt:
        async with self._places:
            return await self._once(send)

    async def _once(self, send: Send) -> Attempt:
        try:
            connection = await self._take()
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._node = None
            return classify(error, sent=False), error, None
        try:
            return None, None, await send(connection, False)
        except (redis.RedisError, OSError, TimeoutError) as error:
            fault = classify(error, sent=True)
            if isinstance(error, redis.exceptions.AskError) and fault is Fault.ASK:
                return await self._ask((error.host, error.port), send)
            if fault in (Fault.ELSEWHERE, Fault.UNKNOWN):
                await connection.disconnect(nowait=True)
                await self._drop_all()
            return fault, error, None
        finally:
            self._give_back(connection)

    async def _ask(self, node: Node, send: Send) -> Attempt:
        connection = self._connection(node)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            return None, None, await send(connection, True)
        except (redis.RedisError, OSError, TimeoutError) as problem:
            return classify(problem, sent=True), problem, None
        finally:
            await connection.disconnect(nowait=True)

    async def _send(self, script: Script, args: Sequence[Argument], connection: AbstractConnection, asking: bool) -> Any:
        reply = await self._evaluate(script, args, connection, asking)
        if self._touched is not None and script.name not in READS:
            # WAIT is for what this connection has written, which is nothing where an answer was only repeated.
            await roundtrip(connection, (b"PEXPIRE", self._touched, REMEMBERED_MS))
            if int(await roundtrip(connection, (b"WAIT", 1, REPLICA_MS))) < 1:
                raise redis.TimeoutError("no replica has confirmed it")
        return reply

    async def _evaluate(self, script: Script, args: Sequence[Argument], connection: AbstractConnection, asking: bool) -> Any:
        key = self._slot_key
        try:
            return await roundtrip(connection, (b"EVALSHA", script.sha, 1, key, *args), asking=asking)
        except redis.ResponseError as error:
            if classify(error, sent=True) is not Fault.SCRIPT:
                raise
            return await roundtrip(connection, (b"EVAL", script.text, 1, key, *args), asking=asking)

    async def _take(self) -> AbstractConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_connected:
                return connection
        return await self.connect()

    def _give_back(self, connection: AbstractConnection) -> None:
        if connection.is_connected and not self._closed:
            self._idle.append(connection)

    async def connect(self, protocol: int | None = None) -> AbstractConnection:
        """A new connection to the primary, which is looked for when it isn't known. The caller closes it."""
        if self._target.moves and self._node is None:
            self._node = await asyncio.to_thread(self._target.locate, self._slot_key)
        node = self._node or (self._target.nodes[0] if self._target.nodes else ("", 0))
        connection = self._connection(node, protocol)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            self._node = None
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _connection(self, node: Node, protocol: int | None = None) -> AbstractConnection:
        settings = {**self._target.settings, "retry": Retry(NoBackoff(), 0), "socket_timeout": None}
        if protocol is not None:
            settings["protocol"] = protocol
        if self._target.kind == "unix":
            return UnixDomainSocketConnection(path=self._target.path, **settings)
        kind = SSLConnection if self._target.kind == "tls" else Connection
        return kind(host=node[0], port=node[1], **settings)

    async def forget(self, error: BaseException) -> None:
        """Look for the primary again after an error on a connection of the caller's that says it may have moved."""
        if classify(error, sent=True) is not Fault.AGAIN:
            self._node = None

    async def _drop_all(self) -> None:
        self._node = None
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close all connections that are not in use."""
        self._closed = True
        await self._drop_all()


async def roundtrip(
    connection: AbstractConnection,
    command: tuple[Argument, ...],
    *,
    asking: bool = False,
    seconds: float = REPLY_SECONDS,
) -> Any:
    """Send a command on a connection of one's own and read its answer.

    Raises what redis-py raises; a connection whose answer didn't come in time is closed.
    """
    packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub has a tuple of one
    if asking:
        packed = hiredis.pack_command((b"ASKING",)) + packed
    late = asyncio.get_running_loop().call_later(seconds, _abandon, connection)
    try:
        await connection.send_packed_command(packed, check_health=False)
        if asking:
            await connection.read_response()
        return await connection.read_response()
    except (redis.ConnectionError, OSError):
        if late.when() <= asyncio.get_running_loop().time():
            raise redis.TimeoutError("no answer in time") from None
        raise
    finally:
        late.cancel()


def _abandon(connection: AbstractConnection) -> None:
    """Break a connection, which ends who reads from it. A fraction of the cost of a time-out's scope, paid by each call."""
    writer = connection._writer
    if writer is not None:
        writer.transport.abort()


def _brief(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}" if error is not None else "unknown"


SUBJECTS = {"batch", "seg", "task", "tenant", "queue", "schedule", "id", "batches", "queues", "tenants", "tasks"}
"""What of a call's arguments an error tells; no other may be told, since it may be a payload."""


def _subject(script: Script, args: Sequence[Argument]) -> str:
    """A call's name and what it is about."""
    known = [(a.name, value) for a, value in zip(script.header.argv, args, strict=False) if a.name in SUBJECTS and value]
    texts = [(name, value.decode("utf-8", "replace") if isinstance(value, bytes) else value) for name, value in known]
    about = ", ".join(f"{name} {str(text)[:200]}" for name, text in texts)
    return f"{script.name} ({about})" if about else script.name


def _given_up(name: str, fault: Fault, unknown: bool, error: BaseException | None, target: Target) -> TaskprocError:
    what = f"Redis at {target}: {name}: {_brief(error)}"
    if unknown:
        return OutcomeUnknown(f"{what}. It may or may not have been done")
    if fault is Fault.FATAL:
        return ServerRefused(what)
    if fault is Fault.FULL:
        return RedisFull(f"{what}. Nothing was stored; raise maxmemory or let workers drain the queues")
    return RedisUnavailable(f"{what}. Nothing was done")
