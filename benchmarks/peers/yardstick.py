"""What one Python process can reach here at best: the least that a leased, counted, shared batch queue on Redis must do.

Claim in bulk, decode, call, settle in bulk, on a fixed pool of runners. No retries, hooks, typed arguments or crash safety,
and a share for each tenant at the head instead of fairness: a bound to hold the worker against, in the same run, since
machines are shared and noisy.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import orjson
import redis.asyncio as redis

PREFIX = "{yardstick}:"
LEASE_MS = 30_000
CHUNK = 1000

# KEYS: tasks of a batch, its record, the tenant's batches, tenants; ARGV: batch, tenant, tasks
PUSH = """
redis.call('RPUSH', KEYS[1], unpack(ARGV, 3))
if redis.call('HINCRBY', KEYS[2], 'remaining', #ARGV - 2) == #ARGV - 2 then
  if redis.call('RPUSH', KEYS[3], ARGV[1]) == 1 then redis.call('ZADD', KEYS[4], 0, ARGV[2]) end
end
"""

# KEYS: leases, tasks that run, tenants; ARGV: prefix, lease in ms, how many to claim, then for each batch with settled tasks
# its id, their number, their time in µs, and the settled members
STEP = """
local t, P, want = redis.call('TIME'), ARGV[1], tonumber(ARGV[3])
local at, ends = 4, t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2]
while at < #ARGV do
  local record, n, ids = P .. 'b:' .. ARGV[at], tonumber(ARGV[at + 1]), {}
  local members = {unpack(ARGV, at + 3, at + 2 + n)}
  local held = redis.call('ZMSCORE', KEYS[1], unpack(members))
  for i, member in ipairs(members) do
    if held[i] then ids[#ids + 1] = string.sub(member, 1, 32) end
  end
  redis.call('ZREM', KEYS[1], unpack(members))
  redis.call('HDEL', KEYS[2], unpack(ids))
  redis.call('HINCRBY', record, 'done', #ids)
  redis.call('HINCRBY', record, 'us', ARGV[at + 2])
  if redis.call('HINCRBY', record, 'remaining', -#ids) == 0 then redis.call('HSET', record, 'state', 'done') end
  at = at + 3 + n
end
local out, leases, run = {}, {}, {}
local tenants = want > 0 and redis.call('ZRANGE', KEYS[3], 0, want - 1, 'WITHSCORES') or {}
for i = 1, #tenants, 2 do
  local share, taken = math.ceil(want / ((#tenants - i + 1) / 2)), 0
  local lane = P .. 'lane:' .. tenants[i]
  while taken < share do
    local batch = redis.call('LINDEX', lane, 0)
    if not batch then break end
    local bodies = redis.call('LPOP', P .. 'b:' .. batch .. ':r', share - taken) or {}
    for _, body in ipairs(bodies) do
      leases[#leases + 1] = ends
      leases[#leases + 1] = string.sub(body, 1, 34)
      run[#run + 1] = string.sub(body, 1, 32)
      run[#run + 1] = body
    end
    if #bodies < share - taken then redis.call('LPOP', lane) end
    if #bodies > 0 then out[#out + 1] = {batch, bodies} end
    taken = taken + #bodies
  end
  want = want - taken
  if taken < share then
    redis.call('ZREM', KEYS[3], tenants[i])
  else
    redis.call('ZADD', KEYS[3], tenants[i + 1] + taken, tenants[i])
  end
end
if #run > 0 then
  redis.call('ZADD', KEYS[1], unpack(leases))
  redis.call('HSET', KEYS[2], unpack(run))
end
return out
"""


async def noop(number: int, text: str) -> None:
    """The task."""


class Yardstick:
    """Batches of ``tenants`` in equal shares, enqueued and drained with ``slots`` runners."""

    def __init__(self, url: str, tasks: int, slots: int, tenants: int = 1) -> None:
        self.client = redis.from_url(url, protocol=2)
        self.tasks, self.slots, self.tenants = tasks, slots, tenants
        self.keys = [PREFIX + name for name in ("leases", "run", "tenants")]
        self.handlers: dict[str, Callable[..., Awaitable[object]]] = {"noop": noop}
        self.todo: deque[tuple[bytes, bytes]] = deque()
        self.settled: dict[bytes, list[Any]] = {}
        self.done = 0
        self.more, self.freed = asyncio.Event(), asyncio.Event()

    async def enqueue(self, text: str = "hello") -> float:
        """Tasks enqueued per second, a batch for each tenant."""
        push, began = self.client.register_script(PUSH), time.perf_counter()
        each = self.tasks // self.tenants
        for tenant in range(self.tenants):
            batch = secrets.token_hex(16)
            rows = [secrets.token_hex(16).encode() + b"01" + orjson.dumps(["noop", [n, text]]) for n in range(each)]
            keys = [f"{PREFIX}b:{batch}:r", f"{PREFIX}b:{batch}", f"{PREFIX}lane:{tenant}", self.keys[2]]
            for at in range(0, each, CHUNK):
                await push(keys=keys, args=[batch, tenant, *rows[at : at + CHUNK]])
        return self.tasks / (time.perf_counter() - began)

    async def drain(self) -> float:
        """Tasks drained per second."""
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(self.slots):
                group.start_soon(self._runner)
            await self._fetch()
        seconds = time.perf_counter() - began
        assert not await self.client.exists(*self.keys[:2])
        async for name in self.client.scan_iter(PREFIX + "*", count=1000):
            await self.client.unlink(name)
        await self.client.aclose()
        return self.tasks / seconds

    async def _runner(self) -> None:
        while True:
            while not self.todo:
                if self.done >= self.tasks:
                    return
                self.more.clear()
                await self.more.wait()
            batch, body = self.todo.popleft()
            began = time.perf_counter()
            name, args = orjson.loads(body[34:])
            with anyio.CancelScope():
                await self.handlers[name](*args)
            group = self.settled.setdefault(batch, [0.0])
            group[0] += time.perf_counter() - began
            group.append(body[:34])
            self.done += 1
            self.freed.set()
            await asyncio.sleep(0)

    async def _fetch(self) -> None:
        step = self.client.register_script(STEP)
        while self.done < self.tasks or self.settled:
            settled, self.settled = self.settled, {}
            args: list[Any] = [PREFIX, LEASE_MS, max(0, self.slots - len(self.todo))]
            for batch, (seconds, *members) in settled.items():
                args += [batch, len(members), int(seconds * 1e6), *members]
            claimed = await step(keys=self.keys, args=args)
            for batch, bodies in claimed:
                self.todo.extend((batch, body) for body in bodies)
            if claimed:
                self.more.set()
            elif not self.settled and self.done < self.tasks:
                self.freed.clear()
                await self.freed.wait()
        self.more.set()
