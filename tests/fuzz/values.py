"""Values that make no sense, drawn from a source of chance: for callers' arguments, and as bytes in Redis."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

CANARY = "cAn-ArY7"
"""Stands in every payload; no error and no log may hold it."""


class Mute:
    """Says nothing of itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Word(str):
    """A text of a class of its own."""


class Contrary:
    """Refuses to be compared or to be true."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    __hash__ = object.__hash__


TEXTS = (
    "", " ", "\x00", "\n", "a\nb", "\ud800", "ü" * 40, "x" * 300, "x" * 100_000, "a:b", "}{", "{a}", "a}:b:*", "%s%n",
    "../..", "*", "?",
    "None", "nan", "-1", "1e999", "0x10", "٣", "\u202e", "a" * 22, "a" * 32, "a" * 21 + "\n", "a" * 22 + "+b",
    "a" * 22 + ":w",
    "done", "default", "redis://", "os:system", "'; DROP", "\\", '"', "<b>", "é\u0301", "\U0001f600",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 64, 65, 1.5, -0.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 2**31, 2**53 + 1,
    2**63,
    -(2**63) - 1, 2**64, 10**30, 10**400, -(10**400), 10**5_000, Decimal("NaN"), Decimal("1e999999"), 3 + 4j, True, False,
)  # fmt: skip
MOMENTS = (
    datetime(1970, 1, 1), datetime(2030, 1, 1), datetime.min, datetime.max, datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=23))), date(2030, 1, 1), timedelta(-1), timedelta.max,
    timedelta.min,
    timedelta(microseconds=1),
)  # fmt: skip
OBJECTS: tuple[Callable[[], Any], ...] = (
    object, Mute, Contrary, lambda: None, lambda: ..., lambda: NotImplemented, lambda: int, lambda: random,
    lambda: ValueError("x"),
    lambda: len, lambda: (n for n in range(3)), lambda: iter(()), lambda: (lambda: None), lambda: Word("default"),
    lambda: Path("/nowhere"), lambda: uuid.UUID(int=5), lambda: range(3), lambda: memoryview(b"ab"), lambda: bytearray(b"a"),
    lambda: b"", lambda: b"\xff\xfe", lambda: b"default", lambda: frozenset({1}), lambda: {1, "a"}, lambda: {"a": {1: 2}},
    lambda: {None: 1}, lambda: [[]], lambda: [None], lambda: ["default"], lambda: ("a", "a"), list, lambda: (), dict,
    lambda: deep(2_000), lambda: ["x"] * 100,
)  # fmt: skip


def deep(levels: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def odd(rng: random.Random) -> Any:
    """A value that hardly any parameter takes."""
    kind = rng.randrange(10)
    if kind < 3:
        return rng.choice(TEXTS)
    if kind < 6:
        return rng.choice(NUMBERS)
    if kind < 7:
        return rng.choice(MOMENTS)
    if kind < 8:
        return noise(rng, rng.randrange(1, 60)).decode("utf-8", rng.choice(["replace", "surrogateescape"]))
    return rng.choice(OBJECTS)()


def payload(rng: random.Random) -> Any:
    """A value of an argument, which holds the canary where it can."""
    kind = rng.randrange(12)
    plain = {0: CANARY, 1: CANARY * 200, 2: [CANARY], 3: {CANARY: 1}, 4: {"a": [CANARY, {"b": CANARY}]}, 5: (CANARY,),
             6: {CANARY}, 7: CANARY.encode(), 8: {1: CANARY}, 9: CANARY + "\ud800"}  # fmt: skip
    return plain[kind] if kind in plain else odd(rng)


def noise(rng: random.Random, size: int) -> bytes:
    """Random bytes, mostly, or such as are special somewhere."""
    if rng.randrange(3):
        return rng.randbytes(size)
    return bytes(rng.choice(b'\x00\n\r"\\{}[]:,.+*!-0129eE \xff\xc3') for _ in range(size))


JSON = (
    b"null", b"true", b"0", b"-1", b"1.5", b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 400, b"18446744073709551616",
    b'""', b'"x"',
    b"[]", b"{}", b"[1]", b'{"a":1}', b"[" * 1_000, b"[" * 1_000 + b"]" * 1_000, b'{"a":' * 500, b'"\xff"', b'"\\ud800"',
    b"\xff", b"",
    b" ", b"tru", b'{"a":1,"a":2}', b"'x'", b'"' + b"x" * 20_000 + b'"',
)  # fmt: skip
FIELDS = (
    b"", b"0", b"-1", b"1", b"1.5", b"abc", b"nan", b"inf", b"-inf", b"1e400", b"9223372036854775807",
    b"-9223372036854775808",
    b"99999999999999999999999", b" 1", b"0x10", b"\xff\xfe", b"\x00", b"a b", b"x" * 5_000, b"running", b"open", b"done",
    b"fifo", b"None",
)  # fmt: skip


def json_value(rng: random.Random) -> bytes:
    """A JSON document, or what is none."""
    return rng.choice(JSON) if rng.randrange(4) else noise(rng, rng.randrange(40))


def field_value(rng: random.Random) -> bytes:
    """What may stand in a field of a record by mistake."""
    return rng.choice(FIELDS) if rng.randrange(4) else noise(rng, rng.randrange(30))


def spoil(rng: random.Random, stored: bytes) -> bytes:
    """Stored bytes, spoiled in one of many ways."""
    at, end = sorted((rng.randrange(len(stored) + 1), rng.randrange(len(stored) + 1)))
    return rng.choice(SPOILERS)(rng, stored, at, end)


def _flip(rng: random.Random, stored: bytes, at: int, end: int) -> bytes:
    changed = bytearray(stored)
    for _ in range(rng.randrange(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


SPOILERS: tuple[Callable[[random.Random, bytes, int, int], bytes], ...] = (
    lambda rng, stored, at, end: stored[:at],
    lambda rng, stored, at, end: stored[at:],
    lambda rng, stored, at, end: stored[:at] + stored[end:],
    lambda rng, stored, at, end: stored[:end] + stored[at:],
    lambda rng, stored, at, end: stored[:at] + noise(rng, end - at) + stored[end:],
    lambda rng, stored, at, end: stored[:at] + noise(rng, rng.randrange(1, 30)) + stored[at:],
    lambda rng, stored, at, end: stored[:at] + json_value(rng) + stored[end:],
    lambda rng, stored, at, end: noise(rng, rng.randrange(100)),
    lambda rng, stored, at, end: json_value(rng),
    lambda rng, stored, at, end: stored.replace(rng.choice([b'"', b"[", b"\n", b",", b"."]), noise(rng, 1), 1),
    _flip, _flip, _flip,
)  # fmt: skip


def spoil_json(rng: random.Random, stored: bytes) -> bytes:
    """A JSON document with one of its values put in place of another kind's, deep down or at the top."""
    try:
        document = json.loads(stored)
    except ValueError:
        return spoil(rng, stored)
    marker = "@@odd@@"
    return (
        json.dumps(_planted(rng, document, marker), separators=(",", ":"))
        .encode()
        .replace(json.dumps(marker).encode(), json_value(rng), 1)
    )


def _planted(rng: random.Random, value: Any, marker: str) -> Any:
    if isinstance(value, list) and value and rng.randrange(4):
        at = rng.randrange(len(value))
        return [*value[:at], _planted(rng, value[at], marker), *value[at + 1 :]]
    if isinstance(value, dict) and value and rng.randrange(4):
        name = rng.choice(sorted(value))
        return {**value, name: _planted(rng, value[name], marker)}
    return marker
