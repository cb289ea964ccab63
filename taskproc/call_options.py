"""The options of a call: a small frozen value, defaulted and checked in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Literal

from taskproc.errors import InvalidValue
from taskproc.handlers import KEEPS, Keep, Unique, unique_options
from taskproc.values import Duration, count, milliseconds, one_of, queue_name, shown, timestamp_ms

On = Literal["done", "settled", "failed", "cancelled"]

CONDITIONS = ("done", "settled", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Options of a call, apart from its arguments; None leaves a thing to the handler, the batch or the processor."""

    queue: str | None = None
    delay_ms: int | None = None
    due_ms: int | None = None
    max_attempts: int | None = None
    keep: Keep | None = None
    on: On = "done"
    idempotency_key: str | None = None
    unique: Unique | None = None
    unique_for_ms: int | None = None
    room_ms: int | None = None

    def extension(self) -> dict[str, object]:
        """What of them goes with the task."""
        found: dict[str, object] = {}
        if self.max_attempts is not None:
            found["m"] = self.max_attempts
        if self.keep is not None:
            found["k"] = self.keep[0]
        return found

    def of(self, keep: Keep | None) -> CallOptions:
        """These, and with them what a handler keeps, where Redis has to know it and the call says nothing else."""
        return replace(self, keep=keep) if keep == "all" and self.keep is None else self

    def merged(self, other: CallOptions) -> CallOptions:
        """These with what another sets put over them."""
        default = CallOptions()
        changes = {
            f.name: getattr(other, f.name) for f in fields(other) if getattr(other, f.name) != getattr(default, f.name)
        }
        return CallOptions(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **changes})


def call_options(
    *,
    queue: str | None = None,
    delay: Duration | None = None,
    delay_until: datetime | None = None,
    max_attempts: int | None = None,
    keep: Keep | None = None,
    on: On = "done",
    idempotency_key: str | None = None,
    unique: Unique | None = None,
    unique_for: Duration | None = None,
    room_timeout: Duration | None = None,
) -> CallOptions:
    """Options of a call from what a caller gave. Raises InvalidValue naming the one that makes no sense."""
    if delay is not None and delay_until is not None:
        raise InvalidValue("delay and delay_until: give one of them")
    if not one_of(on, CONDITIONS):
        raise InvalidValue(f"on={shown(on)}: use one of {', '.join(CONDITIONS)}")
    if not one_of(keep, KEEPS):
        raise InvalidValue(f"keep={shown(keep)}: use 'failed', 'all' or 'none'")
    if idempotency_key is not None and (not isinstance(idempotency_key, str) or not idempotency_key):
        raise InvalidValue(f"idempotency_key={shown(idempotency_key)}: use a text that is not empty")
    chosen, lasts = unique_options(unique, unique_for)
    return CallOptions(
        queue=None if queue is None else queue_name(queue),
        delay_ms=None if delay is None else milliseconds("delay", delay) or None,
        due_ms=None if delay_until is None else timestamp_ms("delay_until", delay_until),
        max_attempts=None if max_attempts is None else count("max_attempts", max_attempts),
        keep=keep,
        on=on,
        idempotency_key=idempotency_key,
        unique=chosen,
        unique_for_ms=lasts,
        room_ms=room_time(room_timeout),
    )


def room_time(given: Duration | None) -> int | None:
    """How long a call waits where there is no room for its tasks, in ms. Raises InvalidValue."""
    return None if given is None else milliseconds("room_timeout", given)


NO_OPTIONS = CallOptions()
