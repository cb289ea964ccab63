"""Tenants are given several tasks at their turn where all are short, and one where anything takes time."""

from __future__ import annotations

from typing import cast

import pytest

from taskproc.store.work import Claims, Work
from taskproc.worker.execution import Execution
from taskproc.worker.quantum import AT_ONCE, LONG_MS, SHORT_US, STREAK, Quantum
from taskproc.worker.settler import Entry
from tests import handlers
from tests.direct import Direct
from tests.harness import Instance, until
from tests.ruling import rule, shares


def ended(us: int, n: int = 100) -> list[Entry]:
    """So many settlements of tasks that took so long each."""
    return [(cast(Execution, None), us, None)] * n


def held(claimed_ms: int) -> dict[str, Execution]:
    """What a worker holds since some time."""
    execution = Execution(Claims("q", "acme", "b" * 22, 0, "w1", [], claimed_ms), b"0123456789.{}")
    return {execution.member: execution}


def brisk(holds: dict[str, Execution]) -> Quantum:
    """After as many short tasks as it takes."""
    quantum = Quantum(holds)
    for _ in range(STREAK // 100):
        assert quantum.at_once(0) == 1
        quantum.note(ended(SHORT_US - 1))
    return quantum


def test_many_short_ones_in_a_row_let_a_turn_be_of_several() -> None:
    assert brisk({}).at_once(0) == AT_ONCE


def test_one_that_took_time_makes_them_begin_again() -> None:
    quantum = brisk({})
    quantum.note([*ended(10), *ended(SHORT_US, 1), *ended(10)])
    assert quantum.at_once(0) == 1
    quantum.note(ended(10, STREAK - 1))
    assert quantum.at_once(0) == 1
    quantum.note(ended(10, 1))
    assert quantum.at_once(0) == AT_ONCE


def test_so_does_a_rest() -> None:
    quantum = brisk({})
    quantum.rest()
    assert quantum.at_once(0) == 1


@pytest.mark.parametrize(("age", "found"), [(LONG_MS, AT_ONCE), (LONG_MS + 1, 1)])
def test_while_one_runs_for_long_a_turn_is_of_one(age: int, found: int) -> None:
    quantum = Quantum(held(7_000))
    quantum.note(ended(10, STREAK))
    assert quantum.at_once(7_000 + age) == found


@pytest.mark.parametrize(("tenants", "at_once", "shares"), [
    (9, 4, [4, 4, 1]), (9, 1, [1] * 9), (2, 3, [5, 4]), (3, 16, [9]), (3, 99, [9]), (1, 4, [9]), (2, 16, [9]),
])  # fmt: skip
def test_a_step_gives_each_tenant_so_many_at_its_turn(direct: Direct, tenants: int, at_once: int, shares: list[int]) -> None:
    for n in range(tenants):
        direct.create(20, f"t{n}")
    assert [len(bodies) for *_, bodies in direct.step(9, at_once=at_once)[7]] == shares


def test_no_tenant_is_given_more_than_sixteen(direct: Direct) -> None:
    for n in range(4):
        direct.create(50, f"t{n}")
    assert [len(bodies) for *_, bodies in direct.step(50, at_once=1000)[7]] == [16, 16, 16, 2]


def test_who_has_less_leaves_the_rest_to_those_after_it(direct: Direct) -> None:
    for n, ready in enumerate([2, 1, 9, 1]):
        direct.create(ready, f"t{n}")
    answer = direct.step(12, at_once=4)
    assert [(tenant, len(bodies)) for _, tenant, _, _, bodies in answer[7]] == [
        (b"t0", 2), (b"t1", 1), (b"t2", 8), (b"t3", 1)
    ]  # fmt: skip
    assert direct.step(12, at_once=4)[8] == 0


def test_what_is_left_after_that_goes_by_weight(direct: Direct) -> None:
    for tenant, weight in (("a", 1), ("b", 5)):
        rule(direct, tenant, w=weight)
        direct.create(20, tenant)
    assert shares(direct, direct.claim(12, at_once=4)) == {"a": 4, "b": 8}


def test_others_are_told_of_what_the_step_did_not_look_at(direct: Direct) -> None:
    for n in range(4):
        direct.create(2, f"t{n}")
    assert len(direct.step(4, at_once=4)[7]) == 2
    assert direct.client.exists(direct.key("wake", "q"))


async def test_a_worker_gives_several_at_once_after_short_tasks_and_one_beside_a_long_one(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, plain = list[int](), Quantum.at_once
    monkeypatch.setattr(Quantum, "at_once", lambda self, now_ms: told.append(plain(self, now_ms)) or told[-1])
    asked, ask = list[int](), Work.ask
    monkeypatch.setattr(Work, "ask", lambda self, *given: asked.append(self.at_once) or ask(self, *given))
    monkeypatch.setattr("taskproc.worker.quantum.SHORT_US", 60_000_000)  # a busy machine is not what is looked at
    monkeypatch.setattr("taskproc.worker.quantum.LONG_MS", 500)

    async def short_ones() -> list[int]:
        told.clear()
        for tenant in "abcd":
            await proc.enqueue_batch("default", tenant, lambda b: [b.enqueue(handlers.noop, n) for n in range(600)])
        await until(done)
        return told

    async def done() -> bool:
        info = await proc.get_queue("default")
        return info is not None and info.ready == 0 and info.running == long

    async with instance.open() as proc, instance.worker(max_workers=32):
        long = 0
        assert AT_ONCE in await short_ones()
        asked.clear()
        await until(lambda: asked)
        assert set(asked) == {1}, "what comes after a rest may be of another kind"
        batch = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.step, 60.0, "long")])
        [started] = await instance.wait_records(1, "start", tag="long")
        await until(lambda: instance.now() - started["at"] > 0.6)
        long = 1
        assert set(await short_ones()) == {1}
        await proc.cancel_batch(batch)
