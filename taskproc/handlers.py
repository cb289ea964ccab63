"""Handlers: what ``@task`` marks, and the name by which a stored task calls a function."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast, overload

from taskproc import backoff as backoffs
from taskproc.backoff import Backoff
from taskproc.errors import HandlerError, InvalidValue
from taskproc.injection import Injected, check_marks, marks
from taskproc.limits import ConcurrencyKey, Limit
from taskproc.values import Duration, count, milliseconds, one_of, queue_name, shown, text

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
Executor = Literal["process"]
Keep = Literal["failed", "all", "none"]
KEEPS: tuple[Keep | None, ...] = (None, "failed", "all", "none")
Unique = bool | str | Callable[..., object]
"""Whether tasks are unique: by their arguments, by a key, or by what a function of the arguments gives."""

MARK = "__taskproc__"


@dataclass(frozen=True)
class TaskOptions:
    """What ``@task`` sets for its handler; None leaves it to the call, the batch or the processor."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    queue: str | None = None
    max_attempts: int | None = None
    backoff: Callable[[int], Duration] | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    timeout_ms: int | None = None
    executor: Executor | None = None
    keep: Keep | None = None
    limit: Limit | None = None
    raw: bool = False
    unique: Unique | None = None
    unique_for_ms: int | None = None


DECLARED: list[FunctionType] = []
"""The functions that ``@task`` marked, in order: what a worker may run is what its program imported."""


@overload
def task(function: F, /) -> F: ...
@overload
def task(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    queue: str | None = None,
    max_attempts: int | None = None,
    backoff: Backoff | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    timeout: Duration | None = None,
    executor: Executor | None = None,
    max_concurrency: int | None = None,
    concurrency_key: ConcurrencyKey | None = None,
    rate_limit: str | None = None,
    keep: Keep | None = None,
    raw: bool = False,
    unique: Unique | None = None,
    unique_for: Duration | None = None,
) -> Callable[[F], F]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    queue: str | None = None,
    max_attempts: int | None = None,
    backoff: Backoff | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    timeout: Duration | None = None,
    executor: Executor | None = None,
    max_concurrency: int | None = None,
    concurrency_key: ConcurrencyKey | None = None,
    rate_limit: str | None = None,
    keep: Keep | None = None,
    raw: bool = False,
    unique: Unique | None = None,
    unique_for: Duration | None = None,
) -> Any:
    """Mark a function as a handler; it stays a plain function.

    ``timeout`` is a duration for each attempt. ``retry_on``: other exceptions bury the task at once.
    ``max_concurrency``: so many of its tasks run at once, over all processes. ``rate_limit``: so many start in a time, as
    ``"100/s"``. ``concurrency_key`` makes both hold for each key: ``"tenant"``, or a function of the handler's arguments.
    ``raw``: the function receives the bytes of ``enqueue_raw``. ``unique``: while an equal task of the tenant's is
    there none is stored; ``unique_for``: within this time of the enqueue instead. Raises InvalidValue for an option that
    makes no sense and HandlerError for what can't be a handler: a lambda, a local function, a
    generator, a second one of the same name, or one with a parameter that can't be injected.
    """
    chosen, lasts = unique_options(unique, unique_for)
    options = TaskOptions(
        name=None if name is None else _name(name),
        aliases=_aliases(aliases),
        queue=None if queue is None else queue_name(queue),
        max_attempts=None if max_attempts is None else count("max_attempts", max_attempts),
        backoff=None if backoff is None else backoffs.check(backoff),
        retry_on=_exceptions(retry_on),
        timeout_ms=None if timeout is None else milliseconds("timeout", timeout, positive=True),
        executor=_choice("executor", executor, (None, "process")),
        keep=_choice("keep", keep, KEEPS),
        limit=Limit.check(max_concurrency, concurrency_key, rate_limit),
        raw=_choice("raw", raw, (True, False)),
        unique=chosen,
        unique_for_ms=lasts,
    )

    def mark(target: Callable[..., Any]) -> Callable[..., Any]:
        plain = target.__func__ if isinstance(target, staticmethod | classmethod) else target
        _declare(plain, options)
        return target

    return mark if function is None else mark(function)


def unique_options(unique: Unique | None, unique_for: Duration | None) -> tuple[Unique | None, int | None]:
    """Whether tasks are unique and for how long. Raises InvalidValue for what makes no sense."""
    if isinstance(unique, str) and unique:
        text("unique", unique, 1_000_000)
    elif unique is not None and not isinstance(unique, bool) and not callable(unique):
        raise InvalidValue(f"unique={shown(unique)}: use True, a key that is not empty, or a function of the arguments")
    if unique_for is None:
        return unique, None
    if unique is False:
        raise InvalidValue("unique=False and unique_for: give one of them")
    return True if unique is None else unique, milliseconds("unique_for", unique_for, positive=True)


def is_handler_name(name: str) -> bool:
    """Whether a handler can have a name."""
    return 1 <= len(name) <= 200 and name.isprintable() and '"' not in name and "\\" not in name


def _name(name: object) -> str:
    if not isinstance(name, str) or not is_handler_name(name):
        raise InvalidValue(f"handler name {shown(name)}: use 1 to 200 printable characters without quotes and backslashes")
    return name


def _aliases(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise InvalidValue(f"aliases={shown(given)}: give a list of names")
    return tuple(_name(alias) for alias in given)


def _choice(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if not one_of(value, allowed):
        raise InvalidValue(f"{name}={shown(value)}: use {' or '.join(repr(choice) for choice in allowed if choice)}")
    return value


def _exceptions(given: object) -> tuple[type[BaseException], ...] | None:
    if given is None:
        return None
    kinds = given if isinstance(given, tuple) else (given,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidValue(f"retry_on={shown(given)}: give exception types")
    return kinds


def _declare(function: object, options: TaskOptions) -> None:
    plain = plain_function(function)
    check_function(plain, options, marks(plain))
    for known in DECLARED:
        twice = {options.name or default_name(plain), *options.aliases} & names_of(known)
        if twice and not same_source(known, plain):
            raise HandlerError(
                f"two handlers are named {min(twice)!r}: {where(known)} and {where(plain)}; give one of them a name="
            )
    setattr(plain, MARK, options)
    DECLARED[:] = [known for known in DECLARED if not same_source(known, plain)]
    DECLARED.append(plain)


def plain_function(function: object) -> FunctionType:
    """The plain function behind a handler. Raises HandlerError for what a worker can't find or run."""
    plain = function.__func__ if isinstance(function, MethodType) else function
    if not isinstance(plain, FunctionType):
        raise HandlerError(f"{shown(function)} is not a function or a method")
    if plain.__name__ == "<lambda>":
        raise HandlerError(f"a lambda ({where(plain)}) can't be a handler: a worker can't find it by name")
    if "<locals>" in plain.__qualname__:
        raise HandlerError(f"{plain.__qualname__} ({where(plain)}) is a local function: define it at the top of a module")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise HandlerError(f"{plain.__qualname__} ({where(plain)}) is a generator: nothing would run it")
    return plain


def check_function(plain: FunctionType, options: TaskOptions, marked: Mapping[str, Injected]) -> None:
    """See that a function's parameters suit its options. Raises HandlerError."""
    check_marks(where(plain), plain, marked)
    if marked and options.executor == "process":
        raise HandlerError(f"{where(plain)}: executor='process': nothing can be injected there: {', '.join(marked)}")
    if not options.raw:
        return
    signature = inspect.signature(plain)
    left = signature.replace(parameters=[p for name, p in signature.parameters.items() if name not in marked])
    for given in [1, 2] if "." in plain.__qualname__ else [1]:  # a method has its instance or class besides
        try:
            left.bind(*[b""] * given)
        except TypeError:
            continue
        return
    raise HandlerError(f"{where(plain)}: raw=True: it must take one argument, the bytes, and not {left}")


def same_source(one: FunctionType, other: FunctionType) -> bool:
    a, b = one.__code__, other.__code__
    return one.__qualname__ == other.__qualname__ and (a.co_filename, a.co_firstlineno) == (
        b.co_filename,
        b.co_firstlineno,
    )


def where(function: FunctionType) -> str:
    code = function.__code__
    return f"{function.__module__}.{function.__qualname__}, {Path(code.co_filename).name}:{code.co_firstlineno}"


def module_name(module: str) -> str:
    """A module's name for others: that of the script which was started as ``__main__`` is what it would be imported by."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    return Path(getattr(main, "__file__", None) or "__main__").stem


def default_name(function: FunctionType) -> str:
    """Module and qualified name."""
    return f"{module_name(function.__module__)}.{function.__qualname__}"


def options_of(function: FunctionType) -> TaskOptions:
    """What ``@task`` set, or the defaults."""
    return getattr(function, MARK, None) or TaskOptions()


def names_of(function: FunctionType) -> set[str]:
    """All names by which stored tasks may call a function."""
    options = options_of(function)
    return {options.name or default_name(function), *options.aliases}


class MethodName:
    """What ``method`` returns: a method, named without an instance."""

    def __init__(self, function: FunctionType) -> None:
        self.__func__ = function


def method(function: Callable[Concatenate[Any, P], R], /) -> Callable[P, R]:
    """Name a method as a handler without an instance: ``batch.enqueue(method(Service.send), "x")``."""
    return cast(Callable[P, R], MethodName(plain_function(function)))
