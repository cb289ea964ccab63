"""The options of a processor: a small frozen value, defaulted and checked in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict

import orjson

from taskproc import backoff as backoffs
from taskproc.backoff import Backoff, Exponential
from taskproc.errors import InvalidValue
from taskproc.sealing import Keys, Sealer, TenantKeys
from taskproc.serializing import Serializer
from taskproc.serving import Serving, serving
from taskproc.values import Duration, count, milliseconds, shown

if TYPE_CHECKING:
    from taskproc.context import TaskContext

Hook = Callable[["TaskContext"], Awaitable[None]]
ErrorHook = Callable[["TaskContext", BaseException], Awaitable[None]]
DelayHook = Callable[["TaskContext", int], Awaitable[Duration | None]]
Execute = Callable[["TaskContext"], Awaitable[object]]
Resolver = Callable[[Any, "TaskContext"], Any]
CallNext = Callable[["TaskContext"], Awaitable[Any]]
Middleware = Callable[["TaskContext", CallNext], Awaitable[Any]]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """A processor's options, checked; durations in milliseconds."""

    prefix: str
    serving: Serving
    max_workers: int
    include: tuple[str, ...]
    max_attempts: int
    backoff: Callable[[int], Duration]
    invisibility_ms: int
    poll_ms: int
    retention_ms: int
    grace_ms: int
    unknown_grace_ms: int
    patience_ms: int
    max_payload: int
    renew: bool
    deadletter: bool
    deadletter_schedules: bool
    cron_seconds: bool
    durable: bool
    strict_queues: bool
    on_task_start: Hook | None
    on_task_end: Hook | None
    on_task_error: ErrorHook | None
    on_task_failed_delay: DelayHook | None
    execute: Execute | None
    resolver: Resolver | None
    middleware: tuple[Middleware, ...]
    lifespan: Lifespan | None
    serializer: Serializer | None
    sealer: Sealer | None
    minute_history_ms: int
    hour_history_ms: int
    history_entries: int

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of the queues that a worker serves."""
        return self.serving.queues

    @property
    def patience(self) -> float:
        """How long a call of a client may take, in seconds."""
        return self.patience_ms / 1000


class ProcessorOptions(TypedDict, total=False):
    """What ``TaskProcessor`` takes besides where Redis is. Durations are a ``timedelta`` or seconds."""

    prefix: str
    queues: Sequence[str]
    ageing: Duration | None
    reserve: Mapping[str, int] | None
    max_workers: int
    include: Sequence[str | ModuleType]
    max_attempts: int
    backoff: Backoff
    invisibility: Duration
    poll_interval: Duration
    retention: Duration
    shutdown_grace: Duration
    unknown_grace: Duration
    redis_patience: Duration
    max_payload: int
    renew: bool
    deadletter: bool
    deadletter_schedules: bool
    cron_seconds: bool
    durable: bool
    strict_queues: bool
    on_task_start: Hook | None
    on_task_end: Hook | None
    on_task_error: ErrorHook | None
    on_task_failed_delay: DelayHook | None
    execute: Execute | None
    resolver: Resolver | None
    middleware: Sequence[Middleware]
    lifespan: Lifespan | None
    serializer: Serializer | None
    signing_key: Keys | None
    encryption_key: TenantKeys | None
    minute_history: Duration
    hour_history: Duration
    history_entries: int


def check_options(given: ProcessorOptions) -> Options:
    """Options from what a caller gave, the rest by default. Raises InvalidValue naming the first that makes no sense."""
    unknown = given.keys() - ProcessorOptions.__annotations__.keys()
    if unknown:
        raise InvalidValue(f"TaskProcessor has no option {min(unknown)!r}")
    include, renew = given.get("include", ()), _flag("renew", given.get("renew", True))
    if not isinstance(include, list | tuple):
        raise InvalidValue(f"include={shown(include)}: give a list of modules")
    backoff, day, slots = given.get("backoff"), 24 * 3600, worker_count(given.get("max_workers", 10))
    return Options(
        prefix=_prefix(given.get("prefix", "taskproc")),
        serving=serving(given.get("queues", ("default",)), given.get("ageing"), given.get("reserve"), slots=slots),
        max_workers=slots,
        include=tuple(module_of(module) for module in include),
        max_attempts=count("max_attempts", given.get("max_attempts", 3)),
        backoff=Exponential() if backoff is None else backoffs.check(backoff),
        invisibility_ms=milliseconds("invisibility", given.get("invisibility", 30 if renew else 300), positive=True),
        poll_ms=milliseconds("poll_interval", given.get("poll_interval", 5), positive=True),
        retention_ms=milliseconds("retention", given.get("retention", 7 * day)),
        grace_ms=milliseconds("shutdown_grace", given.get("shutdown_grace", 25)),
        unknown_grace_ms=milliseconds("unknown_grace", given.get("unknown_grace", 3600)),
        patience_ms=milliseconds("redis_patience", given.get("redis_patience", 10), positive=True),
        max_payload=count("max_payload", given.get("max_payload", 1_000_000), 1, 512 * 1024 * 1024),
        renew=renew,
        deadletter=_flag("deadletter", given.get("deadletter", True)),
        deadletter_schedules=_flag("deadletter_schedules", given.get("deadletter_schedules", False)),
        cron_seconds=_flag("cron_seconds", given.get("cron_seconds", False)),
        durable=_flag("durable", given.get("durable", False)),
        strict_queues=_flag("strict_queues", given.get("strict_queues", False)),
        on_task_start=_function("on_task_start", given.get("on_task_start")),
        on_task_end=_function("on_task_end", given.get("on_task_end")),
        on_task_error=_function("on_task_error", given.get("on_task_error")),
        on_task_failed_delay=_function("on_task_failed_delay", given.get("on_task_failed_delay")),
        execute=_function("execute", given.get("execute")),
        resolver=_function("resolver", given.get("resolver")),
        middleware=_middleware(given.get("middleware", ())),
        lifespan=_function("lifespan", given.get("lifespan")),
        serializer=_serializer(given.get("serializer")),
        sealer=_sealer(given.get("signing_key"), given.get("encryption_key")),
        minute_history_ms=milliseconds("minute_history", given.get("minute_history", day)),
        hour_history_ms=milliseconds("hour_history", given.get("hour_history", 90 * day)),
        history_entries=count("history_entries", given.get("history_entries", 500_000), 0, 10**9),
    )


def _sealer(signing: Keys | None, encryption: TenantKeys | None) -> Sealer | None:
    return None if signing is None and encryption is None else Sealer(signing, encryption)


def worker_count(given: object) -> int:
    """How many tasks run at once in a process, from 1 to 10,000."""
    return count("max_workers", given, 1, 10_000)


def _prefix(prefix: object) -> str:
    if not isinstance(prefix, str) or not prefix or any(c in "{}" or not c.isprintable() or c.isspace() for c in prefix):
        raise InvalidValue(f"prefix={shown(prefix)}: use printable characters without blanks and braces")
    if len(prefix.encode()) > 64:
        raise InvalidValue(f"prefix of {len(prefix.encode())} bytes: at most 64")
    return prefix


def module_of(module: object) -> str:
    """The name of a module to include. Raises InvalidValue."""
    if isinstance(module, ModuleType):
        return module.__name__
    if not isinstance(module, str) or not module:
        raise InvalidValue(f"include: {shown(module)} is not a module or the name of one")
    return module


def _middleware(given: object) -> tuple[Middleware, ...]:
    if not isinstance(given, list | tuple):
        raise InvalidValue(f"middleware={shown(given)}: give a list of async functions")
    for one in given:
        if not callable(one):
            raise InvalidValue(f"middleware: {shown(one)} is not a function")
    return tuple(given)


def _serializer(given: Any) -> Serializer | None:
    if given is None or given is orjson:
        return None
    if not (callable(getattr(given, "dumps", None)) and callable(getattr(given, "loads", None))):
        raise InvalidValue(f"serializer={shown(given)}: give an object with dumps and loads")
    found: Serializer = given
    return found


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"{name}={shown(value)}: use True or False")
    return value


def _function(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise InvalidValue(f"{name}={shown(value)}: give a function")
    return value
