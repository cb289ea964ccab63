"""taskproc itself, through its public calls and with its defaults: leases, renewals, counters and hooks as always."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asyncio_peer import Peer, Send, looped, run
from recorder import hit

from taskproc import TaskProcessor, task


@task
async def noop(text: str) -> None:
    """Nothing."""
    hit()


@task
async def nap(ms: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(ms / 1000)


@task
async def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


HANDLERS = {"noop": noop, "nap": nap, "stamp": stamp}


class Taskproc(Peer):
    """The batch processor."""

    name = "taskproc"
    distribution = "taskproc"
    settings = "Defaults and uvloop; bulk is one batch filled by enqueue_many. Acknowledges after running, under a lease."
    lacks = "Stored results of tasks, cron schedules."

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        async with TaskProcessor(self.url) as self.processor:

            async def send(handler: str, argument: Any) -> object:
                return await self.processor.enqueue_task("default", "acme", HANDLERS[handler], argument)

            yield send

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        async with self.processor.batch("default", "acme") as batch:
            await batch.enqueue_many(noop, ((text,) for _ in range(tasks)))

    def work(self, kind: str, slots: int) -> None:
        looped(self._work(slots))

    async def _work(self, slots: int) -> None:
        processor = TaskProcessor(self.url, max_workers=slots)
        running = asyncio.create_task(processor.run())
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
        await asyncio.wait((running, asyncio.create_task(asked.wait())), return_when=asyncio.FIRST_COMPLETED)
        await processor.stop()
        await running


if __name__ == "__main__":
    run(Taskproc)
