"""What of a schedule that is due is fired: which of the occurrences that have passed, and when it is due next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from taskproc.occurrences import Occurrences, Own
from taskproc.schedule import SHORTEST_MS
from taskproc.values import milliseconds

MOST_MISSED = 100
"""So many missed occurrences run with ``misfire="all"``, the oldest; also how often a schedule's own function is asked."""

LATE_MS = 60_000
"""With ``misfire="skip"`` an occurrence is missed when it is found later than this."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The occurrences that run now, the one after, how many are left out and why the last of them is."""

    dues: tuple[int, ...]
    next: int | None
    skipped: int = 0
    why: str = ""


def plan(occurrences: Occurrences, due: int, now: int) -> Plan:
    """What to do about a schedule whose next occurrence was due by now, at the server's time.

    ``misfire`` decides among several that have passed; none runs that is found later than ``expire``. How often the
    schedule runs at most isn't looked at here.
    """
    schedule = occurrences.schedule
    expire = None if schedule.expire is None else milliseconds("expire", schedule.expire)
    after = occurrences.next_after(due)
    passed, last = [due], due
    if after is not None and after <= now:
        passed, last = _passed(occurrences, due, now)
        after = _after(occurrences, last, now)
    if after is not None and after < last + SHORTEST_MS:  # a function of the user's own may give anything
        after = occurrences.next_after(last + SHORTEST_MS - 1)
    if schedule.misfire == "all":
        dues, missed = passed, 0
    else:
        dues, missed = [last], int(last != due)
    found, why = dues, "missed" if missed else ""
    if schedule.misfire == "skip":
        found = [at for at in found if now - at <= LATE_MS]
        missed, why = missed + len(dues) - len(found), "missed" if len(found) < len(dues) else why
    if expire is not None:
        kept = [at for at in found if now - at <= expire]
        missed, why = missed + len(found) - len(kept), "expired" if len(kept) < len(found) else why
        found = kept
    return Plan(tuple(found), after, missed, why)


def _passed(occurrences: Occurrences, due: int, now: int) -> tuple[list[int], int]:
    """The occurrences from a due one up to now, the oldest of them, and the last of all."""
    if not isinstance(occurrences.rule, Own) and occurrences.schedule.misfire != "all":
        return [due], _last(occurrences, due, now)
    passed = [due]
    for at in occurrences.missed(due, now, MOST_MISSED - 1):
        if at >= passed[-1] + SHORTEST_MS:
            passed.append(at)
    return passed, passed[-1]


def _last(occurrences: Occurrences, due: int, now: int) -> int:
    """The last occurrence up to now: a moment is looked for after which comes one that has passed, but no other."""
    low, high = due, now
    found = due
    while low < high:
        middle = (low + high) // 2
        after = occurrences.next_after(middle)
        if after is not None and after <= now:
            found, low = after, after
        else:
            high = middle
    return found


def _after(occurrences: Occurrences, last: int, now: int) -> int | None:
    """The next occurrence that has not passed. A function of the user's own is asked from the last one on."""
    if not isinstance(occurrences.rule, Own):
        return occurrences.next_after(max(last, now))
    after = occurrences.next_after(last)
    return after if after is None or after > now else occurrences.next_after(now)


def upcoming(occurrences: Occurrences, next_at: int | None, n: int, runs: int, most: int | None) -> list[int]:
    """The next n occurrences from one on."""
    if next_at is None or n <= 0:
        return []
    left = n if most is None else min(n, most - runs)
    return [next_at, *islice(occurrences.after(next_at), max(0, left - 1))][: max(0, left)]
