"""The handlers that a processor knows: by the function when it enqueues, by the name when it runs.

A payload names a handler and can never make a worker import anything: names are looked up among the
functions that ``@task`` marked in what the program imported, and among those defined in the modules
that its processor includes.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType, MethodType, ModuleType
from typing import Any

from taskproc.arguments import Arguments
from taskproc.errors import HandlerError
from taskproc.handlers import (
    DECLARED,
    MARK,
    MethodName,
    TaskOptions,
    default_name,
    names_of,
    options_of,
    plain_function,
    same_source,
    where,
)
from taskproc.limits import HandlerLimit


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
    def limit(self) -> HandlerLimit | None:
        """What limits its tasks, if anything does."""
        return None if self.options.limit is None else HandlerLimit(self.name, self.options.limit)

    @cached_property
    def takes_class(self) -> bool:
        """Whether it is a class method."""
        return _static(self.function)[1] == "class"

    @cached_property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return asyncio.iscoroutinefunction(self.function)

    @cached_property
    def stoppable(self) -> bool:
        """Whether cancelling ends it: a thread can't be ended from outside."""
        return self.is_async or self.options.executor == "process"

    @cached_property
    def direct(self) -> Callable[..., Any] | None:
        """What to await where no instance, thread or process is needed."""
        if not self.is_async or self.owner is not None or self.options.executor is not None:
            return None
        return self.bind(None)

    def returned(self, result: object) -> object:
        """What a plain function returned. Raises HandlerError for a coroutine: nothing would run it."""
        if inspect.iscoroutine(result):
            result.close()
            raise HandlerError(
                f"{self.name} is a plain function that returned a coroutine: make it, or its decorator, async"
            )
        return result

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
        self._declared: dict[str, FunctionType] = {}
        self._last: FunctionType | None = None

    def of(self, called: object) -> Handler:
        """The handler of a function, a method or ``method(...)``. Raises HandlerError when it is none."""
        plain = getattr(called, "__func__", called)
        try:
            return self._by_function[plain]
        except (KeyError, TypeError):
            return self._add(called)

    def _add(self, called: object) -> Handler:
        plain = called.__func__ if isinstance(called, MethodName) else plain_function(called)
        if not hasattr(plain, MARK) and plain.__module__ not in self._include:
            raise HandlerError(
                f"{where(plain)} is not a handler: decorate it with @task, or include its module in the processor"
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
                if other.function is not function and not same_source(other.function, function):
                    raise HandlerError(f"two handlers are named {name!r}: {where(other.function)} and {where(function)}")
        self._by_name = found

    def declared(self, name: str) -> Handler | None:
        """A handler that was marked by ``@task`` where the program imported it, by its name; nothing is imported for it."""
        if DECLARED and self._last is not DECLARED[-1]:
            self._declared, self._last = {known: f for f in DECLARED for known in names_of(f)}, DECLARED[-1]
        found = self._declared.get(name)
        return None if found is None else self.of(found)

    def named(self, name: str) -> Handler | None:
        """The handler that a stored task names, or None: nothing is ever imported for it."""
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return self._by_name.get(name)

    def limits(self) -> dict[str, dict[str, object] | None]:
        """What the code says of the limits of all handlers that may run, by their names; None for one that has none."""
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return {h.name: h.limit.limit.told(h.name) if h.limit else None for h in self._by_name.values()}

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
