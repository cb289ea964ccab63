"""The command line with arguments that make no sense: an exit code of those that are documented, and no traceback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from taskproc.cli import work
from tests.commands import Done, quick_here
from tests.fuzz import handlers
from tests.fuzz.report import Broken
from tests.fuzz.values import CANARY, TEXTS, noise
from tests.fuzz.world import HANG_SECONDS, OPTIONS, World

CODES = {0, 1, 2, 3}

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("stats",), ("stats", "--json"), ("stats", "--tenant", "?", "--json"), ("stats", "--queue", "?", "--target-wait", "?"),
    ("batches", "?"), ("batches", "acme", "--skip", "?", "--take", "?"), ("batch", "?"),
    ("batch", "?", "--json"), ("batch", "?", "--watch", "--json"), ("cancel", "?"), ("pause",), ("resume",),
    ("dead", "list", "--queue", "?"), ("dead", "list", "--tenant", "?", "--json"), ("dead", "list", "--batch", "?"),
    ("dead", "list", "--skip", "?", "--take", "?"), ("dead", "retry", "--count", "?"), ("dead", "retry", "--max-attempts",
    "?"),
    ("dead", "discard", "--batch", "?", "--count", "?"), ("dead", "discard", "--all", "--queue", "?"),
    ("worker", "?"), ("worker", "tests.fuzz.commands:?"), ("worker", "tests.fuzz.app:proc", "--queues", "?"),
    ("worker", "tests.fuzz.app:proc", "--max-workers", "?"), ("worker", "tests.fuzz.app:proc", "--log-level", "?"),
    ("worker", "tests.fuzz.commands:proc", "--processes", "?"), ("demo", "--limit", "?"), ("?",), ("stats", "?"), ("stats",
    "--redis", "?"),
    ("tenants", "list", "--skip", "?"), ("tenants", "show", "?"), ("tenants", "cancel", "?", "--queue", "?"),
    ("tenants", "?"),
    ("tenants", "move", "acme", "?", "?"), ("tenants", "move", "?", "default", "second", "--json"),
    ("tenants", "export", "?"),
    ("tenants", "purge", "?", "--yes", "--timeout", "1"), ("tenants", "purge", "acme", "--yes", "--actor", "?"),
    ("journal", "--tenant", "?", "--take", "?"), ("pause", "--actor", "?"),
    ("stats", "--prefix", "?"), ("stats", "--app", "?"), ("pause", "--redis", "unix://?"), ("dead", "?"), ("batches",),
)  # fmt: skip
WORDS = (
    *TEXTS, "--help", "-1", "--", "5", "1000000000000", "1.5", "json:dumps", "json:", ":x", "tests.fuzz.app:proc",
    "nosuch:proc", "a.b:c",
    "tests.fuzz.app", "tests.fuzz.app:proc.run", "..:x", "\udcff", "redis://localhost:1", "embedded://", "acme", "default",
    "-h",
)  # fmt: skip


def word(rng: random.Random) -> str:
    """An argument that makes no sense."""
    found = rng.choice(WORDS) if rng.randrange(4) else noise(rng, rng.randrange(1, 20)).decode("utf-8", "surrogateescape")
    return found.replace("\x00", "0")  # which no argument of a process can hold


def line(rng: random.Random) -> list[str]:
    """A command line."""
    return [part.replace("?", word(rng)) if "?" in part else part for part in rng.choice(COMMANDS)]


async def group(world: World, numbers: Sequence[int]) -> None:
    """Call the commands on an instance with a batch, which none of them may touch."""
    async with world.fresh() as instance, instance.processor(**OPTIONS) as proc:
        healthy = await proc.enqueue_batch("default", "neighbour", lambda batch: batch.enqueue(handlers.take, "n", CANARY))
        told = {"TASKPROC_REDIS_URL": instance.server.url, "TASKPROC_PREFIX": instance.name}
        for number in numbers:
            arguments = line(world.chance(number))
            done = await one(arguments, told)
            world.tally.note("commands", f"exit {done.code}")
            if done.code not in CODES or "Traceback" in done.err or CANARY in done.err or (done.code and not done.err):
                raise Broken(f"taskproc {arguments}: exit code {done.code}, {done.err[-500:]!r}")
        await proc.resume()
        await proc.run_until_idle()
        info = await proc.get_batch(healthy)
        if info is None or info.done != 1:
            raise Broken(f"a neighbour's batch is {info}")


async def one(arguments: list[str], told: dict[str, str]) -> Done:
    """One command in this process; what it would serve or play it doesn't."""

    def call() -> Done:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(work, "_run", _unserved)
            patch.setattr(work, "_leave", lambda: None)
            patch.setattr(work, "supervise", lambda command, count: 0)
            patch.setattr(work.logs, "set_up", lambda level: None)
            return quick_here(arguments, told)

    try:
        async with asyncio.timeout(HANG_SECONDS):
            return await asyncio.to_thread(call)
    except TimeoutError:
        raise Broken(f"taskproc {arguments} does not come back") from None
    except Exception as error:
        raise Broken(f"taskproc {arguments} raises {type(error).__name__}: {error}"[:600]) from error


def _unserved(serving: Coroutine[Any, Any, Any]) -> int:
    serving.close()
    return 0
