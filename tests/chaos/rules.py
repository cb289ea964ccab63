"""Ordeals of tenants' rules: workers are killed while tenants stand out of line, and operators change what holds."""

from __future__ import annotations

import asyncio

from tests import handlers
from tests.chaos.field import TENANTS, Field, Result, Trial, trying
from tests.chaos.limits import most_at_once
from tests.chaos.workers import HARDY, crew
from tests.harness import until
from tests.nursery import Nursery
from tests.servers import Server

FEW, ONE, FREE = TENANTS
MOST = {FEW: 4, ONE: 1}
RATE, BURST = 60.0, 6


async def killed(server: Server, trial: Trial) -> Result:
    """Workers are killed while tenants have limits, rates and pauses; never more runs than may, and nobody is forgotten."""
    result, gone = Result(), dict[int, float]()
    async with trying(server, trial, result) as field:
        await set_rules(field)
        with Nursery(field.instance, **{**HARDY, "shutdown_grace": 0.05}) as nursery:
            began = field.book.now()
            async with field.busy(least=60, tasks=20, longest=0.03):
                while result.faults < trial.times(250, 12):
                    crew(nursery)
                    await asyncio.sleep(field.dice.uniform(0, 0.3))
                    await steer(field, result)
                    victim = field.dice.choice(sorted(nursery.living))
                    gone[victim] = field.book.now()
                    nursery.kill(victim)
                    result.faults += 1
            for tenant in TENANTS:
                await field.proc.resume_tenant(tenant)
            crew(nursery)
            await field.settle()
            judge(field, result, gone, field.book.now() - began)
            await all_used(field, result)
        result.recoveries = field.rerun_after(gone)
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


def judge(field: Field, result: Result, gone: dict[int, float], seconds: float) -> None:
    """Hold what ran at once, and what started in all, against the rules."""
    records = field.book.records
    for tenant, most in MOST.items():
        found = most_at_once((r for r in records if r["tenant"] == tenant), gone)
        result.notes[f"most at once of {most}"] = found
        if found > most:
            result.failure = f"{found} of tenant {tenant} ran at once, {most} may"
    started = sum(1 for r in records if r["event"] == "start" and r["tenant"] == FREE)
    result.notes["starts of a rate, of those allowed"] = round(started / (BURST + RATE * seconds), 3)
    if started > BURST + RATE * seconds:
        result.failure = f"{started} of tenant {FREE} started in {seconds:.1f} s, {RATE:g} a second may"


async def all_used(field: Field, result: Result) -> None:
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
    differences = (await field.proc.audit()).differences
    if differences:
        result.failure = f"an audit finds {[d.found for d in differences][:3]}"
