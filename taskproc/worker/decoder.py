"""Makes a claimed task ready to run: its payload, its context, its handler, its arguments.

It knows no Redis: a large payload comes through ``fetch``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from taskproc.arguments import read_call
from taskproc.codec import NOTHING, handler_name, read_body, shown_data
from taskproc.context import Services, TaskContext
from taskproc.errors import AttemptsExhausted, CorruptTask, UnknownHandler
from taskproc.options import Options
from taskproc.registry import Handler, Registry
from taskproc.values import from_ms, from_us
from taskproc.worker.execution import Execution

Fetch = Callable[[Execution, str], Awaitable[bytes | None]]
"""Gets a task's large payload from a batch's or a segment's hash."""


@dataclass(slots=True)
class Call:
    """A task made ready to run."""

    context: TaskContext
    handler: Handler | None
    args: list[object]
    kwargs: Mapping[str, object]
    keep: bool = True

    @property
    def stoppable(self) -> bool:
        """Whether cancelling ends it: a thread can't be ended from outside."""
        return self.handler is None or self.handler.is_async or self.handler.options.executor == "process"

    @property
    def timeout_ms(self) -> int | None:
        """The handler's time limit for an attempt."""
        return None if self.handler is None else self.handler.options.timeout_ms


class Decoder:
    """Reads tasks."""

    def __init__(self, options: Options, registry: Registry, services: Services, fetch: Fetch, processor: object) -> None:
        self._options = options
        self._registry = registry
        self._services = services
        self._fetch = fetch
        self._processor = processor

    async def decode(self, execution: Execution) -> Call:
        stored, extension, stub = execution.body, NOTHING, False
        payload = stored[11:]
        if execution.extended:
            body = read_body(stored)
            extension, payload, stub = body.extension, body.payload, body.stub
        if stub:
            payload = await self._large(execution, str(extension.get("g") or execution.claims.batch))
        context = self._context(execution, extension, payload)
        execution.context = context
        if self._options.execute is not None:
            _check_attempts(context)
            return Call(context, None, [], {}, self._keeps(extension, None))
        args: list[object]
        kwargs: Mapping[str, object]
        if payload[:1] == b"!":
            args, kwargs = [context.data], {}
        else:
            context.name, args, kwargs = read_call(payload)
        handler = self._registry.named(context.name)
        if handler is None:
            raise UnknownHandler(
                f"no handler is named {context.name!r} in this worker; include its module, or start the new version"
            )
        context.max_attempts = _number(extension, "m") or handler.options.max_attempts or self._options.max_attempts
        _check_attempts(context)
        if not handler.options.raw:
            args, kwargs = handler.arguments.load(args, kwargs)
        return Call(context, handler, args, kwargs, self._keeps(extension, handler))

    def _keeps(self, extension: Mapping[str, object], handler: Handler | None) -> bool:
        """Whether the task is kept as a dead letter once it has failed."""
        own = None if handler is None else handler.options.keep
        chosen = own != "none" if extension.get("k") is None else extension.get("k") != "n"
        return chosen and self._options.deadletter

    def _context(self, execution: Execution, extension: Mapping[str, object], payload: bytes) -> TaskContext:
        claims = execution.claims
        parent = extension.get("p")
        created = _number(extension, "c")
        raw = payload[:1] == b"!"
        return TaskContext(
            id=execution.task_id,
            name=handler_name(payload) if raw or self._options.execute is not None else "",
            data=shown_data(payload),
            queue=claims.queue,
            tenant=claims.tenant,
            batch_id=str(parent) if parent else claims.batch,
            attempt=_number(extension, "a") + 1,
            max_attempts=_number(extension, "m") or self._options.max_attempts,
            delivery=_number(extension, "d") + 1,
            created_at=from_ms(created) if created else from_us(claims.created_us),
            is_continuation=parent is not None,
            processor=self._processor,
            _services=self._services,
        )

    async def _large(self, execution: Execution, segment: str) -> bytes:
        payload = await self._fetch(execution, segment)
        if payload is None:
            raise CorruptTask(f"task {execution.task_id}: its payload is missing")
        return payload


def _check_attempts(context: TaskContext) -> None:
    if context.attempt > context.max_attempts:
        raise AttemptsExhausted(f"task {context.id} has used its {context.max_attempts} attempts")


def _number(extension: Mapping[str, object], field: str) -> int:
    value = extension.get(field, 0)
    return int(value) if isinstance(value, int | float) else 0
