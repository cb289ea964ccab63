"""One round of one peer: rates of enqueueing and draining, latency, sleeping tasks, memory, what they cost the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console

from benchmarks import tables
from benchmarks.arena import Arena
from benchmarks.catalogue import BOUND, Counts
from benchmarks.processes import Failed
from benchmarks.results import Results, percentile
from benchmarks.sections import Run
from benchmarks.servers import serving

NAME = "contest"

BYTES = 100
"""The size of a no-op task's text."""
NAP_MS = 100
GAP_MS = 5
WARM_UP = 30
SETTLE_SECONDS = 0.3
"""Until a server has freed what connections that have ended held, and workers have acknowledged."""

Step = Callable[[Arena, Counts], dict[str, float]]


def drain(arena: Arena, counts: Counts) -> dict[str, float]:
    """Fill and drain with one worker; memory on both sides, and the server's part."""
    tasks = counts.drain
    before = arena.server.read()
    bulk = arena.enqueue("bulk", tasks, BYTES)
    time.sleep(SETTLE_SECONDS)
    full = arena.server.read()
    with arena.workers("noop") as workers:
        rate = workers.drained(tasks)
        time.sleep(SETTLE_SECONDS)
        after, peak = arena.server.read(), workers.peak_memory()
    return {
        "bulk": bulk,
        "drain": rate,
        "redis_bytes": (full.memory - before.memory) / tasks,
        "worker_bytes": peak,
        "redis_us": (after.cpu - before.cpu) * 1e6 / tasks,
        "commands": (after.commands - before.commands) / tasks,
    }


def drain_by_two(arena: Arena, counts: Counts) -> dict[str, float]:
    """Fill and drain with two workers."""
    tasks = 2 * counts.drain
    arena.enqueue("bulk", tasks, BYTES)
    with arena.workers("noop", processes=2) as workers:
        return {"drain_two": workers.drained(tasks)}


def single(arena: Arena, counts: Counts) -> dict[str, float]:
    """Enqueue one at a time."""
    return {"single": arena.enqueue("single", counts.single)}


def latency(arena: Arena, counts: Counts) -> dict[str, float]:
    """From the call that enqueues to the handler, on a worker with nothing else to do; milliseconds."""
    with arena.workers("stamps") as workers:
        arena.adapter("stamps", WARM_UP, GAP_MS)
        workers.wait(WARM_UP)
        left_out = workers.hits.calls()
        arena.adapter("stamps", counts.stamps, GAP_MS)
        workers.wait(WARM_UP + counts.stamps)
        waits = [wait / 1e6 for wait in workers.hits.waits(left_out)]
    return {f"p{share}": percentile(waits, share) for share in (50, 95, 99)}


def naps(arena: Arena, counts: Counts) -> dict[str, float]:
    """Tasks that sleep: seconds from the first one's start to the last one's end, over what is ideal."""
    arena.adapter("naps", counts.naps, NAP_MS)
    with arena.workers("naps") as workers:
        seen = workers.wait(counts.naps)
    seconds = (seen.last - seen.first) / 1e9 + NAP_MS / 1000
    return {"naps": seconds}


BOUNDED = ("drain", "single", "latency")
"""The steps that the yardstick stands for."""
STEPS: tuple[Step, ...] = (drain, drain_by_two, single, latency, naps)


def once(arena: Arena, counts: Counts, steps: tuple[Step, ...] = STEPS) -> tuple[dict[str, float], dict[str, str]]:
    """What one round of a peer gave, and why steps failed, by their names."""
    found: dict[str, float] = {}
    failures: dict[str, str] = {}
    for step in steps:
        arena.server.flush()
        try:
            found |= step(arena, counts)
        except Failed as failure:
            failures[step.__name__] = str(failure)
    return found, failures


def measure(run: Run, number: int) -> None:
    """A round of every peer."""
    for name, peer in run.peers.items():
        print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
        counts = peer.counts.quick() if run.quick else peer.counts
        steps = tuple(step for step in STEPS if name != BOUND or step.__name__ in BOUNDED)
        with serving(run.binary) as server:
            found, failures = once(Arena(run.commands[name], server), counts, steps)
        result = run.results.peers[name]
        result.rounds.append(found)
        result.failures |= failures


def show(results: Results, console: Console) -> None:
    """Print all of it."""
    tables.show(results, console)
