"""Schedules in code: ``@schedule`` on a handler, which workers create when they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import FunctionType
from typing import Any, TypeVar

from taskproc.errors import HandlerError, InvalidValue
from taskproc.handlers import MARK, plain_function, task, where
from taskproc.schedule import Misfire, NextRun, Schedule, schedule_id
from taskproc.values import Duration, shown

F = TypeVar("F", bound=Callable[..., Any])

SCHEDULES = "__taskproc_schedules__"


@dataclass(frozen=True)
class Coded:
    """A schedule that code declares; without an id it goes by its handler's name."""

    schedule: Schedule
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def named(self, handler: str) -> Schedule:
        """The schedule, under its id."""
        return self.schedule if self.schedule.id else replace(self.schedule, id=handler)


def schedule(
    cron: str | None = None,
    /,
    *,
    tenant: str,
    id: str | None = None,
    queue: str = "default",
    label: str = "",
    timezone: str = "UTC",
    unique: bool = False,
    expire: Duration | None = None,
    misfire: Misfire = "once",
    every: Duration | None = None,
    next_run: NextRun | str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    jitter: Duration | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Mark a handler to run by a schedule that workers create when they start, as ``Schedule`` has it.

    Without ``id`` it goes by the handler's name. It is changed when the code changes; one that a person has paused stays
    paused. A schedule that the code no longer names is kept and doesn't fire. A function that is no handler becomes one.
    ``args`` and ``kwargs`` are what the handler is called with. Raises InvalidValue for what makes no sense, but for six
    fields, which the processor's ``cron_seconds`` decides about; HandlerError for what can't be a handler.
    """
    if id is not None:
        schedule_id(id)
    made = Schedule(
        "" if id is None else id, tenant, cron, queue, label, timezone, unique, expire, misfire,
        every=every, next_run=next_run, start=start, end=end, jitter=jitter,
    )  # fmt: skip
    replace(made, id="checked" if id is None else id).check(cron_seconds=True)
    if not isinstance(args, list | tuple):
        raise InvalidValue(f"args={shown(args)}: give a tuple of arguments")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InvalidValue(f"kwargs={shown(kwargs)}: give a dictionary of arguments")
    coded = Coded(made, tuple(args), dict(kwargs or {}))

    def mark(function: F) -> F:
        plain = plain_function(function)
        if not hasattr(plain, MARK):
            task(function)
        setattr(plain, SCHEDULES, (*getattr(plain, SCHEDULES, ()), coded))
        return function

    return mark


def schedules_of(function: FunctionType) -> tuple[Coded, ...]:
    """The schedules that code declares for a handler."""
    found: tuple[Coded, ...] = getattr(function, SCHEDULES, ())
    return found


def check_ids(found: Sequence[tuple[Schedule, FunctionType]]) -> None:
    """Raises HandlerError where two schedules of a tenant have one id."""
    seen: dict[tuple[str, str], FunctionType] = {}
    for one, function in found:
        other = seen.get((one.tenant, one.id))
        if other is not None:
            raise HandlerError(
                f"two schedules of tenant {one.tenant} have the id {one.id!r}: give those of {where(other)} and"
                f" {where(function)} ids of their own"
            )
        seen[one.tenant, one.id] = function
