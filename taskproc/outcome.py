"""How an execution of a task ends: what handlers raise, and the outcome values that settle it.

A handler returns (done), raises (a failed attempt), or raises one of ``Retry``, ``Snooze``, ``RateLimited``,
``Bury`` and ``Cancel``. The executor makes one outcome of it, and one place turns outcomes into settlements.
"""

from dataclasses import dataclass

from taskproc.values import Duration, milliseconds


class Signal(Exception):
    """What a handler raises to say how its attempt ends."""


class Retry(Signal):
    """Try again after a delay (None: the task's backoff); no error is logged; the attempt counts."""

    def __init__(self, delay: Duration | None = None) -> None:
        super().__init__(delay)
        self.delay_ms = None if delay is None else milliseconds("delay", delay)


class Snooze(Signal):
    """Run again after a delay; the attempt doesn't count."""

    def __init__(self, delay: Duration) -> None:
        super().__init__(delay)
        self.delay_ms = milliseconds("delay", delay)


class RateLimited(Signal):
    """Something outside takes no more for a while: the task's limit, its key or its handler, waits so long.

    The task is handed back and the attempt doesn't count. Where the handler has no limit, this task alone waits.
    """

    def __init__(self, retry_after: Duration) -> None:
        super().__init__(retry_after)
        self.delay_ms = milliseconds("retry_after", retry_after)


class Bury(Signal):
    """The task failed for good: it is dead at once, whatever attempts are left."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Cancel(Signal):
    """The task is cancelled for good."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned."""

    result: object = None


DONE = Done()
"""The handler returned nothing."""


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt failed, another follows after the delay."""

    delay_ms: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """The task failed for good."""

    error: BaseException
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The task was cancelled, by itself, by its batch or by a person."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """The task is handed back, the attempt not counted."""

    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Limited:
    """The task is handed back, the attempt not counted, and its limit waits."""

    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """This worker doesn't know the handler: handed back for another that may, for as long as the grace lasts."""

    delay_ms: int
    grace_ms: int
    error: BaseException


Outcome = Done | Again | Dead | Cancelled | Released | Limited | Unknown
