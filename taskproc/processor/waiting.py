"""Waiting for batches to settle, by messages instead of polling."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from taskproc.errors import NotFound, NotReady
from taskproc.ids import is_batch_id
from taskproc.model import BatchInfo, BatchState
from taskproc.store import Store

RECHECK_SECONDS = 30.0
"""A message may be lost for good, as in a failover: how often the stored state is looked at all the same."""


class BatchWaits:
    """Everything in this process that waits for a batch. It listens from the first wait on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()

    async def wait(self, batch_id: str, tenant: str | None, seconds: float) -> BatchInfo:
        """The batch once it has settled. Raises NotFound, or NotReady when the time is over."""
        if not is_batch_id(batch_id):
            raise NotFound(f"there is no batch {batch_id[:64]}")
        self._listen()
        news = asyncio.Event()
        self._waiters.setdefault(batch_id, set()).add(news)
        try:
            async with asyncio.timeout(seconds):
                await self._subscribed.wait()
                while True:
                    news.clear()
                    info = await self._store.batches.get(batch_id, watch=True)
                    if info is None or (tenant is not None and info.tenant != tenant):
                        raise NotFound(f"there is no batch {batch_id[:64]}")
                    if info.state is not BatchState.RUNNING:
                        return info
                    with suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), RECHECK_SECONDS)
        except TimeoutError as error:
            if isinstance(error, NotReady):
                raise
            raise NotReady(f"batch {batch_id} had not settled after {seconds:g} s") from None
        finally:
            self._waiters[batch_id].discard(news)
            if not self._waiters[batch_id]:
                del self._waiters[batch_id]

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            events = self._store.events(("settled",), self._on_message, self._on_subscribed)
            self._listener = asyncio.create_task(events.run(), name="taskproc-batch-waits")

    def _on_message(self, channel: str, batch_id: str) -> None:
        for news in self._waiters.get(batch_id, ()):
            news.set()

    def _on_subscribed(self) -> None:
        self._subscribed.set()
        for waiters in self._waiters.values():
            for news in waiters:
                news.set()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
