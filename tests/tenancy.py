"""Tenants with something of every kind, for what is done to whole tenants."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskproc import Batch, Schedule, TaskProcessor
from tests import handlers, limited
from tests.harness import Instance

ODD = ["a", "a:b", "ä*?[\\n", "{x}", "q:default", "~"]
"""Names of which one begins like another, or that mean something to patterns and keys."""

LARGE = "x" * 10_000
WAITING, SINGLE = 14, 6
"""How many tasks of a batch wait that ``fill`` makes, and how many single ones."""


def build(batch: Batch) -> None:
    """Tasks of every kind; two of them fail when they run."""
    for n in range(4):
        batch.enqueue(handlers.noop, n)
    batch.options(queue="bad").enqueue(handlers.fail)
    batch.options(queue="bad", keep="all").enqueue(handlers.fail)
    for _ in range(2):
        batch.options(delay=3600).enqueue(handlers.noop)
        batch.options(keep="all").enqueue(handlers.noop)
        batch.options(delay=3600, keep="all").enqueue(handlers.swallow, LARGE)
        batch.enqueue(limited.one)
    batch.enqueue(handlers.swallow, LARGE)
    batch.options(unique="one").enqueue(handlers.noop)
    batch.options(on="cancelled", queue="after").continue_with(handlers.mark, "cancelled")


async def fill(proc: TaskProcessor, tenant: str) -> dict[str, str]:
    """Give a tenant something of every kind, but nothing that runs; the ids of its batches."""
    acme, found = proc.tenant(tenant), {}
    found["mixed"] = await acme.enqueue_batch(build, label="mixed", idempotency_key="k")
    found["done"] = await acme.enqueue_batch(lambda batch: None, label="done")
    found["large"] = await acme.enqueue_batch(lambda b: [b.enqueue(handlers.noop, n) for n in range(5)])

    def more(batch: Batch) -> None:
        for n in range(1_005):
            chosen: dict[str, Any] = {"keep": "all"} if n < 3 else {}
            batch.options(**chosen).enqueue(handlers.swallow, LARGE if n == 2 else str(n))
        batch.options(delay=3600).enqueue(handlers.noop)

    await acme.append_batch(found["large"], more)
    for options in ({}, {"delay": 3600}, {"keep": "all"}, {"unique": "two", "idempotency_key": "i"}):
        await acme.options(**options).enqueue(handlers.noop)  # type: ignore[arg-type]
    await acme.enqueue(limited.one)
    await acme.options(delay=3600, keep="all").enqueue(handlers.swallow, LARGE)
    await acme.options(queue="bad").enqueue(handlers.fail)
    await acme.upsert_schedule(Schedule(id="s", tenant=tenant, cron="0 0 1 1 *"), handlers.noop)
    return found


async def bury(instance: Instance) -> None:
    """Let all that fails die."""
    async with instance.open(queues=["bad"], max_attempts=1) as bad:
        await bad.run_until_idle()


async def healthy(proc: TaskProcessor) -> None:
    """An audit finds nothing."""
    report = await proc.audit()
    wrong = [*map(str, report.differences), *report.unsure]
    assert not wrong, wrong


def belongings(instance: Instance, tenant: str, batches: list[str]) -> list[str]:
    """The names of keys that are a tenant's own, by its name or by its batches' ids."""
    return [
        name
        for name in instance.names()
        if name.split("}:", 1)[1].split(":", 1)[-1].endswith(tenant) or any(b in name for b in batches)
    ]


def places(instance: Instance, tenant: str) -> Counter[tuple[str, str]]:
    """How many tasks lie where, by the lists themselves: kind and queue."""
    prefix, found = f"{{{instance.name}}}:", Counter[tuple[str, str]]()
    for name in instance.names(":"):
        parts = name.removeprefix(prefix).split(":")
        if parts[0] != "b" or len(parts) != 4 or parts[2] not in ("r", "d", "x"):
            continue
        if instance.client.hget(f"{prefix}b:{parts[1][:22]}", "tenant") != tenant.encode():
            continue
        if parts[2] == "r":
            found["r", parts[3]] += sum(1 for body in instance.client.lrange(name, 0, -1) if body)
        else:
            found[parts[2], parts[3]] += instance.client.zcard(name)
    return +found
