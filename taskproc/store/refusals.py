"""Enqueueing that is refused because there is no room."""

from __future__ import annotations

from taskproc.errors import QuotaExceeded
from taskproc.store.scripts import Reply


def check_room(reply: Reply) -> None:
    """Raises QuotaExceeded where an answer says that a queue is full."""
    if reply[0] != b"full":
        return
    queue, (limit, waiting, more) = reply[1].decode(), (int(n) for n in reply[2:])
    raise QuotaExceeded(
        f"queue {queue} has {waiting:,} waiting tasks and a limit of {limit:,}: there is no room for {more:,} more, nothing"
        " was stored; enqueue them when workers have run some, or raise the limit with set_queue_limit"
    )
