"""Functions for ``next_run``, and some that can't be one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

FIRST = datetime(2026, 3, 4, 12, tzinfo=UTC)


def doubling(last: datetime | None) -> datetime | None:
    """Twice as long after each run, until it is enough."""
    if last is None:
        return FIRST
    passed = last - FIRST
    return None if passed > timedelta(hours=3) else last + max(passed, timedelta(hours=1))


HIDDEN = doubling


def doubling(last: datetime | None) -> datetime | None:
    """Has taken the other's name."""
    return HIDDEN(last)


def backwards(last: datetime | None) -> datetime | None:
    """Goes back in time."""
    return FIRST if last is None else last


def naive(last: datetime | None) -> datetime | None:
    """Knows no time zone."""
    return datetime(2026, 3, 4)


def nonsense(last: datetime | None) -> Any:
    """Says something else."""
    return "soon"


async def later(last: datetime | None) -> datetime | None:
    """Has to be awaited."""
    return last


class Rules:
    """Has a method."""

    def method(self, last: datetime | None) -> datetime | None:
        """Is found in a class only."""
        return last


def local() -> Any:
    """A function that nobody finds."""

    def inner(last: datetime | None) -> datetime | None:
        return last

    return inner
