"""What can be told of a handler's exception, whose own methods may raise anything."""

from __future__ import annotations

import traceback
from typing import Any

FRAMES = 30


def type_name(error: BaseException) -> str:
    """Module and name of its class; only the name of a built-in one."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text(error: BaseException) -> str:
    """Its message."""
    try:
        return str(error)
    except Exception as problem:
        return f"<its text can't be had: {type(problem).__name__}>"


def told(error: BaseException) -> str:
    """Its traceback with its last frames."""
    try:
        lines = traceback.format_exception(error, limit=-FRAMES)
    except Exception:
        lines = [*traceback.format_tb(error.__traceback__, limit=-FRAMES), type_name(error)]
    return "".join(lines)


def carried(error: BaseException, name: str) -> Any:
    """What a handler's process told of an exception; None for one of this process."""
    return object.__getattribute__(error, "__dict__").get(name)
