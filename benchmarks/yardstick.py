"""What one Python process can reach here at best: the least that a leased, counted batch queue on Redis must do.

Claim in bulk, decode, call, settle in bulk, on a fixed pool of runners. No retries, hooks, typed arguments, fairness or
crash safety: a bound to hold the worker against, in the same run, since machines are shared and noisy.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import Any

import anyio
import orjson
import redis.asyncio as redis

PREFIX = "{yardstick}:"

PUSH = """
redis.call('RPUSH', KEYS[1], unpack(ARGV))
redis.call('HINCRBY', KEYS[2], 'remaining', #ARGV)
"""

# ARGV: lease in ms, how many to claim, then the settled members
STEP = """
local t = redis.call('TIME')
local now, want = t[1] * 1000 + math.floor(t[2] / 1000), tonumber(ARGV[2])
if #ARGV > 2 then
  local members, ids = {unpack(ARGV, 3)}, {}
  local held, kept = redis.call('ZMSCORE', KEYS[3], unpack(members)), 0
  redis.call('ZREM', KEYS[3], unpack(members))
  for i, member in ipairs(members) do
    if held[i] then kept = kept + 1 ids[kept] = string.sub(member, 1, 32) end
  end
  redis.call('HDEL', KEYS[4], unpack(ids))
  redis.call('HINCRBY', KEYS[2], 'done', kept)
  redis.call('HINCRBY', KEYS[2], 'us', 1)
  if redis.call('HINCRBY', KEYS[2], 'remaining', -kept) == 0 then redis.call('HSET', KEYS[2], 'state', 'done') end
end
local bodies = want > 0 and redis.call('LPOP', KEYS[1], want) or {}
if #bodies > 0 then
  local leases, run = {}, {}
  for _, body in ipairs(bodies) do
    leases[#leases + 1] = now + ARGV[1]
    leases[#leases + 1] = string.sub(body, 1, 34)
    run[#run + 1] = string.sub(body, 1, 32)
    run[#run + 1] = body
  end
  redis.call('ZADD', KEYS[3], unpack(leases))
  redis.call('HSET', KEYS[4], unpack(run))
end
return bodies
"""


async def noop(number: int, text: str) -> None:
    """The task."""


class Yardstick:
    """One batch of tasks, enqueued and drained with ``slots`` runners."""

    def __init__(self, url: str, tasks: int, slots: int) -> None:
        self.client = redis.from_url(url, protocol=2)
        self.tasks, self.slots = tasks, slots
        self.keys = [PREFIX + name for name in ("ready", "batch", "leases", "run")]
        self.todo: deque[bytes] = deque()
        self.settled: list[bytes] = []
        self.done = 0
        self.more, self.freed = asyncio.Event(), asyncio.Event()

    async def enqueue(self) -> float:
        """Tasks enqueued per second."""
        await self.client.delete(*self.keys)
        push, began = self.client.register_script(PUSH), time.perf_counter()
        bodies = [secrets.token_hex(16).encode() + b"01" + orjson.dumps(["noop", [n, "hello"]]) for n in range(self.tasks)]
        for at in range(0, self.tasks, 1000):
            await push(keys=self.keys[:2], args=bodies[at : at + 1000])
        return self.tasks / (time.perf_counter() - began)

    async def drain(self) -> float:
        """Tasks drained per second."""
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(self.slots):
                group.start_soon(self._runner)
            await self._fetch()
        seconds = time.perf_counter() - began
        assert await self.client.hget(self.keys[1], "state") == b"done"
        await self.client.delete(*self.keys)
        await self.client.aclose()
        return self.tasks / seconds

    async def _runner(self) -> None:
        handlers: dict[str, Any] = {"noop": noop}
        while True:
            while not self.todo:
                if self.done >= self.tasks:
                    return
                self.more.clear()
                await self.more.wait()
            body = self.todo.popleft()
            name, args = orjson.loads(body[34:])
            with anyio.CancelScope():
                await handlers[name](*args)
            self.settled.append(body[:34])
            self.done += 1
            self.freed.set()
            await asyncio.sleep(0)

    async def _fetch(self) -> None:
        step = self.client.register_script(STEP)
        while self.done < self.tasks or self.settled:
            settled, self.settled = self.settled[:1000], self.settled[1000:]
            bodies = await step(keys=self.keys, args=[30_000, max(0, self.slots - len(self.todo)), *settled])
            self.todo.extend(bodies)
            if bodies:
                self.more.set()
            elif not self.settled and self.done < self.tasks:
                self.freed.clear()
                await self.freed.wait()
        self.more.set()
