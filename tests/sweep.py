"""Ends everything that a test has left in an instance, by the scripts alone; then no key may be left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import NoScriptError

from taskproc.keys import SCHEMA, key, prefix_of
from taskproc.store.scripts import SCRIPTS, to_json

WORKER = "sweepsweepsweepsweep00"


class Sweep:
    """Calls scripts on a plain client."""

    def __init__(self, client: redis.Redis, instance: str) -> None:
        self.client = client
        self.prefix = prefix_of(instance)
        self.calls = 0

    def call(self, name: str, *args: Any) -> Any:
        keys = 1, self.prefix + "~", self.prefix
        try:
            return self.client.evalsha(SCRIPTS[name].sha.decode(), *keys, *args)
        except NoScriptError:
            return self.client.eval(SCRIPTS[name].text, *keys, *args)

    def ledgered(self, name: str, *args: Any) -> Any:
        self.calls += 1
        return self.call(name, to_json([WORKER, self.calls, self.calls]), *args)

    def key(self, *parts: str) -> str:
        return key(self.prefix, *parts)

    def keys(self) -> list[str]:
        return sorted(k.decode("utf-8", "backslashreplace") for k in self.client.scan_iter(self.prefix + "*", count=1000))

    def run(self) -> list[str]:
        """Keys that should not be there, with their types."""
        self.client.hdel(self.key("m"), "paused")
        self._lift()
        self._forget_schedules()
        for batch in self._batches():
            self.ledgered("batch_cancel", batch, "")
        self._cancel_waiting()
        self._drain()
        exhaust(lambda: self.call("staging_prune", 0, 10)[1])
        self._discard()
        self._age("settled")
        exhaust(lambda: self.call("batch_prune", 0, 100)[2])
        self._age("idle")
        exhaust(lambda: self.call("tenant_prune", 0, 10)[1])
        self._age("uniqends")
        exhaust(lambda: self.call("unique_prune", 500)[1])
        self._forget_statistics()
        found = [(name, self.client.type(name).decode()) for name in self.keys() if self._leaked(name)]
        return [f"{name} ({kind})" for name, kind in found if kind != "none"]  # a replica may list what its primary has not

    def _lift(self) -> None:
        """End all limits and rules, which are settings and stay, and let go on what waits for them."""
        for kind in ("rate", "tr"):
            for name in self.client.scan_iter(self.key(kind, "*"), count=1000):
                self.client.delete(name)
        self.client.delete(self.key("rules"), self.key("tiers"))
        for what in ("out", "all"):
            self._through("tenants_wake", what)
        limits = {field.decode() for field in self.client.hkeys(self.key("limits"))}
        for field in sorted(limits):
            self.ledgered("limit_set", field.rstrip("!"), "!" if field[-1] == "!" else "", "")
        for limit in {field.rstrip("!") for field in limits}:
            self._through("limit_wake", limit)

    def _through(self, script: str, *args: Any) -> None:
        cursor: Any = "0"
        while (cursor := self.call(script, *args, cursor)[0]) != b"0":
            pass

    def _forget_schedules(self) -> None:
        """Cancel all schedules, and lift their quotas, which are settings and stay."""
        for name in self.client.scan_iter(self.key("ts", "*"), count=1000):
            for member in self.client.zrange(name, 0, -1):
                self.ledgered("schedule_cancel", member[-22:].decode())
        for whose in self.client.hkeys(self.key("slimits")):
            self.call("schedule_limit", whose, "")

    def _forget_statistics(self) -> None:
        """Let go of records that nobody has summed up, and let the time come of all sums."""
        while (found := self.call("stats_read", 0, 0))[5]:
            _, turn, part, taken, _, size, *_ = found
            assert self.call("stats_put", turn, part, int(taken) or size, 1, "m", 0) == [b"ok"]
        exhaust(lambda: self.call("stats_prune", -3_600_000, -7_200_000, 0, 100)[1])

    def _age(self, name: str) -> None:
        """Let the time come of all that an index holds."""
        for member in self.client.zrange(self.key(name), 0, -1):
            self.client.zadd(self.key(name), {member: 0}, xx=True)

    def _leaked(self, name: str) -> bool:
        plain = name.removeprefix(self.prefix)
        if plain.startswith("q:") and set(self.client.hkeys(name)) <= {b"mode", b"limit"}:
            return False  # how a queue is shared, and how long it may be, are settings and stay
        return plain not in ("m", "journal") and not (
            plain.split(":")[0] in ("p", "w", "worker", "idem") and self.client.pttl(name) != -1
        )

    def _batches(self) -> list[str]:
        found = []
        for tenant in self.client.zrange(self.key("tenants"), 0, -1):
            found += [
                b.decode() for b in self.client.zrange(self.key("tb", tenant.decode("utf-8", "surrogateescape")), 0, -1)
            ]
        return found

    def _cancel_waiting(self) -> None:
        """Delayed tasks of the tenants' open batches."""
        for member in self.client.zrange(self.key("delayed"), 0, -1):
            if member[:1] in (b"!", b"@"):
                continue
            seg, _, queue = member.decode().partition(":")
            for local in self.client.zrange(self.key("b", seg, "d", queue), 0, -1):
                self.ledgered("task_cancel", seg[:22] + local.decode(), "", "")

    def _drain(self) -> None:
        """Running tasks of workers that are gone, and ready ones."""
        self._age("leases")
        exhaust(lambda: self.call("upkeep_rescue", 100)[1])
        queues = sorted(q.decode() for q in self.client.smembers(self.key("queues")))
        groups: list[Any] = []
        for seq in range(1, 1000):
            reply = self.call("step", SCHEMA, WORKER, seq, 60000, 128, to_json(queues[:64]), to_json(groups), 1)
            assert reply[0] == b"ok", reply
            if not reply[7]:
                break
            groups = [
                (batch.decode(), queue.decode(), 0, members, [(n + 1, "drop") for n in range(len(members))])
                for queue, _, batch, _, bodies in reply[7]
                if (members := [f"{batch.decode()}{body[:10].decode('ascii', 'replace')}{WORKER}{seq}" for body in bodies])
            ]
        self.call("worker_leave", WORKER)

    def _discard(self) -> None:
        for queue in (q.decode() for q in self.client.smembers(self.key("queues"))):
            exhaust(lambda queue=queue: self._discard_some(queue))

    def _discard_some(self, queue: str) -> int:
        found = self.call("dead_batches", queue, 0, 100)
        for batch, *_ in found:
            letters = self.call("dead_tasks", batch, queue, 0, 100)[3:]
            self.ledgered("dead_discard", to_json([(batch.decode(), queue, letter[0].decode()) for letter in letters]))
        return len(found)


def exhaust(step: Callable[[], int]) -> None:
    """Repeat a step until it finds nothing more to do, as a fault may make it do for ever."""
    for _ in range(10_000):
        if not step():
            return
    raise AssertionError("there is always more to do")
