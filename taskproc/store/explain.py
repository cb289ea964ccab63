"""Why a batch hasn't settled: where each of its tasks is, and what would have to happen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskproc.codec import handler_name, read_body
from taskproc.errors import CorruptTask
from taskproc.findings import BatchExplanation, BatchQueue, RunningTask
from taskproc.model import BatchInfo, BatchState, WorkerInfo
from taskproc.store.batches import Batches
from taskproc.store.queues import Queues
from taskproc.store.reasons import reasons
from taskproc.store.scripts import Reply, Scripts
from taskproc.values import from_ms

MOST_RUNNING = 1_000
LOOKS = 5


class Explaining:
    """Explains batches."""

    def __init__(self, scripts: Scripts, batches: Batches, queues: Queues) -> None:
        self._scripts = scripts
        self._batches = batches
        self._queues = queues

    async def explain(self, batch_id: str) -> BatchExplanation | None:
        """Where a batch's tasks are; None when there is no batch by that id.

        Running tasks are looked for in steps. Where tasks moved meanwhile it looks again, a few times; then it takes for
        running what is left, and none for missing.
        """
        workers = {worker.id: worker for worker in await self._queues.workers()}
        info, seen = await self._look(batch_id)
        if info is None:
            return None
        for _ in range(LOOKS):
            running = await self._running(info, workers)
            after, later = await self._look(batch_id)
            if after is None:
                return None
            still = (after, _places(later)) == (info, _places(seen))
            info, seen = after, later
            if still:
                break
        left = _left(info, seen)
        missing = max(0, left - len(running)) if still and len(running) < MOST_RUNNING else 0
        running = running if still else running[:left]
        queues = _queues(seen, running, list(workers.values()))
        paused, now = bool(seen[1]), from_ms(int(seen[0]))
        told = reasons(info, paused, now, queues, running, missing, list(workers.values()))
        return BatchExplanation(info, paused, tuple(queues), tuple(running), missing, tuple(told))

    async def _look(self, batch_id: str) -> tuple[BatchInfo | None, Reply]:
        info = await self._batches.get(batch_id)
        if info is None:
            return None, []
        seen = await self._scripts.batch_explain(batch_id)
        return (info, seen) if seen else (None, [])

    async def _running(self, info: BatchInfo, workers: dict[str, WorkerInfo]) -> list[RunningTask]:
        found: dict[str, RunningTask] = {}
        cursor = "0"
        while True:
            reply = await self._scripts.batch_running(info.id, cursor)
            for member, ends, queue, claimed, stopping, stored in reply[1:]:
                if stored:
                    stopping = stopping or info.state is BatchState.CANCELLED
                    found[member[:32].decode()] = _task(member.decode(), ends, queue, claimed, stopping, stored, workers)
            cursor = reply[0].decode()
            if cursor == "0" or len(found) >= MOST_RUNNING:
                return sorted(found.values(), key=lambda task: task.lease_until)


def _places(seen: Reply) -> Reply:
    """How many tasks wait where, without their place in line."""
    return [entry[:6] for entry in seen[3:]]


def _left(info: BatchInfo, seen: Reply) -> int:
    """How many tasks must be running, by what the batch counts and what waits."""
    return max(0, info.remaining - sum(int(entry[2]) + int(entry[3]) for entry in seen[3:])) or int(seen[2])


def _task(
    member: str, ends: bytes, queue: bytes, claimed: bytes, stopping: bool, stored: bytes, workers: dict[str, WorkerInfo]
) -> RunningTask:
    worker = member[32:54]
    try:
        body = read_body(stored)
        name = (body.text("h") or "") if body.stub else handler_name(body.payload)
        attempt = body.number("a") + 1
    except CorruptTask:
        name, attempt = "", 1
    return RunningTask(
        id=member[:32],
        name=name,
        queue=queue.decode(),
        attempt=attempt,
        worker=workers[worker].name if worker in workers else worker,
        worker_alive=worker in workers,
        claimed_at=from_ms(float(claimed)),
        lease_until=from_ms(float(ends)),
        cancelling=bool(stopping),
    )


def _queues(seen: Reply, running: list[RunningTask], workers: list[WorkerInfo]) -> list[BatchQueue]:
    runs = Counter(task.queue for task in running)
    found = []
    for name, mode, ready, delayed, dead, due, inside, *before, limited, held in seen[3:]:
        queue = name.decode()
        tenants, batches, tasks = (_known(n) for n in before)
        if not (ready or delayed or dead or runs[queue]):
            continue
        found.append(
            BatchQueue(
                name=queue,
                mode=mode.decode(),
                ready=ready,
                running=runs[queue],
                delayed=delayed,
                dead=dead,
                next_due=from_ms(float(due)) if due else None,
                in_line=bool(inside),
                limited=limited,
                tenants_before=tenants,
                batches_before=batches,
                tasks_before=tasks,
                workers=tuple(worker.name for worker in workers if queue in worker.queues),
                held=held.decode(),
            )
        )
    return found


def _known(number: Any) -> int | None:
    return None if number < 0 else int(number)
