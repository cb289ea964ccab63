"""Scripts called directly, with no client or worker between, at a time of the test's own.

A test with the fixture ``direct`` takes milliseconds, so that every guard of the scripts can have one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.exceptions import NoScriptError

from taskproc.codec import Body, read_body
from taskproc.keys import SCHEMA, key, prefix_of
from taskproc.store.lua import load, names
from taskproc.store.scripts import to_json
from tests.servers import Server
from tests.sweep import Sweep

CLOCK = """
local function now()
  local us = tonumber(redis.call('GET', 'clock' .. KEYS[1]))
  return math.floor(us / 1000), us
end
"""
SCRIPTS = {name: load(name, {"now": CLOCK}) for name in names()}
W1, W2 = "worker1000000000000000", "worker2000000000000000"
PRODUCER = "producer00000000000000"
LEASE = 60_000
PAYLOAD = b'["tests.handlers.noop",[]]'
ERROR = '{"attempt":1,"type":"E"}'

Answer = list[Any]


class Direct:
    """An instance whose scripts a test calls itself."""

    def __init__(self, server: Server, name: str) -> None:
        self.client = server.client()
        self.name = name
        self.prefix = prefix_of(name)
        self.now = 1_700_000_000_000
        self.seqs: Counter[str] = Counter()
        self._made = self._numbered = 0
        self.wait(0)
        self.call("instance_open", SCHEMA)

    def close(self) -> list[str]:
        """End all that is left; the keys that should not be there then."""
        leaked = Sweep(self.client, self.name).run()
        self.clear()
        self.client.delete(f"clock{self.prefix}~")
        self.client.close()
        return leaked

    def clear(self) -> None:
        """Drop all keys, where a test has made what no script can end."""
        found = list(self.client.scan_iter(self.prefix + "*", count=1000))
        if found:
            self.client.delete(*found)

    # calls

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.now += ms
        self.client.set(f"clock{self.prefix}~", self.now * 1000)

    def call(self, script: str, *args: Any) -> Answer:
        """Call a script."""
        keys = 1, self.prefix + "~", self.prefix
        found: Answer
        try:
            found = self.client.evalsha(SCRIPTS[script].sha.decode(), *keys, *args)
        except NoScriptError:
            found = self.client.eval(SCRIPTS[script].text, *keys, *args)
        return found

    def number(self) -> bytes:
        """The number of a producer's next call; all before are acknowledged."""
        self._numbered += 1
        return to_json([PRODUCER, self._numbered, self._numbered])

    def once(self, script: str, *args: Any) -> Answer:
        """Call a script that takes a producer's number, under a new one."""
        return self.call(script, self.number(), *args)

    # producers

    def new(self) -> str:
        """The id of a new batch."""
        self._made += 1
        return f"b{self._made:021}"

    def create(
        self, count: int = 1, tenant: str = "acme", *, queues: Sequence[str] = ("q",), delay: int = 0, idem: str = "",
        ends: Sequence[bytes] = (), batch: str = "", fail: str = "",
    ) -> str:  # fmt: skip
        """A batch with so many tasks in each queue; its id."""
        lists, bodies = plain(count, queues, delay)
        answer = self.once("batch_create", batch or self.new(), tenant, "", idem, fail, lists, len(ends), *ends, *bodies)
        assert answer[0] == b"ok", answer
        return str(answer[1].decode())

    def append(
        self, batch: str, count: int = 1, tenant: str = "acme", *, queues: Sequence[str] = ("q",), delay: int = 0,
        idem: str = "",
    ) -> Answer:  # fmt: skip
        """Append tasks to a batch."""
        lists, bodies = plain(count, queues, delay, start=1_000)
        return self.once("batch_append", batch, tenant, idem, lists, *bodies)

    def stage(self, seg: str, count: int = 1, *, chunk: int = 0, queues: Sequence[str] = ("q",), delay: int = 0) -> Answer:
        """Stage a chunk of tasks."""
        lists, bodies = plain(count, queues, delay, start=2_000 + 100 * chunk)
        return self.call("batch_stage", seg, chunk, 1, lists, *bodies)

    def commit(
        self, seg: str, count: int = 1, tenant: str = "acme", *, queues: Sequence[str] = ("q",), idem: str = ""
    ) -> Answer:
        """Commit what was staged as a batch, or as a segment of one."""
        sizes = to_json([["r", queue, count] for queue in queues])
        if len(seg) == 22:
            return self.once("batch_commit", seg, tenant, "", idem, "", sizes)
        return self.once("segment_commit", seg[:22], tenant, seg, idem, sizes)

    def single(
        self, local: int = 0, tenant: str = "acme", *, queue: str = "q", delay: int = 0, idem: str = "", keep: int = 9
    ) -> str:
        """A task of no batch; its id."""
        lists, bodies = plain(1, [queue], delay, start=local)
        answer = self.once("task_enqueue", tenant, tenant, idem, keep, lists, f"{local:010}", *bodies)
        assert answer[0] == b"ok", answer
        return str(answer[1].decode())

    # workers

    def step(
        self, want: int = 0, groups: Sequence[Any] = (), *, worker: str = W1, seq: int = 0, queues: Sequence[str] = ("q",),
        lease: int = LEASE, at_once: int = 1,
    ) -> Answer:  # fmt: skip
        """A worker's next step, or one of a number."""
        if not seq:
            self.seqs[worker] += 1
        names, told = to_json(list(queues)), to_json(list(groups))
        return self.call("step", SCHEMA, worker, seq or self.seqs[worker], lease, want, names, told, at_once)

    def claim(
        self, want: int = 1, *, worker: str = W1, queues: Sequence[str] = ("q",), lease: int = LEASE, at_once: int = 1
    ) -> list[str]:
        """Claim tasks; their leases."""
        answer = self.step(want, worker=worker, queues=queues, lease=lease, at_once=at_once)
        assert (answer[0], answer[9]) == (b"ok", []), answer
        return [f"{task}{worker}{self.seqs[worker]}" for task in claimed(answer)]

    def settle(self, leases: Sequence[str], verb: str = "", *details: Any, queue: str = "q", us: int = 0) -> list[str]:
        """Report tasks of a batch, all in one way; the leases that are lost."""
        answer = self.step(0, [group(leases, verb, *details, queue=queue, us=us)])
        assert (answer[0], answer[9]) == (b"ok", []), answer
        return [lease.decode() for lease in answer[5]]

    def kill(self, count: int = 1, **claim: Any) -> list[str]:
        """Claim tasks of a batch and let them die; their ids."""
        leases = self.claim(count, **claim)
        assert len(leases) == count
        [queue] = claim.get("queues", ["q"])
        assert self.settle(leases, "dead", 0, ERROR, queue=queue) == []
        return [lease[:32] for lease in leases]

    def rescue(self, limit: int = 100) -> int:
        """Take tasks from workers that are gone; how many."""
        return self._upkeep("upkeep_rescue", limit)

    def promote(self, limit: int = 250) -> int:
        """Make due tasks ready; how many."""
        return self._upkeep("upkeep_promote", limit)

    def _upkeep(self, script: str, limit: int) -> int:
        """Upkeep that leaves nothing out; how many it dealt with."""
        answer = self.call(script, limit)
        assert (answer[0], answer[-1]) == (b"ok", []), answer
        return int(answer[1])

    def prune(self, retention: int = 0, limit: int = 100) -> Answer:
        """Prune batches."""
        return self.call("batch_prune", retention, limit)

    # looking

    def key(self, *parts: str) -> str:
        """A key's name."""
        return key(self.prefix, *parts)

    def record(self, *parts: str) -> dict[str, str]:
        """A hash."""
        return {name.decode(): value.decode() for name, value in self.client.hgetall(self.key(*parts)).items()}

    def counters(self, batch: str) -> tuple[str, int, int, int, int]:
        """A batch's state, total, remaining, failed, cancelled."""
        b = self.record("b", batch)
        total, remaining, failed, cancelled = (int(b.get(n, 0)) for n in ("total", "remaining", "failed", "cancelled"))
        return b.get("state", ""), total, remaining, failed, cancelled

    def counts(self, queue: str = "q") -> tuple[int, int, int, int]:
        """A queue's ready, running, delayed and dead tasks."""
        q = self.record("q", queue)
        pushed, taken, settled, delayed, dead = (
            int(q.get(n, 0)) for n in ("pushed", "claimed", "settled", "delayed", "dead")
        )
        return pushed - taken, taken - settled, delayed, dead

    def letter(self, task: str, queue: str = "q") -> Body:
        """The body of a dead letter."""
        stored = self.client.hget(self.key("b", task[:22], "w"), task[22:])
        assert isinstance(stored, bytes)
        return read_body(stored.removeprefix(queue.encode() + b"\n"))

    def named(self, part: str = "") -> list[str]:
        """What keys that have a part in their name are called, without the prefix."""
        found = (name.decode().removeprefix(self.prefix) for name in self.client.scan_iter(self.prefix + "*", count=1000))
        return sorted(name for name in found if part in name)

    def dump(self) -> dict[bytes, bytes]:
        """All that is stored."""
        return {name: self.client.dump(name) or b"" for name in self.client.scan_iter(self.prefix + "*", count=1000)}

    def content(self) -> dict[bytes, object]:
        """The same, hashes by their fields: a look at one may change the order in which Redis has them."""
        return {
            name: self.client.hgetall(name) if self.client.type(name) == b"hash" else self.client.dump(name)
            for name in self.client.scan_iter(self.prefix + "*", count=1000)
        }

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """The block stores nothing."""
        with self.unchanged_but():
            yield

    @contextmanager
    def unchanged_but(self, *parts: str) -> Iterator[None]:
        """The block stores nothing, but under keys whose names begin in one of some ways."""
        left_out = tuple((self.prefix + part).encode() for part in parts)
        before = self.content()
        yield
        after, names = self.content(), lambda found: {n for n in found if not (left_out and n.startswith(left_out))}
        assert {n: after[n] for n in names(after)} == {n: before[n] for n in names(before)}

    @contextmanager
    def full(self) -> Iterator[None]:
        """Redis has no memory left meanwhile."""
        self.client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)


def plain(count: int, queues: Sequence[str], delay: int = 0, start: int = 0) -> tuple[bytes, list[bytes]]:
    """Lists of tasks and their bodies, as many in each queue."""
    if not count:
        return to_json([]), []
    bodies = [body(start + n) for n in range(count * len(queues))]
    return to_json([["d" if delay else "r", queue, count, delay] for queue in queues]), bodies


def body(local: int, payload: bytes = PAYLOAD) -> bytes:
    """The body of a task."""
    return f"{local:010}.".encode() + payload


def ending(on: str, local: int = 0, payload: bytes = PAYLOAD, queue: str = "after", delay: int = 0) -> bytes:
    """A continuation."""
    return f'{on} {queue} {delay}\n{local:010}+{{"p":1}}\n'.encode() + payload


def group(leases: Sequence[str], verb: str = "", *details: Any, queue: str = "q", us: int = 0) -> list[Any]:
    """Settlements of a batch's tasks, all alike."""
    verbs = [[at, verb, *details] for at in range(1, len(leases) + 1)] if verb else []
    return [leases[0][:22], queue, us, list(leases), verbs]


def claimed(answer: Answer) -> list[str]:
    """The ids of the tasks that a step has claimed, in order."""
    return [batch.decode() + stored[:10].decode() for _, _, batch, _, bodies in answer[7] for stored in bodies]
