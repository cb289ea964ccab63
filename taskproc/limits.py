"""Limits of handlers: how many of their tasks run at once, and how many start in a time, over all processes.

A limited task carries in its body (field ``l``) under which limit it runs: a digest of its handler's name, and where the
handler has a key a dot and the key. What the limit is lies in Redis, in the hash ``limits``: the code's word, which workers
note when they start, and an operator's, which goes before it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import EllipsisType
from typing import Any, Literal
from urllib.parse import quote

import orjson

from taskproc.errors import InvalidValue
from taskproc.values import count, shown, text

ConcurrencyKey = Literal["tenant"] | Callable[..., str | int]
"""``"tenant"``, or a function that takes the handler's arguments and returns the key."""

Amount = int | None | EllipsisType
RateGiven = str | None | EllipsisType

UNITS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
FASTEST = 100_000
LONGEST_KEY, SHORTEST_DIGEST = 60, 22
OF_TENANT = 2
"""What Redis keeps of a limit whose key is the tenant; 1 of one with another key."""
_RATE = re.compile(r"\s*(\d{1,9})\s*/\s*(s|min|h)\s*(?:burst\s+(\d{1,7})\s*)?")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts in a time. The rule is that of a bucket: ``burst`` may start at once, then one each ``interval_us``."""

    interval_us: int
    burst: int
    written: str

    @staticmethod
    def parse(given: object) -> Rate:
        """The rate of ``"100/s"``, ``"10/min"``, ``"5/h"`` or ``"100/s burst 20"``. Raises InvalidValue.

        Without a burst it is what comes in a tenth of a second, and one at least.
        """
        found = _RATE.fullmatch(given) if isinstance(given, str) else None
        number = int(found[1]) if found else 0
        unit = UNITS[found[2]] if found else 1
        if found is None or number < 1 or number * 1_000_000 > FASTEST * unit:
            raise InvalidValue(
                f"rate_limit={shown(given)}: use '100/s', '10/min', '5/h' or '100/s burst 20', at most {FASTEST:,} a second"
            )
        burst = int(found[3]) if found[3] else max(1, number * 100_000 // unit)
        if not 1 <= burst <= 1_000_000:
            raise InvalidValue(f"rate_limit={shown(given)}: a burst is from 1 to 1,000,000")
        return Rate(math.ceil(unit / number), burst, " ".join(str(given).split()))


@dataclass(frozen=True, slots=True)
class Limit:
    """What ``@task`` says of a handler's limit."""

    max_concurrency: int | None = None
    rate: Rate | None = None
    key: ConcurrencyKey | None = None

    @staticmethod
    def check(most: object, key: object, rate: object) -> Limit | None:
        """A limit from what ``@task`` was given; None where it was given none. Raises InvalidValue."""
        if most is None and rate is None:
            if key is not None:
                raise InvalidValue("concurrency_key: give max_concurrency or rate_limit too, which hold for each key")
            return None
        if key is not None and key != "tenant" and not callable(key):
            raise InvalidValue(f"concurrency_key={shown(key)}: use 'tenant' or a function of the handler's arguments")
        return Limit(most_at_once(most), None if rate is None else Rate.parse(rate), key)

    def told(self, name: str) -> dict[str, object]:
        """As Redis keeps it."""
        found: dict[str, object] = {"n": name, **values(self.max_concurrency, self.rate)}
        return found if self.key is None else {**found, "k": OF_TENANT if self.key == "tenant" else 1}


def most_at_once(given: object) -> int | None:
    """How many may run at once; 0 for none at all. Raises InvalidValue."""
    return None if given is None else count("max_concurrency", given, 0)


def values(most: Amount, rate: Rate | EllipsisType | None) -> dict[str, object]:
    """What is given of a limit, as ``include/limit_values.lua`` reads it; None lifts it, ``...`` leaves it out."""
    found: dict[str, object] = {}
    if most is not ...:
        found["m"] = -1 if most is None else most
    if isinstance(rate, Rate):
        found |= {"i": rate.interval_us, "b": rate.burst, "r": rate.written}
    elif rate is None:
        found |= {"i": 0, "b": 1, "r": ""}
    return found


def limit_name(handler: str) -> str:
    """What stands for a handler in the names of its limits: 10 hexadecimal digits."""
    return hashlib.blake2b(handler.encode(), digest_size=5).hexdigest()


def key_name(name: str, key: object) -> str:
    """A key as a part of a Redis key: itself where it is short, else a digest. Raises InvalidValue for what is no key."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        kind = type(key).__qualname__  # and nothing of it, since it may hold arguments
        raise InvalidValue(
            f"{name}: its concurrency_key gave something of type {kind}: it must give a text or a whole number"
        )
    plain = quote(text("concurrency_key", str(key), 1_000_000), safe="").replace(".", "%2E")  # one dot goes before it
    if not 1 <= len(plain) <= LONGEST_KEY:
        plain = "%" + hashlib.blake2b(str(key).encode(), digest_size=SHORTEST_DIGEST // 2).hexdigest()
    return plain


class HandlerLimit:
    """A handler's limit at enqueue: under which one each of its tasks runs."""

    def __init__(self, name: str, limit: Limit) -> None:
        self.limit = limit
        self._name = name
        self._digest = limit_name(name)

    @property
    def varies(self) -> bool:
        """Whether it depends on a task's arguments."""
        return callable(self.limit.key)

    def of(self, tenant: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """The limit of a call, for the body's field ``l``. Raises what the handler's ``concurrency_key`` raises."""
        key = self.limit.key
        if key is None:
            return self._digest
        return f"{self._digest}.{key_name(self._name, tenant if key == 'tenant' else key(*args, **kwargs))}"


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A handler's limit as it holds now. With keys it is that of each key; ``running`` and ``waiting`` are those of all.

    ``code_`` tells what the code says where an operator has set something else. ``next_at`` is when tasks go on that a
    rate or ``RateLimited`` holds, for a handler without keys.
    """

    name: str
    max_concurrency: int | None
    rate_limit: str | None
    code_max_concurrency: int | None
    code_rate_limit: str | None
    is_set: bool
    keyed: bool
    running: int
    waiting: int
    keys: int
    next_at: datetime | None


def info_of(code: Mapping[str, Any], own: Mapping[str, Any], seen: Sequence[int], next_at: datetime | None) -> LimitInfo:
    """A limit from what Redis keeps: the code's word, an operator's, and how many run, wait, and have keys."""
    both = {**code, **own}
    running, waiting, keys = seen
    return LimitInfo(
        name=str(both.get("n", "")),
        max_concurrency=_most(both),
        rate_limit=both.get("r") or None,
        code_max_concurrency=_most(code),
        code_rate_limit=code.get("r") or None,
        is_set=bool(own),
        keyed=bool(both.get("k")),
        running=running,
        waiting=waiting,
        keys=keys,
        next_at=next_at,
    )


def _most(stored: Mapping[str, Any]) -> int | None:
    most = stored.get("m", -1)
    return None if most < 0 else int(most)


def to_text(stored: Mapping[str, object]) -> str:
    """What Redis keeps of a limit; the same for the same values."""
    return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS).decode()
