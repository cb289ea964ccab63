"""Turns of a worker's queues: shares, ageing, and slots that are a queue's own, on a clock of the test's."""

from __future__ import annotations

import random
from collections import Counter, deque
from itertools import pairwise

import pytest

from taskproc.serving import serving
from taskproc.store.work import Claims, Turn
from taskproc.worker.turns import Turns


class Bench:
    """A worker's slots, and queues of tasks by their length; the step is done as the script does it."""

    def __init__(self, queues: list[str], slots: int, *, ageing: float | None = None, reserve: object = None) -> None:
        self.now = 0.0
        self.slots = slots
        found = serving(queues, ageing, reserve, slots=slots)
        self.turns = Turns(found, lambda: self.now)
        self.lines: dict[str, deque[float]] = {name: deque() for name in found.queues}
        self.running: list[tuple[float, Claims]] = []
        self.time: Counter[str] = Counter()
        self.begun: list[tuple[float, str]] = []
        self.reserve = found.reserve

    def put(self, queue: str, count: int, length: float = 1.0) -> None:
        self.lines[queue].extend([length] * count)

    def step(self) -> None:
        """Claim for all free slots, as the script would."""
        free = self.slots - len(self.running)
        want = min(free, 128)
        if not want:
            return
        got = claim(self.turns.plan(want, free), want, {name: len(line) for name, line in self.lines.items()})
        claims = [Claims(queue, "t", "b", 0, "", [b"x"] * n) for queue, n in got.items() if n]
        self.turns.claimed(want, claims)
        for claim_ in claims:
            for _ in claim_.bodies:
                length = self.lines[claim_.queue].popleft()
                self.running.append((self.now + length, claim_))
                self.begun.append((self.now, claim_.queue))
        self.running.sort(key=lambda run: run[0])
        for queue in self.lines:
            others = sum(max(0, n - self.held(o)) for o, n in self.reserve.items() if o != queue)
            assert self.held(queue) <= self.slots - others or not any(c.queue == queue for c in claims)

    def held(self, queue: str) -> int:
        return sum(claims.queue == queue for _, claims in self.running)

    def run(self, until: float) -> None:
        """Work on; each task that ends is followed by a step."""
        self.step()
        while self.running and self.running[0][0] <= until:
            at, claims = self.running.pop(0)
            self.count(at, claims.queue)
            self.turns.ended(claims)
            self.step()
        self.count(until)

    def count(self, until: float, *ended: str) -> None:
        for queue in [*(c.queue for _, c in self.running), *ended]:
            self.time[queue] += until - self.now
        self.now = until


def claim(turns: list[Turn], want: int, ready: dict[str, int]) -> Counter[str]:
    """What a step claims by its turns."""
    holds = {name: hold for name, _, hold in reversed(turns)}
    got: Counter[str] = Counter()
    for name, most, _ in turns:
        taken = max(0, min(most, ready[name] - got[name], want - sum(holds.values()) + holds[name]))
        want, holds[name] = want - taken, max(0, holds[name] - taken)
        got[name] += taken
    return got


# shares


@pytest.mark.parametrize("slots", [1, 4, 10])
@pytest.mark.parametrize("lengths", [(1, 1, 1), (0.1, 0.6, 5), (5, 0.6, 0.1)])
def test_shares_are_of_the_slots_time_however_long_tasks_are(slots: int, lengths: tuple[float, ...]) -> None:
    bench = Bench(["high:6", "default:3", "low:1"], slots)
    for queue, length in zip(("high", "default", "low"), lengths, strict=True):
        bench.put(queue, int(300 * slots / length) + 1, length)
    bench.run(300)
    assert sum(bench.time.values()) == pytest.approx(300 * slots)
    for queue, share in (("high", 0.6), ("default", 0.3), ("low", 0.1)):
        assert bench.time[queue] / (300 * slots) == pytest.approx(share, rel=0.1), bench.time


def test_shares_hold_where_each_queue_has_short_and_long_tasks() -> None:
    chance, bench = random.Random(5), Bench(["a:1", "b:2", "c:5"], 16)
    for queue in "abc":
        bench.lines[queue].extend(10 ** chance.uniform(-2, 1) for _ in range(6_000))
    bench.run(400)
    assert [bench.time[queue] / (400 * 2) for queue in "abc"] == pytest.approx([1, 2, 5], rel=0.05)


def test_the_first_step_gives_slots_by_shares() -> None:
    bench = Bench(["high:6", "default:3", "low:1"], 10)
    for queue in ("high", "default", "low"):
        bench.put(queue, 100)
    bench.step()
    assert [bench.held(queue) for queue in ("high", "default", "low")] == [6, 3, 1]


@pytest.mark.parametrize("busy", ["high", "low"])
def test_what_others_do_not_need_is_used(busy: str) -> None:
    bench = Bench(["high:6", "low:1"], 7)
    bench.put(busy, 7000, 0.1)
    bench.run(50)
    assert bench.time[busy] == pytest.approx(350)


@pytest.mark.parametrize("idle", [0.5, 300])
def test_an_idle_queue_has_saved_nothing_up_and_working_alone_is_no_debt(idle: float) -> None:
    bench = Bench(["high:1", "low:1"], 10)
    bench.put("high", 3, 0.1)
    bench.put("low", 60_000, 0.1)
    bench.run(idle)
    bench.put("high", 100_000, 0.1)
    before = bench.time.copy()
    bench.run(idle + 20)
    found = bench.time - before
    assert found["high"] == pytest.approx(100, rel=0.1)
    assert found["low"] == pytest.approx(100, rel=0.1)


def test_queues_that_are_dry_are_all_looked_at_and_one_that_comes_back_is_found_at_once() -> None:
    bench = Bench(["a:1", "b:1", "c:1", "d:1"], 1)
    bench.put("a", 1000, 1)
    bench.run(10)
    bench.put("d", 100, 1)
    bench.run(30)
    assert {queue: bench.time[queue] for queue in "ad"} == pytest.approx({"a": 20, "d": 10}, abs=2)


def test_long_work_of_a_small_share_takes_no_more_slots_than_are_its() -> None:
    bench = Bench(["high:9", "low:1"], 10)
    bench.put("low", 1000, 60)
    bench.put("high", 100_000, 0.1)
    for second in range(1, 301):
        bench.run(second)
        assert bench.held("low") <= 3, second
    assert bench.time["low"] / 3000 == pytest.approx(0.1, rel=0.2)


# ageing


def test_a_queue_that_is_passed_over_goes_first_once_each_time() -> None:
    bench = Bench(["high", "low"], 1, ageing=5)
    bench.put("high", 10_000, 0.1)
    bench.put("low", 100, 0.1)
    bench.run(100)
    low = [at for at, queue in bench.begun if queue == "low"]
    assert len(low) == pytest.approx(100 / 5.15, abs=1)
    assert all(5 <= b - a <= 5.3 for a, b in pairwise(low)), low


def test_of_several_that_were_passed_over_the_one_that_waits_longest_goes_first() -> None:
    bench = Bench(["high", "middle", "low"], 1, ageing=1)
    for queue in ("high", "middle", "low"):
        bench.put(queue, 10_000, 0.1)
    bench.run(60)
    begun = Counter(queue for _, queue in bench.begun)
    assert begun["low"] == pytest.approx(begun["middle"], abs=1)
    assert begun["low"] > 40


def test_without_ageing_the_order_is_strict_and_with_it_what_is_reached_has_not_been_passed_over() -> None:
    strict, aged = Bench(["high", "low"], 2, reserve={"low": 1}), Bench(["high", "low"], 2, ageing=5)
    for bench in (strict, aged):
        bench.put("high", 10, 1)
        bench.put("low", 1000, 1)
    aged.run(100)
    assert [queue for _, queue in aged.begun[:10]].count("low") == 0
    strict.run(100)
    assert [queue for _, queue in strict.begun[:10]].count("low") == 5


# reserved slots


def test_a_reserved_slot_is_free_for_its_queue_whatever_the_others_have() -> None:
    bench = Bench(["high", "low"], 4, reserve={"high": 1})
    bench.put("low", 100, 1000)
    bench.step()
    assert bench.held("low") == 3
    bench.put("high", 2, 1)
    bench.step()
    assert (bench.held("high"), bench.held("low")) == (1, 3)


def test_a_queue_may_have_more_than_its_own_slots() -> None:
    bench = Bench(["high", "low"], 4, reserve={"high": 1})
    bench.put("high", 10, 10)
    bench.put("low", 10, 10)
    bench.step()
    assert bench.held("high") == 4


@pytest.mark.parametrize("shared", [False, True])
def test_own_slots_are_kept_with_hundreds_of_slots_and_steps_of_a_part_of_them(shared: bool) -> None:
    queues = ["a:1", "b:1", "c:2"] if shared else ["a", "b", "c"]
    bench = Bench(queues, 400, reserve={"b": 150, "c": 100})
    bench.put("a", 1000, 1000)
    for _ in range(6):
        bench.step()
    assert bench.held("a") == 150
    bench.put("c", 1000, 1000)
    for _ in range(6):
        bench.step()
    assert bench.held("c") == 100
    bench.put("b", 1000, 1000)
    for _ in range(6):
        bench.step()
    assert bench.held("b") == 150


def test_which_queues_may_use_a_free_slot() -> None:
    bench = Bench(["high", "default", "low"], 4, reserve={"high": 1, "low": 1})
    assert bench.turns.open(4) == ["high", "default", "low"]
    bench.put("default", 10, 1000)
    bench.step()
    assert bench.held("default") == 2
    assert bench.turns.open(2) == ["high", "low"]
    bench.put("high", 1, 1000)
    bench.step()
    assert bench.turns.open(1) == ["low"]


@pytest.mark.parametrize("seed", range(20))
def test_no_slot_is_idle_while_a_queue_that_may_use_it_has_work(seed: int) -> None:
    chance = random.Random(seed)
    shared, slots = chance.random() < 0.5, chance.randint(3, 12)
    queues = [f"{name}:{chance.randint(1, 9)}" if shared else name for name in "abcd"]
    reserve = {"a": 1, "d": chance.randint(1, 2)} if seed % 3 else None
    bench = Bench(queues, slots, reserve=reserve, ageing=None if shared else 2)
    for _ in range(300):
        for queue in "abcd":
            if chance.random() < 0.3:
                bench.put(queue, chance.randint(1, 20), 10 ** chance.uniform(-2, 0.5))
        bench.run(bench.now + chance.uniform(0, 3))
        bench.step()
        free = slots - len(bench.running)
        waiting = [queue for queue in bench.turns.open(free) if bench.lines[queue]] if free else []
        assert not waiting, (bench.now, free, waiting)
