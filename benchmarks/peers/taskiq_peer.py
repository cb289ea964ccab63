"""What the adapters of taskiq's two Redis brokers have in common."""

from __future__ import annotations

import asyncio
import signal
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncio_peer import Peer, Send, looped, together
from recorder import hit
from taskiq import AsyncBroker
from taskiq.api import run_receiver_task
from taskiq.serializers import MSGPackSerializer

CALLERS, PREFETCH = 20, 100


async def noop(text: str) -> None:
    """Nothing."""
    hit()


async def nap(ms: int) -> None:
    """Wait."""
    hit()
    await asyncio.sleep(ms / 1000)


async def stamp(sent: int) -> None:
    """Tell when it was sent."""
    hit(sent)


class Taskiq(Peer):
    """The library on a broker."""

    distribution = "taskiq"

    @abstractmethod
    def broker(self) -> AsyncBroker:
        """A new broker."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        broker = self._set_up()
        tasks = broker.get_all_tasks()
        await broker.startup()

        async def send(handler: str, argument: Any) -> object:
            return await tasks[handler].kiq(argument)

        yield send
        await broker.shutdown()

    async def bulk(self, send: Send, tasks: int, text: str) -> None:
        await together(send, tasks, text, CALLERS)

    def work(self, kind: str, slots: int) -> None:
        looped(self._work(slots))

    async def _work(self, slots: int) -> None:
        broker = self._set_up()
        receiving = asyncio.create_task(
            run_receiver_task(broker, max_async_tasks=slots, max_prefetch=PREFETCH, validate_params=False, run_startup=True)
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, receiving.cancel)
        with suppress(asyncio.CancelledError):
            await receiving
        await broker.shutdown()

    def _set_up(self) -> AsyncBroker:
        broker = self.broker().with_serializer(MSGPackSerializer())
        for handler in (noop, nap, stamp):
            broker.register_task(handler, task_name=handler.__name__)
        return broker
