"""The locks of unique tasks: a digest of tenant, handler and arguments, or of tenant, handler and a key of the caller's.

Equal calls have one digest however they were written: by position or by name, dictionaries and sets in any order, defaults
left out or given. Where payloads are encrypted the digest is keyed, so that nobody can try out what a short argument was.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from inspect import Parameter, iscoroutine
from typing import Any

import orjson

from taskproc.call_options import CallOptions
from taskproc.errors import ArgumentError
from taskproc.handler import Handler
from taskproc.handlers import Unique
from taskproc.sealing import Sealer

DIGEST = 16

Part = tuple[object, object]
"""A value, and what of it is stored."""


def lock_fields(
    options: CallOptions, handler: Handler | str, tenant: str, sealer: Sealer | None, args: Sequence[Any],
    kwargs: dict[str, Any], payload: bytes, default: Unique | None = None,
) -> dict[str, object]:  # fmt: skip
    """What the extension of a task says of its lock: the call's options win over its handler's. ``handler``: a name for raw
    work. Raises ArgumentError for a key that is none.
    """
    own = None if isinstance(handler, str) else handler.options
    wanted = own.unique if options.unique is None and own is not None else options.unique
    wanted = default if wanted is None else wanted
    if not wanted:
        return {}
    secret = b"" if sealer is None else sealer.lock_key(tenant)
    if isinstance(handler, str):
        found = raw_lock(wanted, tenant, secret, handler, payload.partition(b"\n")[2])
    else:
        found = lock_of(wanted, tenant, secret, handler, args, kwargs, payload)
    lasts = options.unique_for_ms or (None if own is None else own.unique_for_ms)
    return {} if found is None else {"u": found} if lasts is None else {"u": found, "v": lasts}


def lock_of(
    wanted: Unique,
    tenant: str,
    secret: bytes,
    handler: Handler,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    payload: bytes,
) -> str | None:
    """The digest of a call's lock; None where a key function names no key. Raises ArgumentError for a key that is none."""
    if wanted is True:
        stored = payload.partition(b"\n")[2] if handler.options.raw else arguments(handler, args, kwargs, payload)
        return digest(secret, tenant, handler.name, b"arguments", stored)
    key = wanted(*args, **kwargs) if callable(wanted) else wanted
    return None if key is None else digest(secret, tenant, handler.name, b"key", _plain(handler.name, key))


def raw_lock(wanted: Unique, tenant: str, secret: bytes, name: str, data: bytes) -> str | None:
    """The same for raw work."""
    if wanted is True:
        return digest(secret, tenant, name, b"arguments", bytes(data))
    key = wanted(data) if callable(wanted) else wanted
    return None if key is None else digest(secret, tenant, name, b"key", _plain(name, key))


def digest(secret: bytes, tenant: str, name: str, kind: bytes, stored: bytes) -> str:
    """128 bits of what makes tasks equal, as 22 characters; no two different lists of parts are hashed as one."""
    parts = [tenant.encode(), name.encode(), kind, stored]
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    hashed = hashlib.blake2b(joined, digest_size=DIGEST, key=secret, person=b"taskproc unique").digest()
    return base64.urlsafe_b64encode(hashed)[:22].decode()


def arguments(handler: Handler, args: Sequence[object], kwargs: Mapping[str, object], payload: bytes) -> bytes:
    """A call's arguments as they are stored, in the one form that all equal calls have."""
    _, listed, *rest = orjson.loads(payload)
    told, slots = rest[0] if rest else {}, handler.arguments.slots
    parts = list(zip(args, listed, strict=True))
    named = {slot.name: part for slot, part in zip(slots, parts, strict=False)}
    others: dict[str, Part] = {}
    for name, value in kwargs.items():
        place = named if name in handler.arguments.named else others
        place[name] = value, told[name]
    known = handler.arguments.signature.parameters
    return orjson.dumps(
        [
            {name: _canonical(*part) for name, part in named.items() if not _is_default(known[name], part[0])},
            [_canonical(*part) for part in parts[len(slots) :]],
            {name: _canonical(*part) for name, part in others.items()},
        ],
        option=orjson.OPT_SORT_KEYS,
    )


def _is_default(parameter: Parameter, value: object) -> bool:
    default = parameter.default
    return type(default) is type(value) and (default is value or bool(default == value))


def _canonical(value: object, stored: object) -> object:
    """What is stored of a value, with the members of sets in order."""
    if isinstance(stored, list):
        members = list(value) if isinstance(value, list | tuple | set | frozenset) else []
        if len(members) != len(stored):
            return stored
        found = [_canonical(*part) for part in zip(members, stored, strict=True)]
        return sorted(found, key=_sorted) if isinstance(value, set | frozenset) else found
    if isinstance(stored, dict):
        if isinstance(value, Mapping) and len(value) == len(stored):
            return {
                name: _canonical(*part)
                for name, part in zip(stored, zip(value.values(), stored.values(), strict=True), strict=True)
            }
        return {name: _canonical(getattr(value, name, None), part) for name, part in stored.items()}
    return stored


def _sorted(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _plain(name: str, key: object) -> bytes:
    try:
        return orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        if iscoroutine(key):
            key.close()
        raise ArgumentError(
            f"{name}: unique=({type(key).__qualname__}): a key must be a text, a number or a list of them: {error}"
        ) from None
