"""Enqueueing that is refused: there is no room, a tenant takes nothing new, or a task is too large for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from taskproc.errors import PayloadTooLarge, QuotaExceeded, TenantClosed
from taskproc.store.scripts import Reply

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5


def check_room(reply: Reply, tenant: str) -> None:
    """Raises QuotaExceeded, TenantClosed or PayloadTooLarge where an answer refuses tasks."""
    if reply[0] == b"closed":
        raise TenantClosed(
            f"tenant {tenant} is {reply[1].decode()} and takes no new tasks: nothing was stored; resume_tenant opens it"
        )
    if reply[0] == b"large":
        most, size = (int(n) for n in reply[1:])
        raise PayloadTooLarge(
            f"a task of {size:,} bytes is above the limit of tenant {tenant}, {most:,} bytes: nothing was stored;"
            " set_tenant_limits(max_payload=) changes it"
        )
    if reply[0] != b"full":
        return
    queue, (limit, waiting, more) = reply[1].decode(), (int(n) for n in reply[2:5])
    who, how = f"queue {queue}", "set_queue_limit"
    if len(reply) > 5:
        who, how = f"tenant {tenant}" + (f" in queue {queue}" if queue else ""), "set_tenant_limits"
    what = "make the batch smaller" if more > limit else "enqueue them when workers have run some"
    raise QuotaExceeded(
        f"{who} has {waiting:,} waiting tasks and a limit of {limit:,}: there is no room for {more:,} more, nothing"
        f" was stored; {what if limit else 'it takes none'}, or raise the limit with {how}"
    )


def may_fit(reply: Reply) -> bool:
    """Whether what is refused would be taken once there is room: not what is above the limit by itself."""
    return bool(reply[0] == b"full" and int(reply[4]) <= int(reply[2]))


async def with_room(send: Callable[[], Awaitable[Reply]], tenant: str, room_ms: int | None) -> Reply:
    """An answer that refuses nothing; where there may be room later, it is asked for again until ``room_ms`` have passed.

    Raises as ``check_room`` does.
    """
    deadline, pause = time.monotonic() + (room_ms or 0) / 1000, FIRST_PAUSE
    while True:
        reply = await send()
        left = deadline - time.monotonic()
        if not may_fit(reply) or left <= 0:
            check_room(reply, tenant)
            return reply
        await asyncio.sleep(min(left, pause * random.uniform(0.5, 1)))
        pause = min(2 * pause, LONGEST_PAUSE)
