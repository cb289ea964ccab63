"""`taskproc check`: what of a server's set-up would lose work."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import redis.asyncio

from taskproc import CheckLevel, ServerCheck, TaskProcessor
from taskproc.errors import RedisUnavailable, ServerRefused
from tests.cluster import cluster, sentinel
from tests.commands import quick
from tests.harness import Instance, until
from tests.proxy import answering
from tests.servers import KINDS, Server, free_port, running

OK, WARNING, DANGER, UNKNOWN = CheckLevel

WELL = ("--appendonly", "yes", "--maxmemory", "200mb", "--maxmemory-policy", "noeviction")
"""The set-up that is advised."""


@pytest.fixture
def well() -> Iterator[Server]:
    """A server that is set up as advised."""
    with running("valkey", *WELL) as found:
        yield found


async def checked(redis: Any) -> dict[str, ServerCheck]:
    """What a check finds, by name; the worst of each."""
    found: dict[str, ServerCheck] = {}
    order = [OK, UNKNOWN, WARNING, DANGER]
    for one in await TaskProcessor(redis, redis_patience=3).check_server():
        if one.name not in found or order.index(one.level) > order.index(found[one.name].level):
            found[one.name] = one
    return found


def levels(found: dict[str, ServerCheck]) -> dict[str, CheckLevel]:
    """What is not ok."""
    return {name: one.level for name, one in found.items() if one.level is not OK}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_set_up_as_advised_is_ok(kind: str, anyio_backend: str) -> None:
    with running(kind, *WELL) as server:
        found = await checked(server.url)
        assert levels(found) == {}
        assert list(found) == [
            "version", "persistence", "writes", "eviction", "memory", "replication", "connections", "latency", "clock",
        ]  # fmt: skip
        assert all(one.found and not one.advice for one in found.values())
        assert server.client().keys() == []


async def steady(client: Any) -> int:
    """How much memory a server uses, once that stays so."""
    first = client.info("memory")["used_memory"]
    await asyncio.sleep(0.02)
    later: int = client.info("memory")["used_memory"]
    return later if abs(later - first) < 10_000 else 0


@pytest.mark.parametrize(
    ("settings", "name", "level", "told", "advice"),
    [
        ({"appendfsync": "no"}, "persistence", WARNING, "power failure", "appendfsync everysec"),
        ({"appendonly": "no", "save": "60 1"}, "persistence", WARNING, r"snapshots alone \(save 60 1\)", "appendonly yes"),
        ({"appendonly": "no", "save": ""}, "persistence", DANGER, "nothing is kept on disk", "appendonly yes"),
        ({"maxmemory-policy": "allkeys-lru"}, "eviction", DANGER, "maxmemory-policy allkeys-lru", "noeviction"),
        ({"maxmemory-policy": "volatile-ttl"}, "eviction", DANGER, "tasks with them", "noeviction"),
        ({"maxmemory": "102%"}, "memory", DANGER, "new tasks are refused", "raise maxmemory"),
        ({"maxmemory": "115%"}, "memory", WARNING, "MB of", "raise maxmemory"),
        ({"min-replicas-to-write": "1"}, "replication", DANGER, "every change is refused", "bring replicas back"),
        ({"timeout": "30"}, "connections", WARNING, "timeout 30", "set timeout 0"),
        ({"tcp-keepalive": "0"}, "connections", WARNING, "dead machines", "tcp-keepalive 300"),
        ({"client-output-buffer-limit": "pubsub 1mb 1mb 60"}, "connections", WARNING, "pubsub 1048576", "pubsub 32mb"),
        ({"client-output-buffer-limit": "normal 1mb 1mb 60"}, "connections", WARNING, "normal 1048576", "normal 0 0 0"),
        ({"maxclients": "2"}, "connections", WARNING, "of 2 connections", "raise maxclients"),
    ],
)
async def test_each_setting_that_loses_work_is_told(
    well: Server, settings: dict[str, str], name: str, level: CheckLevel, told: str, advice: str
) -> None:
    with well.client() as client:
        client.set("some", "x" * 20_000_000)
        used = await until(lambda: steady(client))
        for setting, value in settings.items():
            client.config_set(setting, used * int(value[:-1]) // 100 if value.endswith("%") else value)
        found = await checked(well.url)
    assert levels(found) == {name: level}
    assert re.search(told, found[name].found)
    assert advice in found[name].advice


async def test_no_limit_of_memory_is_measured_by_the_machine(well: Server) -> None:
    with well.client() as client:
        client.config_set("maxmemory", 0)
    found = await checked(well.url)
    assert "of the machine; no maxmemory" in found["memory"].found


async def test_keys_that_were_evicted_are_told(well: Server) -> None:
    with well.client() as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
        for n in range(300):
            client.set(f"k{n}", "x" * 10_000)
        assert "it has deleted" in (await checked(well.url))["eviction"].found
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "200mb")
    found = await checked(well.url)
    assert levels(found) == {"eviction": WARNING}
    assert "taskproc audit" in found["eviction"].advice


async def test_a_disk_that_refuses_writes_is_a_danger(well: Server) -> None:
    with well.client() as client:
        shutil.rmtree(well.folder)
        client.bgsave()
        await until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    found = await checked(well.url)
    assert levels(found) == {"writes": DANGER}
    assert "rdb_last_bgsave_status" in found["writes"].found


def telling(server: Server, old: bytes, new: bytes) -> AbstractAsyncContextManager[str]:
    """A server that seems to answer something else of the same length; its URL."""
    assert len(old) == len(new)
    return answering(server, lambda part: part.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "name", "level", "told"),
    [
        (b"aof_last_write_status:ok", b"aof_last_write_status:er", "writes", DANGER, "aof_last_write_status"),
        (b"aof_last_bgrewrite_status:ok", b"aof_last_bgrewrite_status:er", "writes", WARNING, "grows without end"),
        (b"redis_version:7", b"redis_version:5", "version", DANGER, "the server is"),
    ],
)
async def test_what_is_hard_to_break_is_read_all_the_same(
    well: Server, old: bytes, new: bytes, name: str, level: CheckLevel, told: str
) -> None:
    async with telling(well, old, new) as url:
        found = await checked(url)
    assert levels(found) == {name: level}
    assert told in found[name].found


async def test_a_replica_is_no_place_for_work(well: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running("valkey", *WELL, "--replicaof", "127.0.0.1", str(well.port)) as replica,
        replica.client() as client,
        well.client() as primary,
    ):
        await until(lambda: "online" in str(primary.info("replication").get("slave0")))
        assert "refuses every change" in (await checked(replica.url))["replication"].found
        client.config_set("replica-read-only", "no")
        found = (await checked(replica.url))["replication"]
        assert (found.level, "next sync throws away" in found.found) == (DANGER, True)
        found = (await checked(well.url))["replication"]
        assert (found.level, found.advice.split(" (")[0]) == (WARNING, "set min-replicas-to-write 1")
        primary.config_set("min-replicas-to-write", 1)
        assert levels(await checked(well.url)) == {}
        monkeypatch.setattr("taskproc.store.judges.LAG_SECONDS", -1)
        found = (await checked(well.url))["replication"]
        assert (found.level, "bytes behind" in found.found) == (WARNING, True)


async def test_a_cluster_is_whole_or_not(anyio_backend: str) -> None:
    with cluster("valkey", replicas=0) as nodes:
        through, one = f"redis+cluster://127.0.0.1:{nodes[0].port}", nodes[0].url
        found = await checked(through)
        assert "cluster_state ok, 16,384 of 16,384" in found["cluster"].found
        assert levels(found)["replication"] is WARNING
        assert "redis+cluster://" in (await checked(one))["cluster"].advice
        slot = int(re.search(r"ours is (\d+)", found["cluster"].found)[1])  # type: ignore[index]
        with nodes[0].client() as a, nodes[1].client() as b, nodes[2].client() as c:
            clients = {client.execute_command("CLUSTER", "MYID").decode(): client for client in (a, b, c)}
            owner = next(i for i, cl in clients.items() if owns(cl, slot))
            target = next(i for i in clients if i != owner)
            clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
            assert "is moving" in (await checked(through))["cluster"].found
            clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
            free = next(s for s in range(16384) if owns(clients[owner], s) and s != slot)
            clients[owner].execute_command("CLUSTER", "DELSLOTS", free)
            found = await checked(through)
            assert found["cluster"].level is DANGER


def owns(client: redis.Redis, slot: int) -> bool:
    """Whether a node of a cluster serves a slot."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command("CLUSTER", "NODES")
        line = next(at for at in connection.read_response().decode().splitlines() if "myself" in at)
    finally:
        client.connection_pool.release(connection)
    ranges = [part.split("-") for part in line.split()[8:] if not part.startswith("[")]
    return any(int(part[0]) <= slot <= int(part[-1]) for part in ranges)


async def test_sentinels_that_are_too_few(anyio_backend: str) -> None:
    with sentinel("valkey") as (_, _, port):
        found = (await checked(f"redis+sentinel://127.0.0.1:{port}/main"))["sentinel"]
        assert (found.level, "1 Sentinels watch main" in found.found) == (WARNING, True)
        with redis.Redis(port=port, protocol=2) as client:
            client.execute_command("SENTINEL SET", "main", "quorum", 2)
        found = (await checked(f"redis+sentinel://127.0.0.1:{port}/main"))["sentinel"]
        assert (found.level, "NOQUORUM" in found.found) == (DANGER, True)


@pytest.mark.parametrize(
    ("allowed", "not_looked_at"),
    [
        (["-config"], {"connections", "permissions"}),
        (["-info"], {"version", "persistence", "writes", "eviction", "memory", "replication", "permissions"}),
        (["-info", "-config", "-ping", "-time"], {
            "version", "persistence", "writes", "eviction", "memory", "replication", "connections", "latency", "clock",
            "permissions",
        }),
    ],
)  # fmt: skip
async def test_what_a_user_may_not_read_is_unknown(well: Server, allowed: list[str], not_looked_at: set[str]) -> None:
    with well.client() as client:
        client.execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "&*", "+@all", *allowed)
    url = well.url.replace("//", "//careful:secret@")
    found = await checked(url)
    assert levels(found) == dict.fromkeys(not_looked_at, UNKNOWN)
    assert all(one.advice for one in found.values() if one.level is UNKNOWN)
    for command in allowed:
        assert command[1:].upper() in found["permissions"].found
    done = await quick("check", "--redis", url)
    assert done.code == 0


async def test_snapshots_that_may_not_be_looked_at(well: Server) -> None:
    with well.client() as client:
        client.config_set("appendonly", "no")
        client.execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "&*", "+@all", "-config")
    found = await checked(well.url.replace("//", "//careful:secret@"))
    assert found["persistence"].level is UNKNOWN


async def test_a_wrong_password_is_an_error(well: Server) -> None:
    with pytest.raises(ServerRefused):
        await checked(well.url.replace("//", "//nobody:wrong@"))
    with pytest.raises(RedisUnavailable):
        await TaskProcessor(f"redis://127.0.0.1:{free_port()}", redis_patience=0.2).check_server()


async def test_a_clock_that_is_off(well: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr("taskproc.store.checkup.time.time", lambda: real() - 60)
    found = (await checked(well.url))["clock"]
    assert found.level is WARNING
    assert re.search(r"server's clock is (59|60)\.\d+ s ahead of", found.found)


async def test_a_server_that_is_far(well: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskproc.store.judges.SLOW_SECONDS", 0.0)
    found = (await checked(well.url))["latency"]
    assert (found.level, "near the server" in found.advice) == (WARNING, True)


async def test_the_command(instance: Instance, well: Server) -> None:
    async with instance.open() as proc:
        assert (await proc.check_server())[0].name == "version"
    own = ("--redis", instance.server.url, "--prefix", instance.name)  # of a user who may ask for the configuration
    bad = await quick("check", *own)  # the tests' server keeps nothing on disk
    assert bad.code == 1
    assert "danger   persistence: nothing is kept on disk" in bad.out
    assert "→ set appendonly yes" in bad.out
    found = await quick("check", "--json", *own)
    assert found.code == 1
    persistence = next(one for one in found.json if one["name"] == "persistence")
    assert (persistence["level"], sorted(persistence)) == ("danger", ["advice", "found", "level", "name"])
    good = await quick("check", "--redis", well.url)
    assert good.code == 0
    assert "danger" not in good.out
    gone = await quick("check", "--redis", f"redis://127.0.0.1:{free_port()}")
    assert (gone.code, gone.out) == (3, "")
