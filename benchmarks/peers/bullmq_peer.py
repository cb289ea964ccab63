"""BullMQ's Python port."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncio_peer import Peer, Send, looped, run
from bullmq import Job, Queue, Worker
from recorder import hit
from redis.asyncio import Redis

CHUNK = 1000
FEW = 10
FORGET = {"removeOnComplete": True, "removeOnFail": True}


async def process(job: Job, token: str) -> None:
    """What a job's name asks for."""
    if job.name == "noop":
        hit()
    elif job.name == "stamp":
        hit(job.data)
    else:
        hit()
        await asyncio.sleep(job.data / 1000)


class BullmqPeer(Peer):
    """The library by its own calls."""

    name = "BullMQ (Python)"
    distribution = "bullmq"
    settings = (
        "As many jobs at once as there are slots (20 to 200 drain alike), but 10 where latency is measured (the median is"
        " seven times that with 100) on a client that keeps a pool of connections: with the one connection that it opens"
        " for itself it drains less than half. uvloop, hiredis. Finished jobs are removed. Bulk: addBulk, 1000 a call."
        " Acknowledges after running; a job's lock is renewed."
    )
    lacks = (
        "Two calls of the server for each job (the port doesn't fetch the next with the last one's end); no counters of"
        " batches or cancelling of one, and fair shares of tenants only in its paid version for Node."
    )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        self.queue = Queue("bench", {"connection": self._client(), "defaultJobOptions": FORGET})
        await self.queue.client.ping()
        yield self.queue.add
        await self.queue.close()

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        job = {"name": "noop", "data": text}
        for at in range(0, tasks, CHUNK):
            await self.queue.addBulk([job] * min(CHUNK, tasks - at))

    def work(self, kind: str, slots: int) -> None:
        looped(self._work(FEW if kind == "stamps" else slots))

    async def _work(self, slots: int) -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        worker = Worker("bench", process, {"connection": self._client(), "concurrency": slots})
        await stopping.wait()
        await worker.close()

    def _client(self) -> Redis:
        return Redis.from_url(self.url, decode_responses=True, protocol=2, max_connections=512)


if __name__ == "__main__":
    run(BullmqPeer)
