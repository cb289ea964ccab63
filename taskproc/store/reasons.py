"""Why a batch hasn't settled, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from taskproc.findings import BatchQueue, RunningTask
from taskproc.model import BatchInfo, BatchState, WorkerInfo

MOST_TOLD = 20


def reasons(
    info: BatchInfo,
    paused: bool,
    now: datetime,
    queues: Sequence[BatchQueue],
    running: Sequence[RunningTask],
    missing: int,
    workers: Sequence[WorkerInfo],
) -> Iterator[str]:
    """One sentence for each thing that holds a batch, or that is left of it."""
    if info.state is not BatchState.RUNNING:
        yield f"It has settled: {info.state.value} at {info.ended_at:%Y-%m-%d %H:%M:%S} UTC."
    elif info.remaining == 0:
        yield "Nothing of it remains, but it hasn't settled: run `taskproc audit --repair`."
    else:
        yield f"It hasn't settled: {count(info.remaining)} of {info.total:,} remain{'s' if info.remaining == 1 else ''}."
        if paused and any(queue.ready for queue in queues):
            yield "The instance is paused, nothing is claimed: `taskproc resume` lets it go on."
    for queue in queues:
        yield from _waiting(info, queue, now, workers)
    for task in running[:MOST_TOLD]:
        yield _running(task, now)
    if len(running) > MOST_TOLD:
        yield f"{count(len(running) - MOST_TOLD)} more of it run."
    if missing:
        yield f"{count(missing)} of it {be(missing)} counted but nowhere to be found: run `taskproc audit`."


def _waiting(info: BatchInfo, queue: BatchQueue, now: datetime, workers: Sequence[WorkerInfo]) -> Iterator[str]:
    free = queue.ready - queue.limited
    if free and queue.held:
        yield f"{count(free)} {be(free)} ready in queue {queue.name}, {_held(info, queue)}."
    elif free:
        yield f"{count(free)} {be(free)} ready in queue {queue.name}, {_line(info, queue)}."
    if queue.limited:
        held = "limits of their handlers: `taskproc limits list` shows them"
        yield f"{count(queue.limited)} in queue {queue.name} wait{'s' if queue.limited == 1 else ''} for {held}."
    if (queue.ready or queue.delayed) and not queue.workers:
        yield f"No live worker serves queue {queue.name}: start one with --queues {queue.name}."
    elif queue.ready:
        serving = [worker for worker in workers if queue.name in worker.queues]
        slots, taken = sum(worker.slots for worker in serving), sum(worker.running for worker in serving)
        if taken >= slots:
            yield f"All {slots:,} slots of the workers that serve queue {queue.name} were taken when they last told."
    if queue.delayed:
        assert queue.next_due is not None
        due = f"the next is due {_when(queue.next_due, now)}"
        yield f"{count(queue.delayed)} {be(queue.delayed)} delayed in queue {queue.name}, {due}."
    if queue.dead:
        text = f"{be(queue.dead)} dead, which holds nothing: `taskproc dead list --batch {info.id}` shows them"
        yield f"{count(queue.dead)} of queue {queue.name} {text}."


def _held(info: BatchInfo, queue: BatchQueue) -> str:
    if queue.held == "paused":
        return f"but tenant {info.tenant} is paused: `taskproc tenants resume` lets it go on"
    return f"but the rules of tenant {info.tenant} leave it no room now: `taskproc tenants show` tells them"


def _line(info: BatchInfo, queue: BatchQueue) -> str:
    if not queue.in_line:
        return "but not in its line, so nobody takes them: run `taskproc audit --repair`"
    if queue.mode == "fifo":
        if queue.tasks_before is None:
            return "which is strict, deep in its line"
        return f"which is strict, with {count(queue.tasks_before)} before"
    if queue.batches_before is None:
        return f"deep in {info.tenant}'s turn"
    tenants, batches = queue.tenants_before or 0, queue.batches_before
    return (
        f"with {tenants:,} tenant{'' if tenants == 1 else 's'} and {batches:,} batch{'' if batches == 1 else 'es'} "
        f"of {info.tenant} before it in turn"
    )


def _running(task: RunningTask, now: datetime) -> str:
    since = (now - task.claimed_at).total_seconds()
    what = f"Task {task.id} ({task.name or 'unreadable'}) of queue {task.queue}"
    ends = f"its lease ends {_when(task.lease_until, now)}"
    stop = ", told to stop" if task.cancelling else ""
    if task.lease_until <= now:
        return f"{what} was leased to worker {task.worker}, attempt {task.attempt}; {ends}: the next rescue takes it back."
    if not task.worker_alive:
        return (
            f"{what} is leased to worker {task.worker}, which is gone, attempt {task.attempt}; {ends}: then it comes back."
        )
    return f"{what} has run for {since:.1f} s on worker {task.worker}, attempt {task.attempt}{stop}; {ends} unless renewed."


def _when(at: datetime, now: datetime) -> str:
    seconds = (at - now).total_seconds()
    clock = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return f"in {seconds:,.1f} s, at {clock}" if seconds >= 0 else f"{-seconds:,.1f} s ago, at {clock}"


def count(n: int) -> str:
    """A number of tasks."""
    return f"{n:,} task{'' if n == 1 else 's'}"


def be(n: int) -> str:
    """The verb for so many."""
    return "is" if n == 1 else "are"
