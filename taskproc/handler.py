"""A handler, made ready: to encode its calls where they are enqueued, and to run them where they are claimed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import CoroutineType, FunctionType, MethodType
from typing import Any

from taskproc.arguments import Arguments
from taskproc.errors import HandlerError
from taskproc.handlers import TaskOptions, check_function
from taskproc.injection import Wants, hints, marks, wants
from taskproc.limits import HandlerLimit
from taskproc.results import Results
from taskproc.serializing import SerializedArguments, Serializer


@dataclass(frozen=True, eq=False)
class Handler:
    """A handler, made ready to encode calls and to run them."""

    name: str
    function: FunctionType
    options: TaskOptions
    owner: type | None = field(default=None)
    """The class whose instance runs it."""
    of_class: type | None = field(default=None)
    """The class that a class method is given."""
    serializer: Serializer | None = field(default=None)

    @cached_property
    def arguments(self) -> Arguments:
        """Its parameters without ``self`` or ``cls``, and without injected ones."""
        bound = self.cls is not None
        if self.serializer is None:
            return Arguments(self.name, self.function, bound=bound, injected=self.injected)
        return SerializedArguments(self.name, self.function, self.serializer, bound=bound, injected=self.injected)

    @cached_property
    def results(self) -> Results:
        """What it returns, on its way to a record and back."""
        return Results(self.name, self.function)

    @cached_property
    def plain(self) -> bool:
        """Whether nothing goes with its tasks but what a call asks for."""
        return self.options.keep is None and self.limit is None

    @cached_property
    def limit(self) -> HandlerLimit | None:
        """What limits its tasks, if anything does."""
        return None if self.options.limit is None else HandlerLimit(self.name, self.options.limit)

    @cached_property
    def injected(self) -> tuple[str, ...]:
        """The names of its injected parameters. Raises HandlerError for one that can't be injected."""
        marked = marks(self.function, hints(self.function))
        check_function(self.function, self.options, marked)
        return tuple(marked)

    @cached_property
    def wants(self) -> Wants:
        """What they ask for. Raises HandlerError for a type that isn't known at run time."""
        return wants(self.name, self.function) if self.injected else ()

    @cached_property
    def cls(self) -> type | None:
        """The class that it belongs to; None for functions and static methods."""
        return self.owner or self.of_class

    @cached_property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return asyncio.iscoroutinefunction(self.function)

    @cached_property
    def direct(self) -> Callable[..., Any] | None:
        """What to await where no instance, service, thread or process is needed."""
        if not self.is_async or self.owner is not None or self.options.executor is not None or self.injected:
            return None
        return self.bind(None)

    @property
    def signature(self) -> inspect.Signature:
        """What a call gives it."""
        shown = inspect.signature(self.function)
        own = list(shown.parameters.values())[0 if self.cls is None else 1 :]
        return shown.replace(parameters=[one for one in own if one.name not in self.injected])

    def returned(self, result: object) -> object:
        """What a plain function returned. Raises HandlerError for a coroutine: nothing would run it."""
        if isinstance(result, CoroutineType):
            result.close()
            raise HandlerError(
                f"{self.name} is a plain function that returned a coroutine: make it, or its decorator, async"
            )
        return result

    def bind(self, instance: object) -> Callable[..., Any]:
        """The callable for one execution; ``instance`` is what the resolver made for a method's class."""
        if self.of_class is not None:
            return MethodType(self.function, self.of_class)
        return self.function if self.owner is None else MethodType(self.function, instance)
