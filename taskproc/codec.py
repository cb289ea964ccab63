"""A task as bytes: its call as JSON, and the body in which Redis keeps it.

A payload is ``["name",[arguments]]`` or ``["name",[arguments],{keyword arguments}]``, or for raw work
``!name``, a newline, and the caller's bytes; or ``$name``, a newline, and the bytes of another serializer
(``taskproc/serializing.py``); or one of these sealed (``taskproc/sealing.py``).
A body is the task's local id (10 characters), a kind, and:

    .  the payload
    +  an extension as JSON, a newline, the payload
    *  an extension as JSON, a newline; the payload lies in the hash of large ones

Fields of the extension: ``a`` attempts used, ``d`` deliveries so far, ``m`` max_attempts of the call, ``k``
keep of the call, ``c`` created (ms), ``p`` the batch that a continuation belongs to, ``n`` since when no
worker knows the handler (ms), ``g`` the segment whose hash has the large payload, ``z`` its size, ``h`` its handler,
``u`` the digest of its unique lock, ``v`` how long that lasts from when it is taken (ms), ``s`` the schedule whose task it
is, its key and its id in a row, ``t`` the occurrence for which it is (ms), ``r`` since when it is ready where that
isn't when it was created (ms). The Lua scripts read and change some (``lua/include/body_*.lua``), so a field's name is fixed
here and there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from taskproc.errors import CorruptTask, InvalidValue, PayloadTooLarge
from taskproc.values import shown

LARGE = 8_192
"""Payloads above this many bytes don't go through the lists, so that a claim's reply stays small."""

SCHEDULE_KEY = 22

SIGNATURE = 22
"""How long a signature is that goes before a payload: see ``taskproc/sealing.py``."""

MOST_NUMBER = 2**53
"""No number of an extension is taken for more: JSON has no larger one that is exact."""

PLAIN, EXTENDED, STUB = b".", b"+", b"*"


@dataclass(frozen=True, slots=True)
class Body:
    """A stored task, taken apart."""

    local: str
    extension: Mapping[str, object]
    payload: bytes
    stub: bool = False

    def number(self, field: str, default: int = 0) -> int:
        """A number of the extension."""
        value = self.extension.get(field, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return default
        return min(max(int(value), 0), MOST_NUMBER)

    def text(self, field: str) -> str | None:
        """A text of the extension."""
        value = self.extension.get(field)
        return value if isinstance(value, str) else None


NOTHING: Mapping[str, object] = {}


MARKS = frozenset("dglsuz")
"""Fields of tasks of which something is kept besides: errors of attempts, a large payload, a lock, a schedule's history."""


def marked(extension: Mapping[str, object]) -> bool:
    """Whether Redis looks at a task when it ends, since something is kept of it besides its body."""
    return not MARKS.isdisjoint(extension) or extension.get("k") == "a"


def read_body(stored: bytes) -> Body:
    """Take a stored task apart. Raises CorruptTask when it isn't one."""
    kind = stored[10:11]
    local = stored[:10].decode("ascii", "replace")
    if kind == PLAIN:
        return Body(local, NOTHING, stored[11:])
    stop = stored.find(b"\n", 11)
    if kind not in (EXTENDED, STUB) or stop < 0:
        raise CorruptTask(f"task {local}: its body can't be read")
    try:
        extension = orjson.loads(stored[11:stop])
    except orjson.JSONDecodeError as error:
        raise CorruptTask(f"task {local}: its extension can't be read: {error}") from None
    if not isinstance(extension, dict):
        raise CorruptTask(f"task {local}: its extension is not an object")
    return Body(local, extension, stored[stop + 1 :], kind == STUB)


def write_body(local: bytes, extension: Mapping[str, object], payload: bytes) -> bytes:
    """A stored task, its payload inline."""
    if not extension:
        return local + PLAIN + payload
    return local + EXTENDED + orjson.dumps(extension) + b"\n" + payload


def write_stub(local: bytes, extension: Mapping[str, object], payload: bytes) -> bytes:
    """A stored task whose payload lies elsewhere."""
    return local + STUB + orjson.dumps({**about(payload), **extension}) + b"\n"


def write_continuation(local: bytes, extension: Mapping[str, object], payload: bytes) -> bytes:
    """A stored continuation. A large payload goes to the hash when it fires, so its extension tells what a stub's does."""
    return write_body(local, {**about(payload), **extension} if len(payload) > LARGE else extension, payload)


def about(payload: bytes) -> dict[str, object]:
    """What a stub tells of the payload that it doesn't have."""
    return {"z": len(payload), "h": handler_name(payload)}


def write_segment(stored: bytes, segment: str) -> bytes:
    """A stored task whose payload, if it lies elsewhere, lies in a segment's hash and not in its batch's."""
    return stored[:12] + b'"g":"' + segment.encode() + b'",' + stored[12:] if stored[10:11] == STUB else stored


def kept(stored: bytes) -> bool:
    """Whether a stored task has a record whatever becomes of it: ``keep="all"``."""
    return stored[10:11] != PLAIN and b'"k":"a"' in stored[11 : stored.find(b"\n", 11)]


def schedule_id(extension: Mapping[str, object]) -> str | None:
    """The id of the schedule whose task it is, if it is one's."""
    found = extension.get("s")
    return found[SCHEDULE_KEY:] if isinstance(found, str) else None


def shown_data(payload: bytes) -> bytes:
    """What callers see of a payload: the bytes of raw work, the call as JSON otherwise."""
    return payload[payload.find(b"\n") + 1 :] if payload[:1] == b"!" else payload


def raw_payload(name: object, data: object, limit: int) -> bytes:
    """The payload of raw work. Raises InvalidValue for a bad name or data, PayloadTooLarge above the limit."""
    if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable():
        raise InvalidValue(f"handler name {shown(name)}: use 1 to 200 printable characters")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidValue(f"raw data of {name} must be bytes, not {type(data).__name__}")
    return check_size(name, b"!" + name.encode() + b"\n" + bytes(data), limit)


def check_size(name: str, payload: bytes, limit: int) -> bytes:
    """The payload itself. Raises PayloadTooLarge when it is above the limit."""
    if len(payload) > limit:
        raise PayloadTooLarge(f"task {name}: its payload has {len(payload):,} bytes; at most {limit:,} (max_payload)")
    return payload


def handler_name(payload: bytes) -> str:
    """The name of the handler that a payload calls; empty when it can't be read."""
    if payload[:1] in (b"!", b"$"):
        return payload[1 : max(1, payload.find(b"\n"))].decode("utf-8", "replace")
    if payload[:2] == b"~s":
        return handler_name(payload[SIGNATURE:])
    if payload[:2] == b"~e":
        return payload[2 : payload.find(b"\n")].decode("utf-8", "replace")
    stop = payload.find(b'",')
    return payload[2:stop].decode("utf-8", "replace") if payload[:2] == b'["' and stop > 0 else ""
