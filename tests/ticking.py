"""A handler of schedules, which records the occurrence that it runs for."""

from __future__ import annotations

import asyncio

from taskproc import current_task, task
from tests.recording import note


@task
async def tick(tag: str, seconds: float = 0.0) -> None:
    """Works a little, and tells for which occurrence, and when its task was made."""
    info = current_task()
    assert info.scheduled_for is not None
    due, made = (round(moment.timestamp() * 1000) for moment in (info.scheduled_for, info.created_at))
    note("start", tag=tag, due=due, made=made)
    await asyncio.sleep(seconds)
    note("end", tag=tag, due=due, made=made)
