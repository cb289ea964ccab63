"""Looks at the server behind an instance: what of its set-up would lose work, and how to set it.

Everything is read once, then judged by one small function for each concern. What a user may not read is told as
unknown: managed services forbid CONFIG, and an ACL may forbid INFO.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import redis

from taskproc.errors import ServerRefused
from taskproc.findings import CheckLevel, ServerCheck
from taskproc.store.target import Target
from taskproc.store.wire import Wire

SETTINGS = (
    "appendfsync", "client-output-buffer-limit", "min-replicas-to-write", "replica-read-only", "save", "tcp-keepalive",
    "timeout",
)  # fmt: skip
PINGS = 20

NUMBER_OF_SLOTS = 16384


@dataclass
class Look:
    """What was read of a server; a part that may not be read is missing."""

    info: dict[str, str] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    forbidden: list[str] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)
    ahead: float | None = None
    slot: int = 0
    cluster: dict[str, str] = field(default_factory=dict)
    nodes: str = ""
    through_cluster: bool = False
    service: str = ""
    sentinels: list[dict[str, str]] = field(default_factory=list)
    quorum: str = ""

    def number(self, name: str) -> int | None:
        """A number of INFO; None where it isn't told."""
        text = self.info.get(name, "")
        return int(text) if text.lstrip("-").isdigit() else None


async def look(wire: Wire, target: Target, slot_key: str, patience: float) -> Look:
    """Read all that is judged. Raises RedisUnavailable, or ServerRefused for a wrong password."""
    seen = Look(through_cluster=target.cluster, service=target.service)

    async def ask(*command: str) -> Any:
        try:
            return await wire.command(*command, patience=patience)
        except ServerRefused as error:
            if not forbidden(error):
                raise
            seen.forbidden.append(" ".join(command[:2]))
            return None

    seen.info = lines_of(await ask("INFO"))
    for name in SETTINGS:
        told = await ask("CONFIG", "GET", name)
        if told is None:
            break  # whoever may not read one may read none
        seen.config.update(pairs_of(told))
    for _ in range(PINGS):
        began = time.perf_counter()
        if await ask("PING") is None:
            break
        seen.pings.append(time.perf_counter() - began)
    began, told = time.time(), await ask("TIME")
    if told is not None:
        seen.ahead = int(told[0]) + int(told[1]) / 1e6 - (began + time.time()) / 2
    if target.cluster or seen.info.get("cluster_enabled") == "1":
        seen.slot = int(await ask("CLUSTER", "KEYSLOT", slot_key) or 0)
        seen.cluster = lines_of(await ask("CLUSTER", "INFO"))
        seen.nodes = plain(await ask("CLUSTER", "NODES") or "")
    if target.sentinel is not None:
        seen.sentinels, seen.quorum = await asyncio.to_thread(ask_sentinels, target)
    return seen


def forbidden(error: ServerRefused) -> bool:
    """Whether a command was refused because this user may not send it, or the server hides it."""
    return any(word in str(error) for word in ("NOPERM", "NoPermission", "unknown command", "no permissions"))


def ask_sentinels(target: Target) -> tuple[list[dict[str, str]], str]:
    """What each Sentinel that answers tells of the service, and what one says of the quorum. Blocks."""
    told, quorum = list[dict[str, str]](), ""
    assert target.sentinel is not None
    for client in target.sentinel.sentinels:
        try:
            one: Any = client
            told.append(pairs_of(one.execute_command("SENTINEL", "MASTER", target.service, NEVER_DECODE=True)))
            quorum = quorum or plain(one.execute_command("SENTINEL", "CKQUORUM", target.service))
        except redis.ResponseError as error:
            quorum = quorum or str(error)
        except (redis.RedisError, OSError):
            continue
    return told, quorum


def plain(value: Any) -> str:
    """An answer as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def lines_of(told: Any) -> dict[str, str]:
    """The lines ``name:value`` of INFO and CLUSTER INFO."""
    lines = (line.partition(":") for line in plain(told or "").splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def pairs_of(told: Any) -> dict[str, str]:
    """An answer of names and values in turn; a dict under the newer protocol."""
    if isinstance(told, dict):
        return {plain(name): plain(value) for name, value in told.items()}
    flat = [plain(part) for part in told]
    return dict(zip(flat[::2], flat[1::2], strict=True))


Judge = Callable[[Look], Iterable[ServerCheck]]


def judge(seen: Look, judges: Iterable[Judge]) -> Iterator[ServerCheck]:
    """What a look tells, in the order of the concerns."""
    for one in judges:
        yield from one(seen)
    if seen.forbidden:
        yield unknown(
            "permissions",
            f"this user may not send {', '.join(dict.fromkeys(seen.forbidden))}",
            "run the check as a user with +info, +config|get and +cluster to see the rest; a worker needs none",
        )


def ok(name: str, found: str) -> ServerCheck:
    """Nothing to do."""
    return ServerCheck(name, CheckLevel.OK, found)


def warning(name: str, found: str, advice: str) -> ServerCheck:
    """Something that costs time, or loses work together with something else."""
    return ServerCheck(name, CheckLevel.WARNING, found, advice)


def danger(name: str, found: str, advice: str) -> ServerCheck:
    """Something that loses work, or stops it."""
    return ServerCheck(name, CheckLevel.DANGER, found, advice)


def unknown(name: str, found: str, advice: str) -> ServerCheck:
    """Something that could not be looked at."""
    return ServerCheck(name, CheckLevel.UNKNOWN, found, advice)
