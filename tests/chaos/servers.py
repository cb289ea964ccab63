"""Ordeals of the server: killed and restarted, gone for long, without its scripts, full, unwilling in every known way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import redis

from taskproc import RedisFull
from tests.building import noops
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew
from tests.harness import until
from tests.nursery import Nursery
from tests.servers import CHOSEN, Server, running


@asynccontextmanager
async def mortal(book: Server, trial: Trial, result: Result, *options: str) -> AsyncIterator[tuple[Server, Field, Nursery]]:
    """A server that may die, with four workers; records are kept on another."""
    with running(CHOSEN, *options) as server:
        async with trying(server, trial, result, book) as field:
            with Nursery(field.instance, book=book, **HARDY) as nursery:
                crew(nursery)
                yield server, field, nursery
                await field.settle()
                died = nursery.ended()
                if died:
                    result.failure = f"{len(died)} workers ended"


async def restart(server: Server, away: float = 0.0) -> None:
    """Kill a server and start it again after a while."""
    server.kill()
    await asyncio.sleep(away)
    await asyncio.to_thread(server.start)


POSTPONED = 2.5
"""While it waits for the disk, a server that is not told to fsync always puts off its writes for up to two seconds."""


async def killed(fsync: str, book: Server, trial: Trial) -> Result:
    """The server is killed and restarted with its append-only file, in one of its modes."""
    result = Result()
    kept = ("--appendonly", "yes", "--appendfsync", fsync)
    async with mortal(book, trial, result, *kept) as (server, field, _), field.busy():
        field.grace = None if fsync == "always" else POSTPONED
        for _ in range(trial.times(100, 4)):
            await asyncio.sleep(field.dice.uniform(0, 0.2))
            field.kills.append(field.book.now())
            await restart(server)
            result.faults += 1
            await field.recovered(field.book.now())
    return result


async def away(seconds: float, book: Server, trial: Trial) -> Result:
    """The server is gone for long; every worker must consume again."""
    result = Result()
    async with mortal(book, trial, result, "--appendonly", "yes", "--appendfsync", "always") as (server, field, nursery):
        await field.enqueue(200)
        await restart(server, seconds)
        result.faults = 1
        back = field.book.now()
        async with field.busy(least=200):
            await field.recovered(back)
            await until(lambda: len(working(field, back)) == len(nursery.living), 30)
    return result


def working(field: Field, moment: float) -> set[int]:
    """The processes that have started tasks after a moment."""
    return {record["pid"] for record in field.book.recorded("start") if record["at"] > moment}


async def without_scripts(server: Server, trial: Trial) -> Result:
    """The server forgets all scripts again and again."""
    result = Result()
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **HARDY) as nursery:
            crew(nursery)
            async with field.busy():
                for _ in range(trial.times(150, 10)):
                    field.instance.client.script_flush()
                    result.faults += 1
                    await asyncio.sleep(0.1)
            await field.settle()
    return result


async def full(book: Server, trial: Trial) -> Result:
    """The server is full: producers are refused and told so, workers drain it, and then it takes more."""
    result = Result()
    async with mortal(book, trial, result) as (server, field, _):
        with server.client() as client:
            for _ in range(trial.times(10, 2)):
                await field.proc.pause()
                client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)
                stored = 0
                with suppress(RedisFull):
                    while True:
                        batch_id = await field.proc.enqueue_batch("default", "acme", noops(500))
                        stored += 500
                        result.notes["batches stored before it was full"] = stored / 500
                        assert batch_id
                result.faults += 1
                result.tasks += stored
                began = time.monotonic()
                await resume(field)
                await until(field.quiet, 30)
                result.recoveries.append(time.monotonic() - began)
                client.config_set("maxmemory", 0)
                await field.enqueue(10)
            stored_ids = {info.id for info in await field.proc.get_batches("acme", take=10_000)} - field.batches.keys()
            for batch_id in stored_ids:
                info = await field.proc.wait_batch(batch_id, 30)
                result.lost += info.total - info.done
    return result


async def evicting(book: Server, trial: Trial) -> Result:
    """The server evicts keys that have a TTL, as managed ones do by default: no task may be among them."""
    result = Result()
    async with mortal(book, trial, result) as (server, field, _):
        with server.client() as client:
            client.config_set("maxmemory-policy", "volatile-lru")
            await field.proc.pause()
            for _ in range(trial.times(20, 3)):
                await field.enqueue()
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
            for number in range(trial.times(2000, 500)):
                with suppress(redis.ResponseError):
                    client.set(f"somebody's {number}", "x" * 1000, px=600_000)
            result.faults = int(client.info("stats")["evicted_keys"])
            client.config_set("maxmemory", 0)
            await field.proc.resume()
            client.unlink(*client.scan_iter("somebody's *", count=1000), "none")
    return result


async def resume(field: Field) -> None:
    """Let workers go on; a full server refuses even that, so there is room for it."""
    with field.instance.server.client() as client:
        bound = int(client.config_get("maxmemory")["maxmemory"])
        client.config_set("maxmemory", 0)
        await field.proc.resume()
        client.config_set("maxmemory", bound)


# what a server refuses for a while


async def read_only(client: redis.Redis) -> None:
    """READONLY: it is a replica for a while."""
    client.execute_command("REPLICAOF", "127.0.0.1", 1)
    await asyncio.sleep(1)
    client.execute_command("REPLICAOF", "NO", "ONE")


async def without_primary(client: redis.Redis) -> None:
    """MASTERDOWN: it is a replica whose primary is gone, and it may not tell what it knows."""
    client.config_set("replica-serve-stale-data", "no")
    await read_only(client)
    client.config_set("replica-serve-stale-data", "yes")


async def misconfigured(client: redis.Redis) -> None:
    """MISCONF: it can't save, and refuses to write."""
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.config_set("save", "1000000 1000000")
    in_the_way = Path(client.config_get("dir")["dir"]) / "dump.rdb"
    in_the_way.unlink(missing_ok=True)
    in_the_way.mkdir()  # a folder in the place of the file
    try:
        with suppress(redis.RedisError):
            client.save()
        client.bgsave()
        await until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        await asyncio.sleep(1)
    finally:
        in_the_way.rmdir()
        client.bgsave()
    await until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")


async def without_replicas(client: redis.Redis) -> None:
    """NOREPLICAS: it has fewer than it must have."""
    client.config_set("min-replicas-to-write", 1)
    await asyncio.sleep(1)
    client.config_set("min-replicas-to-write", 0)


async def busy(client: redis.Redis) -> None:
    """BUSY: somebody's script runs too long."""
    client.config_set("lua-time-limit", 100)
    port = client.connection_pool.connection_kwargs["port"]
    running_ = asyncio.create_task(asyncio.to_thread(spin, port))
    await asyncio.sleep(1)
    client.execute_command("SCRIPT", "KILL")
    await running_


def spin(port: int) -> None:
    """A script that only ends when it is killed."""
    with redis.Redis(port=port, protocol=2, socket_timeout=30) as client, suppress(redis.RedisError):
        client.eval("while true do end", 0)


async def no_room_for_clients(client: redis.Redis) -> None:
    """Every connection is cut and no new one is taken."""
    before = client.config_get("maxclients")["maxclients"]
    client.config_set("maxclients", 1)
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await asyncio.sleep(1)
    client.config_set("maxclients", before)


REFUSALS: dict[str, Callable[[redis.Redis], object]] = {
    "READONLY": read_only, "MASTERDOWN": without_primary, "MISCONF": misconfigured, "NOREPLICAS": without_replicas,
    "BUSY": busy, "max number of clients": no_room_for_clients,
}  # fmt: skip


async def unwilling(name: str, book: Server, trial: Trial) -> Result:
    """The server refuses what it is asked for, in one way, for a second."""
    result = Result()
    async with mortal(book, trial, result) as (server, field, _):
        with server.client() as client:
            for _ in range(trial.times(3, 1)):
                async with field.busy(least=200):
                    await asyncio.sleep(0.3)
                    await REFUSALS[name](client)  # type: ignore[misc]
                    await field.recovered(field.book.now())
                result.faults += 1
            told = client.info("errorstats")
            wrapped = "ERR" if CHOSEN == "redis62" else name  # as which Redis 6.2 counts all that scripts answer
            if f"errorstat_{name}" not in told and f"errorstat_{wrapped}" not in told and name != "max number of clients":
                result.failure = "it never answered so"
    return result


async def loading(book: Server, trial: Trial) -> Result:
    """LOADING: the server restarts with so much that it takes a while to read it."""
    result = Result()
    async with mortal(book, trial, result, "--appendonly", "yes") as (server, field, _):
        with server.client() as client:
            client.eval("for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', 'ballast', string.rep('x', 100)) end", 0,
                        trial.times(3_000_000, 500_000))  # fmt: skip
        async with field.busy():
            await restart(server)
            result.faults = 1
            await field.recovered(field.book.now())
        with server.client() as client:
            client.unlink("ballast")
    return result


ORDEALS = {
    **{f"server killed, appendfsync {mode}": partial(killed, mode) for mode in ("always", "everysec", "no")},
    "scripts forgotten": without_scripts,
    "server full": full,
    "server evicts": evicting,
    **{f"server answers {name}": partial(unwilling, name) for name in REFUSALS},
    "server answers LOADING": loading,
}
OUTAGES = (10, 60, 120)
