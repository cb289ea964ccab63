"""Hooks that go wrong."""

from __future__ import annotations

import asyncio
from typing import Any


async def raising(*args: Any) -> Any:
    """Raises."""
    raise RuntimeError("a hook is broken")


async def ending(*args: Any) -> Any:
    """Asks the program to end."""
    raise SystemExit(1)


async def cancelling(*args: Any) -> Any:
    """Raises a cancel of its own."""
    raise asyncio.CancelledError


async def negative(*args: Any) -> Any:
    """Gives a delay below zero."""
    return -1


async def nonsense(*args: Any) -> Any:
    """Gives a delay that is no number."""
    return "soon"


def not_async(*args: Any) -> Any:
    """Is no async function."""
    return 5
