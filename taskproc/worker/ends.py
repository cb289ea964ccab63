"""How a worker's start and stop wait: for one thing or another, to the end, for the only error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio


async def before(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether something has come to its end before an event; raises what it raises."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return task.done()
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.wait((task, stopped))


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for something as long as it takes; a cancel that comes meanwhile is raised afterwards."""
    task, cancelled = asyncio.ensure_future(work), None
    with anyio.CancelScope(shield=True):  # against scopes, which would cancel again and again
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error itself where a group has just one."""
    while isinstance(group, BaseExceptionGroup) and len(group.exceptions) == 1:
        only = group.exceptions[0]
        if not isinstance(only, BaseExceptionGroup):
            return only
        group = only
    return group
