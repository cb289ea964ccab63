"""Middleware that comes along: ``TaskProcessor(middleware=[log_tasks])``."""

from __future__ import annotations

import logging
import time
from typing import Any

from taskproc.context import TaskContext
from taskproc.errors import TaskCancelled
from taskproc.options import CallNext
from taskproc.outcome import Bury, Cancel, Retry, Snooze
from taskproc.worker.telling import text, type_name

logger = logging.getLogger("taskproc.tasks")

MESSAGE = 500

STOPPED = {"cancelled": "cancelled", "timeout": "failed", "lost": "lost", "stopping": "released"}
"""What becomes of a task that was told to stop."""


async def log_tasks(ctx: TaskContext, call_next: CallNext) -> Any:
    """Log each execution's start and end to ``taskproc.tasks``, with ids and durations as fields and never arguments.

    The fields (``extra``): ``event``, ``task_id``, ``handler``, ``tenant``, ``queue``, ``batch_id``, ``attempt``, and at
    the end ``duration_ms``, and ``error`` with its type and message. ``event`` is started, done, failed, cancelled, retried,
    snoozed, released (its worker stops) or lost.
    """
    began = time.perf_counter()
    _log(logging.INFO, ctx, "started")
    try:
        result = await call_next(ctx)
    except BaseException as error:
        ms = _since(began)
        event, told = _ended(ctx, error)
        level = logging.ERROR if event == "failed" else logging.WARNING if event == "lost" else logging.INFO
        _log(level, ctx, event, ms, told)
        raise
    if ctx.stop_reason == "timeout":  # as in a thread, which goes on until it returns
        _log(logging.ERROR, ctx, "failed", _since(began), "it passed its time limit")
    else:
        _log(logging.INFO, ctx, "done", _since(began))
    return result


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


def _ended(ctx: TaskContext, error: BaseException) -> tuple[str, str]:
    """What an error means, and what is to be told of it."""
    if ctx.stop_reason is not None:
        return STOPPED[ctx.stop_reason], "it passed its time limit" if ctx.stop_reason == "timeout" else ""
    match error:
        case Retry():
            return "retried", ""
        case Snooze():
            return "snoozed", ""
        case Cancel(reason=reason):
            return "cancelled", reason
        case Bury(reason=reason):
            return "failed", reason
        case TaskCancelled():
            return "failed", type_name(error)
    return "failed", f"{type_name(error)}: {text(error)}"[:MESSAGE]


def _log(level: int, ctx: TaskContext, event: str, ms: float | None = None, told: str = "") -> None:
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "event": event, "task_id": ctx.id, "handler": ctx.name, "tenant": ctx.tenant, "queue": ctx.queue,
        "batch_id": ctx.batch_id, "attempt": ctx.attempt,
    }  # fmt: skip
    if ms is not None:
        fields["duration_ms"] = ms
    if told:
        fields["error"] = told
    after = "" if ms is None else f" after {ms:g} ms"
    logger.log(level, "task %s (%s) %s%s%s", ctx.id, ctx.name, event, after, f": {told}" if told else "", extra=fields)
