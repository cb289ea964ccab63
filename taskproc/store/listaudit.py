"""The part of an audit that holds lists of tasks against what must point to them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from taskproc.ids import BATCH_LENGTH
from taskproc.store.reading import chunks
from taskproc.store.scripts import Reply, to_json

if TYPE_CHECKING:
    from taskproc.store.audit import Audit

LISTS, READY = 50, 200

List = tuple[str, str, str]
"""Segment, kind and queue of a list."""


class Lists:
    """Looks at all lists."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def run(self) -> None:
        """Look at each."""
        async for page in self._audit.names("b:*:*"):
            for some in chunks(filter(None, map(_list, page)), LISTS):
                async for reply in self._audit.parts(
                    some, lambda lists: self._audit.ask(self._audit.scripts.audit_lists, to_json(lists)), _list_name
                ):
                    self._of_lists(reply)

    def _of_lists(self, reply: Reply) -> None:
        self._audit.note(reply)
        for kind, _, queue, counted, there, mark, tenant in (e for e in reply[1:] if len(e) == 7):
            if kind == b"unlined" and not counted and not mark:
                self._audit.extra[queue.decode(), tenant.decode("utf-8", "replace")] += there

    async def count_ready(self) -> Counter[tuple[str, str]]:
        """Count the ready tasks of tenants in queues, by their lists."""
        seen: dict[tuple[str, str], tuple[str, int]] = {}
        async for page in self._audit.names("b:*:r:*"):
            for some in chunks(filter(None, map(_list, page)), READY):
                async for reply in self._audit.parts(some, self._ready, _list_name):
                    seen |= {(seg, queue): (tenant.decode("utf-8", "replace"), n) for seg, queue, tenant, n in reply}
        ready: Counter[tuple[str, str]] = Counter()
        for (_, queue), (tenant, n) in seen.items():
            ready[queue, tenant] += n
        return ready

    async def _ready(self, lists: list[List]) -> Reply:
        places = [(seg, queue) for seg, _, queue in lists]
        found = await self._audit.scripts.audit_ready(to_json(places))
        return [(*place, *told) for place, told in zip(places, found, strict=True)]


def _list_name(one: List) -> str:
    seg, kind, queue = one
    return f"batch {seg[:BATCH_LENGTH]}, {kind} {queue}".rstrip()


def _list(name: str) -> List | None:
    """Segment, kind and queue of a key's name, where it is a list of tasks, of staged ones, or of locks."""
    _, seg, kind, *queue = name.split(":")
    if kind in ("staged", "rec", "u") or (kind in ("r", "d", "x") and queue):
        return seg, kind, queue[0] if queue else ""
    return None
