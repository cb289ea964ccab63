"""Handlers that leave something behind on the event loop's task that runs them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import anyio

from taskproc import current_task, task
from tests.recording import note

customer: ContextVar[str] = ContextVar("customer", default="nobody")


@task(backoff=0)
async def greet(name: str) -> None:
    """Sets a variable of the context, as logging libraries do, and notes what it was before."""
    note("start", tag=customer.get())
    customer.set(name)


@task(backoff=0, max_attempts=1)
async def leave_scope(seconds: float, limit: float, name: str | None = None) -> None:
    """Enters a cancel scope that ends after a while, never leaves it, and waits; may set a variable of the context."""
    anyio.CancelScope(deadline=anyio.current_time() + limit).__enter__()
    note("start")
    if name is not None:
        customer.set(name)
    await asyncio.sleep(seconds)


@task(backoff=0, max_attempts=1)
async def cancel_own(tag: object = None) -> None:
    """Cancels the task of the event loop in which it runs."""
    note("start", tag=tag)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(30)


@task
async def who(tag: object = None) -> None:
    """Notes which task of Redis the context is of, also a little later in a task of its own."""
    context = current_task()

    async def later() -> None:
        await asyncio.sleep(0.05)
        note("later", tag=current_task().id == context.id)

    await asyncio.gather(later(), asyncio.sleep(0))
