"""RQ on Redis: its worker that doesn't fork, one task at a time."""

from __future__ import annotations

from typing import Any

from blocking_peer import Peer, Unable, run
from recorder import hit
from redis import Redis
from rq import Queue, SimpleWorker

CHUNK = 1000
MODULE = "rq_peer"  # a worker can't import handlers from __main__
ONE_AT_A_TIME = "RQ runs one task at a time: tasks that sleep 100 ms each would take 200 s, or a process for each slot"


def noop(text: str) -> None:
    """Nothing."""
    hit()


def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


class RqPeer(Peer):
    """The library by its own calls."""

    name = "RQ"
    distribution = "rq"
    settings = (
        "SimpleWorker, which runs tasks in its own process instead of forking for each; one task at a time, so that tasks"
        " which sleep are not measured. No time-out and no result of a task, a short description, hiredis, pickle as by"
        " default. Bulk: enqueue_many, 1000 a call. The task's record goes when it has run."
    )
    lacks = (
        "No concurrency within a process; a task that ran in a killed worker is put among the failed ones, not run again;"
        " no fair shares of tenants, and a group keeps no counters."
    )

    def connect(self) -> None:
        self.client = Redis.from_url(self.url)
        self.queue = Queue("bench", connection=self.client)
        self.client.ping()

    def send(self, handler: str, argument: Any) -> None:
        options = {"result_ttl": 0, "job_timeout": -1, "description": handler}
        self.queue.enqueue(f"{MODULE}.{handler}", argument, **options)

    def bulk(self, tasks: int, text: str) -> None:
        options = {"result_ttl": 0, "timeout": -1, "description": "noop"}
        for at in range(0, tasks, CHUNK):
            count = min(CHUNK, tasks - at)
            self.queue.enqueue_many(Queue.prepare_data(f"{MODULE}.noop", (text,), **options) for _ in range(count))

    def naps(self, tasks: int, ms: int) -> None:
        raise Unable(ONE_AT_A_TIME)

    def work(self, kind: str, slots: int) -> None:
        if kind == "naps":
            raise Unable(ONE_AT_A_TIME)
        self.connect()
        SimpleWorker([self.queue], connection=self.client, log_job_description=False).work(logging_level="WARNING")


if __name__ == "__main__":
    run(RqPeer)
