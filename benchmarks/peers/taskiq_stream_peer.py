"""taskiq on a Redis stream."""

from __future__ import annotations

from asyncio_peer import run
from taskiq_peer import Taskiq
from taskiq_redis import RedisStreamBroker


class TaskiqStream(Taskiq):
    """XREADGROUP and XACK."""

    name = "taskiq, stream"
    settings = "As taskiq on a list; reads of 100 messages as by default (1,000 are 3% faster). Acknowledges after running."
    lacks = (
        "A killed worker's tasks come back after 10 minutes by default and nothing is renewed; its stream keeps every "
        "message that was acknowledged, unless a maximum length drops waiting ones; no batches, fair shares of tenants, "
        "dead letters, or cancelling."
    )

    def broker(self) -> RedisStreamBroker:
        return RedisStreamBroker(self.url, consumer_id="0")


if __name__ == "__main__":
    run(TaskiqStream)
