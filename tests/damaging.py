"""Keys of a wrong type for a while, and workers that are gone with what they had claimed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from taskproc import TaskProcessor
from taskproc.store import WorkerStore
from tests.harness import Instance


def key(instance: Instance, *parts: str) -> str:
    """A key of the instance."""
    return f"{{{instance.name}}}:" + ":".join(parts)


@contextmanager
def broken(instance: Instance, *parts: str) -> Iterator[None]:
    """A key is of a wrong type for the block, and mended at its end."""
    name = key(instance, *parts)
    stored = instance.client.dump(name)
    instance.client.delete(name)
    if parts[0] in ("b", "q", "t", "tq"):
        instance.client.rpush(name, "no hash")
    else:
        instance.client.set(name, "of no use")
    try:
        yield
    finally:
        instance.client.delete(name)
        if stored is not None:
            instance.client.restore(name, 0, stored)  # type: ignore[arg-type]


@contextmanager
def forgotten(instance: Instance, *parts: str) -> Iterator[None]:
    """At the end of the block, all keys with one of some names are deleted: their accounts don't come right any more."""
    yield
    for part in parts:
        for name in instance.names(part):
            instance.client.delete(name)
    for index in ("tenants", "idle", "ring:default"):
        instance.client.zrem(key(instance, index), *parts)


async def crash(instance: Instance, proc: TaskProcessor, *queues: str) -> None:
    """A worker claims all there is, is gone, and its leases run out."""
    store = WorkerStore(proc._store.target, instance.name, queues or ["default"], 60_000)
    await store.work.step(128, [])
    await store.close()
    leases = key(instance, "leases")
    instance.client.zadd(leases, dict.fromkeys(instance.client.zrange(leases, 0, -1), 1))
