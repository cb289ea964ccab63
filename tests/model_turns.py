"""Turns of a step's queues, and what each may give by them."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

from taskproc.store.work import Turn

Order = list[tuple[int, int | None]]
Shape = tuple[Order, tuple[int, int]] | None
"""The turns of queues, and how many tasks each holds for itself."""

ORDERS: list[Order] = [
    [(0, 1), (1, 1), (0, 9), (1, 9)], [(1, 1), (0, 9)], [(0, 2), (1, 2)], [(0, 9), (1, 9)], [(0, 0), (1, 1), (0, 3)],
    [(0, None), (1, 2)], [(1, 2), (0, 1), (1, None)],
]  # fmt: skip
"""Turns of two queues: whose it is, and how many tasks it may give at most; None: it stands there as its name alone."""
HOLDS = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (2, 1)]
SHAPES: list[Shape] = [None] * 80 + list(product(ORDERS, HOLDS))


def turns_of(served: list[str], want: int, shape: tuple[Order, tuple[int, int]]) -> list[Any]:
    """The turns of a step, whose queues hold no more for themselves than is wanted."""
    order, (first, second) = shape
    first = min(first, want)
    holds = first, min(second, want - first)
    return [served[at] if most is None else (served[at], most, holds[at]) for at, most in order]


def in_full(places: list[Any], want: int) -> list[Turn]:
    """Turns, also of queues that stand there as their names."""
    return [(one, want, 0) if isinstance(one, str) else one for one in places]


def rooms_left(claimed: list[str], turns: list[Turn], want: int, more: set[str]) -> dict[str, int]:
    """How many tasks each queue might still have given. Those with more that nothing holds up gave all they could at each
    turn; none gave what was held for another.
    """
    holds = {name: hold for name, _, hold in reversed(turns)}
    spare, rest = want - sum(holds.values()), list(claimed)
    unused = Counter[str]()
    for name, most, _ in turns:
        room = max(0, min(most, spare + holds[name]))
        taken = next((n for n, queue in enumerate(rest[:room]) if queue != name), len(rest[:room]))
        assert taken == room or name not in more, f"{name} gave {taken} of {room}"
        kept = min(taken, holds[name])
        holds[name], spare, rest = holds[name] - kept, spare - taken + kept, rest[taken:]
        unused[name] += most - taken
    assert not rest, f"{rest} in no turn"
    return {name: min(unused[name], spare + holds[name]) for name in unused}
