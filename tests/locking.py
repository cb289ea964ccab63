"""What tests of unique tasks look at."""

from __future__ import annotations

from taskproc import TaskProcessor
from tests.harness import Instance


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
