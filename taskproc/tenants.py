"""Rules of tenants: their weight, their limits, their state. What is set for one goes before its tier's word, and that
before what is set for all.

Redis keeps them as JSON, as ``lua/include/rules_of.lua`` reads it: -1 stands for no limit, which is a word too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import EllipsisType
from typing import Any, TypedDict

from taskproc.errors import InvalidValue
from taskproc.limits import Amount, Rate, RateGiven
from taskproc.values import count, number, queue_name, shown

HEAVIEST, LIGHTEST = 1000, 0.001
MOST = 10**12
_TIER = re.compile(r"[A-Za-z0-9_.-]{1,64}")

WeightGiven = float | None | EllipsisType
TierGiven = str | None | EllipsisType


class TenantState(StrEnum):
    """Whether a tenant's tasks are claimed and new ones taken."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Nothing of it is claimed, and no schedule fires."""
    DRAINING = "draining"
    """What is there runs; nothing new is taken, and no schedule fires."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What holds for a tenant in one queue; None: no limit."""

    max_running: int | None = None
    rate_limit: str | None = None
    max_waiting: int | None = None


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What holds for a tenant; None: no limit. ``max_payload`` is in bytes; ``queues``: what holds in one besides."""

    weight: float = 1.0
    max_running: int | None = None
    rate_limit: str | None = None
    max_waiting: int | None = None
    max_payload: int | None = None
    max_schedules: int | None = None
    queues: Mapping[str, QueueRules] = field(default_factory=dict)
    tier: str | None = None
    state: TenantState = TenantState.ACTIVE


class TenantLimits(TypedDict, total=False):
    """The limits that ``set_tenant_limits``, which says what each means, and ``set_tier`` take; ``...`` leaves one out."""

    weight: WeightGiven
    max_running: Amount
    rate_limit: RateGiven
    max_waiting: Amount
    max_payload: Amount
    max_schedules: Amount


MARKS = {
    "weight": "w", "max_running": "m", "max_waiting": "n", "max_payload": "p", "max_schedules": "x", "rate_limit": "r",
}  # fmt: skip
"""The limits as Redis keeps them, by their names."""

NAMES = {mark: name for name, mark in MARKS.items()} | {"tier": "tier"}

_AMOUNTS = ("max_running", "max_waiting", "max_payload", "max_schedules")
_IN_ALL_QUEUES = ("weight", "max_payload", "max_schedules")


def words(call: str, queue: str | None, limits: TenantLimits) -> dict[str, object]:
    """What is said of rules, as Redis keeps it. Raises InvalidValue, and TypeError for one that there is not."""
    unknown = limits.keys() - TenantLimits.__annotations__.keys()
    if unknown:
        raise TypeError(f"{call}() got an unexpected keyword argument {min(unknown)!r}")
    given: dict[str, object] = {name: value for name, value in limits.items() if value is not ...}
    found: dict[str, object] = {}
    if "weight" in given:
        found["w"] = 1 if given["weight"] is None else _weight(given["weight"])
    for name in _AMOUNTS:
        if name in given:
            found[MARKS[name]] = -1 if given[name] is None else count(name, given[name], 0, MOST)
    if "rate_limit" in given:
        rate = None if given["rate_limit"] is None else Rate.parse(given["rate_limit"])
        found |= {"i": 0, "b": 1, "r": ""} if rate is None else {"i": rate.interval_us, "b": rate.burst, "r": rate.written}
    if queue is None:
        return found
    wrong = next((name for name in _IN_ALL_QUEUES if name in given), "")
    if wrong:
        raise InvalidValue(f"{wrong}: it holds for a tenant in all queues; leave queue={shown(queue)} out")
    return {"q": {queue_name(queue): found}} if found else {}


def _weight(given: object) -> float:
    found = number("weight", given)
    if not LIGHTEST <= found <= HEAVIEST:
        raise InvalidValue(f"weight={shown(given)}: use a number from {LIGHTEST} to {HEAVIEST:,}")
    return found


def tier_name(name: object) -> str:
    """A tier's name. Raises InvalidValue."""
    if not isinstance(name, str) or not _TIER.fullmatch(name):
        raise InvalidValue(f"tier={shown(name)}: use 1 to 64 letters, digits, '_', '.' and '-'")
    return name


def written(said: Mapping[str, Any]) -> dict[str, object]:
    """What is said of one tenant by the names of the arguments; None: no limit. What can't be understood is left out."""
    found = {NAMES[mark]: None if value in (-1, "") else value for mark, value in said.items() if mark in NAMES}
    if "s" in said:
        found["state"] = said["s"]
    queues = said.get("q")
    if isinstance(queues, dict):
        found["queues"] = {queue: written(own) for queue, own in queues.items() if isinstance(own, dict)}
    return found


def rules_of(*said: Mapping[str, Any]) -> TenantRules:
    """What holds where the last word goes before the others: of all, of the tier, of the tenant."""
    both: dict[str, Any] = {}
    queues: dict[str, dict[str, Any]] = {}
    for one in said:
        both |= one
        for queue, own in (one.get("q") or {}).items():
            queues.setdefault(queue, {}).update(own)
    own = said[-1]
    return TenantRules(
        weight=float(both.get("w", 1)),
        max_running=_most(both, "m"),
        rate_limit=both.get("r") or None,
        max_waiting=_most(both, "n"),
        max_payload=_most(both, "p"),
        max_schedules=_most(both, "x"),
        queues={
            queue: QueueRules(_most(found, "m"), found.get("r") or None, _most(found, "n"))
            for queue, found in queues.items()
        },
        tier=own.get("tier"),
        state=TenantState(own.get("s", TenantState.ACTIVE)),
    )


def _most(said: Mapping[str, Any], mark: str) -> int | None:
    most = int(said.get(mark, -1))
    return None if most < 0 else most
