"""Ordeals of more than one server: failovers of a cluster, of Sentinel and by hand, and a slot that moves under load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import redis
from redis.crc import key_slot

from taskproc import OutcomeUnknown, RedisUnavailable
from tests.building import noops
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew
from tests.cluster import cluster, raw, sentinel, text
from tests.harness import until
from tests.nursery import Nursery
from tests.proxy import Proxy
from tests.servers import CHOSEN, Server, running

GONE = "the batch was acknowledged, and is gone"


class Members:
    """The nodes of a cluster: which one has our slot, and who follows whom."""

    def __init__(self, nodes: list[Server], name: str) -> None:
        self.nodes = nodes
        self.key = f"{{{name}}}:~"
        self.slot = key_slot(self.key.encode())

    def ask(self, node: Server, *command: Any) -> Any:
        with node.client() as client:
            return client.execute_command(*command)

    def owner(self) -> Server | None:
        """The living primary that has our slot."""
        for node in self.nodes:
            with suppress(redis.RedisError), node.client() as client:
                client.execute_command("EXISTS", self.key)
                if text(client.execute_command("ROLE")[0]) == "master":
                    return node
        return None

    def replicas_of(self, node: Server | None) -> list[Server]:
        """Its living replicas that are up to date."""
        found: list[Server] = []
        if node is None:
            return found
        for other in self.nodes:
            with suppress(redis.RedisError):
                role = self.ask(other, "ROLE")
                if text(role[0]) == "slave" and int(role[2]) == node.port and text(role[3]) == "connected":
                    found.append(other)
        return found


@asynccontextmanager
async def clustered(
    book: Server, trial: Trial, result: Result, kind: str = CHOSEN, **options: Any
) -> AsyncIterator[tuple[Members, Field, Nursery]]:
    """A cluster of six nodes with four workers."""
    persistent = ("--appendonly", "yes", "--appendfsync", "everysec")
    with cluster(kind, options=persistent) as nodes:
        places = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        entry = Placed(nodes[0], f"redis+cluster://{places}")
        async with trying(entry, trial, result, book, **options) as field:  # type: ignore[arg-type]
            members = Members(nodes, field.instance.name)
            with Nursery(field.instance, book=book, **HARDY) as nursery:
                crew(nursery)
                yield members, field, nursery
                await field.settle(120)


class Placed:
    """Servers that are reached by one URL; plain clients follow the instance's slot."""

    def __init__(self, node: Server, url: str) -> None:
        self.kind, self.url, self.app_url, self._node = node.kind, url, url, node

    def client(self) -> Any:
        """A client of all of them."""
        return redis.RedisCluster(host="127.0.0.1", port=self._node.port, protocol=2)


async def failovers(book: Server, trial: Trial) -> Result:
    """The primary that has our slot is killed; its replica takes over; what was acknowledged as durable must be there."""
    result = Result()
    async with clustered(book, trial, result, durable=True) as (members, field, _):
        async with field.busy():
            for _ in range(trial.times(10, 1)):
                await asyncio.sleep(0.5)
                owner = await until(members.owner, 20)
                await until(lambda owner=owner: members.replicas_of(owner), 60)
                owner.kill()
                moment = field.book.now()
                result.faults += 1
                await until(members.owner, 60)
                await asyncio.to_thread(owner.start)  # as a replica, without which nothing more is acknowledged
                await field.recovered(moment)
        await until(lambda: members.replicas_of(members.owner()), 60)  # the last one has learned that it is one
    return result


async def down(book: Server, trial: Trial) -> Result:
    """Another primary and its replica are gone, so that the cluster serves no slot at all (CLUSTERDOWN), and come back."""
    result = Result()
    async with clustered(book, trial, result) as (members, field, _):
        for _ in range(trial.times(3, 1)):
            owner = await until(members.owner, 20)
            other = next(node for node in primaries(members) if node is not owner)
            gone = [other, *members.replicas_of(other)]
            for node in gone:
                node.kill()
            await until(lambda owner=owner: b"cluster_state:fail" in state(owner), 30)
            await asyncio.sleep(1)
            for node in gone:
                await asyncio.to_thread(node.start)
            await until(lambda owner=owner: b"cluster_state:ok" in state(owner), 60)
            moment = field.book.now()
            result.faults += 1
            async with field.busy():
                await field.recovered(moment)
    return result


def state(node: Server) -> bytes:
    """What a node says of the cluster."""
    with node.client() as client:
        return raw(client, "CLUSTER", "INFO")


async def slot_moves(book: Server, trial: Trial) -> Result:
    """Our slot is moved key by key from one primary to another, under load, and back."""
    result = Result()
    async with clustered(book, trial, result) as (members, field, _), field.busy():
        for _ in range(trial.times(6, 1)):
            await asyncio.sleep(0.3)
            moment = field.book.now()
            await asyncio.to_thread(move_by_keys, members)
            result.faults += 1
            await field.recovered(moment)
    return result


def move_by_keys(members: Members) -> None:
    """Move the slot as ``CLUSTER SETSLOT`` and ``MIGRATE`` do it."""
    source, target = both_ends(members)
    ids = {node.port: text(members.ask(node, "CLUSTER", "MYID")) for node in (source, target)}
    members.ask(target, "CLUSTER", "SETSLOT", members.slot, "IMPORTING", ids[source.port])
    members.ask(source, "CLUSTER", "SETSLOT", members.slot, "MIGRATING", ids[target.port])
    while keys := members.ask(source, "CLUSTER", "GETKEYSINSLOT", members.slot, 20):
        members.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source, *primaries(members)):
        members.ask(node, "CLUSTER", "SETSLOT", members.slot, "NODE", ids[target.port])


async def slot_moves_at_once(book: Server, trial: Trial) -> Result:
    """Our slot is moved whole, in the way that Valkey 9 has for it, under load."""
    result = Result()
    async with clustered(book, trial, result, "valkey") as (members, field, _), field.busy():
        for _ in range(trial.times(6, 1)):
            await asyncio.sleep(0.3)
            moment = field.book.now()
            source, target = both_ends(members)
            there = text(members.ask(target, "CLUSTER", "MYID"))
            members.ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", members.slot, members.slot, "NODE", there)
            await until(lambda target=target: members.owner() is target, 30)
            result.faults += 1
            await field.recovered(moment)
    return result


def primaries(members: Members) -> list[Server]:
    """The nodes that have slots."""
    return [node for node in members.nodes if text(members.ask(node, "ROLE")[0]) == "master"]


def both_ends(members: Members) -> tuple[Server, Server]:
    """Who has the slot, and who is to have it."""
    source = members.owner()
    assert source is not None
    return source, next(node for node in primaries(members) if node is not source)


async def sentinel_fails_over(book: Server, trial: Trial) -> Result:
    """A primary that Sentinel watches is killed; workers and producers follow to the new one."""
    result = Result()
    with sentinel(CHOSEN) as (primary, replica, port):
        entry = replace_url(replica, f"redis+sentinel://127.0.0.1:{port}/main/0")
        async with trying(entry, trial, result, book) as field:
            with Nursery(field.instance, book=book, **HARDY) as nursery:
                crew(nursery)
                for _ in range(5):
                    await field.enqueue()
                confirm(primary)
                primary.kill()
                moment = field.book.now()
                result.faults = 1
                await until(lambda: text_of_role(replica) == "master", 60)
                async with field.busy():
                    await field.recovered(moment)
                await field.settle()
    return result


def confirm(primary: Server) -> None:
    """See that the replica has all that was written until now; WAIT is for what its own connection wrote."""
    with primary.client() as client:
        client.set("written last", 1)
        assert any(client.wait(1, 5000) == 1 for _ in range(6)), "a first copy to a replica begins after some seconds"
        client.delete("written last")


def text_of_role(node: Server) -> str:
    """What a node takes itself for."""
    with node.client() as client:
        return text(client.execute_command("ROLE")[0])


def replace_url(node: Server, url: str) -> Any:
    """A node that is reached by another URL than its own."""

    class Elsewhere:
        kind = node.kind

        def __init__(self) -> None:
            self.url = self.app_url = url

        def client(self) -> redis.Redis:
            return node.client()

    return Elsewhere()


@contextmanager
def following() -> Iterator[tuple[Server, Server]]:
    """A primary and its replica, which has one too: so there is one left when it is promoted."""
    with ExitStack() as stack:
        primary = stack.enter_context(running(CHOSEN))
        replica = stack.enter_context(running(CHOSEN, "--replicaof", "127.0.0.1", str(primary.port)))
        stack.enter_context(running(CHOSEN, "--replicaof", "127.0.0.1", str(replica.port)))
        yield primary, replica


async def promoted(durable: bool, book: Server, trial: Trial) -> Result:
    """A replica that lags is promoted: without ``durable`` what it hadn't got is gone, and with it nothing is."""
    result = Result()
    for _ in range(trial.times(5, 1)):
        with following() as (primary, replica):
            async with Proxy(primary) as proxy, trying(
                replace_url(replica, proxy.url), trial, result, book, durable=durable, redis_patience=2
            ) as field:  # fmt: skip
                await _promote(field, proxy, primary, replica, durable, result)
        result.faults += 1
    return result


async def _promote(field: Field, proxy: Proxy, primary: Server, replica: Server, durable: bool, result: Result) -> None:
    with primary.client() as client:
        await until(lambda: client.info("replication")["connected_slaves"] == 1)
        await until(lambda: b"online" in raw(client, "INFO", "replication"))
    before = await field.enqueue(20)
    confirm(primary)
    with replica.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")  # it follows no longer, and nobody knows yet
    acknowledged: list[str] = []
    for _ in range(3):
        with suppress(OutcomeUnknown, RedisUnavailable):
            acknowledged.append(await field.proc.enqueue_batch("default", "late", noops(5)))
    primary.kill()
    proxy.turn(replica)
    moment = field.book.now()
    with Nursery(field.instance, book=field.book.server, **HARDY) as nursery:
        crew(nursery)
        await field.enqueue(20)
        await field.recovered(moment)
        await field.settle()
        there = [batch_id for batch_id in acknowledged if await field.proc.get_batch(batch_id)]
        await until(field.quiet, 20)
    await asyncio.sleep(0.2)  # until the proxy has passed on what the workers sent last
    field.instance.forget_workers()
    assert before in field.batches
    gone = len(acknowledged) - len(there)
    result.tasks += 5 * len(acknowledged)
    result.notes["acknowledged while no replica followed"] = result.notes.get(
        "acknowledged while no replica followed", 0
    ) + len(acknowledged)
    result.notes["of these gone"] = result.notes.get("of these gone", 0) + gone
    if durable and (gone or acknowledged):
        result.lost += 5 * gone
        result.failure = GONE if gone else "a call was acknowledged that no replica had confirmed"
