"""What tests work out from records, and bounds that a busy machine must not break."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tests.harness import Record


def overlap(records: Sequence[Record]) -> int:
    """How many handlers ran at the same time at most; the records are in the order in which the server took them."""
    running = most = 0
    for record in records:
        running += 1 if record["event"] == "start" else -1
        most = max(most, running)
    return most


def wall(records: Sequence[Record]) -> float:
    """Seconds from the first to the last record, by the server's clock."""
    return float(records[-1]["at"] - records[0]["at"])


async def in_time(measure: Callable[[], Awaitable[float]], bound: float, tries: int = 4) -> None:
    """Hold that something takes less than so many seconds; a busy machine may spoil all tries but one."""
    found: list[float] = []
    while not found or (found[-1] >= bound and len(found) < tries):
        found.append(await measure())
    assert found[-1] < bound, f"it took {found} s, {bound} s or more each time"
