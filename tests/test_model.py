"""The store against its model: random calls, replays, crashes and time, compared after every step.

Scripts run on a real server; only the clock is the test's, put in place of ``lua/include/now.lua``.
``MODEL_EXAMPLES`` and ``MODEL_STEPS`` in the environment make it run longer.
"""

from __future__ import annotations

import os
import random
import string
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from taskproc.codec import read_body
from taskproc.keys import SCHEMA
from taskproc.store.lua import load, names
from tests.model import Batch, Continuation, Model, Task
from tests.servers import Server
from tests.sweep import Sweep

CLOCK = """
local function now()
  local us = tonumber(redis.call('GET', string.sub(KEYS[1], 1, -2) .. 'clock'))
  return math.floor(us / 1000), us
end
"""
DUMP = """
local P, out = ARGV[1], {}
for _, name in ipairs(redis.call('KEYS', P .. '*')) do
  local kind, value = redis.call('TYPE', name).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', name)
  elseif kind == 'list' then value = redis.call('LRANGE', name, 0, -1)
  elseif kind == 'zset' then value = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', name)
  else value = redis.call('GET', name) end
  out[#out + 1] = {name, kind, value}
end
return out
"""
SCRIPTS = {name: load(name, {"now": CLOCK}) for name in names()}
PREFIX = "{model}:"
TENANTS = ["acme", "b:ö"]
QUEUES = ["q1", "q2"]
LEASE = 1_000
BODY = b'["tests.handlers.noop",[]]'

tenants = st.sampled_from(TENANTS)
queues = st.sampled_from(QUEUES)
delays = st.sampled_from([0, 0, 0, 500, 2_000])
tasks = st.lists(st.tuples(queues, delays), max_size=5)
conditions = st.sampled_from(["done", "settled", "failed", "cancelled"])
keys = st.sampled_from(["", "", "key"])


class Store(RuleBasedStateMachine):
    """Does everything to the store and to the model."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.random = random.Random(0)
        self.calls = 0
        self.low = 1
        self.workers = {name: {"id": self.name(22), "seq": 0} for name in ("w1", "w2")}
        self.lost: list[tuple[str, Task]] = []  # leases that a worker still believes in
        self.answered: list[tuple[str, tuple[Any, ...], Any]] = []
        self.set_clock()

    def name(self, length: int) -> str:
        """A random id."""
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=length))

    def set_clock(self) -> None:
        """Tell the server the model's time; each call is a little later than the one before."""
        self.client.set(PREFIX + "clock", self.model.now * 1000 + self.calls % 1000)

    def call(self, script: str, *args: Any) -> Any:
        """Call a script the way the store does: by its hash, by its text where that isn't known."""
        self.calls += 1
        self.set_clock()
        try:
            return self.client.evalsha(SCRIPTS[script].sha.decode(), 1, PREFIX + "~", PREFIX, *args)
        except redis.exceptions.NoScriptError:
            return self.client.eval(SCRIPTS[script].text, 1, PREFIX + "~", PREFIX, *args)

    def once(self, script: str, *args: Any) -> Any:
        """A call whose replay must change nothing and answer the same."""
        answer = self.call(script, *args)
        self.answered.append((script, args, answer))
        return answer

    def ledger(self) -> bytes:
        """The number of a producer's call, and the lowest that it may still send."""
        self.calls += 1
        return orjson.dumps(["producer00000000000000", self.calls, self.low])

    @rule()
    def acknowledge(self) -> None:
        """The producer has had the answers of all its calls."""
        self.low = self.calls + 1

    # producers

    @rule(tenant=tenants, wanted=tasks, ends=st.lists(st.tuples(conditions, queues, delays), max_size=2), key=keys,
          staged=st.booleans())  # fmt: skip
    def create(
        self, tenant: str, wanted: list[tuple[str, int]], ends: list[tuple[str, str, int]], key: str, staged: bool
    ) -> None:
        batch = Batch(self.name(22), tenant)
        made = [(f"{n:010}", queue, delay) for n, (queue, delay) in enumerate(wanted)]
        continuations = [Continuation(on, queue, self.name(10), delay) for on, queue, delay in ends]
        entries = [f'{c.on} {c.queue} {c.delay}\n{c.local}+{{"p":"{batch.id}"}}\n'.encode() + BODY for c in continuations]
        idem = f"{key}{tenant}" if key else ""
        if staged and made:
            sizes = self.stage(batch.id, made, 0)
            answer = self.once("batch_commit", self.ledger(), batch.id, tenant, "", idem, orjson.dumps(sizes), *entries)
            if answer[1].decode() != batch.id:
                self.call("stage_drop", batch.id)
        else:
            lists, bodies = self.lists(made)
            answer = self.once(
                "batch_create", self.ledger(), batch.id, tenant, "", idem, lists, len(entries), *entries, *bodies
            )
        assert answer == [b"ok", self.model.create(batch, made, continuations, idem).encode()]

    def lists(self, made: list[tuple[str, str, int]]) -> tuple[bytes, list[bytes]]:
        """The lists and bodies of tasks."""
        places: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        for local, queue, delay in made:
            places[queue, delay].append(local.encode() + b"." + BODY)
        lists = [["d" if delay else "r", queue, len(bodies), delay] for (queue, delay), bodies in places.items()]
        return orjson.dumps(lists), [body for bodies in places.values() for body in bodies]

    def stage(self, seg: str, made: list[tuple[str, str, int]], stamp: int) -> list[list[Any]]:
        """Stage tasks in chunks of two, each sent twice; what must be there."""
        sizes: Counter[tuple[str, str]] = Counter()
        for chunk, at in enumerate(range(0, len(made), 2)):
            lists, bodies = self.lists(made[at : at + 2])
            for _ in range(2):
                assert self.call("batch_stage", seg, chunk, stamp, lists, *bodies) == [b"ok"]
            for _, queue, delay in made[at : at + 2]:
                sizes["d" if delay else "r", queue] += 1
        assert self.call("batch_stage", seg, 99, stamp, b"[]")[0] == b"gap"
        return [[kind, queue, n] for (kind, queue), n in sizes.items()]

    @rule(data=st.data(), tenant=tenants, wanted=tasks, key=keys, staged=st.booleans())
    def append(self, data: st.DataObject, tenant: str, wanted: list[tuple[str, int]], key: str, staged: bool) -> None:
        batch_id = self.some_batch(data)
        start = self.random.randrange(10**9)
        made = [(f"{start + n:010}", queue, delay) for n, (queue, delay) in enumerate(wanted)]
        if staged and made:
            seg = f"{batch_id}+{self.name(10)}"
            sizes = self.stage(seg, made, 1)
            answer = self.once("segment_commit", self.ledger(), batch_id, tenant, seg, key, orjson.dumps(sizes))
            self.call("stage_drop", seg)  # changes nothing where it was committed
        else:
            lists, bodies = self.lists(made)
            answer = self.once("batch_append", self.ledger(), batch_id, tenant, key, lists, *bodies)
        assert answer == [self.model.append(batch_id, tenant, made, key).encode()]

    @rule(tenant=tenants, queue=queues, delay=delays, key=keys)
    def single(self, tenant: str, queue: str, delay: int, key: str) -> None:
        local, seed = self.name(10), self.name(22)
        lists, bodies = self.lists([(local, queue, delay)])
        idem = f"single{key}{tenant}" if key else ""
        answer = self.once("task_enqueue", self.ledger(), tenant, seed, idem, 10**9, lists, local, *bodies)
        if idem and idem in self.model.idem:
            assert answer == [b"ok", self.model.idem[idem].encode()]
            return
        home = self.model.home(tenant, self.model.seed(seed))
        self.model.add(home, [(local, queue, delay)])
        if idem:
            self.model.idem[idem] = home.id + local
        assert answer == [b"ok", (home.id + local).encode()]

    def some_batch(self, data: st.DataObject) -> str:
        """A batch's id, now and then of none."""
        return str(data.draw(st.sampled_from([*self.model.batches, "0" * 22]), label="batch"))

    @rule(data=st.data(), tenant=st.sampled_from(["", *TENANTS]))
    def cancel(self, data: st.DataObject, tenant: str) -> None:
        batch_id = self.some_batch(data)
        assert self.once("batch_cancel", self.ledger(), batch_id, tenant) == [self.model.cancel(batch_id, tenant).encode()]

    @rule(data=st.data(), tenant=st.sampled_from(["", *TENANTS]))
    def cancel_task(self, data: st.DataObject, tenant: str) -> None:
        task_id = str(data.draw(st.sampled_from([*self.model.tasks, "0" * 32]), label="task"))
        answer = self.once("task_cancel", self.ledger(), task_id, tenant, "")
        assert answer == [self.model.cancel_task(task_id, tenant).encode()]

    @precondition(lambda self: any(t.state == "dead" for t in self.model.tasks.values()))
    @rule(data=st.data(), discard=st.booleans())
    def dead(self, data: st.DataObject, discard: bool) -> None:
        dead = [task for task in self.model.tasks.values() if task.state == "dead"]
        chosen = data.draw(st.lists(st.sampled_from(sorted(t.id for t in dead)), min_size=1, max_size=3), label="dead")
        letters = orjson.dumps([(t[:22], self.model.tasks[t].queue, t[22:]) for t in chosen])
        if discard:
            assert self.once("dead_discard", self.ledger(), letters) == [b"ok", self.model.discard(chosen)]
        else:
            assert self.once("dead_retry", self.ledger(), letters, 0) == [b"ok", self.model.retry(chosen)]

    # workers

    @rule(data=st.data(), worker=st.sampled_from(["w1", "w2"]), want=st.integers(0, 4), served=st.permutations(QUEUES),
          most=st.integers(1, 2))  # fmt: skip
    def step(self, data: st.DataObject, worker: str, want: int, served: list[str], most: int) -> None:
        me, queue_names = self.workers[worker], served[:most]
        me["seq"] += 1
        token = f"{me['id']}{me['seq']}"
        held = sorted((t.member, t.id) for t in self.model.tasks.values() if t.member[32:54] == me["id"])
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True, max_size=6), label="settle") if held else []
        late = [member for member, _ in self.lost if member[32:54] == me["id"]]
        stale = data.draw(st.lists(st.sampled_from(late), unique=True, max_size=2), label="late") if late else []
        groups: dict[tuple[str, str], list[Any]] = {}
        for member, task_id in chosen + [(m, m[:32]) for m in stale]:
            verb = data.draw(
                st.sampled_from(["", "", "done", "retry", "dead", "drop", "cancelled", "release"]), label="verb"
            )
            task = self.model.tasks.get(task_id)
            place = (member[:22], task.queue if task else "q1")
            group = groups.setdefault(place, [*place, 0, [], []])
            group[2] += 1_000
            group[3].append(member)
            delay = data.draw(delays, label="delay") if verb in ("retry", "release") else 0
            if verb:
                error = '{"attempt":1,"type":"E"}' if verb in ("retry", "dead") else ""
                group[4].append((len(group[3]), verb, delay, error, 0))
        args = (SCHEMA, me["id"], me["seq"], LEASE, want, orjson.dumps(queue_names), orjson.dumps(list(groups.values())))
        answer = self.call("step", *args)
        self.settle_in_model(list(groups.values()), stale, answer)
        self.claim_in_model(answer, token, want, queue_names)
        again = self.call("step", *args)
        assert sorted(again[5]) == sorted(answer[5])
        assert ids_of(again) == ids_of(answer)
        if me["seq"] > 1:
            self.answered.append(
                ("step", (*args[:2], me["seq"] - 1, *args[3:]), [b"stale"] if chosen or stale or ids_of(answer) else None)
            )

    def settle_in_model(self, groups: list[list[Any]], stale: list[str], answer: list[Any]) -> None:
        """What a step has settled. A batch's tasks count together, so a batch ends after its whole group."""
        assert sorted(member.decode() for member in answer[5]) == sorted(stale)
        assert answer[6] == []
        for _, _, _, members, verbs in groups:
            told = {verb[0]: verb for verb in verbs}
            for at, member in enumerate(members, 1):
                task = self.model.tasks.get(member[:32])
                if member in stale or task is None or task.member != member:
                    continue
                _, verb, delay, *_ = told.get(at, (at, "done", 0))
                self.model.settle(task, verb, delay)

    def claim_in_model(self, answer: list[Any], token: str, want: int, queue_names: list[str]) -> None:
        """What a step has claimed: as much as there was, from the first queues first."""
        left = 0 if self.model.paused else want
        expected = {}
        for queue in queue_names:
            expected[queue] = min(left, self.model.count(queue, "ready"))
            left -= expected[queue]
        claimed: Counter[str] = Counter()
        for queue, tenant, batch, _, bodies in answer[7]:
            for stored in bodies:
                task = self.model.tasks[batch.decode() + stored[:10].decode()]
                body = read_body(stored)
                assert (task.state, task.queue, task.batch.tenant) == ("ready", queue.decode(), tenant.decode())
                assert (body.number("a"), body.number("d"), body.payload) == (task.attempts, task.deliveries, BODY)
                assert (body.text("p") or "") == task.parent
                task.state, task.member, task.deadline = "running", task.id + token, self.model.now + LEASE
                claimed[queue.decode()] += 1
        assert claimed == Counter({queue: n for queue, n in expected.items() if n})

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def renew(self, worker: str) -> None:
        me = self.workers[worker]
        held = [task for task in self.model.tasks.values() if task.member[32:54] == me["id"]]
        stale = [member for member, _ in self.lost if member[32:54] == me["id"]]
        answer = self.call("lease_renew", me["id"], "{}", LEASE, *(t.member for t in held), *stale)
        assert sorted(m.decode() for m in answer[1]) == sorted(stale)
        stopping = {t.id for t in held if t.stopping or t.zombie}
        assert stopping <= {task.decode() for task in answer[2]}
        for task in held:
            task.deadline = max(task.deadline, self.model.now + LEASE)

    @rule()
    def restart(self) -> None:
        """A worker starts anew: what it held is nobody's until it is rescued."""
        self.workers["w1"] = {"id": self.name(22), "seq": 0}

    # time and upkeep

    @rule(ms=st.sampled_from([1, 400, 1_100, 2_500]))
    def wait(self, ms: int) -> None:
        self.model.now += ms

    @rule()
    def promote(self) -> None:
        assert self.call("upkeep_promote", 250)[1] == self.model.promote()

    @rule()
    def rescue(self) -> None:
        late = [(t.member, t) for t in self.model.tasks.values() if t.state == "running" and t.deadline <= self.model.now]
        self.lost += late
        assert self.call("upkeep_rescue", 100)[1] == self.model.rescue()

    @rule(retention=st.sampled_from([0, 1_000, 10_000]))
    def prune(self, retention: int) -> None:
        self.call("batch_prune", retention, 100)
        self.call("staging_prune", retention, 100)
        self.call("tenant_prune", retention, 50)
        self.model.prune(retention)

    @rule()
    def pause(self) -> None:
        self.model.paused = not self.model.paused
        self.once("instance_pause", self.ledger(), int(self.model.paused))

    @rule(queue=queues)
    def change_mode(self, queue: str) -> None:
        mode = "fair" if queue in self.model.fifo else "fifo"
        answer = self.call("queue_mode", queue, mode)
        if self.model.count(queue, "ready"):
            assert answer[0] == b"busy"
        else:
            assert answer == [b"ok"]
            self.model.fifo ^= {queue}

    # faults

    @rule()
    def flush(self) -> None:
        """The server forgets all scripts."""
        self.client.script_flush()

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A call arrives once more, perhaps long after."""
        script, args, answer = data.draw(st.sampled_from(self.answered[-20:]), label="replayed")
        before = self.state()
        got = self.call(script, *args)
        if answer is None:
            return
        if answer[0] not in (b"unknown", b"cancelled") and got != [b"stale"]:  # nothing was done, nothing is remembered
            assert got == answer, f"{script}: {got} instead of {answer}"
        assert self.state() == before

    # comparing

    def state(self) -> dict[str, Any]:
        """All keys, by their name without the prefix; hashes and sorted sets as dicts."""
        found = {}
        for name, kind, value in self.client.eval(DUMP, 0, PREFIX):
            plain = name.decode()[len(PREFIX) :]
            if kind in (b"hash", b"zset"):
                found[plain] = dict(zip(value[::2], value[1::2], strict=True))
            elif plain.split(":")[0] not in ("clock", "p", "worker"):
                found[plain] = value
        return {name: value for name, value in found.items() if name.split(":")[0] not in ("w", "p", "workers")}

    @invariant()
    def store_and_model_agree(self) -> None:
        state = self.state()
        self.compare_places(state)
        self.compare_batches(state)
        self.compare_counts(state)
        self.compare_lines(state)

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
        known = {name[2:] for name in state if name.startswith("t:")}
        assert known == set(self.model.tenants)
        assert {name.decode() for name in state.get("tenants", {})} == known
        for name, totals in self.model.tenants.items():
            record = {k.decode(): v for k, v in state[f"t:{name}"].items()}
            found = [int(record.get(f, 0)) for f in ("batches", "total", "remaining", "failed", "cancelled")]
            assert found == [totals.batches, totals.total, self.model.left(name), totals.failed, totals.cancelled]
            if self.model.left(name) == 0:
                assert name.encode() in state["idle"]

    def compare_lines(self, state: dict[str, Any]) -> None:
        """Whoever has ready work is in line for it, and a worker would be woken for it."""
        for queue in QUEUES:
            lists = {
                n.split(":")[1] for n, v in state.items() if n.startswith("b:") and n.endswith(f":r:{queue}") and any(v)
            }
            if lists:
                assert len(state.get(f"wake:{queue}", [])) == 1
            if queue in self.model.fifo:
                tickets: Counter[str] = Counter()
                for ticket in state.get(f"fifo:{queue}", []):
                    seg, _, n = ticket.decode().partition(":")
                    tickets[seg] += int(n)
                assert all(tickets[seg] >= len([b for b in state[f"b:{seg}:r:{queue}"] if b]) for seg in lists)
                continue
            ring = {tenant.decode() for tenant in state.get(f"ring:{queue}", {})}
            assert ring == {tenant for tenant in TENANTS if self.model.count(queue, "ready", tenant=tenant)}
            laned = {seg.decode() for tenant in TENANTS for seg in state.get(f"lane:{queue}:{tenant}", [])}
            assert lists <= laned
        due = {
            n[2:].replace(":d:", ":"): min(float(d) for d in v.values())
            for n, v in state.items()
            if n.startswith("b:") and ":d:" in n
        }
        assert {m.decode(): float(s) for m, s in state.get("delayed", {}).items()} == due

    def teardown(self) -> None:
        """Whatever is left can be ended, and then no key is left."""
        self.client.delete(PREFIX + "clock")
        leaked = Sweep(self.client, "model").run()
        self.client.delete(*self.client.keys(PREFIX + "*"), "none")
        assert not leaked, leaked

    @initialize()
    def begin(self) -> None:
        self.call("instance_open", SCHEMA)


def counts(record: dict[str, bytes]) -> list[int]:
    """Ready and running from the three counters that only rise."""
    pushed, claimed, settled = (int(record.get(name, 0)) for name in ("pushed", "claimed", "settled"))
    return [pushed - claimed, claimed - settled]


def ids_of(answer: list[Any]) -> list[bytes]:
    """The ids of the tasks that a step claimed."""
    return sorted(batch + body[:10] for _, _, batch, _, bodies in answer[7] for body in bodies)


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    found = server.client()
    yield found
    found.close()


@pytest.mark.timeout(600)
@pytest.mark.row("CT-01", "CT-09", "CT-10", "CT-11", "CT-13", "CT-16", "BE-39", "BN-15", "PJ-29")
def test_the_store_does_what_the_model_does(client: redis.Redis) -> None:
    Store.client = client
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Store,
        settings=settings(
            max_examples=int(os.environ.get("MODEL_EXAMPLES", "500")),
            stateful_step_count=int(os.environ.get("MODEL_STEPS", "50")),
            deadline=None,
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
