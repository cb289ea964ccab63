"""What statistics say: the records of steps, added up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import orjson

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


def sum_of(state: dict[str, Any], span: str) -> Told:
    """What all minutes or hours of a dump say together; an empty name is that of a whole queue."""
    found: Told = defaultdict(Counter)
    for name, sums in state.items():
        if name.startswith(f"sum:{span}:"):
            for place, stored in sums.items():
                queue, _, tenant = place.decode().partition("\0")
                found[queue, tenant].update(dict(zip(ENDS, orjson.loads(stored)[:4], strict=True)))
    return found


class Died(Exception):
    """Whoever summed up is gone."""


class Scripted:
    """The scripts of statistics, by a call that takes a name and arguments. Whoever uses it dies before it writes more than
    ``puts`` parts."""

    def __init__(self, call: Callable[..., Any], *, puts: int = 10**9) -> None:
        self._call = call
        self._puts = puts

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            if name == "stats_put":
                self._puts -= 1
                if self._puts < 0:
                    raise Died
            return self._call(name, *args)

        return call

    def statistics(self) -> Statistics:
        """Statistics that call these."""
        return Statistics(self)  # type: ignore[arg-type]
