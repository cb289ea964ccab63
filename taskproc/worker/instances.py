"""What a task's middleware and handler are given: each class and each provider once in an execution, closed at its end."""

from __future__ import annotations

import asyncio
import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread
import typing_extensions

from taskproc.context import TaskContext
from taskproc.errors import HandlerError, ServiceMissing, TaskprocError
from taskproc.injection import Wants, is_provider, named, needed, wants
from taskproc.options import Resolver

Raised = BaseException | None

_chain: ContextVar[tuple[object, ...]] = ContextVar("taskproc_instances", default=())
"""What is being made, each for the one before it."""


@dataclass(frozen=True)
class Provider:
    """A provider or a class, made ready to be called: its parameters, and what to do with what it returns."""

    call: Callable[..., Any]
    wants: Wants
    enters: bool


class Making:
    """How a worker makes instances."""

    def __init__(self, resolver: Resolver | None) -> None:
        self.resolver = resolver
        self._providers: dict[object, Provider] = {}
        self.threads = anyio.CapacityLimiter(float("inf"))  # of tasks that have a slot each, and may wait for each other

    def of(self, context: TaskContext) -> Instances:
        """The instances of a task."""
        if context.instances is None:
            if context.outcome is not None:
                raise TaskprocError(f"task {context.id} has ended, and its services are closed")
            context.instances = Instances(context, self)
        found: Instances = context.instances
        return found

    def provider(self, wanted: Any) -> Provider:
        """A provider, or a class that is constructed. Raises HandlerError or ServiceMissing for what can't be called."""
        found = self._providers.get(wanted)
        if found is None:
            found = self._providers[wanted] = self._prepare(wanted)
        return found

    def _prepare(self, wanted: Any) -> Provider:
        if not is_provider(wanted):
            problem = _unmade(wanted)
            if problem:
                raise ServiceMissing(f"{named(wanted)} can't be had: no resolver is given, and {problem}")
            return Provider(wanted, wants(named(wanted), wanted), False)
        asked = wants(named(wanted), wanted)
        for name, kind in needed(wanted).items():
            if kind is not TaskContext:
                raise HandlerError(f"provider {named(wanted)}: parameter {name!r} has no default; mark it with inject()")
            asked = (*asked, (name, TaskContext))
        plain = wanted if inspect.isroutine(wanted) or isinstance(wanted, partial) else type(wanted).__call__
        inner = inspect.unwrap(plain)  # of one that is a context manager's already
        if inspect.isasyncgenfunction(inner):
            return Provider(asynccontextmanager(wanted) if inner is plain else wanted, asked, True)
        if inspect.isgeneratorfunction(inner):
            manager = contextmanager(wanted) if inner is plain else wanted
            return Provider(lambda **given: _InThread(manager(**given), self.threads), asked, True)
        return Provider(wanted, asked, False)

    def check(self, asked: Wants, chain: tuple[object, ...] = ()) -> None:
        """See that all providers behind some parameters can be called. Raises HandlerError."""
        for _, wanted in asked:
            if wanted in chain:
                raise _circle((*chain, wanted))
            if is_provider(wanted):
                self.check(self.provider(wanted).wants, (*chain, wanted))


class Instances:
    """The instances of one execution."""

    __slots__ = ("_context", "_ended", "_made", "_making", "_recipe", "_stack")

    def __init__(self, context: TaskContext, recipe: Making) -> None:
        self._context = context
        self._recipe = recipe
        self._made: dict[object, Any] = {}
        self._making: dict[object, list[asyncio.Future[None]]] = {}
        self._stack: AsyncExitStack | None = None
        self._ended = False

    async def fill(self, asked: Wants, place: str) -> dict[str, Any]:
        """What injected parameters are given. Raises ServiceMissing naming the one that can't be had."""
        found = {}
        for name, wanted in asked:
            try:
                found[name] = self._made[wanted] if wanted in self._made else await self.get(wanted)
            except Exception as error:
                _tell(error, f"{place}: parameter {name!r} needs {named(wanted)}")
                raise
        return found

    async def instance(self, owner: type, place: str) -> Any:
        """The instance whose method runs. Raises ServiceMissing."""
        try:
            return await self.get(owner)
        except Exception as error:
            _tell(error, f"{place}: it needs an instance of {named(owner)}")
            raise

    async def get(self, wanted: Any) -> Any:
        """An instance of a class, or what a provider gives. Raises ServiceMissing, or what is raised in making it."""
        while wanted not in self._made:
            if wanted in _chain.get():
                raise _circle((*_chain.get(), wanted))
            waiting = self._making.get(wanted)
            if waiting is None:
                return await self._first(wanted)
            waiting.append(asyncio.get_running_loop().create_future())
            await waiting[-1]
        return self._made[wanted]

    async def _first(self, wanted: Any) -> Any:
        if self._ended:
            raise TaskprocError(f"task {self._context.id} has ended, and its services are closed")
        self._making[wanted] = []
        token = _chain.set((*_chain.get(), wanted))
        try:
            made = self._made[wanted] = await self._make(wanted)
        finally:
            _chain.reset(token)
            for waiter in self._making.pop(wanted):
                if not waiter.done():
                    waiter.set_result(None)
        return made

    async def _make(self, wanted: Any) -> Any:
        context, recipe = self._context, self._recipe
        if wanted is TaskContext:
            return context
        if wanted is type(context.processor):
            return context.processor
        if recipe.resolver is not None and not is_provider(wanted):
            found = await self._entered(recipe.resolver(wanted, context), wanted)
            if found is None:
                raise ServiceMissing(f"{named(wanted)} can't be had: the resolver returned None")
            return found
        provider = recipe.provider(wanted)
        given = await self.fill(provider.wants, named(wanted)) if provider.wants else {}
        found = provider.call(**given)
        if provider.enters:
            return await self._enter(found)
        return await found if isinstance(found, Awaitable) and not isinstance(wanted, type) else found

    async def _entered(self, found: Any, wanted: Any) -> Any:
        """What a resolver returns: an instance, an awaitable of one, or a context manager whose value is one."""
        if _fits(found, wanted):
            return found
        if isinstance(found, Awaitable):
            found = await found
            if _fits(found, wanted):
                return found
        if hasattr(found, "__aenter__"):
            return await self._enter(found)
        if hasattr(found, "__enter__"):
            return self._opened().enter_context(found)
        return found

    async def _enter(self, manager: Any) -> Any:
        return await self._opened().enter_async_context(manager)

    def _opened(self) -> AsyncExitStack:
        if self._stack is None:
            self._stack = AsyncExitStack()
        return self._stack

    @property
    def open(self) -> bool:
        """Whether there is something to close."""
        return self._stack is not None

    async def close(self, error: Raised) -> Raised:
        """Close all in the reverse order; what is left of an execution's error, or what came up instead.

        Raises CancelledError where it is cut short.
        """
        self._ended = True
        if self._stack is None:
            return error
        try:
            if error is None:
                await self._stack.__aexit__(None, None, None)
            elif await self._stack.__aexit__(type(error), error, error.__traceback__):
                return None
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            return raised
        return error


class _InThread:
    """A context manager whose two halves run in threads: those of users' plain generators, which may block."""

    def __init__(self, manager: AbstractContextManager[Any], threads: anyio.CapacityLimiter) -> None:
        self._manager = manager
        self._threads = threads

    async def __aenter__(self) -> Any:
        return await self._run(self._manager.__enter__)

    async def __aexit__(self, kind: type[BaseException] | None, error: Raised, at: TracebackType | None) -> bool:
        return bool(await self._run(self._manager.__exit__, kind, error, at))

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        result, error = await anyio.to_thread.run_sync(_caught, function, args, limiter=self._threads)
        if error is not None:
            raise error
        return result


def _caught(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Raised]:
    """Call something; what it raises is a value, since a future takes no StopIteration."""
    try:
        return function(*args), None
    except BaseException as error:
        return None, error


def _unmade(wanted: Any) -> str:
    """Why a class can't be constructed as it is; empty where it can."""
    if not isinstance(wanted, type) or wanted.__module__ == "builtins":
        return "it is not a class that could be constructed"
    if inspect.isabstract(wanted) or typing_extensions.is_protocol(wanted):
        return "it is abstract"
    left = list(needed(wanted))
    return f"it can't be constructed without {', '.join(left)}" if left else ""


def _fits(found: Any, wanted: Any) -> bool:
    """Whether something is an instance of what was wanted, and not what gives one."""
    if type(wanted) is type:  # most are; a protocol's type is another
        return isinstance(found, wanted)
    if isinstance(wanted, typing.NewType):
        return _fits(found, wanted.__supertype__)
    kind = typing.get_origin(wanted) or wanted
    if kind in (typing.Union, types.UnionType):
        return any(_fits(found, part) for part in typing.get_args(wanted))
    if not isinstance(kind, type):
        return False
    if typing_extensions.is_protocol(kind):
        return all(hasattr(found, name) for name in typing_extensions.get_protocol_members(kind))
    return isinstance(found, kind)


def _tell(error: Exception, place: str) -> None:
    """Tell what an error was for: its type stays. Raises ServiceMissing for one that says that something is missing."""
    if isinstance(error, LookupError | HandlerError):
        raise ServiceMissing(f"{place}: {error if isinstance(error, TaskprocError) else repr(error)}") from error
    error.add_note(place)


def _circle(chain: tuple[object, ...]) -> HandlerError:
    return HandlerError(f"{' needs '.join(named(one) for one in chain)}: in a circle")
