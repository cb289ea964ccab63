"""Ways to damage a key of any type: of another type, missing, with fields and members that make no sense."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import redis

from tests.fuzz.values import field_value, json_value, noise

Client = Any
Damage = Callable[[random.Random, Client, str], None]

SCORES = ("inf", "-inf", "0", "-1", "1", "1e300", "5e-324", "99999999999999")


def wrong_type(rng: random.Random, client: Client, name: str) -> None:
    """Put something of another type in its place."""
    had = client.type(name)
    client.delete(name)
    ways: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: client.set(name, field_value(rng)),
        b"list": lambda: client.rpush(name, field_value(rng)),
        b"hash": lambda: client.hset(name, "x", field_value(rng)),
        b"set": lambda: client.sadd(name, field_value(rng)),
        b"zset": lambda: client.zadd(name, {"x": 1}),
        b"stream": lambda: client.xadd(name, {"x": "1"}),
    }
    ways[rng.choice(sorted(way for way in ways if way != had))]()


def missing(rng: random.Random, client: Client, name: str) -> None:
    """Delete it."""
    client.delete(name)


def in_hash(rng: random.Random, client: Client, name: str) -> None:
    """Change, add or delete a field."""
    fields = sorted(client.hkeys(name))
    field = rng.choice([*fields, *fields, noise(rng, 5)])
    if rng.randrange(6) == 0:
        client.hdel(name, field)
    else:
        client.hset(name, field, rng.choice([field_value, json_value])(rng))


def in_list(rng: random.Random, client: Client, name: str) -> None:
    """Change an element, or add one at either end."""
    junk = rng.choice([field_value(rng), noise(rng, 22) + b":3", b"a" * 22, b"a" * 22 + b":9" * 20, b":", b":1"])
    rng.choice([
        lambda: client.lset(name, rng.randrange(client.llen(name)), junk), lambda: client.lpush(name, junk),
        lambda: client.rpush(name, junk),
    ])()  # fmt: skip


def in_zset(rng: random.Random, client: Client, name: str) -> None:
    """Add a member, or change a score."""
    junk = rng.choice(
        [field_value(rng), noise(rng, 22), noise(rng, 54), b"a" * 22, b"a" * 22 + b":default", b":", b":default"]
    )
    member = rng.choice([junk, *client.zrange(name, 0, 5)])
    client.zadd(name, {member: rng.choice(SCORES)})


def in_set(rng: random.Random, client: Client, name: str) -> None:
    """Add a member, or take one away."""
    if rng.randrange(4):
        client.sadd(name, rng.choice([field_value(rng), noise(rng, 10), b"a" * 22 + b"+b:r:x", b"x:w", b":", b"a:d:"]))
    else:
        client.spop(name)


def in_string(rng: random.Random, client: Client, name: str) -> None:
    """Put something else there."""
    client.set(name, rng.choice([field_value, json_value])(rng), keepttl=True)


WITHIN: dict[bytes, Damage] = {
    b"hash": in_hash, b"list": in_list, b"zset": in_zset, b"set": in_set, b"string": in_string,
}  # fmt: skip


def damage(rng: random.Random, client: redis.Redis, name: str) -> str:
    """Damage a key that is there; how."""
    within = WITHIN.get(client.type(name), missing)  # type: ignore[arg-type]
    way = rng.choice([wrong_type, missing, within, within, within])
    way(rng, client, name)
    return way.__name__


def clutter(rng: random.Random, client: redis.Redis, prefix: str) -> str:
    """Add what makes no sense to a key that all share; which."""
    name = rng.choice(sorted(SHARED))
    if name == "worker":
        client.set(f"{prefix}worker:{'x' * rng.randrange(1, 30)}", rng.choice([field_value, json_value])(rng), ex=60)
        client.zadd(prefix + "workers", {"x" * rng.randrange(1, 30): rng.choice(SCORES)})
    elif SHARED[name] == b"hash":
        client.hset(prefix + name, noise(rng, rng.randrange(40)), field_value(rng))  # type: ignore[arg-type]
    elif SHARED[name] == b"set":
        client.sadd(prefix + name, rng.choice([field_value(rng), noise(rng, 10)]))
    else:
        before = set(client.zrange(prefix + name, 0, -1))  # type: ignore[arg-type]
        junk = rng.choice(
            [field_value(rng), noise(rng, 22), noise(rng, 54), b"a" * 22, b"a" * 22 + b":default", b":", b":default"]
        )
        if junk not in before:
            client.zadd(prefix + name, {junk: rng.choice(SCORES)})
    return name


SHARED: dict[str, bytes] = {
    **dict.fromkeys(("leases", "cx", "delayed", "settled", "staging", "idle", "tenants", "workers", "dead:default"),
    b"zset"),
    "ring:default": b"zset", "run": b"hash", "queues": b"set", "worker": b"",
}  # fmt: skip
"""Keys that all tenants share, in which entries may stand that make no sense."""
