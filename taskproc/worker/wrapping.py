"""Middleware: what goes around each execution, the first outermost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from taskproc.context import TaskContext
from taskproc.errors import HandlerError
from taskproc.injection import Wants, named, wants
from taskproc.options import Middleware
from taskproc.worker.instances import Making

Innermost = Callable[[], Awaitable[Any]]


class Wrapping:
    """A worker's middleware, made ready once."""

    def __init__(self, given: Sequence[Middleware], making: Making) -> None:
        self._making = making
        self._steps: list[tuple[Middleware, str, Wants]] = [(one, _name(one), wants(_name(one), one)) for one in given]
        for _, _, asked in self._steps:
            making.check(asked)

    async def run(self, context: TaskContext, innermost: Innermost) -> Any:
        """Go through all, and what they wrap; what the outermost returns or raises."""
        return await self._step(0, innermost, context)

    async def _step(self, index: int, innermost: Innermost, context: TaskContext) -> Any:
        if index == len(self._steps):
            return await innermost()
        function, name, asked = self._steps[index]
        given = await self._making.of(context).fill(asked, name) if asked else {}
        called = function(context, partial(self._step, index + 1, innermost), **given)
        if not isinstance(called, Awaitable):
            raise HandlerError(f"{name} returned a {type(called).__name__}: middleware must be async")
        return await called


def _name(function: Any) -> str:
    return f"middleware {named(function) if hasattr(function, '__qualname__') else type(function).__qualname__}"
