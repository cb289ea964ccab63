"""``durable=True``: a call is answered once a replica has what it wrote."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from taskproc import InvalidValue, OutcomeUnknown, TaskProcessor
from tests.building import noops
from tests.conftest import fresh
from tests.harness import Instance, until
from tests.proxy import Cut, Proxy
from tests.servers import KINDS, Server, running


@asynccontextmanager
async def followed(kind: str) -> AsyncIterator[tuple[Instance, Server]]:
    """An instance on a primary, and its replica."""
    with running(kind) as primary, running(kind, "--replicaof", "127.0.0.1", str(primary.port)) as replica:
        async with fresh(primary) as instance:
            await until(lambda: instance.client.wait(1, 1000) == 1, 20)
            yield instance, replica


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_waits_for_a_replica(kind: str, anyio_backend: str) -> None:
    async with followed(kind) as (instance, replica), instance.open(durable=True, redis_patience=3) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        with replica.client() as client:
            assert client.exists(f"{{{instance.name}}}:b:{batch_id}")
        replica.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(OutcomeUnknown, match="no replica has confirmed it"):
                await proc.enqueue_batch("default", "acme", noops(3), idempotency_key="again")
            assert (await proc.get_batch(batch_id)) is not None  # what only reads waits for nobody
        finally:
            replica.process.send_signal(signal.SIGCONT)
        again = await proc.enqueue_batch("default", "acme", noops(3), idempotency_key="again")
        assert await proc.count_batches("acme") == 2
        with replica.client() as client:
            assert client.exists(f"{{{instance.name}}}:b:{again}")
        assert await proc.run_until_idle() == 6


@pytest.mark.parametrize("kind", KINDS)
async def test_a_repeated_answer_waits_for_a_replica_too(kind: str, anyio_backend: str) -> None:
    async with followed(kind) as (instance, replica), Proxy(instance.server) as proxy:
        proc = instance.processor(redis=proxy.url, durable=True, redis_patience=20)
        await proc.open()
        await proc.enqueue_batch("default", "acme", noops(1))
        proxy.cut("batch_create", Cut.AFTER, times=1)
        replica.process.send_signal(signal.SIGSTOP)
        calling = asyncio.create_task(proc.enqueue_batch("default", "acme", noops(1)))
        await until(lambda: proxy.requests.count("WAIT") >= 3)
        assert proxy.requests.count("batch_create") >= 3
        assert not calling.done()
        replica.process.send_signal(signal.SIGCONT)
        await calling
        assert await proc.count_batches("acme") == 2


async def test_without_any_replica_nothing_is_acknowledged(alone_instance: Instance) -> None:
    async with alone_instance.open(durable=True, redis_patience=0.5) as proc:
        with pytest.raises(OutcomeUnknown, match="no replica"):
            await proc.enqueue_batch("default", "acme", noops(1))
    async with alone_instance.open() as proc:
        assert await proc.run_until_idle() == 1


def test_it_is_a_flag() -> None:
    with pytest.raises(InvalidValue, match="durable"):
        TaskProcessor("redis://127.0.0.1:1", durable="yes")  # type: ignore[typeddict-item]
