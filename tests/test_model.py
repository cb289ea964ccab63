"""The store against its model: random calls, replays, crashes and time, compared after every step.

``MODEL_EXAMPLES`` and ``MODEL_STEPS`` in the environment make it run longer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.model_limits import KINDS
from tests.servers import Server
from tests.store_calls import StoreCalls
from tests.store_control import StoreControl
from tests.store_machine import QUEUES, TENANTS
from tests.summing import ENDS, sum_of, told


class Store(StoreControl):
    """Holds the store against the model after every step."""

    looks = 0
    """How many steps have been compared."""

    @invariant()
    def store_and_model_agree(self) -> None:
        """They agree in everything."""
        Store.looks += 1
        self.seen += 1
        state = self.state()
        self.compare_places(state)
        self.compare_batches(state)
        self.compare_counts(state)
        self.compare_lines(state)
        self.compare_records(state)
        self.compare_locks(state)
        self.compare_limits(state)
        self.compare_schedules(state)
        self.compare_rules(state)
        self.compare_history(state)

    def compare_records(self, state: dict[str, Any]) -> None:
        """Every kept task has its record, with how it ended; those of open batches are listed for their end by age."""
        stored: dict[str, str] = {}
        for name, fields in state.items():
            if name.endswith(":rec"):
                stored |= {name[2:24] + field.decode(): "" for field in fields if len(field) == 10}
        ends = {
            name[2:24] + field[:10].decode(): value.decode().split("\n")[0].split(" ")
            for name, fields in state.items() if name.endswith(":rec") and "+" not in name
            for field, value in fields.items() if field[10:] == b"o"
        }  # fmt: skip
        assert stored.keys() == self.model.records.keys()
        found = {i: (r.outcome, str(r.attempt), str(r.ended_at)) for i, r in self.model.records.items() if r.outcome}
        assert {task: (how, attempt, ended) for task, (how, attempt, _, ended) in ends.items()} == found
        aged = {
            name[2:24] + i.decode(): float(t) for name, v in state.items() if name.endswith(":kept") for i, t in v.items()
        }
        mine = {i: r for i, r in self.model.records.items() if r.task.batch.state == "open" and r.outcome}
        assert aged == {i: float(r.ended_at) for i, r in mine.items()}
        heads = {n.decode()[:22]: float(t) for n, t in state.get("settled", {}).items() if n.endswith(b":+")}
        assert heads.keys() == {r.task.batch.id for r in mine.values()}
        assert all(head <= min(aged[i] for i in aged if i[:22] == home) for home, head in heads.items())

    def compare_places(self, state: dict[str, Any]) -> None:
        """Every task is in exactly the one place where the model has it."""
        places: list[tuple[str, str, str]] = []
        for name, value in state.items():
            parts = name.split(":")
            if parts[0] == "b" and len(parts) == 4:
                kind = {"r": "ready", "d": "delayed", "x": "dead"}[parts[2]]
                found = [body[:10] for body in value if body] if kind == "ready" else list(value)
                places += [(parts[1][:22] + local.decode(), kind, parts[3]) for local in found]
        places += [(i.decode(), "running", entry.split(b"\n")[0].decode()) for i, entry in state.get("run", {}).items()]
        staged = {name.split(":")[1] for name in state if name.endswith(":staged")}
        assert not staged
        assert sorted(places) == sorted((t.id, t.state, t.queue) for t in self.model.tasks.values())
        leases = {member.decode(): int(float(end)) for member, end in state.get("leases", {}).items()}
        assert leases == {t.member: t.deadline for t in self.model.tasks.values() if t.member}
        assert {i.decode() for i in state.get("cx", {})} == {t.id for t in self.model.tasks.values() if t.stopping}

    def compare_batches(self, state: dict[str, Any]) -> None:
        """Counters, states, continuations, retention."""
        records = {n.split(":")[1]: v for n, v in state.items() if n.startswith("b:") and n.count(":") == 1}
        assert records.keys() == self.model.batches.keys()
        for batch in self.model.batches.values():
            record = records[batch.id]
            numbers = [int(record.get(f, 0)) for f in (b"total", b"remaining", b"failed", b"cancelled")]
            assert numbers == [batch.total, self.model.remaining(batch), batch.failed, batch.cancelled], batch
            assert record[b"state"].decode() == batch.state
            zombies = sum(1 for task in self.model.of(batch) if task.zombie)
            assert int(record.get(b"zombies", 0)) == zombies
            waiting = [entry.split(b" ")[0].decode() for entry in state.get(f"b:{batch.id}:c", [])]
            assert waiting == [c.on for c in batch.continuations]
        settled = {name.decode() for name in state.get("settled", {}) if b":" not in name}
        assert settled == {b.id for b in self.model.batches.values() if b.state in ("done", "failed", "cancelled")}

    def compare_counts(self, state: dict[str, Any]) -> None:
        """Queues, tenants in queues, tenants."""
        for queue in QUEUES:
            record = {k.decode(): v for k, v in state.get(f"q:{queue}", {}).items()}
            assert counts(record) == [self.model.count(queue, "ready"), self.model.count(queue, "running")]
            assert int(record.get("delayed", 0)) == self.model.count(queue, "delayed")
            assert int(record.get("dead", 0)) == self.model.count(queue, "dead")
            for tenant in TENANTS:
                account = {k.decode(): v for k, v in state.get(f"tq:{queue}:{tenant}", {}).items()}
                assert counts(account) == [self.model.count(queue, s, tenant=tenant) for s in ("ready", "running")]
                found = [int(account.get(field, 0)) for field in ("delayed", "dead")]
                assert found == [self.model.count(queue, field, tenant=tenant) for field in ("delayed", "dead")]
        known = {name[2:] for name in state if name.startswith("t:")}
        assert known == set(self.model.tenants)
        assert {name.decode() for name in state.get("tenants", {})} == known
        for name, totals in self.model.tenants.items():
            record = {k.decode(): v for k, v in state[f"t:{name}"].items()}
            found = [int(record.get(f, 0)) for f in ("batches", "total", "remaining", "failed", "cancelled")]
            assert found == [totals.batches, totals.total, self.model.left(name), totals.failed, totals.cancelled]
            if self.model.left(name) == 0:
                assert name.encode() in state["idle"]

    def compare_history(self, state: dict[str, Any]) -> None:
        """Whatever has ended is in the history once, wherever summing up is; a queue's sums are those of its tenants."""
        if int(state.get("sums", {}).get(b"part", 0)):
            return  # somebody has died in the middle, and what is summed up is in the list as well
        for span in "mh":
            sums, found = sum_of(state, span), Counter[tuple[str, str, str]]()
            assert all(sums[queue, ""] == sum((sums[queue, t] for t in TENANTS), Counter()) for queue in QUEUES)
            for counts in (sums, told(state.get("stats", []))):
                for (queue, tenant), ends in counts.items():
                    found.update({(queue, tenant, how): ends[how] for how in ENDS if tenant})
            assert +found == self.model.history

    def compare_locks(self, state: dict[str, Any]) -> None:
        """Who has which unique lock; a lock that holds nothing is one that upkeep knows of."""
        stored = state.get("uniq", {})
        found = {}
        for digest in {*stored, *(name.encode() for name in self.model.locks)}:
            answer = self.call("unique_read", digest)
            assert answer[0] in (b"ok", b"unknown")
            if answer[0] == b"ok":
                found[digest.decode()] = answer[1].decode()
        assert found == {name: holder for name in self.model.locks if (holder := self.model.holder(name))}
        idle = {digest for digest in stored if digest.decode() not in found}
        watched = set(state.get("uniqends", {}))
        for seg in state.get("unlock", {}):
            watched |= set(state.get(f"b:{seg.decode()}:u", []))
        assert idle <= watched

    def compare_lines(self, state: dict[str, Any]) -> None:
        """Whoever has ready work is in line for it, and a worker would be woken for it."""
        for queue in QUEUES:
            lists = {
                n.split(":")[1] for n, v in state.items() if n.startswith("b:") and n.endswith(f":r:{queue}") and any(v)
            }
            held = held_in(state, queue)
            assert held <= lists | {n.split(":")[1] for n in state if n.endswith(f":r:{queue}") and queue in self.model.fifo}
            lists -= held
            out = {tenant for tenant in TENANTS if queue.encode() in state.get(f"out:{tenant}", [])}
            aside = {t.decode().partition(":")[0] for n in out for t in state.get(f"aside:{queue}:{n}", [])}
            inside = {seg for seg in lists if self.model.batches[seg[:22]].tenant not in out}
            if inside:
                assert len(state.get(f"wake:{queue}", [])) == 1
            if queue in self.model.fifo:
                tickets: Counter[str] = Counter()
                line = [*state.get(f"fifo:{queue}", []), *(t for n in out for t in state.get(f"aside:{queue}:{n}", []))]
                for ticket in line:
                    seg, _, n = ticket.decode().partition(":")
                    tickets[seg] += int(n)
                assert all(tickets[seg] >= len([b for b in state[f"b:{seg}:r:{queue}"] if b]) for seg in lists)
                continue
            ring = {tenant.decode() for tenant in state.get(f"ring:{queue}", {})}
            laned = {seg.decode() for tenant in TENANTS for seg in state.get(f"lane:{queue}:{tenant}", [])}
            assert ring >= {self.model.batches[seg[:22]].tenant for seg in inside}
            assert not aside
            assert ring <= {tenant for tenant in TENANTS if self.model.count(queue, "ready", tenant=tenant)}
            assert lists <= laned
            assert not held & laned
        due = {
            n[2:].replace(":d:", ":"): min(float(d) for d in v.values())
            for n, v in state.items()
            if n.startswith("b:") and ":d:" in n
        }
        assert {m.decode(): float(s) for m, s in state.get("delayed", {}).items() if m[:1] not in b"!@"} == due

    def compare_limits(self, state: dict[str, Any]) -> None:
        """Slots are of running tasks; what waits for a limit is woken by somebody, or is in line."""
        for limit in filter(None, dict.fromkeys(KINDS)):
            slots = {task.decode() for task in state.get(f"lim:{limit}", [])}
            assert slots == self.model.running(limit)
        for queue in QUEUES:
            ring = [tenant for tenant in TENANTS if tenant.encode() in state.get(f"ring:{queue}", {})]
            line = [seg.decode() for tenant in ring for seg in state.get(f"lane:{queue}:{tenant}", [])]
            line += [ticket.decode().partition(":")[0] for ticket in state.get(f"fifo:{queue}", [])]
            line = [seg for seg in line if state.get(f"b:{seg}:r:{queue}")]
            for limit in filter(None, dict.fromkeys(KINDS)):
                parked = state.get(f"park:{limit}:{queue}", {})
                assert (queue.encode() in state.get(f"park:{limit}", [])) == bool(parked)
                assert (limit.encode() in state.get(f"held:{queue}", [])) == bool(parked)
                if not parked or any(seg.endswith("!" + limit) for seg in line):
                    continue
                if self.model.limits.room(limit, 0, self.us) == 0 and self.model.limits.most[limit[:10]] != 0:
                    assert b"!" + limit.encode() in state.get("delayed", {}) or self.model.running(limit)
                else:
                    assert not self.model.free(limit, self.us) or b"!" + limit.encode() in state.get("delayed", {}), limit


def held_in(state: dict[str, Any], queue: str) -> set[str]:
    """The lists of a queue that wait for limits."""
    names = [name for name in state if name.startswith("park:") and name.count(":") == 2 and name.endswith(":" + queue)]
    return {seg.decode() for name in names for seg in state[name]}


def counts(record: dict[str, bytes]) -> list[int]:
    """Ready and running from the three counters that only rise."""
    pushed, claimed, settled = (int(record.get(name, 0)) for name in ("pushed", "claimed", "settled"))
    return [pushed - claimed, claimed - settled]


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


def compare(client: redis.Redis, examples: int, chosen: int | None = None) -> int:
    """Hold so many random sequences of steps against the model; how many steps there were. ``chosen``: a seed."""
    Store.client, Store.looks = client, 0
    machine = Store if chosen is None else seed(chosen)(type("Store", (Store,), {}))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=int(os.environ.get("MODEL_STEPS", "50")),
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
