"""Unique tasks for tests, through the scripts alone, and what is stored of their locks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from taskproc import TaskProcessor
from taskproc.store.scripts import to_json
from tests.direct import PAYLOAD, Answer, Direct
from tests.harness import Instance

KEY = "k" * 22


def locks(instance: Instance) -> dict[bytes, bytes]:
    """The unique locks that are stored."""
    found: dict[bytes, bytes] = instance.client.hgetall(f"{{{instance.name}}}:uniq")
    return found


def noted(instance: Instance) -> list[str]:
    """The keys in which batches note their locks."""
    return [name for name in instance.names(":u") if name.endswith(":u")]


async def drained(proc: TaskProcessor) -> None:
    """Upkeep takes away what holds nothing."""
    while (await proc._store._scripts.unique_prune(500))[1] >= 500:
        pass


def task(local: int, key: str = KEY, lasts: int = 0, payload: bytes = PAYLOAD) -> bytes:
    """The body of a unique task, or of a plain one."""
    ext = {"u": key, **({"v": lasts} if lasts else {})}
    return (
        f"{local:010}".encode() + (b"+" + json.dumps(ext, separators=(",", ":")).encode() + b"\n" if key else b".") + payload
    )


def listed(*bodies: bytes, queue: str = "q", delay: int = 0) -> tuple[bytes, Sequence[bytes]]:
    """A list of them and the bodies."""
    return to_json([["d" if delay else "r", queue, len(bodies), delay, False, 0, 1]]), bodies


def create(direct: Direct, *bodies: bytes, batch: str = "", tenant: str = "acme", ends: Sequence[bytes] = ()) -> Answer:
    """Create a batch."""
    lists, given = listed(*bodies)
    return direct.once("batch_create", batch or direct.new(), tenant, "", "", "", lists, len(ends), *ends, *given)


def batch_of(direct: Direct, *bodies: bytes, **about: Any) -> str:
    """A batch's id."""
    answer = create(direct, *bodies, **about)
    assert answer[0] == b"ok", answer
    return str(answer[1].decode())


def single(direct: Direct, local: int, lasts: int = 0, idem: str = "", key: str = KEY, delay: int = 0) -> str:
    """A single unique task's answer."""
    lists, given = listed(task(local, key, lasts), delay=delay)
    answer = direct.once("task_enqueue", "acme", "acme", idem, 10_000, lists, f"{local:010}", *given)
    return str(answer[-1].decode())


def append(direct: Direct, batch: str, *bodies: bytes) -> Answer:
    """Append to a batch."""
    lists, given = listed(*bodies)
    return direct.once("batch_append", batch, "acme", "", lists, *given)


def stage(direct: Direct, seg: str, *bodies: bytes, chunk: int = 0) -> Answer:
    """Stage a chunk."""
    lists, given = listed(*bodies)
    return direct.call("batch_stage", seg, chunk, 1, lists, *given)


def commit(direct: Direct, seg: str, count: int) -> Answer:
    """Commit what was staged."""
    sizes = to_json([["r", "q", count, False, 1]] if count else [])
    if len(seg) == 22:
        return direct.once("batch_commit", seg, "acme", "", "", "", sizes)
    return direct.once("segment_commit", seg[:22], "acme", seg, "", sizes)


def holder(direct: Direct, key: str = KEY) -> str:
    """Who has a lock, or what is told instead."""
    return str(direct.call("unique_read", key)[-1].decode())


def stored(direct: Direct) -> dict[str, str]:
    """All locks that are stored."""
    return direct.record("uniq")


def prune(direct: Direct, limit: int = 500) -> int:
    """Upkeep of locks that leaves nothing out; how many it looked at."""
    answer = direct.call("unique_prune", limit)
    assert (answer[0], answer[-1]) == (b"ok", []), answer
    return int(answer[1])


def flat(given: tuple[bytes, Sequence[bytes]]) -> list[bytes]:
    """A list and its bodies as arguments."""
    return [given[0], *given[1]]
