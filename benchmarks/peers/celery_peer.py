"""Celery on Redis: its prefork pool with one child, and threads where tasks sleep."""

from __future__ import annotations

import time
from typing import Any

from blocking_peer import Peer, run
from celery import Celery
from recorder import hit

PREFETCH = 10
app = Celery("bench")
app.conf.update(
    task_ignore_result=True,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_disable_rate_limits=True,
    worker_prefetch_multiplier=PREFETCH,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(text: str) -> None:
    """Nothing."""
    hit()


@app.task(name="nap")
def nap(ms: int) -> None:
    """Wait."""
    hit()
    time.sleep(ms / 1000)


@app.task(name="stamp")
def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


class CeleryPeer(Peer):
    """The library by its own calls."""

    name = "Celery"
    distribution = "celery"
    settings = (
        "Prefork with one child, its default pool (solo, which can't be controlled while a task runs, drains a fifth"
        " more); a pool of threads, one for each slot, where tasks sleep. No results, events, remote control, rate limits,"
        " gossip, mingle or heartbeat. Prefetch of 10 for each slot, and JSON: 1000 and msgpack make no difference."
        " hiredis. Bulk: one producer kept, as it has no bulk call. Acknowledges before running, its default."
    )
    lacks = (
        "A task that runs is lost with its worker, as acknowledged already; what a killed worker had prefetched comes"
        " back after an hour; no counters of batches without a result backend, fair shares of tenants; cancelling takes"
        " remote control."
    )

    def connect(self) -> None:
        app.conf.broker_url = self.url
        self.producer = app.amqp.Producer(app.connection_for_write(), auto_declare=False)
        self.producer.connection.ensure_connection()

    def send(self, handler: str, argument: Any) -> None:
        TASKS[handler].apply_async((argument,), producer=self.producer)

    def bulk(self, tasks: int, text: str) -> None:
        for _ in range(tasks):
            self.send("noop", text)

    def work(self, kind: str, slots: int) -> None:
        app.conf.broker_url = self.url
        pool = ["--pool=threads", f"--concurrency={slots}"] if kind == "naps" else ["--pool=prefork", "--concurrency=1"]
        without = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["--quiet", "worker", "--loglevel=WARNING", *pool, *without])


if __name__ == "__main__":
    run(CeleryPeer)
