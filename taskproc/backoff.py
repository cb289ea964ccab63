"""The delay before a task's next attempt."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskproc.errors import InvalidValue
from taskproc.values import Duration, milliseconds

Backoff = Duration | Sequence[Duration] | Callable[[int], Duration]
"""A fixed delay, one for each attempt (the last goes on), or a function of the attempt that failed, from 1."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """``first`` seconds doubling with each attempt up to ``cap``, each up to a quarter longer at random.

    The jitter only adds, so that a delay is never shorter than it says.
    """

    first: float = 1.0
    cap: float = 600.0
    jitter: float = 0.25

    def __call__(self, attempt: int) -> float:
        delay = min(self.first * 2.0 ** min(attempt - 1, 60), self.cap)
        return delay * random.uniform(1.0, 1.0 + self.jitter)


def check(backoff: Backoff) -> Callable[[int], Duration]:
    """A backoff as a function. Raises InvalidValue for anything else."""
    if callable(backoff):
        return backoff
    if isinstance(backoff, Sequence) and not isinstance(backoff, str | bytes):
        if not backoff:
            raise InvalidValue("backoff=[]: give at least one delay")
        delays = tuple(milliseconds("backoff", delay) / 1000 for delay in backoff)
        return lambda attempt: delays[min(attempt, len(delays)) - 1]
    fixed = milliseconds("backoff", backoff) / 1000
    return lambda attempt: fixed
