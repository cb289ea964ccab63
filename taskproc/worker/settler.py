"""Outcomes on their way to Redis: grouped by batch, kept until they are answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import orjson

from taskproc import outcome as outcomes
from taskproc.codec import kept, marked, read_body
from taskproc.errors import AttemptsExhausted, CorruptTask
from taskproc.histogram import MARKS, NONE, mark
from taskproc.store.work import Group
from taskproc.values import LONGEST
from taskproc.worker.execution import Execution
from taskproc.worker.telling import carried, text, told, type_name

logger = logging.getLogger("taskproc")

MESSAGE, TRACEBACK = 2_000, 4_000
PLAIN_HEAD = 11
"""Bytes of a plain body before its payload."""

LARGEST = 2**32
"""More bytes no payload has, whatever a spoiled body says: a step with more than 10^15 would be refused."""

LONGEST_MS = int(LONGEST.total_seconds() * 1000)

Verb = tuple[object, ...]
REFUSED: Verb = ("dead", 0, "")
Entry = tuple[Execution, int, Verb | None]


class Settler:
    """Outcomes that are not settled yet, in the order in which tasks ended."""

    def __init__(self, held: dict[str, Execution]) -> None:
        self._held = held
        self._pending: list[Entry] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, execution: Execution, outcome: outcomes.Outcome, us: int) -> None:
        """Note how a task ended and how long its handler ran."""
        if type(outcome) is outcomes.Done and not (execution.extended and marked(read_body(execution.body).extension)):
            self._pending.append((execution, us, None))
        else:
            self._pending.append((execution, us, verb_of(outcome, execution)))

    def drop(self, execution: Execution) -> None:
        """Let go of a task whose lease is another worker's: nothing is settled."""
        self._held.pop(execution.member, None)

    def take(self, most: int) -> tuple[list[Entry], list[Group]]:
        """The oldest entries, and the groups that a step takes. They stay held until ``settled``."""
        taken, self._pending = self._pending[:most], self._pending[most:]
        found: dict[tuple[str, str], Group] = {}
        claims, group, plain_wait = None, Group("", ""), NONE
        for execution, us, verb in taken:
            if execution.claims is not claims:
                claims = execution.claims
                place = claims.batch, claims.queue
                group = found.get(place) or found.setdefault(place, Group(*place))
                plain_wait = claims.wait
            group.us += us
            group.members.append(execution.member)
            group.runs.append(MARKS[us.bit_length()] if us else NONE)
            if execution.extended:
                wait, size = brought(execution)
                group.waits.append(wait)
                group.size += size
            else:
                group.waits.append(plain_wait)
                group.size += len(execution.body) - PLAIN_HEAD
            if verb is not None:
                group.verbs.append((len(group.members), *verb))
        return taken, list(found.values())

    def settled(self, taken: Sequence[Entry], lost: Sequence[str], again: Sequence[str]) -> None:
        """Let go of what a step has answered; what it put off is sent again."""
        if again:
            back = set(again)
            self._pending[:0] = [entry for entry in taken if entry[0].member in back]
            taken = [entry for entry in taken if entry[0].member not in back]
        for execution, _, _ in taken:
            self._held.pop(execution.member, None)
        for member in lost:
            logger.warning("task %s: its lease was lost before its end was recorded; another worker has it", member[:32])

    def simplify(self, entry: Entry) -> bool:
        """Settle what Redis refuses as dead, without its details; False where that was refused: its lease runs out."""
        execution, _, verb = entry
        if verb == REFUSED:
            logger.error("task %s: its end can't be recorded; it is delivered again", execution.task_id)
            self.drop(execution)
            return False
        self._pending.insert(0, (execution, 0, REFUSED))
        return True

    def put_back(self, taken: Sequence[Entry]) -> None:
        """Keep entries whose step was refused, for the next."""
        self._pending[:0] = taken


def brought(execution: Execution) -> tuple[str, int]:
    """How long a task with an extension has waited since it was ready, as a mark, and how many bytes its payload has."""
    try:
        body = read_body(execution.body)
    except CorruptTask:
        return NONE, 0
    claims = execution.claims
    since_us = (body.number("r") or body.number("c")) * 1000 or claims.created_us
    wait = mark(claims.claimed_ms * 1000 - since_us) if claims.claimed_ms else NONE
    return wait, min(body.number("z"), LARGEST) if body.stub else len(body.payload)


def verb_of(outcome: outcomes.Outcome, execution: Execution) -> Verb:
    """The verb that settles an outcome: name, delay in ms, error as JSON or the result of one that is kept, grace in ms."""
    match outcome:
        case outcomes.Done():
            return ("done", 0, execution.result) if execution.result else ("done",)
        case outcomes.Again(delay_ms, error):
            return ("retry", _bounded(delay_ms), describe(error, execution))
        case outcomes.Dead(AttemptsExhausted() as error):
            return ("exhausted", 0, describe(error, execution))
        case outcomes.Dead(error, True):
            return ("dead", 0, describe(error, execution))
        case outcomes.Dead(error):
            return ("drop", 0, describe(error, execution)) if kept(execution.body) else ("drop",)
        case outcomes.Cancelled():
            return ("cancelled",)
        case outcomes.Released(delay_ms):
            return ("release", _bounded(delay_ms))
        case outcomes.Limited(delay_ms):
            return ("limited", _bounded(delay_ms))
        case outcomes.Unknown(delay_ms, grace_ms, error):
            return ("unknown", delay_ms, describe(error, execution), grace_ms)


def _bounded(delay_ms: object) -> int:
    """A delay as Redis takes it: a class derived from ``Retry`` may bring anything."""
    return min(max(delay_ms, 0), LONGEST_MS) if type(delay_ms) is int else 0


def describe(error: BaseException | None, execution: Execution) -> str:
    """An attempt's error as it is kept: type, message and traceback, cut to a few kB."""
    if error is None:
        return ""
    entry = {
        "attempt": execution.context.attempt if execution.context is not None else 0,
        "type": _clean(carried(error, "taskproc_type") or type_name(error)),
        "message": _clean(text(error))[:MESSAGE],
        "traceback": _ends_of(_clean(carried(error, "taskproc_traceback") or told(error)), TRACEBACK),
    }
    return orjson.dumps(entry).decode()


def _ends_of(whole: str, most: int) -> str:
    """A text cut in its middle: a long message at the end must not push the frames out."""
    return whole if len(whole) <= most else f"{whole[: most // 2]}\n…\n{whole[-(most // 2) :]}"


def _clean(said: str) -> str:
    return said.encode("utf-8", "replace").decode()
