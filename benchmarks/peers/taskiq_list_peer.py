"""taskiq on a Redis list."""

from __future__ import annotations

from asyncio_peer import run
from taskiq_peer import Taskiq
from taskiq_redis import ListQueueBroker


class TaskiqList(Taskiq):
    """BRPOP and no acknowledgement."""

    name = "taskiq, list"
    settings = (
        "uvloop, hiredis, msgpack (as fast as orjson, and smaller in Redis), prefetch of 100 (0 and 1,000 are no faster), "
        "no check of parameters, no results; 20 callers at once for bulk, as it has no bulk call. A task is gone from "
        "Redis before it runs."
    )
    lacks = (
        "Whatever a worker held when it was killed is lost; no batches, fair shares of tenants, dead letters, or cancelling."
    )

    def broker(self) -> ListQueueBroker:
        return ListQueueBroker(self.url)


if __name__ == "__main__":
    run(TaskiqList)
