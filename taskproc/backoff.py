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


@dataclass(frozen=True, slots=True)
class Steps:
    """A delay for each attempt; the last goes on."""

    delays: tuple[float, ...]

    def __call__(self, attempt: int) -> float:
        return self.delays[min(attempt, len(self.delays)) - 1]

    def __str__(self) -> str:
        return ", ".join(f"{delay:g}" for delay in self.delays)


def check(backoff: Backoff) -> Callable[[int], Duration]:
    """A backoff as a function. Raises InvalidValue for anything else."""
    if callable(backoff):
        return backoff
    if isinstance(backoff, Sequence) and not isinstance(backoff, str | bytes):
        if not backoff:
            raise InvalidValue("backoff=[]: give at least one delay")
        return Steps(tuple(milliseconds("backoff", delay) / 1000 for delay in backoff))
    return Steps((milliseconds("backoff", backoff) / 1000,))
