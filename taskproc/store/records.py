"""What is kept of tasks with ``keep="all"``: how they ended, and their results as a record has them.

A result goes to Redis as a text: a letter and what it stands for.

    j  the result as JSON                     r  nothing: a large one was stored apart, before
    s  the result under a key, in base64      !  why there is none
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from taskproc.codec import read_body
from taskproc.model import Progress, TaskInfo, TaskState, progress_of
from taskproc.sealing import SEAL, Sealer, open_result_without_keys, owner_of
from taskproc.values import LARGEST, from_ms

INLINE = 2_048
"""Results above this many bytes don't go through steps, which carry those of 128 tasks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended. ``result`` as the worker sent it."""

    attempt: int
    started_ms: int
    ended_ms: int
    result: bytes


def write_result(result: bytes, sealed: bool) -> str:
    """A small result on its way through a step."""
    return "s" + base64.b64encode(result).decode() if sealed else "j" + result.decode()


def read_outcome(stored: bytes) -> Outcome:
    """How a task ended. Raises ValueError for what can't be read."""
    head, _, result = stored.partition(b"\n")
    _, attempt, started, ended = head.split(b" ")
    return Outcome(int(attempt), int(started), int(ended), result)


def with_outcome(info: TaskInfo, stored: bytes) -> tuple[TaskInfo, bytes]:
    """What is known of a task that has ended, and its result as the worker sent it."""
    outcome = read_outcome(stored)
    started = from_ms(outcome.started_ms) if outcome.started_ms else None
    ended = replace(info, attempt=outcome.attempt, started_at=started, ended_at=from_ms(outcome.ended_ms))
    return ended, outcome.result


def open_result(info: TaskInfo, stored: bytes, sent: bytes, large: bytes, sealer: Sealer | None) -> tuple[bytes, str]:
    """A result as JSON, empty where the handler returned nothing; or why it isn't there.

    Raises UntrustedTask for one that isn't sealed as it ought to be, KeyMissing where that can't be told.
    """
    kind, rest = sent[:1], sent[1:]
    if info.state is not TaskState.DONE or kind in (b"", b"!"):
        return b"", rest.decode("utf-8", "replace")
    if kind == b"r":
        if not large:
            return b"", "it is missing"
        rest = large
    elif kind == b"s":
        with suppress(binascii.Error):
            rest = base64.b64decode(rest, validate=True)
    if sealer is not None:
        owner = owner_of(info.id[:22], read_body(stored).text("p"))
        return sealer.open_result(info.tenant, owner, info.queue, info.id[22:].encode(), rest), ""
    return open_result_without_keys(rest) if rest[:1] == SEAL else rest, ""


def write_progress(progress: Progress) -> bytes:
    """A progress as it is stored."""
    return orjson.dumps([progress.done, progress.total, progress.note])


def read_progress(stored: bytes) -> Progress | None:
    """A stored progress; None for what can't be read."""
    with suppress(ValueError, TypeError):
        done, total, note = orjson.loads(stored)
        return progress_of(min(max(done, -LARGEST), LARGEST), total, note)
    return None
