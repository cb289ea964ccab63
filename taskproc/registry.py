"""The handlers that a processor knows: by the function when it enqueues, by the name when it runs.

A payload names a handler and can never make a worker import anything: names are looked up among the
functions that ``@task`` marked in what the program imported, and among those defined in the modules
that its processor includes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterable, Iterator
from types import FunctionType

from taskproc import discovery
from taskproc.discovery import functions_of
from taskproc.errors import HandlerError, InvalidValue
from taskproc.handler import Handler
from taskproc.handlers import (
    DECLARED,
    MARK,
    MethodName,
    TaskOptions,
    default_name,
    module_name,
    names_of,
    options_of,
    plain_function,
    same_source,
    where,
)
from taskproc.serializing import Serializer


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

    def __init__(self, include: Iterable[str] = (), serializer: Serializer | None = None) -> None:
        self._include = list(include)
        self._serializer = serializer
        self._by_function: dict[object, Handler] = {}
        self._by_class: dict[tuple[object, type], Handler] = {}
        self._by_name: dict[str, Handler] | None = None
        self._declared: dict[str, FunctionType] = {}
        self._last: FunctionType | None = None

    def include(self, modules: Iterable[str]) -> None:
        """Include more modules. Raises NoSuchModule; HandlerError for a second handler of a name."""
        before, loaded = list(self._include), self._by_name is not None
        self._include += [name for name in modules if name not in before]
        try:
            for name in self._include[len(before) :]:
                discovery.check(name)
            if loaded:
                self.load()
        except BaseException:
            self._include = before
            raise

    def of(self, called: object) -> Handler:
        """The handler of a function, a method or ``method(...)``. Raises HandlerError when it is none."""
        plain = getattr(called, "__func__", called)
        try:
            handler = self._by_function[plain]
        except (KeyError, TypeError):
            handler = self._add(called)
        return handler if handler.cls is None else self._inherited(handler, called)

    def _add(self, called: object) -> Handler:
        plain = called.__func__ if isinstance(called, MethodName) else plain_function(called)
        if not hasattr(plain, MARK) and not self._includes(plain.__module__):
            raise HandlerError(
                f"{where(plain)} is not a handler: decorate it with @task, or include its module in the processor"
            )
        return self._known(plain)

    def _known(self, function: FunctionType) -> Handler:
        found = self._by_function.get(function)
        if found is None:
            options = options_of(function)
            cls, kind = _static(function)
            name = options.name or default_name(function)
            found = self._by_function[function] = self._handler(name, function, options, cls, kind)
        return found

    def _handler(self, name: str, function: FunctionType, options: TaskOptions, cls: type | None, kind: str) -> Handler:
        owner, of_class = cls if kind == "instance" else None, cls if kind == "class" else None
        return Handler(name, function, options, owner, of_class, self._serializer)

    def _inherited(self, handler: Handler, called: object) -> Handler:
        """The handler of a method, for the class that it was asked of: a derived one is told apart by its name."""
        bound = getattr(called, "__self__", None)
        cls = bound if isinstance(bound, type) else type(bound)
        if bound is None or cls is handler.cls:
            return handler
        return self._by_class.get((handler.function, cls)) or self._derive(handler, cls)

    def _derive(self, handler: Handler, cls: type) -> Handler:
        """The handler of a method that a class has inherited. Raises HandlerError where no worker would find it."""
        name, place = handler.function.__name__, f"{cls.__module__}.{cls.__qualname__}"
        if not _inherits(cls, handler):
            return handler
        if handler.options.name is not None:
            raise HandlerError(
                f"{place}.{name} is inherited, and its name {handler.name!r} says nothing of the class: define it there anew"
            )
        if "<locals>" in cls.__qualname__:
            raise HandlerError(f"{place} is a local class: define it at the top of a module")
        if not hasattr(handler.function, MARK) and not self._includes(cls.__module__):
            raise HandlerError(f"{place}.{name} is not a handler: include its module in the processor")
        own = f"{module_name(cls.__module__)}.{cls.__qualname__}.{name}"
        kind = "instance" if handler.owner is not None else "class"
        found = self._handler(own, handler.function, handler.options, cls, kind)
        self._by_class[handler.function, cls] = found
        return found

    def _includes(self, module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in self._include)

    def load(self) -> None:
        """Import the included modules and list what may run. Raises HandlerError for two handlers of one name."""
        included = [f for name in self._include for module in discovery.modules(name) for f in functions_of(module)]
        found: dict[str, Handler] = {}
        for function in [*DECLARED, *included]:
            handler = self._known(function)
            for name in sorted(names_of(function)):
                _enter(found, name, handler)
            for derived in self._derived(handler):
                _enter(found, derived.name, derived)
        self._by_name = found

    def _derived(self, handler: Handler) -> Iterator[Handler]:
        """The handlers that classes have inherited, of those that were imported."""
        if handler.cls is None or handler.options.name is not None:
            return
        for cls in discovery.derived(handler.cls):
            told = hasattr(handler.function, MARK) or self._includes(cls.__module__)
            if told and "<locals>" not in cls.__qualname__ and _inherits(cls, handler):
                yield self._by_class.get((handler.function, cls)) or self._derive(handler, cls)

    def declared(self, name: str) -> Handler | None:
        """A handler that was marked by ``@task`` where the program imported it, by its name; nothing is imported for it."""
        if DECLARED and self._last is not DECLARED[-1]:
            self._declared, self._last = {known: f for f in DECLARED for known in names_of(f)}, DECLARED[-1]
        found = self._declared.get(name)
        return None if found is None else self.of(found)

    def named(self, name: str) -> Handler | None:
        """The handler that a stored task names, or None: nothing is ever imported for it."""
        return (self._by_name or self._loaded()).get(name)

    def check_queues(self, queues: Collection[str]) -> None:
        """Raises InvalidValue where a handler's own queue is not among some; it names all such queues and handlers."""
        self.load()
        assert self._by_name is not None
        missing: dict[str, set[str]] = {}
        for handler in self._by_name.values():
            if handler.options.queue is not None and handler.options.queue not in queues:
                missing.setdefault(handler.options.queue, set()).add(handler.name)
        if missing:
            told = "; ".join(f"{queue} ({', '.join(sorted(names))})" for queue, names in sorted(missing.items()))
            raise InvalidValue(f"queues: handlers have queues of their own that are not among them: {told}")

    def limits(self) -> dict[str, dict[str, object] | None]:
        """What the code says of the limits of all handlers that may run, by their names; None for one that has none."""
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return {h.name: h.limit.limit.told(h.name) if h.limit else None for h in self._by_name.values()}

    def names(self) -> list[str]:
        """The names of all handlers that may run."""
        return sorted(self._loaded())

    def handlers(self) -> list[Handler]:
        """All handlers that may run, by their names."""
        return sorted(set(self._loaded().values()), key=lambda handler: handler.name)

    def _loaded(self) -> dict[str, Handler]:
        if self._by_name is None:
            self.load()
        assert self._by_name is not None
        return self._by_name


def _enter(found: dict[str, Handler], name: str, handler: Handler) -> None:
    other = found.setdefault(name, handler)
    if other.function is not handler.function and not same_source(other.function, handler.function):
        raise HandlerError(f"two handlers are named {name!r}: {where(other.function)} and {where(handler.function)}")


def _inherits(cls: type, handler: Handler) -> bool:
    """Whether a class derives from a handler's class and has its method, not one of its own."""
    if handler.cls is None or not issubclass(cls, handler.cls):
        return False
    found = inspect.getattr_static(cls, handler.function.__name__, None)
    return getattr(found, "__func__", found) is handler.function
