"""The schedule of a tenant: what users write, how it is checked, and how it is stored."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any, Literal

import orjson

from taskproc import cron as crons
from taskproc.errors import CorruptRecord, InvalidValue
from taskproc.handlers import default_name, is_handler_name
from taskproc.values import (
    Duration,
    count,
    from_ms,
    milliseconds,
    one_of,
    queue_name,
    shown,
    tenant_name,
    text,
    timestamp_ms,
)
from taskproc.zones import LAST, zone

Misfire = Literal["once", "all", "skip"]
NextRun = Callable[[datetime | None], datetime | None]
"""Gets the last time, None at first, and gives the next, None for no further run."""

RULES = ("cron", "every", "at", "next_run")
MISFIRES = ("once", "all", "skip")
SHORTEST_MS = 100


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a tenant's handler runs. Exactly one of ``cron``, ``every``, ``at`` and ``next_run`` says it.

    ``cron``: an expression, or several joined by ``|``, in the clock of ``timezone``. ``every``: by real time, counted from
    ``start``. ``at``: once. ``next_run``: a function at the top of a module, or its name, that gets the last time (None at
    first) and gives the next (None: no further). ``unique``: skipped while an earlier task lives. ``expire``: an occurrence
    found later than this is skipped. ``misfire``: what of missed occurrences runs. ``start`` and ``end``: none before, none
    after. ``jitter``: each occurrence is later by the same part of it, which tenant and id decide.

    It is checked where it is used; ``check`` does so at once.
    """

    id: str
    tenant: str
    cron: str | None = None
    queue: str = "default"
    label: str = ""
    timezone: str = "UTC"
    unique: bool = False
    expire: Duration | None = None
    misfire: Misfire = "once"
    _: KW_ONLY
    every: Duration | None = None
    at: datetime | None = None
    next_run: NextRun | str | None = None
    start: datetime | None = None
    end: datetime | None = None
    max_runs: int | None = None
    jitter: Duration | None = None

    def check(self, *, cron_seconds: bool = False) -> Schedule:
        """The schedule itself. Raises InvalidValue that names the first field which makes no sense.

        ``cron_seconds``: cycles of six fields are allowed.
        """
        schedule_id(self.id)
        tenant_name(self.tenant)
        queue_name(self.queue)
        text("label", self.label, 1_000)
        zone(self.timezone)
        if not isinstance(self.unique, bool):
            raise InvalidValue(f"unique={shown(self.unique)}: use True or False")
        if not one_of(self.misfire, MISFIRES):
            raise InvalidValue(f"misfire={shown(self.misfire)}: use one of {', '.join(MISFIRES)}")
        if self.expire is not None:
            milliseconds("expire", self.expire, positive=True)
        if self.max_runs is not None:
            count("max_runs", self.max_runs, 1, 1_000_000_000)
        if self.jitter is not None:
            milliseconds("jitter", self.jitter)
        self._check_rule(cron_seconds)
        self._check_bounds()
        return self

    @property
    def rule(self) -> str:
        """Which of the four says when it runs. Raises InvalidValue where not exactly one does."""
        given = [name for name in RULES if getattr(self, name) is not None]
        if len(given) != 1:
            told = "none of them is given" if not given else f"{' and '.join(given)} are given"
            raise InvalidValue(f"cron, every, at or next_run: use exactly one; {told}")
        return given[0]

    def _check_rule(self, cron_seconds: bool) -> None:
        rule = self.rule
        if rule == "cron":
            assert self.cron is not None
            if crons.parse(text("cron", self.cron, crons.LONGEST), self.timezone).seconds and not cron_seconds:
                raise InvalidValue(f"cron={shown(self.cron)}: six fields, seconds first, need the option cron_seconds=True")
        elif rule == "every":
            every_ms(self.every)
        elif rule == "at":
            moment_ms("at", self.at)
        else:
            next_run_name(self.next_run)

    def _check_bounds(self) -> None:
        start = None if self.start is None else moment_ms("start", self.start)
        end = None if self.end is None else moment_ms("end", self.end)
        if start is not None and end is not None and end < start:
            raise InvalidValue(f"end={shown(self.end)}: it lies before start={shown(self.start)}")
        if self.at is not None and (start is not None or end is not None):
            raise InvalidValue(f"{'start' if start is not None else 'end'}: a schedule that runs once, at=, has no bounds")
        if self.next_run is not None and start is not None:
            raise InvalidValue("start: next_run says itself when the first run is")

    def to_record(self) -> dict[str, object]:
        """What is stored of it, ready for JSON: durations and times in milliseconds, next_run by name, no defaults."""
        record: dict[str, object] = {"id": self.id, "tenant": self.tenant}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value == default:
                continue
            record[name] = _STORED[name](name, value) if name in _STORED else value
        return record

    @classmethod
    def from_record(cls, record: object) -> Schedule:
        """The schedule of a record, checked. Fields it doesn't know are left alone.

        ``next_run`` stays a name: whoever runs it says what the names mean, as for handlers. Raises CorruptRecord that
        names the field which is missing or can't be read.
        """
        if not isinstance(record, Mapping):
            raise CorruptRecord(f"a schedule's record is {shown(record)}")
        try:
            given = {name: _loaded(name, record[name]) for name in ("id", "tenant", *_DEFAULTS) if name in record}
            return cls(**{"id": None, "tenant": None, **given}).check(cron_seconds=True)
        except InvalidValue as error:
            raise CorruptRecord(f"a schedule's record can't be read: {error}") from None


RULE = ("cron", "timezone", "every", "at", "next_run", "start", "end", "jitter")
"""The fields that say when a schedule runs: where one of them changes it begins anew."""


def rule_of(record: Mapping[str, object]) -> str:
    """What of a schedule's record says when it runs, as a text."""
    return orjson.dumps({name: record[name] for name in RULE if name in record}).decode()


def schedule_id(given: object) -> str:
    """A schedule's id. Raises InvalidValue for anything but a text of 1 to 255 bytes in UTF-8."""
    if not isinstance(given, str) or not given:
        raise InvalidValue(f"id={shown(given)}: use a text of 1 to 255 bytes")
    return text("id", given, 255)


def moment_ms(name: str, given: object) -> int:
    """A time in milliseconds, one that can still be compared with later ones."""
    found = timestamp_ms(name, given)
    if found >= LAST:
        raise InvalidValue(f"{name}={shown(given)}: it must lie before the year {from_ms(LAST).year}")
    return found


def every_ms(given: object) -> int:
    """An interval in milliseconds."""
    found = milliseconds("every", given)
    if found < SHORTEST_MS:
        raise InvalidValue(f"every={shown(given)}: it must be at least a tenth of a second")
    return found


def next_run_name(given: object) -> str:
    """The name by which a function for ``next_run`` is stored. Raises InvalidValue for what can't be found by one."""
    if isinstance(given, str):
        if not is_handler_name(given):
            raise InvalidValue(f"next_run={shown(given)}: this is no function's name")
        return given
    if not isinstance(given, FunctionType):
        raise InvalidValue(f"next_run={shown(given)}: give a function, or its name")
    name, module = default_name(given), sys.modules.get(given.__module__)
    if getattr(module, given.__qualname__, None) is not given:
        raise InvalidValue(f"next_run={shown(given)}: define it at the top of a module, where it is found by its name")
    if inspect.iscoroutinefunction(given) or inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
        raise InvalidValue(f"next_run={shown(given)}: it must be a plain function")
    return name


_DEFAULTS: dict[str, object] = {
    "cron": None,
    "queue": "default",
    "label": "",
    "timezone": "UTC",
    "unique": False,
    "expire": None,
    "misfire": "once",
    "every": None,
    "at": None,
    "next_run": None,
    "start": None,
    "end": None,
    "max_runs": None,
    "jitter": None,
}
_TIMES, _DURATIONS = ("at", "start", "end"), ("expire", "every", "jitter")
_STORED: dict[str, Callable[[str, Any], object]] = {
    **dict.fromkeys(_TIMES, moment_ms),
    **dict.fromkeys(_DURATIONS, milliseconds),
    "next_run": lambda name, value: next_run_name(value),
}


def _loaded(name: str, value: object) -> Any:
    if value is None or name not in (*_TIMES, *_DURATIONS):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LAST:
        raise InvalidValue(f"{name}={shown(value)}: it is no number of milliseconds")
    return from_ms(value) if name in _TIMES else timedelta(milliseconds=value)
