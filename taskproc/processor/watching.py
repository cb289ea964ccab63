"""Watching a batch or a task: its present state, then its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from taskproc.errors import NotFound
from taskproc.ids import is_batch_id, is_task_id
from taskproc.model import BatchEvent, Event, TaskEvent
from taskproc.processor.waiting import LOOKS, PAUSE_SECONDS, RECHECK_SECONDS, Waits

CHANGES, CLAIMS = 2, 3
"""What of a batch is to be published: its settling and its next change, or also its next claim."""


async def watch(waits: Waits, id: str, tenant: str | None) -> AsyncGenerator[Event, None]:
    """The events of a batch or a task, the present state first. Raises NotFound."""
    if not is_batch_id(id) and not is_task_id(id):
        raise NotFound(f"there is no batch or task {id[:64]}")
    last: Event | None = None
    with waits.news(id, id[:22]) as news:
        await waits.listening()
        while True:
            news.clear()
            event = await (_task(waits, id, tenant) if is_task_id(id) else _batch(waits, id, tenant))
            if event is None and last is None:
                raise NotFound(f"there is no batch or task {id}")
            if event is not None and event != last:
                yield event
            if event is None or event.ended:
                return
            last = event
            await asyncio.sleep(PAUSE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), RECHECK_SECONDS)


async def _batch(waits: Waits, id: str, tenant: str | None) -> BatchEvent | None:
    try:
        b = await waits.batch(id, tenant, CHANGES)
    except NotFound:
        return None
    return BatchEvent(b.id, b.state, b.total, b.done, b.failed, b.cancelled, b.remaining)


async def _task(waits: Waits, id: str, tenant: str | None) -> TaskEvent | None:
    try:
        await waits.own(id, tenant)
    except NotFound:
        return None
    info = (await waits.store.tasks.find(id, watch=CLAIMS, looks=LOOKS)).info
    if info is None or (tenant is not None and info.tenant != tenant):
        return None
    return TaskEvent(info.id, info.state, info.attempt, info.progress)
