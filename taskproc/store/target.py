"""Where Redis is: what a URL or a client of the caller's says, and which node holds our slot now.

All keys of an instance lie in one slot, so even a cluster is one primary for us: a ``Target`` finds
it, and connections are plain ones. It is asked again after a failure or a redirection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry
from redis.sentinel import Sentinel

from taskproc.errors import InvalidValue
from taskproc.values import LONGEST_SHOWN, shown

Kind = Literal["tcp", "tls", "unix"]
Node = tuple[str, int]

CONNECT_SECONDS = 5.0
NO_RETRY = Retry(NoBackoff(), 0)
SCHEMES = ("redis://", "rediss://", "unix://", "redis+cluster://", "redis+sentinel://", "embedded://")
TAKEN_OVER = frozenset({
    "client_name", "credential_provider", "db", "password", "protocol", "socket_connect_timeout", "socket_keepalive",
    "socket_keepalive_options", "username",
})  # fmt: skip
"""Settings of a connection that a URL or a client of the caller's decides, besides those of TLS; the rest is ours."""


@dataclass(frozen=True)
class Target:
    """How to reach the primary: the settings of each connection, and a way to find its address."""

    kind: Kind
    settings: Mapping[str, Any] = field(repr=False)
    path: str = ""
    nodes: tuple[Node, ...] = ()
    cluster: bool = False
    service: str = ""
    sentinel: Sentinel | None = field(default=None, repr=False)

    @property
    def moves(self) -> bool:
        """Whether the primary's address has to be asked for."""
        return self.cluster or self.sentinel is not None

    def locate(self, slot_key: str) -> Node:
        """The primary that holds the slot of a key. Blocks; raises redis errors when nobody knows it."""
        if self.sentinel is not None:
            host, port = self.sentinel.discover_master(self.service)  # type: ignore[no-untyped-call]
            return str(host), int(port)
        if not self.cluster:
            return self.nodes[0] if self.nodes else ("", 0)
        slot, problem = key_slot(slot_key.encode()), None
        for host, port in self.nodes:
            try:
                return self._owner(host, port, slot)
            except redis.RedisError as error:
                problem = error
        raise redis.ConnectionError(f"no node of the cluster knows the slot {slot}") from problem

    def _owner(self, host: str, port: int, slot: int) -> Node:
        with redis.Redis(host=host, port=port, ssl=self.kind == "tls", retry=NO_RETRY, socket_timeout=CONNECT_SECONDS,
                         socket_connect_timeout=CONNECT_SECONDS, **_credentials(self.settings)) as client:  # fmt: skip
            for first, last, owner, *_ in client.execute_command("CLUSTER SLOTS", NEVER_DECODE=True):
                if first <= slot <= last:
                    name = owner[0].decode() if isinstance(owner[0], bytes) else str(owner[0])
                    return name or host, int(owner[1])
        raise redis.ConnectionError(f"slot {slot} is not served")

    def __str__(self) -> str:
        where = self.path or ",".join(f"{host}:{port}" for host, port in self.nodes)
        return f"{where}/{self.service}" if self.service else where


def from_url(url: str) -> Target:
    """The target that a URL names, with an ``embedded://`` one resolved before.

    Raises InvalidValue for an unknown scheme or a part that can't be read.
    """
    try:
        return _target(url)
    except InvalidValue:
        if "@" not in url:
            raise
    head, _, rest = url.rpartition("@")  # a password with a slash in it looks like other parts, and those are told
    scheme = "".join(head.partition("://")[:2]) if "://" in head else ""
    _target(scheme + rest)
    raise InvalidValue("Redis URL: write / ? # [ ] and @ in a user's name or a password as %2F %3F %23 %5B %5D %40")


def _target(url: str) -> Target:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidValue(f"Redis URL: {error}") from None
    if parts.scheme in ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"):
        return _many(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        given = f"{parts.scheme[:LONGEST_SHOWN]}://" if parts.scheme else shown(url)
        raise InvalidValue(f"Redis URL: unknown scheme {given}; use one of {', '.join(SCHEMES)}")
    settings = _parsed(url)
    if parts.scheme == "unix":
        if not settings.get("path"):
            raise InvalidValue("Redis URL: unix:// needs the path of a socket")
        return Target("unix", _settings(settings), path=str(settings["path"]))
    _database(unquote(parts.path).strip("/"))
    node = (str(settings.get("host", "localhost")), int(str(settings.get("port", 6379))))
    return Target("tls" if parts.scheme == "rediss" else "tcp", _settings(settings), nodes=(node,))


def _parsed(url: str) -> dict[str, Any]:
    try:
        return dict(parse_url(url))
    except ValueError as error:
        raise InvalidValue(f"Redis URL: {error}") from None


def _database(text: str) -> int:
    """The number of a database; redis-py would take database 0 for anything that is none."""
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidValue(f"Redis URL: {shown(text)} is not the number of a database")
    return int(text or 0)


def _many(url: str) -> Target:
    parts = urlsplit(url)
    kind: Kind = "tls" if parts.scheme.startswith("rediss") else "tcp"
    login, _, places = parts.netloc.rpartition("@")
    nodes = tuple(_node(place, 26379 if "sentinel" in parts.scheme else 6379) for place in places.split(",") if place)
    if not nodes:
        raise InvalidValue(f"Redis URL: {parts.scheme}:// needs host:port, or several with commas between")
    user, _, password = login.partition(":")
    settings = _parsed(f"redis://{nodes[0][0]}?{parts.query}")
    settings |= {"username": unquote(user)} if user else {}
    settings |= {"password": unquote(password)} if password else {}
    path = [part for part in parts.path.split("/") if part]
    if parts.scheme.endswith("cluster"):
        if _database("/".join(path)):
            raise InvalidValue("Redis URL: a cluster has no databases but 0")
        return Target(kind, _settings(settings), nodes=nodes, cluster=True)
    if not path:
        raise InvalidValue("Redis URL: redis+sentinel://host:port/service needs the name of the service")
    settings |= {"db": _database("/".join(path[1:]))}
    sentinel = _sentinel(nodes)
    return Target(kind, _settings(settings), nodes=nodes, service=path[0], sentinel=sentinel)


def _node(place: str, default: int) -> Node:
    host, colon, port = place.rpartition(":")
    if not colon:
        return place, default
    if not (port.isascii() and port.isdigit()):
        raise InvalidValue(f"Redis URL: {shown(place)} is not host:port")
    return host, int(port)


def from_client(client: Any) -> Target:
    """The target of a ``redis.asyncio`` client: its settings are taken over, the client itself is left alone.

    Raises InvalidValue when it is something else.
    """
    if isinstance(client, redis.asyncio.RedisCluster):
        known = client.nodes_manager.startup_nodes.values()
        kind: Kind = "tls" if client.nodes_manager.connection_kwargs.get("connection_class") is SSLConnection else "tcp"
        nodes = tuple((str(node.host), int(node.port)) for node in known)
        return Target(kind, _settings(client.nodes_manager.connection_kwargs), nodes=nodes, cluster=True)
    if not isinstance(client, redis.asyncio.Redis):
        raise InvalidValue(f"redis must be a URL or a redis.asyncio client, not {type(client).__name__}")
    pool = client.connection_pool
    settings = pool.connection_kwargs
    if isinstance(pool, SentinelConnectionPool):
        places = [s.connection_pool.connection_kwargs for s in pool.sentinel_manager.sentinels]
        nodes = tuple((str(place["host"]), int(place["port"])) for place in places)
        return Target("tcp", _settings(settings), nodes=nodes, service=pool.service_name, sentinel=_sentinel(nodes))
    if issubclass(pool.connection_class, UnixDomainSocketConnection):
        return Target("unix", _settings(settings), path=str(settings["path"]))
    node = (str(settings.get("host", "localhost")), int(settings.get("port", 6379)))
    return Target("tls" if issubclass(pool.connection_class, SSLConnection) else "tcp", _settings(settings), nodes=(node,))


def _sentinel(nodes: tuple[Node, ...]) -> Sentinel:
    return Sentinel(list(nodes), socket_timeout=CONNECT_SECONDS, retry=NO_RETRY)  # type: ignore[no-untyped-call]


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if name in TAKEN_OVER or name.startswith("ssl_")}
    kept = {name: value for name, value in kept.items() if value is not None}
    return {"protocol": 2, "socket_connect_timeout": CONNECT_SECONDS, **kept}


def _credentials(settings: Mapping[str, Any]) -> dict[str, Any]:
    names = ("username", "password", "credential_provider")
    tls = {name: value for name, value in settings.items() if name.startswith("ssl_")}
    return {name: settings[name] for name in names if name in settings} | tls


def default_url() -> str:
    """The URL of the environment. Raises InvalidValue that says what to set when there is none."""
    url = os.environ.get("TASKPROC_REDIS_URL", "")
    if not url:
        raise InvalidValue(
            "no Redis: pass a URL, set TASKPROC_REDIS_URL, or use embedded:///some/folder for a server of your own"
            " (embedded:// for one in memory)"
        )
    return url
