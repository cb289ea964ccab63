"""The store against its model: random calls, replays, crashes and time, compared after every step.

``MODEL_EXAMPLES`` and ``MODEL_STEPS`` in the environment make it run longer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.model_limits import KINDS
from tests.parts import ENDED, TENANTS
from tests.servers import KINDS as SERVERS
from tests.servers import Server, running
from tests.store_calls import StoreCalls
from tests.store_purge import StorePurge
from tests.store_view import View
from tests.tally import Tally
from tests.thrifty import Thrifty

STEPS = int(os.environ.get("MODEL_STEPS", "50"))
LIMITS = set(filter(None, KINDS))


class Store(StorePurge):
    """Holds the store against the model after every step."""

    looks = 0
    """How many steps have been compared."""

    @invariant()
    def store_and_model_agree(self) -> None:
        """They agree in everything."""
        Store.looks += 1
        self.seen += 1
        view, tally = self.view(), Tally(self.model)
        self.compare_places(view)
        self.compare_batches(view, tally)
        self.compare_counts(view, tally)
        self.compare_lines(view, tally)
        self.compare_records(view)
        self.compare_locks(view)
        self.compare_limits(view, tally)
        self.compare_schedules(view)
        self.compare_rules(view)
        self.compare_history(view)
        self.go_on_ticking()

    def compare_places(self, view: View) -> None:
        """Every task is in exactly the one place where the model has it."""
        tasks = self.model.tasks.values()
        assert not view.parts["staged"]
        assert view.places == sorted((t.id, t.state, t.queue) for t in tasks)
        assert view.leases == {t.member: t.deadline for t in tasks if t.member}
        assert view.names("cx") == {t.id for t in tasks if t.stopping}

    def compare_batches(self, view: View, tally: Tally) -> None:
        """Counters, states, continuations, retention."""
        found = {}
        for b in self.model.batches.values():
            numbers = [b.total, tally.left[b.id], b.failed, b.cancelled, tally.zombies[b.id]]
            found[b.id] = numbers, b.state, [c.on for c in b.continuations]
        assert view.batches == found
        assert view.settled == {b.id for b in self.model.batches.values() if b.state in ENDED}

    def compare_counts(self, view: View, tally: Tally) -> None:
        """Queues, tenants in queues, tenants."""
        assert view.counts == tally.counts
        known = self.model.tenants
        assert view.names("tenants") == view.tenants.keys() == known.keys()
        assert view.tenants == {
            name: [t.batches, t.total, tally.tenants[name], t.failed, t.cancelled] for name, t in known.items()
        }
        assert {name for name in known if not tally.tenants[name]} <= view.names("idle")

    def compare_lines(self, view: View, tally: Tally) -> None:
        """Whoever has ready work is in line for it, and a worker would be woken for it."""
        for queue, line in view.lines.items():
            strict = queue in self.model.fifo
            assert line.held <= (line.lists.keys() if strict else line.full)
            waiting = line.full - line.held
            inside = {seg for seg in waiting if self.model.batches[seg[:22]].tenant not in line.out}
            if inside:
                assert line.wakes == 1
            if strict:
                assert all(line.tickets[seg] >= line.entries[seg] for seg in line.lists.keys() - line.held)
                continue
            laned = {seg for lane in line.lanes.values() for seg in lane}
            assert {self.model.batches[seg[:22]].tenant for seg in inside} <= set(line.ring)
            assert not line.aside
            assert set(line.ring) <= {tenant for tenant in TENANTS if tally.counts[queue, tenant]["ready"]}
            assert waiting <= laned
            assert not line.held & laned
        assert view.delayed == view.due

    def compare_records(self, view: View) -> None:
        """Every kept task has its record, with how it ended; those of open batches are listed for their end by age."""
        records = self.model.records
        ended = {i: r for i, r in records.items() if r.outcome}
        assert view.recorded == records.keys()
        assert view.ends == {i: (r.outcome, str(r.attempt), str(r.ended_at)) for i, r in ended.items()}
        mine = {i: r for i, r in ended.items() if r.task.batch.state == "open"}
        assert view.aged == {i: float(r.ended_at) for i, r in mine.items()}
        assert view.heads.keys() == {r.task.batch.id for r in mine.values()}
        assert all(head <= oldest for head, oldest in view.heads.values())

    def compare_locks(self, view: View) -> None:
        """Who has which unique lock; a lock that holds nothing is one that upkeep knows of."""
        stored, found = view.names("uniq"), {}
        known = sorted({*stored, *self.model.locks})
        for digest, answer in zip(known, self.ask("unique_read", known), strict=True):
            assert answer[0] in (b"ok", b"unknown")
            if answer[0] == b"ok":
                found[digest] = answer[1].decode()
        assert found == {name: holder for name in self.model.locks if (holder := self.model.holder(name))}
        assert stored - found.keys() <= view.watched

    def compare_limits(self, view: View, tally: Tally) -> None:
        """Slots are of running tasks; what waits for a limit is woken by somebody, or is in line."""
        for limit in LIMITS:
            assert view.names(f"lim:{limit}") == tally.running.get(limit, set())
        assert view.waits == [view.parked.keys()] * 2
        for limit, queue in view.parked:
            if limit not in LIMITS or any(seg.endswith("!" + limit) for seg in view.lines[queue].turns):
                continue
            running, due = len(tally.running.get(limit, ())), f"!{limit}" in view.names("delayed")
            if self.model.limits.room(limit, 0, self.us) == 0 and self.model.limits.most[limit[:10]] != 0:
                assert due or running
            else:
                assert due or not self.model.limits.room(limit, running, self.us), limit

    def compare_history(self, view: View) -> None:
        """Whatever has ended is in the history once, wherever summing up is; a queue's sums are those of its tenants,
        with what purges have left."""
        if int(view.keys.get("sums", {}).get(b"part", 0)):
            return  # somebody has died in the middle, and what is summed up is in the list as well
        assert view.surplus == [dict(self.model.purges.history)] * 2
        assert view.history == [dict(self.model.history)] * 2


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client of the server."""
    found = server.client()
    yield found
    found.close()


@pytest.mark.timeout(600)
@pytest.mark.row("CT-01", "CT-09", "CT-10", "CT-11", "CT-13", "CT-16", "BE-39", "BN-15", "PJ-29")
def test_the_store_does_what_the_model_does(client: redis.Redis) -> None:
    compare(client, int(os.environ.get("MODEL_EXAMPLES", "500")))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", SERVERS)
def test_each_kind_of_server_does(kind: str) -> None:
    with running(kind) as server, server.client() as client:
        compare(client, 60)


@pytest.mark.timeout(120)
def test_a_seed_makes_the_same_steps_again(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[tuple[Any, ...]]] = []
    plain = StoreCalls.call

    def noted(self: StoreCalls, *args: Any) -> Any:
        runs[-1].append(args)
        return plain(self, *args)

    monkeypatch.setattr(StoreCalls, "call", noted)
    for chosen in (5, 5, 6):
        runs.append([])
        compare(client, 8, chosen)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def compare(client: redis.Redis, examples: int, chosen: int | None = None, steps: int = STEPS) -> int:
    """Hold so many random sequences of steps against the model; how many steps there were. ``chosen``: a seed."""
    Store.client, Store.looks = Thrifty(client), 0
    machine = Store if chosen is None else seed(chosen)(type("Store", (Store,), {}))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            **({} if chosen is None else {"database": None}),  # what failed before would be tried first
            phases=[
                Phase.explicit,
                Phase.reuse,
                Phase.generate,
                *([Phase.shrink] if os.environ.get("MODEL_SHRINK", "1") == "1" else []),
            ],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            report_multiple_bugs=False,
        ),
    )
    return Store.looks
