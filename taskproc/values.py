"""Values that callers pass: names, durations, times. What is refused is refused here, before anything is stored."""

import math
import re
from datetime import UTC, datetime, timedelta

from taskproc.errors import InvalidValue

Duration = timedelta | float | int
"""A ``timedelta``, or seconds as a number."""

LONGEST = timedelta(days=36525)
LAST_MS = 253_402_300_799_000
LARGEST = 10**15
MOST_LISTED = 10_000
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


LONGEST_SHOWN = 200


def shown(value: object) -> str:
    """A value as an error shows it: cut where it is long, and by its type where it can't be written down."""
    try:
        said = repr(value)
    except Exception:  # such as a number of too many digits, or a class whose repr fails
        return f"({type(value).__name__})"
    return said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN]}…"


def one_of(value: object, allowed: tuple[object, ...]) -> bool:
    """Whether a value is one of some plain ones; others are not even asked: an array would answer for each of its items."""
    return (value is None or isinstance(value, str | int)) and value in allowed


def queue_name(name: object) -> str:
    """A queue's name. Raises InvalidValue for anything but 1 to 64 of letters, digits, ``_``, ``.`` and ``-``."""
    if not isinstance(name, str) or not is_queue_name(name):
        raise InvalidValue(f"queue name {shown(name)}: use 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return str.__str__(name)  # of an enumeration's member the text: JSON has no other keys


def is_queue_name(name: str) -> bool:
    """Whether a text can be a queue's name."""
    return _NAME.fullmatch(name) is not None


def queue_names(names: object) -> tuple[str, ...]:
    """Queue names in the order in which they are served, at least one, each once."""
    if isinstance(names, str) or not isinstance(names, list | tuple) or not names:
        raise InvalidValue(f"queues={shown(names)}: give a list of at least one queue name")
    found = tuple(queue_name(name) for name in names)
    if len(set(found)) != len(found):
        raise InvalidValue(f"queues={shown(names)}: a queue stands there twice")
    if len(found) > 64:
        raise InvalidValue(f"queues: {len(found)} names; at most 64 can be served by one worker")
    return found


def tenant_name(name: object) -> str:
    """A tenant's name. Raises InvalidValue for anything but a text of 1 to 255 bytes in UTF-8."""
    if not isinstance(name, str):
        raise InvalidValue(f"tenant {shown(name)}: use a text of 1 to 255 bytes")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidValue(f"tenant {shown(name)}: it can't be encoded as UTF-8") from None
    if not 1 <= size <= 255:
        raise InvalidValue(f"tenant of {size} bytes: use a text of 1 to 255 bytes")
    return name


def text(name: str, value: object, most: int) -> str:
    """A text of at most so many bytes in UTF-8, such as a label or an idempotency key."""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} must be a text, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidValue(f"{name}: it can't be encoded as UTF-8") from None
    if size > most:
        raise InvalidValue(f"{name} of {size} bytes: at most {most}")
    return value


def failures(name: str, value: object) -> str:
    """How many failed tasks are too many, a number or a share such as ``"5%"``, as it is stored; empty for None."""
    if value is None:
        return ""
    if isinstance(value, str) and (share := _SHARE.fullmatch(value)) and 0 < float(share[1]) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000_000:
        return str(value)
    raise InvalidValue(f"{name}={shown(value)}: use a whole number from 1 on, or a share of the tasks such as '5%'")


def count(name: str, value: object, least: int = 1, most: int = 1_000_000) -> int:
    """A whole number within bounds. Raises InvalidValue that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidValue(f"{name}={shown(value)}: use a whole number from {least} to {most}")
    return value


def page(skip: object, take: object) -> None:
    """Check what part of a list is asked for. Raises InvalidValue."""
    count("skip", skip, 0, 1_000_000_000)
    count("take", take, 0, MOST_LISTED)


def check_key(key: object) -> None:
    """Check an idempotency key; None is no key. Raises InvalidValue."""
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidValue(f"idempotency_key={shown(key)}: use a text that is not empty")
    if isinstance(key, str):
        text("idempotency_key", key, 1_000)


def number(name: str, value: object) -> float:
    """A finite number, whole or not. Raises InvalidValue that names it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise InvalidValue(f"{name}={shown(value)}: use a finite number")
    return value


def milliseconds(name: str, value: object, *, positive: bool = False) -> int:
    """A duration in whole milliseconds, rounded up. Raises InvalidValue for negative, endless or unreadable ones."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(min(max(value, -1), LONGEST.total_seconds() + 1)) if isinstance(value, int) else value
    else:
        raise InvalidValue(f"{name}={shown(value)}: use a timedelta or seconds as a number")
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise InvalidValue(f"{name}={shown(value)}: a duration must be from 0 to {LONGEST.days} days")
    if positive and seconds < 0.001:
        raise InvalidValue(f"{name}={shown(value)}: it must be at least a millisecond")
    return math.ceil(round(seconds * 1000, 6))


def timestamp_ms(name: str, value: object) -> int:
    """A time in milliseconds since 1970. Raises InvalidValue for a naive one."""
    if not isinstance(value, datetime):
        raise InvalidValue(f"{name}={shown(value)}: use a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidValue(f"{name}={shown(value)}: it has no time zone; use an aware datetime, such as datetime.now(UTC)")
    return max(0, math.ceil(round(value.timestamp() * 1000, 6)))


def from_ms(value: float) -> datetime:
    """The time in UTC of milliseconds since 1970; what lies beyond all years is the last of them, what is none the first."""
    return datetime.fromtimestamp(min(max(value, 0), LAST_MS) / 1000 if value == value else 0, UTC)


def from_us(value: int) -> datetime:
    """The time in UTC of microseconds since 1970; what lies beyond all years is the first or the last of them."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=min(max(value, 0), LAST_MS * 1000))
