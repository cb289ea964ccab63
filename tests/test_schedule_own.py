"""Functions of one's own for the next run that go wrong: they end no worker, and keep none busy."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import InvalidValue, Schedule, firing
from taskproc.ids import schedule_key
from taskproc.occurrences import Occurrences
from taskproc.values import timestamp_ms
from tests import ticking
from tests.harness import Instance, until

MS = timestamp_ms("BEGIN", ticking.BEGIN)
STEP = 100


@pytest.mark.parametrize("function", [ticking.exits, ticking.cancels])
async def test_one_that_would_end_the_program_ends_no_worker(instance: Instance, function: Any) -> None:
    async with instance.worker() as proc:
        await proc.upsert_schedule(Schedule("wrong", "acme", next_run=function), ticking.tick, "wrong")
        await proc.upsert_schedule(Schedule("right", "acme", at=ticking.BEGIN), ticking.tick, "right")
        await instance.wait_records(1, "end", tag="right")

        async def told() -> str:
            info = await proc.get_schedule("wrong", "acme")
            return info.skip_reason if info is not None else ""

        raised = "SystemExit" if function is ticking.exits else "CancelledError"
        assert await until(told) == f"schedule 'wrong': next_run: it raised {raised}"
        assert instance.recorded(tag="wrong") == []
        assert proc.is_running


def test_a_person_who_stops_a_program_is_heard() -> None:
    with pytest.raises(KeyboardInterrupt):
        Occurrences.of(Schedule("s", "acme", next_run=ticking.interrupts)).next_after(MS)


async def test_a_name_of_what_can_not_be_one_is_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        for function, told in (("nobody", "no module"), ("later", "it must be a plain function")):
            made = Schedule("s", "acme", next_run=f"tests.ticking.{function}")
            with pytest.raises(InvalidValue, match=f"next_run=.*{told}"):
                await proc.upsert_schedule(made, ticking.tick, "s")
        assert not instance.client.exists(f"{{{instance.name}}}:s:{schedule_key('acme', 's')}")


@pytest.mark.parametrize("misfire", ["once", "all", "skip"])
def test_one_that_hurries_is_asked_for_ten_runs_a_second(misfire: Any) -> None:
    hurried = Occurrences.of(Schedule("s", "acme", next_run=ticking.hurries, misfire=misfire))
    now = due = MS
    fired: list[int] = []
    while now < MS + 10 * STEP:
        found = firing.plan(hurried, due, now)
        fired += found.dues
        assert found.next is not None
        now = due = found.next
    assert [at - MS for at in fired] == [n * STEP for n in range(10)]
    late = firing.plan(hurried, MS, MS + 500)
    assert late.dues == (MS,)
    assert late.next is not None
    assert late.next >= MS + STEP


@pytest.mark.parametrize("asked", [0, 1, 50, 99])
def test_one_that_keeps_its_distance_loses_no_run(asked: int) -> None:
    even = Occurrences.of(Schedule("s", "acme", next_run=ticking.tenths, misfire="all"))
    assert firing.plan(even, MS, MS + asked).next == MS + STEP
    found = firing.plan(even, MS, MS + 20 * STEP + asked)
    assert (found.dues, found.next) == (tuple(MS + n * STEP for n in range(21)), MS + 21 * STEP)
    lagging = firing.plan(even, MS, MS + 250 * STEP + asked)
    assert (lagging.dues, lagging.next) == (tuple(MS + n * STEP for n in range(100)), MS + 251 * STEP)
