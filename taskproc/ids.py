"""Ids: 22 base-62 characters for a batch, 10 more for a task within it.

Base 62 in ASCII order, so that ids with a counter sort as they count and no id needs quoting in a shell.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator

from taskproc.errors import InvalidValue
from taskproc.values import shown

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BATCH_LENGTH, LOCAL_LENGTH = 22, 10
LOCALS = 62**LOCAL_LENGTH

_RANDOM = 40
_TO_DIGITS = bytes(ord(DIGITS[byte % 62]) for byte in range(256))
_BIASED = bytes(range(256 - 256 % 62, 256))
"""Bytes that would make some digits likelier than others."""
_PAIRS = [(a + b).encode() for a in DIGITS for b in DIGITS]
_BATCH = re.compile(rf"[0-9A-Za-z]{{{BATCH_LENGTH}}}")
_HOME = re.compile(rf"[0-9a-f]{{{BATCH_LENGTH}}}")
_TASK = re.compile(rf"[0-9A-Za-z]{{{BATCH_LENGTH + LOCAL_LENGTH}}}")


def _text(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def new_id() -> str:
    """A random id of 128 bits and a little more: of a batch, a worker, a producer."""
    digits = b""
    while len(digits) < BATCH_LENGTH:
        digits = secrets.token_bytes(_RANDOM).translate(_TO_DIGITS, _BIASED)[:BATCH_LENGTH]
    return digits.decode("ascii")


def locals_from(start: int) -> Iterator[bytes]:
    """Local ids that count up from a number."""
    high, low = divmod(start, len(_PAIRS))
    while True:
        head = _text(high, LOCAL_LENGTH - 2).encode()
        for pair in _PAIRS[low:]:
            yield head + pair
        high, low = (high + 1) % 62 ** (LOCAL_LENGTH - 2), 0


def random_start() -> int:
    """Where the local ids of an append start, so that they meet no others of the batch."""
    return secrets.randbelow(LOCALS)


def is_home_id(text: str) -> bool:
    """Whether it is the id of a tenant's open batch, which is of 22 hexadecimal digits; no batch's is, but by chance
    (once in 10 to the power of 12)."""
    return _HOME.fullmatch(text) is not None


def is_batch_id(text: object) -> bool:
    """Whether a text has the form of a batch's id. Raises InvalidValue for what is no text."""
    if not isinstance(text, str):
        raise InvalidValue(f"batch id {shown(text)}: use a text of 22 characters")
    return _BATCH.fullmatch(text) is not None


def is_task_id(text: object) -> bool:
    """Whether a text has the form of a task's id. Raises InvalidValue for what is no text."""
    if not isinstance(text, str):
        raise InvalidValue(f"task id {shown(text)}: use a text of 32 characters")
    return _TASK.fullmatch(text) is not None


def digest(*parts: str) -> str:
    """A key for what several texts name together; no two different lists of texts share one."""
    joined = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(joined, digest_size=16).hexdigest()


def schedule_key(tenant: str, id: str) -> str:
    """What a tenant's schedule goes by in Redis: 128 bits of both names, as 22 characters."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest("schedule", tenant, id)))[:22].decode()
