"""What tests of limits have in common: limited tasks for scripts that a test calls itself, and overlaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskproc import Batch, LimitInfo, TaskProcessor
from taskproc.store.scripts import to_json
from tests.direct import PAYLOAD, Direct
from tests.harness import Record

H, G = "a" * 10, "b" * 10
"""Two handlers, as their limits name them."""


def body(local: int, limit: str = H) -> bytes:
    """The body of a task with a limit, or of one without."""
    return f"{local:010}".encode() + (b'+{"l":"' + limit.encode() + b'"}\n' if limit else b".") + PAYLOAD


def allow(direct: Direct, name: str = H, mark: str = "", **words: Any) -> None:
    """Set a limit."""
    direct.once("limit_set", name, mark, to_json(words) if words else "")


def crowd(
    direct: Direct,
    limits: Sequence[str],
    tenant: str = "acme",
    *,
    queue: str = "q",
    into: str | None = None,
    batch: str = "",
) -> str:
    """A batch of ready tasks with these limits, in their order; each on the list of its limit, or all on one."""
    places: dict[str, list[bytes]] = {}
    for local, limit in enumerate(limits):
        places.setdefault(limit if into is None else into, []).append(body(local, limit))
    lists = to_json([["r", queue, len(found), 0, False, 0, 0, *filter(None, [name])] for name, found in places.items()])
    bodies = [one for found in places.values() for one in found]
    answer = direct.once("batch_create", batch or direct.new(), tenant, "", "", "", lists, 0, *bodies)
    assert answer[0] == b"ok", answer
    return str(answer[1].decode())


def waiting(direct: Direct, limit: str = H, queue: str = "q") -> list[str]:
    """The batches whose lists wait for a limit, in their turn."""
    return [seg.decode()[:22] for seg in direct.client.zrange(direct.key("park", limit, queue), 0, -1)]


def slots(direct: Direct, limit: str = H) -> int:
    """How many slots of a limit are taken."""
    return int(direct.client.scard(direct.key("lim", limit)))


def most_at_once(records: Iterable[Record]) -> int:
    """How many tasks ran at once at most."""
    running = most = 0
    for record in records:
        running += {"start": 1, "end": -1}.get(record["event"], 0)
        most = max(most, running)
    return most


def many(handler: Callable[..., Any], n: int, *args: Any) -> Callable[[Batch], None]:
    """Builds a batch of equal tasks."""

    def build(batch: Batch) -> None:
        for _ in range(n):
            batch.enqueue(handler, *args)

    return build


async def limit(proc: TaskProcessor, name: str) -> LimitInfo:
    """What is told of a handler's limit."""
    return next(info for info in await proc.get_limits() if info.name.endswith("." + name))
