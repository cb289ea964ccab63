"""Handlers: what ``@task`` marks, what a name in Redis stands for, and which names a worker may run.

A payload names a handler and can never make a worker import anything: names are looked up among the
functions that ``@task`` marked in what the program imported, and among those defined in the modules
that its processor includes.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast, overload

from taskproc import backoff as backoffs
from taskproc.arguments import Arguments
from taskproc.backoff import Backoff
from taskproc.errors import HandlerError, InvalidValue
from taskproc.values import Duration, count, milliseconds, queue_name

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
Executor = Literal["process"]
Keep = Literal["failed", "none"]

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
    raw: bool = False


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
    keep: Keep | None = None,
    raw: bool = False,
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
    keep: Keep | None = None,
    raw: bool = False,
) -> Any:
    """Mark a function as a handler; it stays a plain function.

    ``timeout`` is a duration for each attempt. ``retry_on``: other exceptions bury the task at once.
    ``raw``: the function receives the bytes of ``enqueue_raw``. Raises InvalidValue for an option that
    makes no sense and HandlerError for what can't be a handler: a lambda, a local function, a
    generator, or a second one of the same name.
    """
    options = TaskOptions(
        name=None if name is None else _name(name),
        aliases=tuple(_name(alias) for alias in aliases),
        queue=None if queue is None else queue_name(queue),
        max_attempts=None if max_attempts is None else count("max_attempts", max_attempts),
        backoff=None if backoff is None else backoffs.check(backoff),
        retry_on=_exceptions(retry_on),
        timeout_ms=None if timeout is None else milliseconds("timeout", timeout, positive=True),
        executor=_choice("executor", executor, (None, "process")),
        keep=_choice("keep", keep, (None, "failed", "none")),
        raw=raw,
    )

    def mark(target: Callable[..., Any]) -> Callable[..., Any]:
        plain = target.__func__ if isinstance(target, staticmethod | classmethod) else target
        _declare(plain, options)
        return target

    return mark if function is None else mark(function)


def _name(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable() or '"' in name or "\\" in name:
        raise InvalidValue(f"handler name {name!r}: use 1 to 200 printable characters without quotes and backslashes")
    return name


def _choice(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise InvalidValue(f"{name}={value!r}: use {' or '.join(repr(choice) for choice in allowed if choice)}")
    return value


def _exceptions(given: object) -> tuple[type[BaseException], ...] | None:
    if given is None:
        return None
    kinds = given if isinstance(given, tuple) else (given,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidValue(f"retry_on={given!r}: give exception types")
    return kinds


def _declare(function: object, options: TaskOptions) -> None:
    plain = _check(function)
    for known in DECLARED:
        twice = {options.name or default_name(plain), *options.aliases} & names_of(known)
        if twice and not _same_source(known, plain):
            raise HandlerError(
                f"two handlers are named {min(twice)!r}: {_where(known)} and {_where(plain)}; give one of them a name="
            )
    setattr(plain, MARK, options)
    DECLARED[:] = [known for known in DECLARED if not _same_source(known, plain)]
    DECLARED.append(plain)


def _check(function: object) -> FunctionType:
    """The plain function behind a handler. Raises HandlerError for what a worker can't find or run."""
    plain = function.__func__ if isinstance(function, MethodType) else function
    if not isinstance(plain, FunctionType):
        raise HandlerError(f"{function!r} is not a function or a method")
    if plain.__name__ == "<lambda>":
        raise HandlerError(f"a lambda ({_where(plain)}) can't be a handler: a worker can't find it by name")
    if "<locals>" in plain.__qualname__:
        raise HandlerError(f"{plain.__qualname__} ({_where(plain)}) is a local function: define it at the top of a module")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise HandlerError(f"{plain.__qualname__} ({_where(plain)}) is a generator: nothing would run it")
    return plain


def _same_source(one: FunctionType, other: FunctionType) -> bool:
    a, b = one.__code__, other.__code__
    return one.__qualname__ == other.__qualname__ and (a.co_filename, a.co_firstlineno) == (
        b.co_filename,
        b.co_firstlineno,
    )


def _where(function: FunctionType) -> str:
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
    return cast(Callable[P, R], MethodName(_check(function)))


@dataclass(frozen=True, eq=False)
class Handler:
    """A handler, made ready to encode calls and to run them."""

    name: str
    function: FunctionType
    options: TaskOptions
    owner: type | None = field(default=None)

    @cached_property
    def arguments(self) -> Arguments:
        """Its parameters without ``self`` or ``cls``."""
        return Arguments(self.name, self.function, bound=self.owner is not None or self.takes_class)

    @cached_property
    def takes_class(self) -> bool:
        """Whether it is a class method."""
        return _static(self.function)[1] == "class"

    @cached_property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return asyncio.iscoroutinefunction(self.function)

    def bind(self, instance: object) -> Callable[..., Any]:
        """The callable for one execution; ``instance`` is what the resolver made for a method's class."""
        if self.takes_class:
            cls = _static(self.function)[0]
            return MethodType(self.function, cls)
        return self.function if self.owner is None else MethodType(self.function, instance)


def _static(function: FunctionType) -> tuple[type | None, str]:
    """The class that a function is defined in, if any, and how: an ``instance``, ``class`` or ``static`` method."""
    path = function.__qualname__.split(".")
    if len(path) == 1:
        return None, "function"
    place: object = sys.modules.get(function.__module__)
    for part in path[:-1]:
        place = getattr(place, part, None)
    if not isinstance(place, type):
        return None, "function"
    found = inspect.getattr_static(place, path[-1], None)
    kind = {staticmethod: "static", classmethod: "class"}.get(type(found), "instance")
    return place, kind


class Registry:
    """The handlers that one processor knows: by the function when it enqueues, by the name when it runs."""

    def __init__(self, include: Iterable[str | ModuleType] = ()) -> None:
        self._include = [module if isinstance(module, str) else module.__name__ for module in include]
        self._by_function: dict[object, Handler] = {}
        self._by_name: dict[str, Handler] | None = None

    def of(self, called: object) -> Handler:
        """The handler of a function, a method or ``method(...)``. Raises HandlerError when it is none."""
        plain = getattr(called, "__func__", called)
        try:
            return self._by_function[plain]
        except (KeyError, TypeError):
            return self._add(called)

    def _add(self, called: object) -> Handler:
        plain = called.__func__ if isinstance(called, MethodName) else _check(called)
        if not hasattr(plain, MARK) and plain.__module__ not in self._include:
            raise HandlerError(
                f"{_where(plain)} is not a handler: decorate it with @task, or include its module in the processor"
            )
        handler = _handler(plain)
        self._by_function[plain] = handler
        return handler

    def load(self) -> None:
        """Import the included modules and list what may run. Raises HandlerError for two handlers of one name."""
        found: dict[str, Handler] = {}
        for function in [
            *DECLARED,
            *(f for name in self._include for f in functions_of(importlib.import_module(name))),
        ]:
            handler = self._by_function.get(function) or _handler(function)
            self._by_function[function] = handler
            for name in sorted(names_of(function)):
                other = found.setdefault(name, handler)
                if other.function is not function and not _same_source(other.function, function):
                    raise HandlerError(f"two handlers are named {name!r}: {_where(other.function)} and {_where(function)}")
        self._by_name = found

    def named(self, name: str) -> Handler | None:
        """The handler that a stored task names, or None: nothing is ever imported for it."""
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """The names of all handlers that may run."""
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return sorted(self._by_name)


def _handler(function: FunctionType) -> Handler:
    options = options_of(function)
    owner, kind = _static(function)
    return Handler(options.name or default_name(function), function, options, owner if kind == "instance" else None)


def functions_of(module: ModuleType) -> list[FunctionType]:
    """The functions and methods that are defined in a module and can be handlers."""
    found: list[FunctionType] = []
    for value in vars(module).values():
        members = list(vars(value).values()) if isinstance(value, type) and value.__module__ == module.__name__ else [value]
        for member in members:
            plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            if not isinstance(plain, FunctionType) or plain.__module__ != module.__name__ or plain.__name__.startswith("__"):
                continue
            if "<" in plain.__qualname__ or inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
                continue
            found.append(plain)
    return found
