"""Which queues a worker serves and how: in their order, by shares, with ageing, with slots that are a queue's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskproc.errors import InvalidValue
from taskproc.values import Duration, count, milliseconds, queue_name, queue_names, shown

LARGEST_SHARE = 1000
_SHARE = re.compile(r"([^:]*):([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Serving:
    """The queues of a worker, their shares of it if they have any, and what else decides whose turn it is."""

    queues: tuple[str, ...]
    shares: tuple[int, ...]
    """One for each queue; none: the first with ready work wins."""
    ageing_ms: int
    """After how long a queue that is passed over goes first once; 0: never."""
    reserve: Mapping[str, int]
    """How many slots no other queue may use."""

    @property
    def plain(self) -> bool:
        """Whether nothing but the order of the queues decides."""
        return not (self.shares or self.ageing_ms or self.reserve)


def serving(
    queues: object = ("default",), ageing: Duration | None = None, reserve: object = None, *, slots: int = 10
) -> Serving:
    """What a caller gave, checked. Raises InvalidValue naming what makes no sense."""
    names, shares = queues_and_shares(queues)
    ageing_ms = 0 if ageing is None else milliseconds("ageing", ageing, positive=True)
    if ageing_ms and shares:
        raise InvalidValue("ageing is for queues that are served in their order: with shares each has its turn anyway")
    return fitting(Serving(names, shares, ageing_ms, _reserve(reserve, names)), slots)


def queues_and_shares(given: object) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of queues, and the share that each has; none where they are served in their order. Raises InvalidValue."""
    if isinstance(given, str) or not isinstance(given, list | tuple) or not any(":" in str(n) for n in given if _text(n)):
        return queue_names(given), ()
    pairs = [_share(name) for name in given]
    return queue_names([name for name, _ in pairs]), tuple(share for _, share in pairs)


def served(now: Serving, slots: int, given: Sequence[str] | None) -> Serving:
    """Other queues, or other slots, than a processor was made with. What was said of queues that are not served is left."""
    if given is not None:
        names, shares = queues_and_shares(given)
        reserve = {name: most for name, most in now.reserve.items() if name in names}
        now = replace(now, queues=names, shares=shares, ageing_ms=0 if shares else now.ageing_ms, reserve=reserve)
    return fitting(now, slots)


def fitting(found: Serving, slots: int) -> Serving:
    """The same, if each queue can have a slot. Raises InvalidValue."""
    held = sum(found.reserve.values())
    others = [name for name in found.queues if name not in found.reserve]
    if held > slots:
        raise InvalidValue(f"reserve={dict(found.reserve)}: {held} slots, but max_workers={slots}")
    if held == slots and others:
        raise InvalidValue(f"reserve={dict(found.reserve)}: of max_workers={slots} no slot is left for {others[0]!r}")
    return found


def _text(value: object) -> bool:
    return isinstance(value, str)


def _share(given: object) -> tuple[str, int]:
    found = _SHARE.fullmatch(given) if isinstance(given, str) else None
    if found is None or not 1 <= int(found[2]) <= LARGEST_SHARE:
        raise InvalidValue(
            f"queues: {shown(given)}: where one has a share each has one, from 1 to {LARGEST_SHARE}, such as 'high:6'"
        )
    return queue_name(found[1]), int(found[2])


def _reserve(given: Any, names: Sequence[str]) -> dict[str, int]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidValue(f"reserve={shown(given)}: give how many slots by queue, such as {{'high': 1}}")
    for name in given:
        if not isinstance(name, str) or name not in names:
            raise InvalidValue(f"reserve: the queue {shown(name)} is not one of queues={list(names)}")
    return {name: count(f"reserve[{name!r}]", most, 1, 10_000) for name, most in given.items()}
