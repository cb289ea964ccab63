"""Payloads under a key: signed, so that who can write to Redis makes no worker run what no producer sent; encrypted, so that
who can read Redis sees no arguments.

A sealed payload begins with ``~``, which no other does:

    ~s  4 bytes that tell the key, 16 bytes of HMAC-SHA256, the payload
    ~e  the handler's name, a newline, 4 bytes that tell the key, 12 random bytes, the payload under AES-GCM

With both it is encrypted, then signed. Both cover the tenant, the queue, the batch (or for a continuation the batch that it
belongs to), the id within it, and the handler's name with the payload, so that a task can't be moved or exchanged either.
What may change while a task waits, such as the attempts used, is not covered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from taskproc.codec import handler_name
from taskproc.errors import InvalidValue, KeyMissing, UntrustedTask
from taskproc.ids import is_home_id

Key = bytes | str
Keys = Key | Sequence[Key | None]
TenantKeys = Keys | Callable[[str], Keys]

SEAL, SIGNED, ENCRYPTED = b"~", b"~s", b"~e"
TELL, MAC, NONCE = 4, 16, 12
SHORTEST = 16
AES_SIZES = (16, 24, 32)
REMEMBERED, REMEMBERED_SECONDS = 10_000, 60.0
"""Tenants whose keys are remembered, and for how long: so soon a function's new answer counts."""


class Ring:
    """Keys of one kind: the first one seals, each opens. A None among them lets through what is not sealed."""

    def __init__(self, name: str, given: Keys, read: Callable[[str, Key], bytes]) -> None:
        if not isinstance(given, bytes | str | Iterable):
            raise InvalidValue(f"{name} of type {type(given).__name__}: give a key as bytes or a text, or several in a list")
        several = [given] if isinstance(given, bytes | str) else list(given)
        keys = [read(name, key) for key in several if key is not None]
        if not keys:
            raise InvalidValue(f"{name}: give at least one key")
        self.first = keys[0]
        self.lenient = None in several
        self._known = {tell(key): key for key in keys}

    def find(self, told: bytes) -> bytes:
        """The key that a payload tells of. Raises KeyMissing."""
        found = self._known.get(told)
        if found is None:
            raise KeyMissing("it is sealed under a key that this process doesn't have")
        return found


def tell(key: bytes) -> bytes:
    """What tells a key from others, and nothing of it."""
    return hashlib.sha256(b"taskproc key " + key).digest()[:TELL]


def signing_key(name: str, key: Key) -> bytes:
    """A key for HMAC: 16 bytes or more. Raises InvalidValue."""
    raw = key.encode() if isinstance(key, str) else key
    if not isinstance(raw, bytes) or len(raw) < SHORTEST:
        raise InvalidValue(f"{name}: a key must be bytes or a text of at least {SHORTEST} bytes, from a random source")
    return raw


def encryption_key(name: str, key: Key) -> bytes:
    """A key for AES: 16, 24 or 32 bytes, or such in base64. Raises InvalidValue."""
    raw: Any = key
    if isinstance(key, str):
        try:
            raw = base64.b64decode(key.replace("-", "+").replace("_", "/"), validate=True)
        except (ValueError, binascii.Error):
            raw = None
    if not isinstance(raw, bytes) or len(raw) not in AES_SIZES:
        raise InvalidValue(f"{name}: a key must have 16, 24 or 32 bytes, as bytes or in base64")
    return raw


class Sealer:
    """Seals payloads on their way to Redis and opens them on their way back."""

    def __init__(self, signing: Keys | None, encryption: TenantKeys | None) -> None:
        self._signing = None if signing is None else Ring("signing_key", signing, signing_key)
        self._tenants: dict[str, tuple[float, Ring]] = {}
        self._ask: Callable[[str], Keys] | None = None
        self._encryption: Ring | None = None
        if callable(encryption):
            self._ask = encryption
        elif encryption is not None:
            self._encryption = Ring("encryption_key", encryption, encryption_key)
        self._encrypts = encryption is not None
        if self._encrypts:
            _aes()

    def __repr__(self) -> str:
        return "Sealer(…)"

    def seal(self, tenant: str, owner: str, queue: str, local: bytes, payload: bytes) -> bytes:
        """A payload under the first key of each kind. ``owner``: the batch, that of a continuation, or nothing."""
        return self._sealed(tenant, _place(tenant, queue, owner, local), handler_name(payload), payload)

    def seal_result(self, tenant: str, owner: str, queue: str, local: bytes, name: str, result: bytes) -> bytes:
        """A task's result, bound to the task and to being its result."""
        return self._sealed(tenant, _place(tenant, queue, owner, local, "result"), name, result)

    def open_result(self, tenant: str, owner: str, queue: str, local: bytes, result: bytes) -> bytes:
        """The result that was sealed for a task. Raises UntrustedTask, or KeyMissing."""
        place = _place(tenant, queue, owner, local, "result")
        return self._decrypted(tenant, place, self._verified(place, result))

    def _sealed(self, tenant: str, place: bytes, name: str, payload: bytes) -> bytes:
        if self._encrypts:
            key, nonce = self._ring(tenant).first, os.urandom(NONCE)
            head = ENCRYPTED + name.encode() + b"\n"
            payload = head + tell(key) + nonce + _aes()(key).encrypt(nonce, payload, place + head)
        if self._signing is not None:
            key = self._signing.first
            payload = SIGNED + tell(key) + _mac(key, place, payload) + payload
        return payload

    def lock_key(self, tenant: str) -> bytes:
        """What keys the digests of a tenant's unique locks; nothing where payloads are not encrypted."""
        return hashlib.sha256(b"taskproc unique " + self._ring(tenant).first).digest() if self._encrypts else b""

    def told(self, tenant: str) -> bytes:
        """What tells the keys that seal a tenant's payloads from others, and nothing of them."""
        signing = b"" if self._signing is None else tell(self._signing.first)
        return signing + (tell(self._ring(tenant).first) if self._encrypts else b"")

    def open(
        self, tenant: str, queue: str, batch: str, extension: Mapping[str, object], local: bytes, payload: bytes
    ) -> bytes:
        """The payload that was sealed for a task here, or for the schedule whose task it is. Raises UntrustedTask, or
        KeyMissing."""
        scheduled = extension.get("s") if is_home_id(batch) else None
        if scheduled is None:
            place = _place(tenant, queue, owner_of(batch, extension.get("p")), local)
        else:
            place = schedule_place(tenant, queue, str(scheduled))
        return self._decrypted(tenant, place, self._verified(place, payload))

    def reseal(
        self, tenant: str, queue: str, to: str, batch: str, extension: Mapping[str, object], local: bytes, payload: bytes
    ) -> bytes:
        """The payload of a task that goes to another queue. What comes unsealed stays so. Raises as ``open`` does."""
        plain = self.open(tenant, queue, batch, extension, local, payload)
        if payload[:1] != SEAL:
            return payload
        scheduled = extension.get("s") if is_home_id(batch) else None
        if scheduled is not None:
            return self.seal_schedule(tenant, str(scheduled), to, plain)
        return self.seal(tenant, owner_of(batch, extension.get("p")), to, local, plain)

    def seal_schedule(self, tenant: str, scheduled: str, queue: str, payload: bytes) -> bytes:
        """The payload of all of a schedule's tasks: they are made without those who have keys."""
        return self._sealed(tenant, schedule_place(tenant, queue, scheduled), handler_name(payload), payload)

    def _verified(self, place: bytes, payload: bytes) -> bytes:
        if payload[:2] != SIGNED:
            if self._signing is not None and not self._signing.lenient:
                raise UntrustedTask("it is not signed")
            return payload
        start = len(SIGNED) + TELL
        told, mac, rest = payload[len(SIGNED) : start], payload[start : start + MAC], payload[start + MAC :]
        if self._signing is not None and not hmac.compare_digest(mac, _mac(self._signing.find(told), place, rest)):
            raise UntrustedTask("its signature doesn't fit: it was changed, moved, or made by somebody else")
        return rest

    def _decrypted(self, tenant: str, place: bytes, payload: bytes) -> bytes:
        if payload[:2] != ENCRYPTED:
            if self._encrypts and not self._ring(tenant).lenient:
                raise UntrustedTask("it is not encrypted")
            return payload
        if not self._encrypts:
            raise KeyMissing("it is encrypted, and this process has no encryption_key")
        head, _, sealed = payload.partition(b"\n")
        key, nonce = self._ring(tenant).find(sealed[:TELL]), sealed[TELL : TELL + NONCE]
        try:
            return bytes(_aes()(key).decrypt(nonce, sealed[TELL + NONCE :], place + head + b"\n"))
        except Exception:  # InvalidTag, or ValueError for what is too short; both carry nothing
            raise UntrustedTask("it can't be decrypted: it was changed, moved, or made by somebody else") from None

    def _ring(self, tenant: str) -> Ring:
        if self._encryption is not None:
            return self._encryption
        assert self._ask is not None
        now = time.monotonic()
        until, found = self._tenants.get(tenant, (0.0, None))
        if found is None or until < now:
            if len(self._tenants) >= REMEMBERED:
                self._tenants.clear()
            found = Ring(f"encryption_key of tenant {tenant}", self._ask(tenant), encryption_key)
            self._tenants[tenant] = now + REMEMBERED_SECONDS, found
        return found


def owner_of(batch: str, parent: object) -> str:
    """What a task is sealed for: its batch; for what lies in a tenant's open batch its parent, or nothing."""
    return (str(parent) if parent else "") if is_home_id(batch) else batch


def open_without_keys(payload: bytes) -> bytes:
    """What a process without keys makes of a sealed payload: it can't judge a signature. Raises KeyMissing if encrypted."""
    return _NO_KEYS.open("", "", "", {}, b"", payload)


def open_result_without_keys(result: bytes) -> bytes:
    """The same of a sealed result."""
    return _NO_KEYS.open_result("", "", "", b"", result)


def _place(tenant: str, queue: str, owner: str, local: bytes, *part: str) -> bytes:
    return orjson.dumps([tenant, queue, owner, local.decode("ascii", "replace"), *part])


def schedule_place(tenant: str, queue: str, scheduled: str) -> bytes:
    """What the payload of a schedule's tasks is bound to."""
    return orjson.dumps([tenant, queue, "", "", "schedule", scheduled])


def _mac(key: bytes, place: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, place + payload, "sha256")[:MAC]


def _aes() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise InvalidValue("encryption_key needs the package cryptography: pip install 'taskproc[encryption]'") from None
    return AESGCM


_NO_KEYS = Sealer(None, None)
