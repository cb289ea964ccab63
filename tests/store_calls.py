"""What the model-based test calls: everything that producers and workers do, to the store and to its model."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product
from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from taskproc.codec import read_body
from taskproc.keys import SCHEMA
from tests.model_limits import limit_of
from tests.model_turns import SHAPES, Shape, Turn, in_full, rooms_left, turns_of
from tests.parts import QUEUES, TENANTS, Batch, Continuation, Lock, Made, Task
from tests.store_machine import PREFIX, StoreMachine, queues

LEASE = 20_000
BODY = b'["tests.handlers.noop",[]]'

DELAYS = [0, 0, 0, 500, 2_000]
KEPT = [False, False, True]
LOCKS: list[Lock | None] = [None, None, ("a", 0), ("b", 0), ("c", 900)]
TASKS = list(product(QUEUES, DELAYS, KEPT, LOCKS))  # as one choice takes less time than four

tenants = st.sampled_from(TENANTS)
delays = st.sampled_from(DELAYS)
kept = st.sampled_from(KEPT)
locks = st.sampled_from(LOCKS)
tasks = st.lists(st.sampled_from(TASKS), max_size=7)
policies = st.sampled_from(["", "", "1", "2", "50%"])
conditions = st.sampled_from(["done", "settled", "failed", "cancelled"])
keys = st.sampled_from(["", "", "key"])


class StoreCalls(StoreMachine):
    """Does what producers and workers do."""

    # producers

    @rule(tenant=tenants, wanted=tasks, ends=st.lists(st.tuples(conditions, queues, delays, kept, locks), max_size=2),
          key=keys, staged=st.booleans(), policy=policies)  # fmt: skip
    def create(
        self, tenant: str, wanted: list[Any], ends: list[Any], key: str, staged: bool, policy: str
    ) -> None:  # fmt: skip
        """A batch, at once or staged."""
        batch = Batch(self.name(22), tenant, fail_after=policy)
        made = own(wanted, 0, tenant)
        continuations = [
            Continuation(on, queue, self.name(10), delay, keep, lock)
            for (on, *_), (_, queue, delay, keep, lock) in zip(ends, own([end[1:] for end in ends], 0, tenant), strict=True)
        ]
        entries = [
            f"{c.on} {c.queue} {c.delay}\n".encode() + body(c.local, c.kept, c.lock, p=batch.id) for c in continuations
        ]
        idem = f"{key}{tenant}" if key else ""
        if staged and made:
            sizes = self.stage(batch.id, made, 0)
            answer = self.once(
                "batch_commit", self.ledger(), batch.id, tenant, "", idem, policy, orjson.dumps(sizes), *entries
            )
            if answer[1].decode() != batch.id or answer[0] == b"full":
                self.call("stage_drop", batch.id)
        else:
            lists, bodies = self.lists(made)
            answer = self.once(
                "batch_create", self.ledger(), batch.id, tenant, "", idem, policy, lists, len(entries), *entries, *bodies
            )
        made_as = self.model.create(batch, in_order(made, staged), continuations, idem)
        refused = made_as in ("full", "closed")
        assert answer[:1] == [made_as.encode()] if refused else answer == [b"ok", made_as.encode()]

    def lists(self, made: list[Made]) -> tuple[bytes, list[bytes]]:
        """The lists and bodies of tasks."""
        places: dict[tuple[str, int, str], list[bytes]] = defaultdict(list)
        records: Counter[tuple[str, int, str]] = Counter()
        for local, queue, delay, keep, lock in made:
            place = queue, delay, list_of(local, delay)
            places[place].append(body(local, keep, lock))
            records[place] += keep
        lists = [
            ["d" if place[1] else "r", place[0], len(bodies), place[1], False, records[place], 1, *filter(None, place[2:])]
            for place, bodies in places.items()
        ]
        return orjson.dumps(lists), [body for bodies in places.values() for body in bodies]

    def stage(self, seg: str, made: list[Made], stamp: int) -> list[list[Any]]:
        """Stage tasks in chunks of two, each sent twice; what must be there."""
        sizes: Counter[tuple[str, ...]] = Counter()
        for chunk, at in enumerate(range(0, len(made), 2)):
            lists, bodies = self.lists(made[at : at + 2])
            answer, again = (self.call("batch_stage", seg, chunk, stamp, lists, *bodies) for _ in range(2))
            assert answer == again
            assert answer[0] == b"ok"
            for local, queue, delay, keep, _ in made[at : at + 2]:
                sizes["d" if delay else "r", queue, *filter(None, [list_of(local, delay)])] += 1
                sizes["rec", ""] += keep
            for kind, queue, n, *limit in orjson.loads(answer[1]) if len(answer) > 1 else ():
                sizes[kind, queue, *limit] -= n
        assert self.call("batch_stage", seg, 99, stamp, b"[]")[0] == b"gap"
        first = next((local for local, _, _, keep, _ in made if keep), "")
        return [
            [kind, queue, n, *(limit or [False]), int(kind != "rec"), *([first] if kind == "rec" else [])]
            for (kind, queue, *limit), n in sizes.items()
            if n
        ]

    @rule(data=st.data(), tenant=tenants, wanted=tasks, key=keys, staged=st.booleans())
    def append(self, data: st.DataObject, tenant: str, wanted: list[Any], key: str, staged: bool) -> None:
        """More tasks for a batch, at once or staged."""
        batch_id = self.some_batch(data)
        made = own(wanted, self.random.randrange(10**9), tenant)
        if staged and made:
            seg = f"{batch_id}+{self.name(10)}"
            sizes = self.stage(seg, made, 1)
            answer = self.once("segment_commit", self.ledger(), batch_id, tenant, seg, key, orjson.dumps(sizes))
            self.call("stage_drop", seg)  # changes nothing where it was committed
        else:
            lists, bodies = self.lists(made)
            answer = self.once("batch_append", self.ledger(), batch_id, tenant, key, lists, *bodies)
        assert answer[:1] == [self.model.append(batch_id, tenant, in_order(made, staged), key).encode()]

    @rule(tenant=tenants, queue=queues, delay=delays, key=keys, keep=kept, lock=locks)
    def single(self, tenant: str, queue: str, delay: int, key: str, keep: bool, lock: Lock | None) -> None:
        """A task of no batch."""
        local, seed = self.name(10), self.name(22)
        [made] = [(local, *one[1:]) for one in own([(queue, delay, keep, lock)], 0, tenant)]
        lists, bodies = self.lists([made])
        idem = f"single{key}{tenant}" if key else ""
        answer = self.once("task_enqueue", self.ledger(), tenant, seed, idem, 10**9, lists, local, *bodies)
        if idem and idem in self.model.idem:
            assert answer == [b"ok", self.model.idem[idem].encode()]
            return
        found = self.model.holder(made[4][0]) if made[4] else ""
        if not found and (told := self.model.refusal(tenant, [made])):
            assert answer[0] == told.encode()
            return
        if not found:
            home = self.model.home(tenant, self.model.seed(seed))
            found = home.id + local
            assert self.model.take(made[4], found)
            self.model.add(home, [made])
        if idem:
            self.model.idem[idem] = found
        assert answer == [b"ok", found.encode()]

    def some_batch(self, data: st.DataObject) -> str:
        """A batch's id, now and then of none."""
        return str(data.draw(st.sampled_from([*self.model.batches, "0" * 22]), label="batch"))

    @rule(data=st.data(), tenant=st.sampled_from(["", *TENANTS]))
    def cancel(self, data: st.DataObject, tenant: str) -> None:
        """A batch is cancelled."""
        batch_id = self.some_batch(data)
        assert self.once("batch_cancel", self.ledger(), batch_id, tenant) == [self.model.cancel(batch_id, tenant).encode()]

    @rule(data=st.data(), tenant=st.sampled_from(["", *TENANTS]))
    def cancel_task(self, data: st.DataObject, tenant: str) -> None:
        """A task is cancelled."""
        task_id = str(data.draw(st.sampled_from([*self.model.tasks, "0" * 32]), label="task"))
        answer = self.once("task_cancel", self.ledger(), task_id, tenant, "")
        assert answer == [self.model.cancel_task(task_id, tenant).encode()]

    @precondition(lambda self: any(t.state == "dead" for t in self.model.tasks.values()))
    @rule(data=st.data(), discard=st.booleans())
    def dead(self, data: st.DataObject, discard: bool) -> None:
        """Some dead tasks are retried or discarded."""
        dead = [task for task in self.model.tasks.values() if task.state == "dead"]
        chosen = data.draw(st.lists(st.sampled_from(sorted(t.id for t in dead)), min_size=1, max_size=3), label="dead")
        letters = orjson.dumps([(t[:22], self.model.tasks[t].queue, t[22:]) for t in chosen])
        if discard:
            assert self.once("dead_discard", self.ledger(), letters) == [b"ok", self.model.discard(chosen)]
        else:
            assert self.once("dead_retry", self.ledger(), letters, 0) == [b"ok", self.model.retry(chosen)]

    # workers

    @rule(data=st.data(), tenant=tenants, queue=queues, staged=st.booleans(), worker=st.sampled_from(["w1", "w2"]),
          shape=st.sampled_from(SHAPES))  # fmt: skip
    def crowd(self, data: st.DataObject, tenant: str, queue: str, staged: bool, worker: str, shape: Shape) -> None:
        """More than limits let run at once."""
        self.create(tenant, [(queue, 0, False, None)] * 7, [], "", staged, "")
        self.step(data, worker, 3 if shape else 6, [queue, *(other for other in QUEUES if other != queue)], 2, shape)

    @rule(data=st.data(), worker=st.sampled_from(["w1", "w2"]), want=st.integers(0, 4), served=st.permutations(QUEUES),
          most=st.integers(1, 2), shape=st.sampled_from(SHAPES))  # fmt: skip
    def step(
        self, data: st.DataObject, worker: str, want: int, served: list[str], most: int, shape: Shape = None
    ) -> None:  # fmt: skip
        """A worker settles some of what it holds and claims more; then the same step arrives once more."""
        me, places = self.workers[worker], turns_of(served, want, shape) if shape else served[:most]
        me["seq"] += 1
        token = f"{me['id']}{me['seq']}"
        held = sorted((t.member, t.id) for t in self.model.tasks.values() if t.member[32:54] == me["id"])
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True, max_size=6), label="settle") if held else []
        late = [member for member, _ in self.lost if member[32:54] == me["id"]]
        stale = data.draw(st.lists(st.sampled_from(late), unique=True, max_size=2), label="late") if late else []
        groups: dict[tuple[str, str], list[Any]] = {}
        for member, task_id in chosen + [(m, m[:32]) for m in stale]:
            verb = data.draw(
                st.sampled_from(["", "", "done", "retry", "dead", "drop", "cancelled", "release", "limited"]), label="verb"
            )
            task = self.model.tasks.get(task_id)
            limited = bool(limit_of(task_id[22:]))  # workers say it of those that hold something
            if limited or (task is not None and (task.kept or task.attempts or task.lock or task.schedule)):
                verb = verb or "done"
            place = (member[:22], task.queue if task else "q1")
            group = groups.setdefault(place, [*place, 0, [], []])
            group[2] += 1_000
            group[3].append(member)
            delay = data.draw(delays, label="delay") if verb in ("retry", "release", "limited") else 0
            if verb:
                error = '{"attempt":1,"type":"E"}' if verb in ("retry", "dead") else "j7" if verb == "done" else ""
                group[4].append((len(group[3]), verb, delay, error, 0))
        names, told = orjson.dumps(places), orjson.dumps(list(groups.values()))
        args = (SCHEMA, me["id"], me["seq"], LEASE, want, names, told, (1, 1, 2)[me["seq"] % 3])
        answer = self.call("step", *args)
        self.settle_in_model(list(groups.values()), stale, answer)
        self.claim_in_model(answer, token, want, in_full(places, want))
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
            settled: list[tuple[Task, str, int]] = []
            for at, member in enumerate(members, 1):
                task = self.model.tasks.get(member[:32])
                if member in stale or task is None or task.member != member:
                    continue
                _, verb, delay, *_ = told.get(at, (at, "done", 0))
                settled.append((task, verb, delay))
            self.model.settle_group(settled)

    def claim_in_model(self, answer: list[Any], token: str, want: int, turns: list[Turn]) -> None:
        """What a step has claimed: as much as there was, by turns."""
        us = self.us
        claimed: list[str] = []
        for queue, tenant, batch, _, bodies in answer[7]:
            for stored in bodies:
                task = self.model.tasks[batch.decode() + stored[:10].decode()]
                body = read_body(stored)
                assert (task.state, task.queue, task.batch.tenant) == ("ready", queue.decode(), tenant.decode())
                assert (body.number("a"), body.number("d"), body.payload) == (task.attempts, task.deliveries, BODY)
                assert ((body.text("s") or "")[:22], body.number("t")) == (task.schedule, task.occurrence)
                assert (body.text("p") or "") == task.parent
                assert self.model.free(task.limit, us) > 0, f"{task.limit} has no room"
                assert self.model.rules.room(task.batch.tenant, task.queue) > 0, f"{tenant} has no room"
                self.model.limits.start(task.limit, us)
                task.state, task.member, task.deadline = "running", task.id + token, self.model.now + LEASE
                task.claimed_at = self.model.now
                claimed.append(queue.decode())
        ready = [t for t in self.model.tasks.values() if t.state == "ready"]
        ready = [t for t in ready if self.model.rules.room(t.batch.tenant, t.queue) > 0]
        rooms = rooms_left(claimed, turns, 0 if self.model.paused else want, {t.queue for t in ready if not t.limit})
        waiting = [t for t in ready if t.queue in rooms and rooms[t.queue] > 0]
        if waiting and not answer[8]:
            due = self.client.zrange(PREFIX + "delayed", 0, -1)  # what waits for a time goes on with the next promotion
            assert not [t for t in waiting if self.model.free(t.limit, us) > 0 and f"!{t.limit}".encode() not in due]

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def renew(self, worker: str) -> None:
        """A worker renews its leases, those that it has lost too."""
        me = self.workers[worker]
        held = [task for task in self.model.tasks.values() if task.member[32:54] == me["id"]]
        stale = [member for member, _ in self.lost if member[32:54] == me["id"]]
        answer = self.call("lease_renew", me["id"], "{}", LEASE, *(t.member for t in held), *stale)
        assert sorted(m.decode() for m in answer[1]) == sorted(stale)
        stopping = {t.id for t in held if t.stopping or t.zombie}
        assert stopping <= {task.decode() for task in answer[2]}
        for task in held:
            task.deadline = max(task.deadline, self.model.now + LEASE)

    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """Somebody looks at a task that has a record, or waits for it, or watches it."""
        found = sorted(self.model.records)
        task_id = data.draw(st.sampled_from(found), label="looked at") if found else "0" * 32
        answer = self.call("task_read", task_id, "", data.draw(st.sampled_from([0, 1, 3]), label="watch"))
        if not found:
            assert answer == [b"unknown"]
            return
        record = self.model.records[task_id]
        batch, held = record.task.batch, self.model.tasks.get(task_id)
        state = record.outcome or ("cancelled" if batch.state == "cancelled" or held is None else held.state)
        assert (answer[0].decode(), answer[1].decode(), answer[9]) == (state, record.task.queue, 1)
        assert read_body(answer[7]).payload == BODY
        assert (answer[10] != b"") is bool(record.outcome)

    @rule(data=st.data())
    def progress(self, data: st.DataObject) -> None:
        """A task tells of its progress, or one that is no longer its worker's."""
        held = sorted(task.member for task in self.model.tasks.values() if task.member)
        late = [member for member, _ in self.lost]
        if held or late:
            member = data.draw(st.sampled_from([*held, *late]), label="told")
            answer = self.call("task_progress", member, b'[1,2,"x"]')
            assert answer == [b"ok" if member in held else b"lost"]

    @rule()
    def restart(self) -> None:
        """A worker starts anew: what it held is nobody's until it is rescued."""
        self.workers["w1"] = {"id": self.name(22), "seq": 0}


def own(wanted: list[Any], start: int, tenant: str) -> list[Made]:
    """Tasks with ids from a number on, their locks a tenant's own."""
    return [
        (f"{start + n:010}", queue, delay, keep, None if lock is None else (f"{lock[0]}{tenant}", lock[1]))
        for n, (queue, delay, keep, lock) in enumerate(wanted)
    ]


def list_of(local: str, delay: int) -> str:
    """The limit by which a ready task is put on a list: its own, or one of all keys of a handler."""
    limit = "" if delay else limit_of(local)
    return limit.partition(".")[0] + "." if "." in limit and local[-1] in "02468" else limit


def body(local: str, keep: bool, lock: Lock | None, **more: str) -> bytes:
    """The body of a task, with its limit."""
    fields: dict[str, object] = dict(more)
    if keep:
        fields["k"] = "a"
    if lock is not None:
        fields |= {"u": lock[0], "v": lock[1]}
    if limit_of(local):
        fields["l"] = limit_of(local)
    return local.encode() + (b"+" + orjson.dumps(fields) + b"\n" if fields else b".") + BODY


def in_order(made: list[Made], staged: bool) -> list[Made]:
    """Tasks in the order in which they are looked at: by chunk, then by where they go."""
    found: list[Made] = []
    for chunk in [made[at : at + 2] for at in range(0, len(made), 2)] if staged else [made]:
        place = {one[0]: (*one[1:3], list_of(one[0], one[2])) for one in chunk}
        places = list(dict.fromkeys(place.values()))
        found += sorted(chunk, key=lambda one: places.index(place[one[0]]))
    return found


def ids_of(answer: list[Any]) -> list[bytes]:
    """The ids of the tasks that a step claimed."""
    return sorted(batch + body[:10] for _, _, batch, _, bodies in answer[7] for body in bodies)
