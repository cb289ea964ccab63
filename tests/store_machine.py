"""The store and its model side by side: how scripts are called, and time, upkeep and faults.

Scripts run on a real server; only the clock is the test's, put in place of ``lua/include/now.lua``.
"""

from __future__ import annotations

import asyncio
import random
import string
from contextlib import suppress
from typing import Any

import orjson
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from taskproc.keys import SCHEMA
from taskproc.store.lua import load, names
from tests.model import Model
from tests.model_limits import START
from tests.parts import QUEUES, TENANTS, Task
from tests.store_view import View
from tests.summing import Died, Scripted
from tests.sweep import Sweep
from tests.thrifty import Thrifty

CLOCK = """
local function now()
  local us = tonumber(string.match(KEYS[2], '%d+$'))
  return math.floor(us / 1000), us
end
"""
LOOK = """
local P, found = ARGV[1], {}
local passing = {w = true, p = true, worker = true, workers = true}
for _, name in ipairs(redis.call('KEYS', P .. '*')) do
  if not passing[string.match(name, '^[^:]*', #P + 1)] then
    found[#found + 1] = name
    found[#found + 1] = redis.call('DUMP', name)
  end
end
return found
"""
READ = """
local out = {}
for i, name in ipairs(KEYS) do
  local kind, value = redis.call('TYPE', name).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', name)
  elseif kind == 'list' then value = redis.call('LRANGE', name, 0, -1)
  elseif kind == 'zset' then value = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', name)
  else value = redis.call('GET', name) end
  out[i] = {kind, value}
end
return out
"""
SCRIPTS = {name: load(name, {"now": CLOCK}) for name in names()}
NAME = "states"  # of a slot that the first node of the tests' cluster has
PREFIX = f"{{{NAME}}}:"

queues = st.sampled_from(QUEUES)


class StoreMachine(RuleBasedStateMachine):
    """Calls the store's scripts, lets time pass, and does upkeep and faults, to the store and to the model."""

    client: Thrifty

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.random = random.Random(0)
        self.calls = 0
        self.seen = 0  # how many steps there were
        self.low = 1
        self.workers = {name: {"id": self.name(22), "seq": 0} for name in ("w1", "w2")}
        self.lost: list[tuple[str, Task]] = []  # leases that a worker still believes in
        self.answered: list[tuple[str, tuple[Any, ...], Any]] = []
        self.us = 0
        self.tick()
        self.raw: dict[bytes, bytes] = {}  # all keys as they were when somebody looked last, by their serialized form
        self.values: dict[bytes, Any] = {}
        self.last = View({})  # after each step: what it has left

    def name(self, length: int) -> str:
        """A random id."""
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=length))

    def tick(self) -> int:
        """The model's time in µs; each call is a little later than the one before."""
        self.us = max(self.us + 1, self.model.now * 1000)
        assert self.us // 1000 == self.model.now
        return self.us

    def go_on_ticking(self) -> None:
        """The next millisecond begins before the calls of a step could use up this one."""
        if self.us % 1000 > 400:
            self.model.now += 1

    def call(self, script: str, *args: Any) -> Any:
        """Call a script the way the store does: by its hash, by its text where that isn't known."""
        self.calls += 1
        # the time is a key's name, so that no script takes it for an argument
        keys = 2, PREFIX + "~", f"{PREFIX}{self.tick()}", PREFIX
        try:
            return self.client.evalsha(SCRIPTS[script].sha.decode(), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self.client.eval(SCRIPTS[script].text, *keys, *args)

    def ask(self, script: str, names: list[str]) -> list[Any]:
        """Call a script that only reads for each of some names, all at once."""
        keys = 2, PREFIX + "~", f"{PREFIX}{self.tick()}", PREFIX
        calls = [("EVALSHA", SCRIPTS[script].sha, *keys, name) for name in names]
        try:
            return self.client.at_once(calls)
        except redis.exceptions.NoScriptError:
            self.client.script_load(SCRIPTS[script].text)
            return self.client.at_once(calls)

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

    # beginning and end

    @initialize()
    def begin(self) -> None:
        """The instance is there."""
        self.call("instance_open", SCHEMA)
        for name, words in START.items():
            self.call("limit_set", self.ledger(), name, "", orjson.dumps(words))

    def teardown(self) -> None:
        """Whatever is left can be ended, and then no key is left."""
        leaked = Sweep(self.client, NAME).run()
        self.client.delete(*self.client.keys(PREFIX + "*"), PREFIX + "none")
        assert not leaked, leaked

    # time and upkeep

    @rule(ms=st.sampled_from([1, 400, 1_100, 2_500, 21_000]))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.model.now += ms

    @rule()
    def promote(self) -> None:
        """What is due becomes ready."""
        assert self.call("upkeep_promote", 250)[1] == self.model.promote()

    @rule()
    def rescue(self) -> None:
        """What was leased to nobody any more goes on."""
        late = [(t.member, t) for t in self.model.tasks.values() if t.state == "running" and t.deadline <= self.model.now]
        self.lost += late
        assert self.call("upkeep_rescue", 100)[1] == self.model.rescue()

    @rule(retention=st.sampled_from([0, 1_000, 10_000]))
    def prune(self, retention: int) -> None:
        """What is past its retention goes."""
        self.call("batch_prune", retention, 100)
        self.call("staging_prune", retention, 100)
        self.call("tenant_prune", retention, 50)
        self.call("unique_prune", 3)
        self.model.prune(retention)

    @rule()
    def pause(self) -> None:
        """A pause, or its end."""
        self.model.paused = not self.model.paused
        self.once("instance_pause", self.ledger(), int(self.model.paused))

    @rule(queue=queues)
    def change_mode(self, queue: str) -> None:
        """A queue shares its tasks in the other way, unless it has any."""
        mode = "fair" if queue in self.model.fifo else "fifo"
        answer = self.call("queue_mode", queue, mode)
        if self.model.count(queue, "ready"):
            assert answer[0] == b"busy"
        else:
            assert answer == [b"ok"]
            self.model.fifo ^= {queue}

    @rule(queue=queues, limit=st.sampled_from([None, None, 0, 3, 8]))
    def limit(self, queue: str, limit: int | None) -> None:
        """A queue takes no more than so many waiting tasks, or any number."""
        assert self.call("queue_limit", queue, "" if limit is None else limit) == [b"ok"]
        self.model.rooms.pop(queue, None)
        if limit is not None:
            self.model.rooms[queue] = limit

    @rule(name=st.sampled_from(sorted(START)), most=st.sampled_from([0, 1, 1, 2, -1]))
    def set_limit(self, name: str, most: int) -> None:
        """An operator changes a limit."""
        self.model.limits.most[name] = most
        self.call("limit_set", self.ledger(), name, "!", orjson.dumps({"m": most}))
        assert self.call("limit_wake", name, "0") == [b"0", []]

    @rule(puts=st.sampled_from([0, 1, 99, 99]))
    def sum_up(self, puts: int) -> None:
        """Somebody sums up statistics, or dies in the middle."""
        with suppress(Died):
            asyncio.run(Scripted(self.call, puts=puts).statistics().sum_up(hurry=True))

    @precondition(lambda self: self.seen % 4 == 0)  # it takes as many calls as twenty other rules
    @rule()
    def audit(self) -> None:
        """An audit finds nothing wrong, whatever was done."""
        state = self.last.keys
        look, split = orjson.dumps([]), [name.split(":", 2) for name in state]
        seen = [*self.call("audit_leases", look, "0")[2:]]
        runs = self.call("audit_run", "0")[1:]
        seen += self.call("audit_entries", look, *(task for task, _, _ in runs))[1:] if runs else []
        for index in ("settled", "delayed", "staging", "cx", "tenants", "idle"):
            seen += self.call("audit_index", look, index, "", 1_000, "0")[1:]
        for index, of in ((part[0], name.partition(":")[2]) for part, name in zip(split, state, strict=True)):
            if index in ("dead", "tb"):
                seen += self.call("audit_index", look, index, of, 1_000, "0")[1:]
        limits = {name.split(":")[1] for name in state if name.startswith(("lim:", "park:"))}
        seen += self.call("audit_limits", look, *sorted(limits))[1:]
        lists = [name.split(":")[1:] for name in state if name.startswith("b:") and name.count(":") == 3]
        lists += [[*name.split(":")[1:], ""] for name in state if name.endswith(":rec")]
        seen += self.call("audit_lists", look, orjson.dumps(lists))[1:]
        for batch in (part[1] for part in split if part[0] == "b" and len(part) == 2):
            seen += self.call("audit_batches", look, 1, orjson.dumps([(batch, 0, "")]))[1:]
        places = [(part[1], part[2], 0, 0, "", 0) for part in split if part[0] in ("tq", "lane")]
        seen += self.call("audit_accounts", look, 1, orjson.dumps(places))[1:]
        found = self.call("audit_locks", look, "0")
        seen += found[2:]
        asked = [
            (digest.decode(), task.decode(), "", "") for digest, task in zip(found[1][::2], found[1][1::2], strict=True)
        ]
        seen += self.call("audit_holders", look, orjson.dumps(asked))[1:]
        for queue in QUEUES:
            users = [tenant for tenant in TENANTS if queue.encode() in state.get(f"tqs:{tenant}", [])]
            known = self.call("audit_queue", look, queue, -1)[1]
            seen += self.call("audit_queue", look, queue, known, *users)[3:]
        for tenant in (name[2:] for name in state if name.startswith("t:")):
            seen += self.call("audit_tenant", look, tenant, 0, 0, "")[1:]
        assert not seen, seen

    # faults

    @precondition(lambda self: self.seen % 16 == 0)  # what is compiled anew takes as long as fifty other steps
    @rule()
    def flush(self) -> None:
        """The server forgets all scripts."""
        self.client.script_flush()

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A call arrives once more, perhaps long after."""
        script, args, answer = data.draw(st.sampled_from(self.answered[-20:]), label="replayed")
        before = self.last.keys
        got = self.call(script, *args)
        if answer is None:
            return
        if answer[0] not in (b"unknown", b"cancelled") and got != [b"stale"]:  # nothing was done, nothing is remembered
            assert got == answer, f"{script}: {got} instead of {answer}"
        assert self.state() == before

    # looking

    def state(self) -> dict[str, Any]:
        """All keys, by their name without the prefix; hashes and sorted sets as dicts."""
        return self.view().keys

    def view(self) -> View:
        """What all keys say. Those that are what they were at the last look aren't read again."""
        found = self.client.eval(LOOK, 0, PREFIX)
        raw = dict(zip(found[::2], found[1::2], strict=True))
        if raw != self.raw:
            changed = [name for name, dump in raw.items() if self.raw.get(name) != dump]
            answers = self.client.eval(READ, len(changed), *changed)
            known = self.values | {name: decoded(*answer) for name, answer in zip(changed, answers, strict=True)}
            self.raw, self.values = raw, {name: known[name] for name in sorted(raw)}
            self.last = View({name.decode()[len(PREFIX) :]: value for name, value in self.values.items()})
        return self.last


def decoded(kind: bytes, value: Any) -> Any:
    """The value of a key."""
    return dict(zip(value[::2], value[1::2], strict=True)) if kind in (b"hash", b"zset") else value
