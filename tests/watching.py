"""What tests look at again and again: batches, queues, continuations, retries, dead letters."""

from __future__ import annotations

from itertools import pairwise

from taskproc import BatchState, TaskInfo, TaskProcessor
from taskproc.store import WorkerStore
from tests.harness import Instance, Record, until

BARE = {"", ":a"}
"""Keys of a batch that has nothing more to run: its record, and what was appended to it."""


def fired(instance: Instance) -> list[Record]:
    """The continuations that have run."""
    return [r for r in instance.recorded("ran") if r.get("continuation")]


def gaps(instance: Instance, *, tag: object = None) -> list[float]:
    """The times between starts."""
    at = [r["at"] for r in instance.recorded("start", tag=tag)]
    return [later - earlier for earlier, later in pairwise(at)]


async def dead(proc: TaskProcessor, count: int = 1) -> list[TaskInfo]:
    """The dead letters, once there are so many."""

    async def check() -> list[TaskInfo]:
        found = await proc.get_dead_tasks(take=1_000)
        return found if len(found) >= count else []

    found: list[TaskInfo] = await until(check)
    assert len(found) == count
    return found


async def record_of(proc: TaskProcessor, task_id: str) -> TaskInfo:
    """What is known of a task that is known."""
    info = await proc.get_task(task_id)
    assert info is not None
    return info


async def state_of(proc: TaskProcessor, batch_id: str) -> BatchState:
    """The state of a batch."""
    info = await proc.get_batch(batch_id)
    assert info is not None
    return info.state


async def counts(proc: TaskProcessor, queue: str = "default") -> tuple[int, int, int, int]:
    """Ready, running, delayed and dead tasks of a queue."""
    info = await proc.get_queue(queue)
    return info.ready, info.running, info.delayed, info.dead


async def emptied(proc: TaskProcessor, seconds: float = 10) -> None:
    """Wait until nothing runs and nothing is left in the queue."""

    async def empty() -> bool:
        return await counts(proc) == (0, 0, 0, 0)

    await until(empty, seconds)


async def prune(instance: Instance, proc: TaskProcessor) -> None:
    """Prune all that has ended by now, as far as one round of a worker's upkeep goes."""
    store = WorkerStore(proc._store.target, instance.name, [], 1_000)
    while await store.work.prune(0):
        pass
    await store.close()
