"""What a handler returns, as JSON and back as the type that it says it returns.

A result must never cost a task its end: what can't be stored is not kept, and the record says why. So the rules are softer
than those of arguments: a value that isn't of the annotated type is stored as plain JSON, and comes back as what of the
type can be made of that, or as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from taskproc.arguments import Slot
from taskproc.errors import ArgumentError, CorruptTask, TaskprocError
from taskproc.injection import hints


class Unkept(TaskprocError):
    """A result can't be kept; its text says why, and nothing of the value."""


class Results:
    """What one handler returns."""

    def __init__(self, handler: str, function: Callable[..., object]) -> None:
        self._handler = handler
        self._slot = _slot(handler, hints(function).get("return", Any))

    def dump(self, value: object) -> bytes:
        """The result as JSON. Raises Unkept."""
        try:
            return self._slot.dump(self._handler, value)
        except Exception:  # its own serializers and comparisons may raise anything
            pass
        try:
            return orjson.dumps(value)
        except Exception:
            raise Unkept(f"a value of type {type(value).__qualname__} can't be stored as JSON") from None

    def load(self, stored: bytes) -> object:
        """The result as the type that the handler says it returns, or as plain JSON. Raises CorruptTask."""
        value = load_plain(stored)
        try:
            return self._slot.load(self._handler, value)
        except CorruptTask:
            return value


def load_plain(stored: bytes) -> object:
    """A result of a handler that isn't known here. Raises CorruptTask."""
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:
        raise CorruptTask("the result can't be read") from None


def _slot(handler: str, annotation: object) -> Slot:
    try:
        return Slot(handler, "return", annotation)
    except ArgumentError:  # a type that isn't known when the program runs, or can't be stored
        return Slot(handler, "return", Any)
