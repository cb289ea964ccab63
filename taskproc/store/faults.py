"""What an error of Redis or of the connection means for a call: whether it may have been done, and what next.

Redis 6.2 wraps errors raised inside scripts in a plain message, so errors are told apart by words too.
"""

from __future__ import annotations

from enum import Enum

import redis
from redis import exceptions


class Fault(Enum):
    """What to do about a failed call."""

    SCRIPT = "the node does not know the script: send its text"
    AGAIN = "not done: the node can't serve now, try again"
    ELSEWHERE = "not done: the primary or the slot has moved, look for it and try again"
    ASK = "not done: the slot is on its way, ask its next owner"
    FULL = "not done: Redis is out of memory"
    UNKNOWN = "the answer was lost: it may have been done"
    FATAL = "a mistake of ours or of the server's set-up: trying again is no use"


KINDS: tuple[tuple[type[Exception], Fault], ...] = (
    (exceptions.NoScriptError, Fault.SCRIPT),
    (exceptions.MovedError, Fault.ELSEWHERE),
    (exceptions.AskError, Fault.ASK),
    (exceptions.ReadOnlyError, Fault.ELSEWHERE),
    (exceptions.OutOfMemoryError, Fault.FULL),
    (exceptions.BusyLoadingError, Fault.AGAIN),
    (exceptions.TryAgainError, Fault.AGAIN),
    (exceptions.ClusterDownError, Fault.AGAIN),
    (exceptions.AuthenticationError, Fault.FATAL),
)
WORDS = {
    "NOSCRIPT": Fault.SCRIPT,
    "OOM command not allowed": Fault.FULL,
    "READONLY": Fault.ELSEWHERE,
    "non local key": Fault.AGAIN,
    "LOADING": Fault.AGAIN,
    "BUSY Redis": Fault.AGAIN,
    "BUSY Valkey": Fault.AGAIN,
    "TRYAGAIN": Fault.AGAIN,
    "NOREPLICAS": Fault.AGAIN,
    "MISCONF": Fault.AGAIN,
    "CLUSTERDOWN": Fault.AGAIN,
    "MASTERDOWN": Fault.AGAIN,
    "max number of clients": Fault.AGAIN,
}


def classify(error: BaseException, sent: bool) -> Fault:
    """The fault behind an error; ``sent``: the call had been written when the connection broke."""
    for kind, fault in KINDS:
        if isinstance(error, kind):
            return fault
    if isinstance(error, redis.ResponseError):
        text = f"{getattr(error, 'status_code', '') or ''} {error}"
        return next((fault for word, fault in WORDS.items() if word in text), Fault.FATAL)
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError | TimeoutError):
        return Fault.UNKNOWN if sent else Fault.AGAIN
    return Fault.FATAL
