"""Makes a claimed task ready to run: its payload, its context, its handler, its arguments.

It knows no Redis: a large payload comes through ``fetch``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from taskproc.arguments import read_call
from taskproc.codec import MOST_NUMBER, NOTHING, handler_name, read_body, schedule_id, shown_data
from taskproc.context import Services, TaskContext
from taskproc.errors import AttemptsExhausted, CorruptTask, KeyMissing, UnknownHandler, UntrustedTask
from taskproc.handler import Handler
from taskproc.handlers import is_handler_name
from taskproc.options import Options
from taskproc.registry import Registry
from taskproc.sealing import SEAL, open_without_keys
from taskproc.serializing import SERIALIZED, read_serialized
from taskproc.values import LAST_MS
from taskproc.worker.execution import Execution

Fetch = Callable[[Execution, str], Awaitable[bytes | None]]
"""Gets a task's large payload from a batch's or a segment's hash."""

Stored = tuple[list[object], dict[str, object]]
"""Arguments as they are stored, where the context's data isn't a call in JSON: for a handler's own process."""

NO_ARGUMENTS: Mapping[str, object] = {}


@dataclass(slots=True)
class Call:
    """A task made ready to run. Work of the ``execute`` option has no handler."""

    context: TaskContext
    handler: Handler | None
    args: list[object]
    kwargs: Mapping[str, object]
    extension: Mapping[str, object]
    stored: Stored | None = None


class Decoder:
    """Reads tasks."""

    def __init__(self, options: Options, registry: Registry, services: Services, fetch: Fetch, processor: object) -> None:
        self._options = options
        self._registry = registry
        self._services = services
        self._fetch = fetch
        self._processor = processor

    async def decode_extended(self, execution: Execution) -> Call:
        """Decode a task with an extension, whose payload may lie elsewhere."""
        body = read_body(execution.body)
        payload = body.payload
        if body.stub:
            payload = await self._large(execution, str(body.extension.get("g") or execution.claims.batch))
        return self.decode(execution, payload, body.extension)

    def decode(self, execution: Execution, payload: bytes, extension: Mapping[str, object] = NOTHING) -> Call:
        """The call that a payload makes; the execution gets its context as soon as that is known."""
        if self._options.sealer is not None or payload[:1] == SEAL:
            payload = self._opened(execution, payload, extension)
        if payload[:1] != b"[" or self._options.execute is not None:
            if payload[:1] == SERIALIZED and self._options.execute is None:
                return self._decode_serialized(execution, payload, extension)
            if payload[:1] == b"!" or self._options.execute is not None:
                return self._decode_raw(execution, payload, extension)
        context = execution.context = self._context(execution, "", payload, extension)
        name, args, kwargs = read_call(payload)
        context.name = name
        handler = self._handler(context, extension)
        if not handler.options.raw:
            args, kwargs = handler.arguments.load(args, kwargs)
        return Call(context, handler, args, kwargs, extension)

    def _opened(self, execution: Execution, payload: bytes, extension: Mapping[str, object]) -> bytes:
        claims, sealer = execution.claims, self._options.sealer
        try:
            if sealer is None:
                return open_without_keys(payload)
            return sealer.open(claims.tenant, claims.queue, claims.batch, extension, execution.body[:10], payload)
        except (UntrustedTask, KeyMissing) as error:
            execution.context = self._context(execution, handler_name(payload), b"", extension)
            raise type(error)(f"task {execution.task_id}: {error}") from None

    def _decode_raw(self, execution: Execution, payload: bytes, extension: Mapping[str, object]) -> Call:
        context = self._context(execution, handler_name(payload), shown_data(payload), extension)
        execution.context = context
        if self._options.execute is not None:
            _check_attempts(context)
            return Call(context, None, [], NO_ARGUMENTS, extension)
        handler = self._handler(context, extension)
        args: list[object] = [context.data]
        if not handler.options.raw:
            return Call(context, handler, *handler.arguments.load(args, NO_ARGUMENTS), extension, (args, {}))
        return Call(context, handler, args, NO_ARGUMENTS, extension)

    def _decode_serialized(self, execution: Execution, payload: bytes, extension: Mapping[str, object]) -> Call:
        context = execution.context = self._context(execution, handler_name(payload), payload, extension)
        handler = self._handler(context, extension)
        _, args, kwargs = read_serialized(payload, handler.serializer)
        return Call(context, handler, *handler.arguments.load(args, kwargs), extension, (args, kwargs))

    def _handler(self, context: TaskContext, extension: Mapping[str, object]) -> Handler:
        handler = self._registry.named(context.name)
        if handler is None and not is_handler_name(context.name):  # whatever it is, perhaps a payload: it isn't told
            raise CorruptTask(f"task {context.id}: it names no handler")
        if handler is None:
            raise UnknownHandler(
                f"no handler is named {context.name!r} in this worker; include its module, or start the new version"
            )
        if handler.options.max_attempts and not _number(extension, "m"):
            context.max_attempts = handler.options.max_attempts
        _check_attempts(context)
        return handler

    def keeps(self, call: Call) -> bool:
        """Whether a task is kept as a dead letter once it has failed."""
        own = None if call.handler is None else call.handler.options.keep
        given = call.extension.get("k")
        if call.context.schedule_id is not None and not self._options.deadletter_schedules:
            return False
        return self._options.deadletter and (own != "none" if given is None else given != "n")

    def _context(self, execution: Execution, name: str, data: bytes, extension: Mapping[str, object]) -> TaskContext:
        claims = execution.claims
        if not extension:
            return TaskContext(
                execution.task_id, name, data, claims.queue, claims.tenant, claims.batch, 1,
                self._options.max_attempts, 1, claims.created_us, False, self._services, self._processor,
            )  # fmt: skip
        parent, created = extension.get("p"), min(_number(extension, "c"), LAST_MS) * 1000
        return TaskContext(
            id=execution.task_id,
            name=name,
            data=data,
            queue=claims.queue,
            tenant=claims.tenant,
            batch_id=str(parent) if parent else claims.batch,
            attempt=_number(extension, "a") + 1,
            max_attempts=_number(extension, "m") or self._options.max_attempts,
            delivery=_number(extension, "d") + 1,
            created_us=created or claims.created_us,
            is_continuation=parent is not None,
            services=self._services,
            processor=self._processor,
            schedule_id=schedule_id(extension),
            due_ms=min(_number(extension, "t"), LAST_MS),
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
    return min(max(int(value), 0), MOST_NUMBER) if isinstance(value, int | float) else 0
