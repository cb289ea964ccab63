"""Public calls with arguments that make no sense: refused with an error of ours that names one of them, or taken."""

from __future__ import annotations

import re
from collections.abc import Sequence

from taskproc import TaskProcessor
from tests.fuzz import handlers, ruling, timing
from tests.fuzz.callables import CALLS, Call
from tests.fuzz.construction import CONSTRUCTIONS
from tests.fuzz.report import Broken
from tests.fuzz.steering import STEERING
from tests.fuzz.world import OPTIONS, World, tried
from tests.harness import Instance

NEIGHBOURS = 20
LONGEST_ERROR = 4_000
EVERY = [*CALLS, *CONSTRUCTIONS, *STEERING, *timing.SCHEDULED, *ruling.RULED]


async def group(world: World, numbers: Sequence[int]) -> None:
    """Make the calls beside a healthy batch, then run all that was taken and look at the sums."""
    async with world.fresh() as instance, instance.processor(**OPTIONS) as proc:
        healthy: list[str] = []
        mine = await proc.enqueue_batch(
            "default", "neighbour",
            lambda batch: healthy.extend(batch.enqueue(handlers.take, "n", "x") for _ in range(NEIGHBOURS)),
        )  # fmt: skip
        target = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.take, "t", "x"))
        await timing.begin(proc)
        for number in numbers:
            await one(world, instance, proc, number, target)
        await proc.resume()
        for tenant in await proc.get_tenants(take=1_000):
            await proc.resume_tenant(tenant.tenant)
        await timing.end(proc)
        await drain(instance)
        handlers_ran = sum(handlers.ran[task] for task in healthy)
        info = await proc.get_batch(mine)
        if info is None or (info.total, info.done, handlers_ran) != (NEIGHBOURS, NEIGHBOURS, NEIGHBOURS):
            raise Broken(f"a neighbour's batch is {info}, {handlers_ran} of its tasks ran")
        await sums(proc)


async def drain(instance: Instance) -> None:
    """Run what is ready in any queue, and what continues it in others."""
    for _ in range(3):
        async with instance.processor(**OPTIONS) as proc:
            names = [queue.name for queue in await proc.get_queues() if queue.ready]
        for first in range(0, len(names), 64):
            async with instance.processor(**OPTIONS, queues=names[first : first + 64]) as proc:
                await proc.run_until_idle()


async def one(world: World, instance: Instance, proc: TaskProcessor, number: int, target: str) -> None:
    """One call."""
    rng = world.chance(number)
    call: Call = rng.choice(EVERY)
    wrong = rng.sample(call.slots, rng.randint(1, min(2, len(call.slots))))
    values = {slot.name: (slot.odd if slot in wrong else slot.good)(rng) for slot in call.slots}
    values["target"] = target
    before = instance.client.dbsize()
    what = f"{call.name} with odd {', '.join(slot.name for slot in wrong)}"
    error = await tried(lambda: call.make(proc, values), what)
    world.tally.note("calls", "taken" if error is None else "refused")
    if error is None:
        return
    told = str(error)
    if len(told) > LONGEST_ERROR:
        raise Broken(f"{what}: an error of {len(told)} characters")
    if not any(re.search(slot.told, told) for slot in call.slots):
        raise Broken(f"{what}: the error names none of it: {type(error).__name__}: {told[:300]}")
    after = instance.client.dbsize()
    if after != before:
        raise Broken(f"{what}: refused ({told[:100]}), but there are {after - before} more keys")


async def sums(proc: TaskProcessor) -> None:
    """Raises Broken where a tenant's totals or a queue's counts make no sum."""
    for tenant in await proc.get_tenants(take=1_000):
        parts = (tenant.done, tenant.failed, tenant.cancelled, tenant.remaining, tenant.ready, tenant.running)
        if tenant.total != sum(parts[:4]) or min(parts) < 0 or tenant.ready or tenant.running:
            raise Broken(f"the totals of a tenant: {tenant}")
    for queue in await proc.get_queues():
        if queue.ready or queue.running or queue.delayed < 0 or queue.dead < 0:
            raise Broken(f"the counts of a queue that is idle: {queue}")
