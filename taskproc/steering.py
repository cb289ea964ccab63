"""What calls that steer a whole tenant tell of what they did."""

from __future__ import annotations

from dataclasses import dataclass


class Moved(int):
    """How many tasks were moved, which also tells the ids of those that could not be, 1,000 at most: ``stayed``.

    A task stays whose body can't be read, or whose payload's seal doesn't verify, or is under keys that this process lacks.
    """

    stayed: tuple[str, ...] = ()

    @classmethod
    def of(cls, count: int, stayed: tuple[str, ...]) -> Moved:
        """So many, and those that stayed."""
        made = cls(count)
        made.stayed = stayed
        return made


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge has deleted of a tenant, and the proof that nothing is left.

    ``cancelled``: tasks that waited or ran; ``batches``, ``schedules``; ``keys``: keys of the tenant's own; ``fields``:
    what it had in keys of all tenants, such as places in indexes, locks and idempotency keys. ``looked``: how many keys
    and entries the proof has looked at; ``left``: what it found of the tenant, 1,000 names at most. A purge that was cut
    short before tells what was left to it.
    """

    tenant: str
    cancelled: int
    batches: int
    schedules: int
    keys: int
    fields: int
    looked: int
    left: tuple[str, ...]

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the tenant is left."""
        return not self.left
