"""Connecting: URLs, clients of the caller's, clusters, sentinels, servers that aren't there or are refused."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
import redis.asyncio

from taskproc import InvalidValue, RedisUnavailable, TaskprocError, TaskProcessor
from taskproc.errors import SchemaMismatch, ServerRefused, ServerTooOld
from tests import handlers
from tests.cluster import cluster, sentinel
from tests.harness import Instance, refused
from tests.proxy import answering
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


# where Redis is


@pytest.mark.parametrize(
    ("redis", "told"),
    [
        ("http://localhost", "unknown scheme http://; use one of redis://, rediss://, unix://"),
        ("localhost:6379", "unknown scheme"),
        ("//localhost", "unknown scheme"),
        ("", "unknown scheme"),
        ("redis://localhost:port", "Redis URL"),
        ("redis://localhost:99999999", "Redis URL"),
        ("redis://localhost/notanumber", "Redis URL"),
        ("redis://localhost?socket_timeout=x", "socket_timeout"),
        ("redis+cluster://", "host:port"),
        ("redis://localhost/1x", "'1x' is not the number of a database"),
        ("redis://localhost/-1", "not the number of a database"),
        ("redis://[", "Redis URL"),
        ("unix://", "path of a socket"),
        ("redis+cluster://a:b", "'a:b' is not host:port"),
        ("redis+cluster://a:1/2", "a cluster has no databases"),
        ("redis+cluster://a:1?socket_connect_timeout=x", "socket_connect_timeout"),
        ("redis+sentinel://a:1/service/x", "'x' is not the number of a database"),
        ("redis+sentinel://localhost:26379", "name of the service"),
        (5, "a URL or a redis.asyncio client, not int"),
        (b"redis://localhost", "not bytes"),
        (["redis://localhost"], "not list"),
    ],
)
def test_places_of_redis_that_make_no_sense(redis: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        TaskProcessor(redis)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SECRET/x@host:6379/0",
        "redis://user:6379/SECRET@host:6379/0",
        "rediss://:SECRET#x@host",
        "redis://:SECRET?x@host",
        "redis://:x[SECRET]@host",
        "redis://:SECRET\uff0f@host:6379",
        "redis+cluster://:SECRET/x@a:1,b:2",
        "redis+cluster://:1/SECRET@a:1",
        "redis+sentinel://:SECRET/x@a:1/service",
        ":SECRET@host:6379",
        "//:SECRET@host",
        "redis:SECRET@host",
    ],
)
def test_no_password_is_told_of_a_url_that_makes_no_sense(url: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        TaskProcessor(url)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None
    if url.startswith(("redis://", "rediss://", "redis+")):
        assert "%2F" in str(caught.value)


def test_what_is_wrong_behind_a_password_is_told() -> None:
    with pytest.raises(InvalidValue, match="'abc' is not the number of a database"):
        TaskProcessor("redis://:SECRET@host:6379/abc")
    with pytest.raises(InvalidValue, match="integer value as 'port'"):
        TaskProcessor("redis://:SECRET@host:port/0")


def test_a_client_that_is_not_async_is_refused(server: Server) -> None:
    with server.client() as client, pytest.raises(InvalidValue, match=r"redis\.asyncio client, not Redis"):
        TaskProcessor(client)


@pytest.mark.parametrize(
    "url", ["redis://:secret@127.0.0.1:{port}", "redis+cluster://:secret@127.0.0.1:{port}", "unix:///nowhere/{port}"]
)
async def test_redis_that_is_not_there(url: str, anyio_backend: str) -> None:
    proc = TaskProcessor(url.format(port=free_port()), redis_patience=0.2)
    with pytest.raises(RedisUnavailable, match="Nothing was done") as caught:
        await proc.open()
    assert isinstance(caught.value, ConnectionError)
    assert "secret" not in repr(caught.value) + repr(proc)
    assert not proc.is_open


async def test_a_password_that_is_wrong(anyio_backend: str) -> None:
    with running("valkey") as server:
        with server.client() as client:
            client.config_set("requirepass", "right")
        wrong = TaskProcessor(server.url.replace("//", "//:wrong@"), redis_patience=5)
        with anyio.fail_after(3), pytest.raises(ServerRefused) as caught:
            await wrong.open()
        assert "wrong@" not in str(caught.value)
        async with TaskProcessor(server.url.replace("//", "//:right@")) as proc:
            assert await proc.get_queues() == []


def instead(answer: bytes, version: str) -> bytes:
    """What a server answers, telling another version; it keeps its length."""
    return re.sub(
        rb"(redis_version:)([0-9.]+)", lambda found: found[1] + version.encode().ljust(len(found[2]), b"0"), answer
    )


def old_server(server: Server, version: str) -> AbstractAsyncContextManager[str]:
    """A server that seems to be of another version; its URL."""
    return answering(server, lambda part: instead(part, version))


@pytest.mark.row("CT-73")
@pytest.mark.parametrize("version", ["6.0.9", "5.0.7", "2.8.1"])
async def test_a_server_before_redis_6_2_is_refused_at_the_start(instance: Instance, version: str) -> None:
    async with old_server(instance.server, version) as url:
        proc = instance.processor(redis=url)
        for start in (proc.open, proc.run):
            with refused(instance, ServerTooOld, rf"the server is Redis {version}\d*; taskproc needs Redis 6\.2 or later"):
                await start()
        assert not proc.is_open


@pytest.mark.row("CT-73")
@pytest.mark.parametrize("version", ["6.2.0", "7.0.0", "10.1."])
async def test_later_servers_are_not(instance: Instance, version: str) -> None:
    async with old_server(instance.server, version) as url, instance.open(redis=url) as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)


async def test_keys_of_another_layout_are_left_alone(instance: Instance) -> None:
    instance.client.hset(f"{{{instance.name}}}:m", "schema", "999")
    proc = instance.processor()
    for start in (proc.open, proc.run):
        with refused(instance, SchemaMismatch, "have schema 999"):
            await start()
    instance.client.hset(f"{{{instance.name}}}:m", "schema", "1")


assert CHOSEN
