"""Unique locks in Redis: waiting for those of batches that are being staged, and finding who has one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from taskproc.errors import RedisUnavailable
from taskproc.ids import is_task_id
from taskproc.store.reading import reading
from taskproc.store.scripts import Reply, Scripts

PAUSE = 0.02, 0.1


async def past_staging(send: Callable[[], Awaitable[Reply]], patience: float) -> Reply:
    """Send until no equal task is being staged any more. Raises RedisUnavailable when that takes too long."""
    deadline = time.monotonic() + patience
    while True:
        reply = await send()
        if reply[0] != b"wait":
            return reply
        if time.monotonic() > deadline:
            raise RedisUnavailable(
                "an equal unique task belongs to a batch that is still being stored; nothing was done, try again later"
            )
        await asyncio.sleep(random.uniform(*PAUSE))


class Locks:
    """Looks up unique locks."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def find(self, digest: str) -> str | None:
        """The id of the task that has a lock; None where nobody has it, or its batch is not visible yet."""
        reply = await self._scripts.unique_read(digest)
        if reply[0] != b"ok":
            return None
        with reading("a unique lock"):
            found: str = reply[1].decode("ascii")
            if not is_task_id(found):
                raise ValueError(found)
        return found
