"""How many tasks a tenant is given at its turn: one, or several where a turn costs more than they do.

A turn is a dozen commands in Redis, whatever the tenant is given. Where each task takes a few milliseconds at most, eight
of one tenant hold up the next for less than one task of others would, and a claim looks at an eighth of the tenants. Many in
a row have to be short, and nothing may run for longer: handlers' time is what has to be shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taskproc.worker.execution import Execution
from taskproc.worker.settler import Entry

AT_ONCE = 8
"""How many short tasks a tenant is given at its turn."""

SHORT_US = 5_000
"""Below this a handler's time is short."""

STREAK = 1_000
"""How many have to have been short in a row."""

LONG_MS = 50
"""So long after its claim nothing short is still held."""


class Quantum:
    """What a worker knows of how long its tasks take now."""

    def __init__(self, held: Mapping[str, Execution]) -> None:
        self._held = held
        self._short = 0

    def note(self, ended: Sequence[Entry]) -> None:
        """Take over what is settled now."""
        longest = max((us for _, us, _ in ended), default=0)
        self._short = self._short + len(ended) if longest < SHORT_US else 0

    def rest(self) -> None:
        """Nothing runs, and nothing is ready: what comes next may be of another kind."""
        self._short = 0

    def at_once(self, now_ms: int) -> int:
        """How many tasks a tenant is given at its turn; ``now_ms`` by the server's clock."""
        if self._short < STREAK:
            return 1
        oldest = next(iter(self._held.values()), None)
        return 1 if oldest is not None and now_ms - oldest.claims.claimed_ms > LONG_MS else AT_ONCE
