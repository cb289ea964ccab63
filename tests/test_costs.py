"""What a task costs, without a clock: a regression is red on any machine.

The figures are what was measured on Python 3.11 and Valkey 9, for 10,000 no-op tasks of one batch and 100 slots, with a
margin for what varies: how many tasks a step carries, which the machine's pace decides, and what servers take for a key.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from taskproc import Batch
from taskproc.store.scripts import SCRIPTS
from tests import handlers
from tests.harness import Instance

TASKS = 10_000

LIMITS = {
    "enqueue: commands": 0.015,  # 0.0136
    "enqueue: script calls": 0.0013,  # 0.0011
    "enqueue: bytes sent": 58.0,  # 56.1
    "enqueue: bytes answered": 2.5,  # 1.1 to 1.5: most of it tells of the server, once
    "enqueue: used memory": 64.0,  # 43.7 to 54.6
    "enqueue: blocks held": 1.2,  # 1.01
    "enqueue: calls of Python": 17.5,  # 16.1
    "run: commands": 1.6,  # 0.8
    "run: script calls": 0.045,  # 0.021
    "run: bytes sent": 80.0,  # 65.7
    "run: bytes answered": 72.0,  # 60.8
    "run: calls of Python": 52.0,  # 42.8
}
"""For each task."""


def server_counts(instance: Instance) -> dict[str, float]:
    """What the server has counted so far."""
    info = instance.client.info("everything")
    calls = {name: entry["calls"] for name, entry in info.items() if name.startswith("cmdstat_")}
    return {
        "commands": sum(calls.values()),
        "script calls": calls.get("cmdstat_evalsha", 0) + calls.get("cmdstat_eval", 0),
        "bytes sent": info["total_net_input_bytes"],
        "bytes answered": info["total_net_output_bytes"],
        "used memory": info["used_memory"],
    }


@contextmanager
def python_calls(found: dict[str, float]) -> Iterator[None]:
    """Count calls of Python functions in this thread."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        found["calls of Python"] = count / TASKS


@asynccontextmanager
async def counted(instance: Instance, found: dict[str, float]) -> AsyncIterator[None]:
    """What the server counts meanwhile, for each task."""
    before = server_counts(instance)
    yield
    after = server_counts(instance)
    found.update({name: (after[name] - before[name]) / TASKS for name in before})


def fill(batch: Batch) -> None:
    """Add the tasks."""
    for number in range(TASKS):
        batch.enqueue(handlers.noop, number, "hello")


def blocks_held(build: Callable[[], object]) -> float:
    """How many blocks of memory Python keeps of what a call has made, for each task."""
    gc.collect()
    before = sys.getallocatedblocks()
    kept = build()
    after = sys.getallocatedblocks()
    del kept
    return (after - before) / TASKS


async def test_what_a_task_costs(alone_instance: Instance) -> None:
    for script in SCRIPTS.values():
        alone_instance.client.script_load(script.text)
    async with alone_instance.open(max_workers=100, retention=600, poll_interval=600) as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)
        await proc.run_until_idle()
        enqueue: dict[str, float] = {}
        run: dict[str, float] = {}

        async with counted(alone_instance, enqueue):
            with python_calls(enqueue):
                batch_id = await proc.enqueue_batch("default", "acme", fill)
        async with counted(alone_instance, run):
            running = asyncio.create_task(proc.run())
            with python_calls(run):
                await proc.wait_batch(batch_id, 60)
        await proc.stop()
        await running
        run.pop("used memory")

        def bodies() -> object:
            segment = proc._store.batches.new()
            fill(Batch(segment, proc._maker, "default", "acme"))
            return segment

        enqueue["blocks held"] = blocks_held(bodies)
        found = {f"enqueue: {name}": value for name, value in enqueue.items()}
        found |= {f"run: {name}": value for name, value in run.items()}
        print({name: round(value, 4) for name, value in found.items()})
        assert found.keys() == LIMITS.keys()
        assert {name: value for name, value in found.items() if value > LIMITS[name]} == {}
