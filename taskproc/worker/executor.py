"""Takes one claimed task through its steps to an outcome: decode, resolve, call, classify.

It knows no Redis: what a step needs from there comes through the decoder and the context's services.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from taskproc.context import TaskContext, current
from taskproc.errors import (
    CorruptTask,
    KeyMissing,
    RedisUnavailable,
    SerializerMissing,
    ServerRefused,
    TaskprocError,
    TaskTimeout,
    UnknownHandler,
)
from taskproc.handler import Handler
from taskproc.options import Options
from taskproc.outcome import (
    DONE,
    Again,
    Bury,
    Cancel,
    Cancelled,
    Dead,
    Done,
    Limited,
    Outcome,
    RateLimited,
    Released,
    Retry,
    Snooze,
    Unknown,
)
from taskproc.values import milliseconds
from taskproc.worker.closing import close
from taskproc.worker.decoder import Call, Decoder
from taskproc.worker.execution import Execution, Stop
from taskproc.worker.instances import Making
from taskproc.worker.processes import Processes
from taskproc.worker.scope import Scope
from taskproc.worker.telling import carried
from taskproc.worker.wrapping import Wrapping

logger = logging.getLogger("taskproc")

UNKNOWN_DELAY_MS = 1_000
"""How soon, at most, a task is offered again whose handler this worker doesn't know. Not always just as soon: in step with
its own polls this worker would get it again each time, before one that knows the handler."""


class Executor:
    """Runs tasks."""

    def __init__(self, options: Options, decoder: Decoder, making: Making, closing: Callable[[], bool]) -> None:
        """``closing`` tells whether the tasks of the loop that call ``run`` are told to end."""
        self._options = options
        self._making = making
        self._wrapping = Wrapping(options.middleware, making) if options.middleware else None
        self._closing = closing
        self._decoder = decoder
        self._processes = Processes(options.max_workers)
        self._threads = anyio.CapacityLimiter(options.max_workers)

    async def run(self, execution: Execution, scope: Scope) -> Outcome | None:
        """One task from its claim to an outcome; None when its lease was lost and nothing is to be recorded.

        ``scope`` is what cancels the call.
        """
        outcome: Outcome | None
        try:
            if execution.extended:
                call = await self._decoder.decode_extended(execution)
            else:
                call = self._decoder.decode(execution, execution.body[11:])
        except Exception as error:  # whatever is stored, or does not fit the handler: it ends this task, not the worker
            outcome = self._refuse(error, execution)
        else:
            token = current.set(call.context)
            outcome = await self._execute(execution, call, scope)
            current.reset(token)
        if execution.context is not None:
            execution.context.outcome = outcome
            if self._options.on_task_end is not None:
                await self._hook(execution.context, self._options.on_task_end, execution.context)
        return outcome

    def _refuse(self, error: Exception, execution: Execution) -> Outcome:
        if execution.stop is Stop.CANCELLED:
            return Cancelled()
        match error:
            case UnknownHandler() | KeyMissing() | SerializerMissing() | ServerRefused() | RedisUnavailable():
                logger.warning("task %s: %s", execution.task_id, error)
                return Unknown(int(UNKNOWN_DELAY_MS * random.uniform(0.5, 1)), self._options.unknown_grace_ms, error)
            case TaskprocError():
                pass
            case _:  # its text may hold the payload
                error = CorruptTask(f"task {execution.task_id} can't be read: {type(error).__name__}")
        logger.error("task %s: %s", execution.task_id, error)
        return Dead(error, keep=self._options.deadletter)

    # call

    async def _execute(self, execution: Execution, call: Call, scope: Scope) -> Outcome | None:
        if self._options.on_task_start is not None:
            await self._hook(call.context, self._options.on_task_start, call.context)
        if execution.stop is not None:  # it was told to stop while there was nothing to cancel yet
            if call.context.instances is not None:
                await close(execution, scope, call.context.instances, None)
            return await self._classify(call, None, execution.stop)
        error: BaseException | None = None
        result: object = None
        handler, timer, caught = call.handler, self._timer(execution, call.handler), False
        execution.scope = scope
        try:
            if handler is not None and handler.direct is not None and self._wrapping is None:
                result = await handler.direct(*call.args, **call.kwargs)
            elif self._wrapping is not None:
                result = await self._wrapping.run(call.context, partial(self._call, execution, call))
            else:
                result = await self._call(execution, call)
        except BaseException as problem:
            error = problem
        if call.context.instances is not None:
            error = await close(execution, scope, call.context.instances, error)
        execution.scope = None
        if timer is not None:
            timer.cancel()
        if scope.used:
            error, caught = scope.renew(error)
        if error is not None and self._ends(error):
            raise error
        stopped = execution.stop if error is not None or caught or execution.stop is Stop.TIMEOUT else None
        if error is None and stopped is None:
            return DONE if result is None else Done(result)
        return await self._classify(call, error, stopped)

    def _timer(self, execution: Execution, handler: Handler | None) -> asyncio.TimerHandle | None:
        """What stops a handler that has a time limit."""
        if handler is None or handler.options.timeout_ms is None:
            return None
        return asyncio.get_running_loop().call_later(handler.options.timeout_ms / 1000, execution.halt, Stop.TIMEOUT)

    def _ends(self, error: BaseException) -> bool:
        """Whether an exception ends the runner: users' code may raise anything else, SystemExit included."""
        if not isinstance(error, asyncio.CancelledError):
            return isinstance(error, KeyboardInterrupt)
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            return False
        if self._closing():
            return True
        while task.cancelling():  # the handler has cancelled the task of the loop that runs it
            task.uncancel()
        return False

    async def _call(self, execution: Execution, call: Call) -> object:
        handler, context, kwargs = call.handler, call.context, call.kwargs
        if handler is None:
            assert self._options.execute is not None
            return await self._options.execute(context)
        if handler.options.executor == "process":
            return await self._processes.call(handler, context, call.stored, call.extension.get("k") == "a")
        instance = None
        if handler.owner is not None:
            instance = await self._making.of(context).instance(handler.owner, handler.name)
        if handler.injected:
            kwargs = {**kwargs, **await self._making.of(context).fill(handler.wants, handler.name)}
        function = partial(handler.bind(instance), *call.args, **kwargs)
        return await function() if handler.is_async else await self._in_thread(execution, handler, function)

    async def _in_thread(self, execution: Execution, handler: Handler, function: Callable[[], Any]) -> object:
        """Only the end of the worker abandons a thread; a time-out or a cancel just sets ``cancelled``."""
        scope, execution.scope = execution.scope, None
        work = partial(_caught, handler, function)
        result, error = await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        execution.scope = scope
        if error is not None:
            raise error
        return result

    # classify

    async def _classify(self, call: Call, error: BaseException | None, stopped: Stop | None) -> Outcome | None:
        match stopped:
            case Stop.LOST:
                logger.warning("task %s: its lease was lost; another worker has it", call.context.id)
                return None
            case Stop.CANCELLED:
                return Cancelled()
            case Stop.STOPPING:
                return Released()
            case Stop.TIMEOUT:
                limit = (call.handler.options.timeout_ms or 0) if call.handler is not None else 0
                error = TaskTimeout(f"it ran longer than its limit of {limit / 1000:g} s")
        assert error is not None
        match error:
            case Retry(delay_ms=delay_ms):
                return await self._again(call, None, delay_ms)
            case Snooze(delay_ms=delay_ms):
                return Released(delay_ms)
            case RateLimited(delay_ms=delay_ms):
                return Limited(delay_ms)
            case Bury():
                return await self._dead(call, error)
            case Cancel(reason=reason):
                return Cancelled(reason)
        if not _retries(call, error):
            return await self._dead(call, error)
        return await self._again(call, error, None)

    async def _again(self, call: Call, error: BaseException | None, delay_ms: int | None) -> Outcome:
        context = call.context
        left = context.max_attempts - context.attempt
        if left <= 0:
            return await self._dead(call, error or Retry())
        if error is not None:
            await self._error(context, error)
            logger.info(
                "task %s: attempt %d of %d failed: %s",
                context.id,
                context.attempt,
                context.max_attempts,
                type(error).__name__,
            )
        if delay_ms is None:
            delay_ms = await self._backoff(call, left)
        return Again(delay_ms, error)

    async def _backoff(self, call: Call, left: int) -> int:
        hook, context = self._options.on_task_failed_delay, call.context
        try:
            if hook is not None:
                asked = await hook(context, left)
                return 0 if asked is None else milliseconds("on_task_failed_delay", asked)
            own = call.handler.options.backoff if call.handler is not None else None
            return milliseconds("backoff", (own or self._options.backoff)(context.attempt))
        except BaseException as error:
            if self._ends(error):
                raise
            logger.exception("task %s: its backoff can't be had; it is tried again at once", context.id)
            return 0

    async def _dead(self, call: Call, error: BaseException) -> Outcome:
        await self._error(call.context, error)
        logger.warning("task %s (%s) is dead: %s", call.context.id, call.context.name, type(error).__name__)
        return Dead(error, keep=self._decoder.keeps(call))

    async def _error(self, context: TaskContext, error: BaseException) -> None:
        if self._options.on_task_error is not None:
            await self._hook(context, self._options.on_task_error, context, error)

    async def _hook(self, context: TaskContext, hook: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await hook(*args)
        except BaseException as error:
            if self._ends(error):
                raise
            logger.exception("task %s: a hook failed", context.id)


def _caught(handler: Handler, function: Callable[[], Any]) -> tuple[object, BaseException | None]:
    """Call a handler; what it raises is a value, since asyncio takes a GeneratorExit from outside for its own."""
    try:
        return handler.returned(function()), None
    except BaseException as error:
        return None, error


def _retries(call: Call, error: BaseException) -> bool:
    kinds = call.handler.options.retry_on if call.handler is not None else None
    return kinds is None or isinstance(error, (*kinds, TaskTimeout)) or bool(carried(error, "taskproc_retries"))
