"""Ordeals of workers: killed, frozen, told to stop, ended by a handler, blocked, and with clocks that are wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from taskproc import Batch
from tests import handlers
from tests.chaos.field import Field, Result, Trial, trying
from tests.harness import until
from tests.nursery import Nursery
from tests.servers import Server

LEASE = 2.0
HARDY = {"max_attempts": 1000, "backoff": 0.05, "invisibility": LEASE, "max_workers": 6, "retention": 6000}
CREW = 4


async def killed(server: Server, trial: Trial) -> Result:
    """Workers are killed at random moments."""
    result = Result()
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **HARDY) as nursery:
            async with field.busy():
                for _ in range(trial.times(2000, 30)):
                    await lose_one(field, nursery, 0.06)
            crew(nursery)
            await field.settle()
        result.recoveries = field.rerun()
    return result


def crew(nursery: Nursery, size: int = CREW) -> None:
    """See that so many workers live."""
    nursery.ended()
    while len(nursery.living) < size:
        nursery.start()


async def lose_one(field: Field, nursery: Nursery, within: float, told: float = 0.0) -> None:
    """A crew works for some of so many seconds, then one of it is killed; or told to stop, as often as ``told`` of 1."""
    crew(nursery)
    await asyncio.sleep(field.dice.uniform(0, within))
    victim = field.dice.choice(sorted(nursery.living))
    if told and field.dice.random() < told:
        os.kill(victim, signal.SIGTERM)
        await until(lambda: ended(nursery, victim), 20)
    else:
        field.gone[victim] = field.book.now()
        nursery.kill(victim)
    field.result.faults += 1


async def frozen(server: Server, trial: Trial) -> Result:
    """Workers are frozen past their leases, and go on; what they report late must change nothing."""
    result, size, at_once = Result(), 10, 8
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **{**HARDY, "invisibility": 0.5}) as nursery:
            crew(nursery, size)
            async with field.busy(longest=0.1):
                while result.faults < trial.times(500, 16):
                    frozen_ = field.dice.sample(sorted(nursery.living), at_once)
                    for pid in frozen_:
                        os.kill(pid, signal.SIGSTOP)
                    moment = field.book.now()
                    await asyncio.sleep(field.dice.uniform(0.6, 1.2))
                    for pid in frozen_:
                        os.kill(pid, signal.SIGCONT)
                    result.faults += at_once
                    await field.recovered(moment)
            await field.settle()
            result.notes["workers that ended"] = len(nursery.ended())
    if result.notes["workers that ended"]:
        result.failure = "workers ended that were only frozen"
    return result


async def told_to_stop(server: Server, trial: Trial) -> Result:
    """SIGTERM and SIGINT at random moments; no task may cost an attempt, so one attempt is all they have."""
    result = Result()
    options = {**HARDY, "max_attempts": 1, "shutdown_grace": 0.2, "invisibility": 30}
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **options) as nursery:
            async with field.busy():
                for _ in range(trial.times(300, 10)):
                    crew(nursery)
                    await asyncio.sleep(field.dice.uniform(0, 0.2))
                    victim = field.dice.choice(sorted(nursery.living))
                    os.kill(victim, field.dice.choice([signal.SIGTERM, signal.SIGINT]))
                    began = time.monotonic()
                    await until(lambda victim=victim: ended(nursery, victim), 20)
                    result.recoveries.append(time.monotonic() - began)
                    result.faults += 1
            crew(nursery)
            await field.settle()
    return result


def ended(nursery: Nursery, pid: int) -> bool:
    """Whether a worker has ended by itself."""
    nursery.ended()
    return pid not in nursery.living


async def ended_by_a_handler(server: Server, trial: Trial) -> Result:
    """Handlers end their process; such a task is dead once its attempts are used, and the others go on."""
    result, count = Result(), trial.times(30, 3)

    def deadly(batch: Batch) -> None:
        batch.options(max_attempts=2).enqueue(handlers.die)

    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **{**HARDY, "invisibility": 0.5}) as nursery:
            mending = asyncio.create_task(mend(nursery))
            for _ in range(count):
                await field.enqueue(more=deadly)
            await field.settle(failed=1)
            mending.cancel()
        result.faults = 2 * count
        dead = len(await field.proc.get_dead_tasks(take=1000))
        if dead != count:
            result.failure = f"{dead} dead letters of {count} deadly tasks"
    return result


async def mend(nursery: Nursery) -> None:
    """Start workers in the place of those that end, until cancelled."""
    while True:
        crew(nursery)
        await asyncio.sleep(0.05)


async def blocked(server: Server, trial: Trial) -> Result:
    """Handlers block their worker's event loop for longer than a lease; its thread renews, so nothing runs twice."""
    result, count = Result(), trial.times(20, 2)
    async with trying(server, trial, result) as field:
        with Nursery(field.instance, **HARDY) as nursery:
            crew(nursery)
            for _ in range(count):
                await field.enqueue(more=lambda batch: batch.enqueue(handlers.block_loop, 1.3 * LEASE))
                result.faults += 1
            for batch_id in field.batches:
                field.batches[batch_id] += 1
                result.tasks += 1
            await field.settle()
    if result.extra:
        result.failure = "what ran in a blocked worker ran twice"
    return result


async def wrong_clocks(server: Server, trial: Trial) -> Result:
    """Workers whose clocks are an hour off, forwards and backwards, beside one that is right."""
    result = Result()
    async with trying(server, trial, result) as field:
        shifts = (-3600, 0, 3600)
        workers = [await started(field, shift) for shift in shifts]
        for _ in range(trial.times(20, 3)):
            await field.enqueue(more=lambda batch: batch.options(delay=0.5).enqueue(handlers.step, 0, "late"))
            result.faults += len(shifts) - 1
        for batch_id in field.batches:
            field.batches[batch_id] += 1
            result.tasks += 1
        await field.settle()
        late = [record for record in field.book.recorded("start") if record["tag"] == "late"]
        result.notes["processes that ran tasks"] = len({record["pid"] for record in field.book.records})
        for worker in workers:
            worker.signal(signal.SIGTERM)
        if any(worker.wait() for worker in workers) or len(late) != len(field.batches):
            result.failure = "a worker ended with an error, or a delayed task ran twice"
    if result.extra:
        result.failure = "a wrong clock made tasks run twice"
    return result


async def started(field: Field, shift: int) -> Any:
    """A worker process whose wall clock is so many seconds off."""
    return await asyncio.to_thread(field.instance.process, env={"TASKPROC_TEST_SHIFT": str(shift)}, **HARDY)
