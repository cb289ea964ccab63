"""The constructor with options that make no sense."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from taskproc import TaskProcessor
from tests.fuzz import handlers
from tests.fuzz.callables import Call, Slot, Values, fixed
from tests.fuzz.values import odd

URLS = (
    "redis://localhost", "redis://localhost:6379/0", "rediss://u:p@h:1/5", "unix:///tmp/x?db=1", "redis+cluster://a:1,b:2",
    "redis+sentinel://a:1/s/0", "embedded://", "redis://", "redis://:", "redis://h:99999", "redis://h:-1", "redis://h/x",
    "redis://[::1",
    "redis://h?db=x", "redis://h?socket_timeout=x", "redis+cluster://", "redis+sentinel://a", "redis+sentinel://a:x/s",
    "http://h",
    "redis://h:٣", "redis://\x00", "redis+cluster://a:1?protocol=x", "redis://h/1e9", "redis://h/99999999999999999999",
    "//", "redis:h",
    "redis+sentinel://a:1/s/x", "rediss+cluster://a:1/1", "redis://u%ff:p@h", "redis://h?unknown=1",
    "redis://h?health_check_interval=nan",
    "redis+cluster://a:99999999", "redis+cluster://:1", "redis+cluster://a:²", "unix://", "unix://?path=1", "embedded:x",
    "embedded://x",
)  # fmt: skip

PLAIN: dict[str, tuple[Any, ...]] = {
    "prefix": ("a", "ü" * 32), "queues": (["a"], ("a", "b"), ["a:6", "b:1"]), "max_workers": (2, 10_000), "include": ([],
    ["json"], [handlers]), "reserve": (None, {}, {"a": 1}), "ageing": (None, 1, timedelta(1)),
    "max_attempts": (1, 9), "backoff": (0, [1, 2], timedelta(1)), "invisibility": (1, 0.001), "poll_interval": (1,
    timedelta(1)),
    "retention": (0, 1), "shutdown_grace": (0, 1), "unknown_grace": (0, 1), "redis_patience": (1, 2), "max_payload": (1,
    10**6),
    "renew": (True, False), "deadletter": (True, False), "on_task_start": (None, print), "on_task_end": (None,),
    "on_task_error": (None,), "on_task_failed_delay": (None,), "resolver": (None,), "execute": (None,),
    "middleware": ([], (print,)), "lifespan": (None, print), "serializer": (None,),
}  # fmt: skip


async def made(_: TaskProcessor, v: Values) -> None:
    """Make a processor and leave it."""
    TaskProcessor(v["url"], **{name: v[name] for name in PLAIN if name in v})


SLOTS = {name: Slot(name, fixed(*good), name.removesuffix("s")) for name, good in PLAIN.items()}
URL = Slot(
    "url", fixed("redis://localhost"), "Redis URL|redis must be|no Redis|embedded", lambda rng: rng.choice([*URLS, odd(rng)])
)


def _group(*names: str) -> Call:
    return Call("TaskProcessor", (*(SLOTS[name] for name in names), URL), made)


CONSTRUCTIONS = [
    _group("prefix", "queues", "max_workers", "reserve", "include"),
    _group("max_attempts", "backoff", "invisibility", "poll_interval", "ageing"),
    _group("retention", "shutdown_grace", "unknown_grace", "redis_patience", "max_payload"),
    _group("renew", "deadletter", "on_task_start", "on_task_end", "on_task_error"),
    _group("on_task_failed_delay", "resolver", "execute", "middleware", "lifespan", "serializer"),
    Call("TaskProcessor of a URL", (URL,), made),
]
