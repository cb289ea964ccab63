"""Handlers that run in processes of their own, which a time-out or a cancel kills.

anyio keeps a pool of such processes and ends one when its call is cancelled. What crosses the pipe is
ours: the handler's place, the task's payload and its context as plain values; and back, how it ended.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pickle
import signal
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

import anyio
import anyio.to_process

from taskproc.arguments import read_call
from taskproc.context import TaskContext, current
from taskproc.errors import TaskprocError
from taskproc.handler import Handler
from taskproc.handlers import module_name, options_of
from taskproc.outcome import Signal
from taskproc.results import Unkept
from taskproc.worker.decoder import Stored
from taskproc.worker.telling import text, told, type_name


class RemoteError(TaskprocError):
    """An exception of a handler's process that can't be sent here; its type and traceback are kept as text."""


@dataclass(frozen=True)
class Ended:
    """How a call ended in its process."""

    error: bytes | None = None
    kind: str = ""
    text: str = ""
    traceback: str = ""
    retries: bool = True
    result: bytes | None = None
    unkept: str = ""


class Processes:
    """Runs handlers in other processes, as many at once as there are slots."""

    def __init__(self, size: int) -> None:
        self._limiter = anyio.CapacityLimiter(size)

    async def call(self, handler: Handler, context: TaskContext, stored: Stored | None, kept: bool = False) -> object:
        """Run a handler; cancelling this kills its process. Raises what the handler raised.

        ``stored``: its arguments as they are stored, where the context's data isn't a call in JSON. What it returned comes
        back where it is ``kept``; an Unkept says why not.
        """
        cls, function = handler.cls, handler.function
        name = function.__qualname__ if cls is None else f"{cls.__qualname__}.{function.__name__}"
        place = (module_name((cls or function).__module__), name)
        run = partial(run_here, place, handler.name, context.plain(), stored, kept)
        ended = await anyio.to_process.run_sync(run, cancellable=True, limiter=self._limiter)
        if ended.error is None and not ended.kind:
            return _returned(handler, ended)
        error = _revive(ended)
        error.taskproc_traceback = ended.traceback  # type: ignore[attr-defined]
        error.taskproc_type = ended.kind  # type: ignore[attr-defined]
        error.taskproc_retries = ended.retries  # type: ignore[attr-defined]
        raise error


def _returned(handler: Handler, ended: Ended) -> object:
    if ended.unkept:
        return Unkept(ended.unkept)
    return None if ended.result is None else handler.results.load(ended.result)


def _revive(ended: Ended) -> BaseException:
    if ended.error is not None:
        try:
            error = pickle.loads(ended.error)  # from our own child, over a pipe: never from Redis
            if isinstance(error, BaseException):
                return error
        except Exception:  # an exception's own __reduce__ may raise anything
            pass
    return RemoteError(ended.text)


def run_here(place: tuple[str, str], name: str, carried: dict[str, Any], stored: Stored | None, kept: bool = False) -> Ended:
    """Run a handler in this process. Called by anyio in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the worker decides
    module, qualname = place
    function: Any = importlib.import_module(module)
    owner: Any = None
    for part in qualname.split("."):
        owner, function = function, getattr(function, part)
    plain = getattr(function, "__func__", function)
    instance, given = owner if _needs_instance(owner, plain) else None, getattr(function, "__self__", None)
    handler = Handler(name, plain, options_of(plain), instance, given)
    context = TaskContext(**carried)
    current.set(context)
    try:
        args, kwargs = _arguments(handler, context, stored)
        bound = (
            function if isinstance(function, MethodType) else handler.bind(owner() if handler.owner is not None else None)
        )
        result = bound(*args, **kwargs)
        if handler.is_async:
            result = asyncio.run(result)
        else:
            handler.returned(result)
    except BaseException as error:  # a handler may raise anything, SystemExit included
        kinds = handler.options.retry_on
        return _ended(error, kinds is None or isinstance(error, kinds))
    if result is None or not kept:
        return Ended()
    try:
        return Ended(result=handler.results.dump(result))
    except Unkept as why:
        return Ended(unkept=str(why))


def _needs_instance(owner: object, function: object) -> bool:
    return isinstance(owner, type) and inspect.getattr_static(owner, getattr(function, "__name__", ""), None) is function


def _arguments(handler: Handler, context: TaskContext, stored: Stored | None) -> tuple[list[object], dict[str, object]]:
    if handler.options.raw:
        return [context.data], {}
    return handler.arguments.load(*(stored or read_call(context.data)[1:]))


def _ended(error: BaseException, retries: bool) -> Ended:
    sent: bytes | None
    try:
        sent = pickle.dumps(error)
        pickle.loads(sent)
    except Exception:  # an exception's own __reduce__ may raise anything
        sent = None
    return Ended(sent, type_name(error), text(error)[:2000], "" if isinstance(error, Signal) else told(error), retries)
