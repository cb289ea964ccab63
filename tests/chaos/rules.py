"""Ordeals of tenants' rules: workers are killed while tenants stand out of line, and operators change what holds."""

from __future__ import annotations

import asyncio

from tests import handlers
from tests.chaos.field import TENANTS, Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew, lose_one
from tests.harness import until
from tests.nursery import Nursery
from tests.servers import Server

FEW, ONE, FREE = TENANTS
MOST = {FEW: 4, ONE: 1}
RATE, BURST = 60.0, 6


async def killed(server: Server, trial: Trial) -> Result:
    """Workers are killed while tenants have limits, rates and pauses; never more runs than may, and nobody is forgotten."""
    result = Result()
    async with trying(server, trial, result) as field:
        await set_rules(field)
        with Nursery(field.instance, **{**HARDY, "shutdown_grace": 0.05}) as nursery:
            began = field.book.now()
            async with field.busy(least=60, tasks=20, longest=0.03):
                for _ in range(trial.times(250, 12)):
                    await steer(field, result)
                    await lose_one(field, nursery, 0.3)
            for tenant in TENANTS:
                await field.proc.resume_tenant(tenant)
            crew(nursery)
            await field.settle()
            judge(field, result, field.book.now() - began)
            await all_used(field)
        result.recoveries = field.rerun()
    return result


async def set_rules(field: Field) -> None:
    """What holds for the tenants."""
    for tenant, most in MOST.items():
        await field.proc.set_tenant_limits(tenant, max_running=most)
    await field.proc.set_tenant_limits(ONE, queue="default", max_running=1)
    await field.proc.set_tenant_limits(FREE, rate_limit=f"{RATE:.0f}/s burst {BURST}")


async def steer(field: Field, result: Result) -> None:
    """An operator pauses a tenant for a moment, now and then, or changes its weight."""
    if field.dice.random() < 0.3:
        tenant = field.dice.choice(TENANTS)
        await field.proc.pause_tenant(tenant)
        await asyncio.sleep(field.dice.uniform(0, 0.05))
        await field.proc.resume_tenant(tenant)
        await field.proc.set_tenant_limits(tenant, weight=field.dice.choice([0.5, 1, 4]))
        result.notes["pauses and changes"] = result.notes.get("pauses and changes", 0) + 1


def judge(field: Field, result: Result, seconds: float) -> None:
    """Hold what ran at once, and what started in all, against the rules."""
    records = field.book.records
    for tenant, most in MOST.items():
        found = field.most_at_once(r for r in records if r["tenant"] == tenant)
        result.notes[f"most at once of {most}"] = found
        if found > most:
            result.failure = f"{found} of tenant {tenant} ran at once, {most} may"
    started = sum(1 for r in records if r["event"] == "start" and r["tenant"] == FREE)
    field.hold_rate(started, f"of tenant {FREE}", RATE, BURST, seconds)


async def all_used(field: Field) -> None:
    """After it all as many run at once as may, and nobody stands out of line for nothing."""
    before = len(field.book.recorded("start"))
    batch = await field.proc.enqueue_batch(
        "default", FEW, lambda b: [b.enqueue(handlers.step, 1.0, n) for n in range(2 * MOST[FEW])]
    )
    await until(lambda: len(field.book.recorded("start")) - before == MOST[FEW], 20)
    await field.proc.wait_batch(batch, 30)
    for tenant in TENANTS:
        await field.proc.clear_tenant_limits(tenant)
    await until(lambda: not field.instance.names(":out"), 20)
    await field.audit()
