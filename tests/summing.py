"""What statistics say: the records of steps, added up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import redis

from taskproc.store.lua import load
from taskproc.store.statistics import Statistics

ENDS = ("done", "failed", "cancelled", "retried")

Told = dict[tuple[str, str], Counter[str]]
"""By queue and tenant: how many tasks ended in which way, executions, waits, handler µs and bytes."""


def told(records: list[bytes]) -> Told:
    """What records say, not yet summed up."""
    found: Told = {}
    for record in records:
        _, *entries = orjson.loads(record)
        for at in range(0, len(entries), 7):
            queue, tenant, us, size, runs, waits, ends = entries[at : at + 7]
            counts = found.setdefault((queue, tenant), Counter())
            counts += Counter(dict(zip(ENDS, ends, strict=True)) if isinstance(ends, list) else {"done": ends})
            counts.update({"us": us, "bytes": size, "runs": len(runs), "waits": len(waits)})
    return found


def ended(found: Told, queue: str, tenant: str) -> list[int]:
    """How many tasks were done, failed, cancelled and retried."""
    return [found.get((queue, tenant), Counter())[name] for name in ENDS]


class Scripted:
    """The scripts of statistics on a plain client, for ``Statistics``."""

    def __init__(self, client: redis.Redis, prefix: str, texts: dict[str, bytes] | None = None) -> None:
        self._client = client
        self._prefix = prefix
        self._texts = texts or {}
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            self.calls[name] += 1
            text = self._texts.get(name) or load(name).text
            return self._client.eval(text, 1, self._prefix + "~", self._prefix, *args)

        return call


def statistics(client: redis.Redis, prefix: str, texts: dict[str, bytes] | None = None) -> Statistics:
    """Statistics on a plain client."""
    return Statistics(Scripted(client, prefix, texts))  # type: ignore[arg-type]
