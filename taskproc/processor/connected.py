"""A processor's connection: opened and closed with it, shared by all its calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskproc.errors import TaskprocError
from taskproc.maker import Maker
from taskproc.options import Options
from taskproc.processor.waiting import Waits
from taskproc.registry import Registry
from taskproc.store import Store
from taskproc.store.embedded import SCHEME, EmbeddedServer, open_embedded
from taskproc.store.target import Target, default_url, from_client, from_url


class Connected:
    """Where Redis is, and the store once it is open."""

    def __init__(self, redis: Any, options: Options) -> None:
        self._url = (redis if redis is not None else default_url()) if redis is None or isinstance(redis, str) else None
        self._target: Target | None = None if self._url is not None else from_client(redis)
        if self._url is not None and not self._url.startswith("embedded:"):
            self._target = from_url(self._url)
        self._options = options
        self._registry = Registry(options.include, options.serializer)
        self._maker = Maker(self._registry, options.max_payload, options.sealer)
        self._embedded: EmbeddedServer | None = None
        self._store_: Store | None = None
        self._waits_: Waits | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._store_ is not None

    @property
    def is_private(self) -> bool:
        """Whether its server is one of its own in memory, which no other process reaches."""
        return self._url == SCHEME

    async def open(self) -> None:
        """Connect and meet the server; twice does nothing.

        Raises RedisUnavailable, ServerRefused, ServerTooOld or SchemaMismatch; InvalidValue for an embedded
        server that can't be used, RedisUnavailable with the end of its log for one that doesn't start.
        """
        await self._connect(self._options.patience)

    async def _connect(self, patience: float | None) -> None:
        if self._store_ is not None:
            return
        self._registry.load()
        store = await self._reach()
        try:
            await store.open(patience)
        except BaseException:
            await store.wire.close()
            await self._release_server()
            raise
        self._store_, self._waits_ = store, Waits(store, self._registry, self._options.sealer)

    async def _reach(self) -> Store:
        target = self._target
        if target is None:
            assert self._url is not None
            self._embedded = await _open_server(self._url)
            target = Target("unix", {"protocol": 2}, path=self._embedded.path)
        return _store(target, self._options)

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[Store]:
        """The store; where the processor isn't open one that never asks for the server's version or the keys' schema."""
        if self._store_ is not None:
            yield self._store_
            return
        store = await self._reach()
        try:
            yield store
        finally:
            await store.wire.close()
            await self._release_server()

    async def close(self) -> None:
        """Close the connections, and the embedded server if this was its last user."""
        store, self._store_ = self._store_, None
        waits, self._waits_ = self._waits_, None
        if waits is not None:
            await waits.close()
        if store is not None:
            await store.close()
        await self._release_server()

    async def _release_server(self) -> None:
        server, self._embedded = self._embedded, None
        if server is not None:
            await asyncio.to_thread(server.close)

    @property
    def _store(self) -> Store:
        if self._store_ is None:
            raise TaskprocError("the processor is not open: use `async with proc:` or `await proc.open()` first")
        return self._store_

    @property
    def _waits(self) -> Waits:
        assert self._store is not None
        assert self._waits_ is not None
        return self._waits_


def _store(target: Target, options: Options) -> Store:
    return Store(
        target,
        options.prefix,
        options.patience,
        sealer=options.sealer,
        durable=options.durable,
        letters_hold=options.deadletter_schedules,
    )


async def _open_server(url: str) -> EmbeddedServer:
    """Open an embedded server; where the caller is cancelled meanwhile, it is closed again when it is up."""
    opening = asyncio.get_running_loop().run_in_executor(None, open_embedded, url)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_again)
        raise


def _close_again(opening: asyncio.Future[EmbeddedServer]) -> None:
    if opening.exception() is None:
        opening.result().close()
