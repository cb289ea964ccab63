"""Closes what a task was given, although the task may be told to stop: for a while."""

from __future__ import annotations

import asyncio
import logging

import anyio

from taskproc.worker.execution import Execution
from taskproc.worker.instances import Instances, Raised
from taskproc.worker.scope import Scope

logger = logging.getLogger("taskproc")

CLOSE_SECONDS = 5.0
"""How long a task's services may take to close once it is told to stop."""


class Closing:
    """Stands for the scope of a task whose services close: told to stop, it is cancelled a while later."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """The task is told to stop."""
        self._timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._scope.cancel)

    def end(self) -> None:
        """They are closed."""
        if self._timer is not None:
            self._timer.cancel()


async def close(execution: Execution, scope: Scope, instances: Instances, error: Raised) -> Raised:
    """Close a task's services; what is left of its error, or what came up instead."""
    if not instances.open:
        return await instances.close(error)
    left: Raised
    try:
        left = await (_shielded if scope.used else _closed)(execution, scope, instances, error)
    except BaseException as problem:  # cut short, or the worker ends
        if scope.used:
            logger.warning("task %s: its services did not close within %g s", execution.task_id, CLOSE_SECONDS)
        return problem
    if left is not error and left is not None and (error is not None or execution.stop is not None):
        logger.warning("task %s: its services failed to close: %s", execution.task_id, type(left).__name__)
    return left


async def _closed(execution: Execution, scope: Scope, instances: Instances, error: Raised) -> Raised:
    execution.scope = closing = Closing(scope)
    if execution.stop is not None:  # in a thread, which went on
        closing.cancel()
    try:
        return await instances.close(error)
    finally:
        closing.end()


async def _shielded(_execution: Execution, _scope: Scope, instances: Instances, error: Raised) -> Raised:
    """The same when the scope is cancelled already."""
    with anyio.fail_after(CLOSE_SECONDS, shield=True):
        return await instances.close(error)
