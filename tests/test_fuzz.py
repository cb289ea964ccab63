"""Bad input of every kind, in short; ``make fuzz`` tries a hundred thousand."""

from __future__ import annotations

import logging

import pytest

from tests.fuzz import run
from tests.fuzz.report import Broken
from tests.fuzz.world import Listener

KINDS = {kind: [n for n in range(run.BLOCK * len(run.PLAN)) if run.kind_of(n) == kind] for kind in run.GROUPS}
SHORT = {"calls": 1_500, "bodies": 750, "contexts": 250, "commands": 100, "records": 100, "instance": 4, "schedules": 50}
"""So many of each kind."""


@pytest.mark.parametrize("kind", SHORT)
async def test_bad_input_breaks_no_promise(kind: str) -> None:
    told: list[str] = []
    tally = await run.fuzz(20_260_101, 0, None, KINDS[kind][: SHORT[kind]], told.append)
    assert told == []
    assert sum(tally.inputs.values()) == SHORT[kind]
    assert tally.outcomes[kind]


async def test_an_input_is_the_same_whenever_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[float]] = []

    async def group(world: run.World, numbers: list[int]) -> None:
        drawn.append([world.chance(number).random() for number in numbers])

    monkeypatch.setitem(run.GROUPS, "calls", (group, 250))
    await run.fuzz(5, 3, None, [], print)
    await run.fuzz(5, 0, None, [1], print)
    await run.fuzz(6, 0, None, [1], print)
    assert drawn[1] == [drawn[0][1]]
    assert drawn[2] != drawn[1]


async def test_a_promise_that_is_broken_is_told_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    async def group(world: run.World, numbers: list[int]) -> None:
        if 77 in numbers:
            raise Broken("it went wrong")

    monkeypatch.setitem(run.GROUPS, "calls", (group, 250))
    told: list[str] = []
    tally = await run.fuzz(5, 200, None, [], told.append)
    assert told == ["FAILED calls, seed 5, input 77", "  it went wrong", "  again: python -m tests.fuzz --seed 5 --only 77"]
    assert tally.lines()[-1] == "1 findings"


def test_a_log_with_a_payload_is_found() -> None:
    listener = Listener()
    listener.handle(logging.makeLogRecord({"msg": "an argument: %s", "args": ("cAn-ArY7",)}))
    with pytest.raises(Broken, match="a log holds a payload"):
        listener.check()
    listener.check()
