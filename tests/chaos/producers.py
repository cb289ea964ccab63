"""Ordeals of producers: killed in the middle of a large batch, and cancelled in the middle of calls."""

from __future__ import annotations

import asyncio
import sys
import time

import anyio

from tests.building import noops
from tests.chaos.field import Result, Trial, trying
from tests.harness import until
from tests.recording import record_key
from tests.servers import Server

PRODUCER = """
import asyncio, sys
from taskproc import TaskProcessor
from tests import handlers

async def main():
    async with TaskProcessor(sys.argv[1], prefix=sys.argv[2]) as proc:
        async def build(batch):
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(int(sys.argv[3]))))
        print(await proc.enqueue_batch("default", "large", build), flush=True)

asyncio.run(main())
"""


async def killed(server: Server, trial: Trial) -> Result:
    """A producer is killed in the middle of a batch of 1,000,000: nothing of it may be seen, and nothing may stay."""
    result, tasks = Result(), trial.times(1_000_000, 50_000)
    async with trying(server, trial, result) as field:
        for _ in range(trial.times(5, 1)):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PRODUCER, server.app_url, field.instance.name, str(tasks),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            share = field.dice.uniform(0.1, 0.8)
            await until(lambda share=share: staged(field.instance.client, field.instance.name) > share * tasks, 60)
            process.kill()
            out, _ = await process.communicate()
            result.faults += 1
            queue = await field.proc.get_queue("default")
            if out or queue.ready or await field.proc.count_batches("large"):
                result.failure = "a part of a batch was seen whose producer was killed"
            await field.enqueue(20)
            async with field.instance.worker(max_workers=20):
                await field.settle()
            field.batches.clear()
            field.book.client.delete(record_key(field.book.name))
    return result


def staged(client: object, name: str) -> int:
    """How many tasks lie in staged lists."""
    return sum(client.llen(key) for key in client.scan_iter(f"{{{name}}}:b:*:r:*", count=1000))  # type: ignore[attr-defined]


async def cancelled(server: Server, trial: Trial) -> Result:
    """Calls are cancelled at random moments; no later call may get the answer of one that was given up."""
    result, calls = Result(), trial.times(30_000, 1_500)
    async with trying(server, trial, result) as field:
        ids = [await field.proc.enqueue_batch("default", f"t{n}", noops(n)) for n in range(1, 9)]
        answered = 0
        for number in range(calls):
            which = number % len(ids)
            with anyio.move_on_after(field.dice.uniform(0, 0.0006)):
                info = await field.proc.get_batch(ids[which])
                answered += 1
                if info is None or (info.id, info.total) != (ids[which], which + 1):
                    result.doubled += 1
            result.faults += 1
            if number % 3 == 0:  # who gets the answers of those that were given up?
                info = await field.proc.get_batch(ids[which - 1])
                result.doubled += info is None or info.id != ids[which - 1]
                answered += 1
        result.notes["calls answered between them"] = answered
        for batch_id in ids:
            await field.proc.cancel_batch(batch_id)
    return result


async def against_the_model(part: int, server: Server, trial: Trial) -> Result:
    """Random calls, replays, crashes, flushes and time, with the store held against its model after every step."""
    from tests.test_model import compare

    def run() -> int:
        with server.client() as client:
            return compare(client, trial.times(390, 20), trial.seed + part, 200 if trial.long else 50)

    result = Result()
    result.faults = await asyncio.to_thread(run)
    result.notes["steps compared"] = result.faults
    return result


async def slow_answers(server: Server, trial: Trial) -> Result:
    """Another client's worst stall while a batch of 1,000,000 is enqueued, cancelled, and falls due at once."""
    from benchmarks import stalls
    from benchmarks.results import Results
    from benchmarks.sections import Run

    result, results = Result(), Results({}, {})
    began = time.monotonic()
    run = Run({}, {}, results, not trial.long, None)
    await asyncio.to_thread(stalls.measure, run, 0, (stalls.quiet, stalls.enqueued, stalls.due_at_once))
    result.notes = {name: values[0] for name, values in results.sections[stalls.NAME].items()}
    result.faults, result.tasks = 3, 2 * run.tasks(stalls.TASKS)
    result.notes["seconds in all"] = time.monotonic() - began
    worst = max(value for name, value in result.notes.items() if name.endswith("longest, ms"))
    if trial.long and worst > 50:
        result.failure = f"another client waited for {worst:.0f} ms"
    return result
