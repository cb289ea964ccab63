"""What the worker processes of ``benchmarks.workers`` run; it imports no more than they need."""

from __future__ import annotations

import asyncio

from benchmarks.peers.recorder import hit
from taskproc import task


@task
async def first(sent: int) -> None:
    """Tell when it began."""
    hit(sent)


@task
async def wait_for_cancel() -> None:
    """Tell when it is stopped: what it waited since the clock's zero."""
    try:
        await asyncio.sleep(600)
    finally:
        hit(0)


@task
async def noop() -> None:
    """Nothing."""
