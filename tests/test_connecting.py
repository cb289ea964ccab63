"""Connecting: URLs, clients of the caller's, clusters, sentinels, servers that aren't there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from taskproc import InvalidValue, RedisUnavailable, TaskprocError, TaskProcessor
from tests import handlers
from tests.cluster import cluster, sentinel
from tests.harness import Instance
from tests.servers import CHOSEN, KINDS, Server, free_port, running


async def round_trip(**options: Any) -> None:
    """A batch through a processor and a worker."""
    async with TaskProcessor(**options, poll_interval=0.2, retention=60) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.noop, 1))
        assert await proc.run_until_idle() == 1
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.done == 1
        running = asyncio.create_task(proc.run())
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.noop, 1))
        assert (await proc.wait_batch(batch_id, 10)).done == 1
        await proc.stop()
        await running


async def test_a_cluster(anyio_backend: str) -> None:
    with cluster("valkey") as nodes:
        places = ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])
        await round_trip(redis=f"redis+cluster://{places}", prefix="cluster-a")
        client = redis.asyncio.RedisCluster(host="127.0.0.1", port=nodes[0].port)
        await round_trip(redis=client, prefix="cluster-b")
        assert await client.ping()
        await client.aclose()


async def test_a_sentinel(anyio_backend: str) -> None:
    with sentinel("valkey") as (_, _, port):
        await round_trip(redis=f"redis+sentinel://127.0.0.1:{port}/main/0")


@pytest.mark.row("BE-16")
async def test_a_client_of_the_caller_stays_open(server: Server, instance: Instance) -> None:
    client = redis.asyncio.Redis(port=server.port, decode_responses=True, protocol=3)
    async with instance.open(redis=client) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: b.enqueue(handlers.noop))
        assert await proc.run_until_idle() == 1
        assert (await proc.get_batch(batch_id)).done == 1
    assert await client.ping()
    await client.aclose()


@pytest.mark.row("CT-73")
@pytest.mark.parametrize("kind", KINDS)
async def test_each_server(kind: str, anyio_backend: str) -> None:
    with running(kind) as found:
        await round_trip(redis=found.url)


async def test_the_newer_protocol(server: Server, instance: Instance) -> None:
    await round_trip(redis=f"{server.url}?protocol=3", prefix=instance.name)


async def test_nothing_there(anyio_backend: str) -> None:
    proc = TaskProcessor(f"redis://:secret@127.0.0.1:{free_port()}", redis_patience=0.3)
    with pytest.raises(RedisUnavailable, match="Nothing was done") as caught:
        await proc.open()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost", "unknown scheme http://"),
        ("localhost:6379", "unknown scheme"),
        ("redis+cluster://", "host:port"),
        ("redis+sentinel://localhost:26379", "name of the service"),
        ("redis://localhost?socket_timeout=x", "socket_timeout"),
        ("", "unknown scheme"),
    ],
)
def test_urls_that_make_no_sense(url: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        TaskProcessor(url)


def test_no_url_names_the_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKPROC_REDIS_URL", raising=False)
    with pytest.raises(ValueError, match="embedded:///"):
        TaskProcessor()
    monkeypatch.setenv("TASKPROC_REDIS_URL", "redis://localhost")
    TaskProcessor()


async def test_calls_need_an_open_processor(anyio_backend: str) -> None:
    with pytest.raises(TaskprocError, match="not open"):
        await TaskProcessor("redis://localhost").get_batch("x")


assert CHOSEN
