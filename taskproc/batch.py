"""Building a batch: what ``build`` functions and ``async with proc.batch(...)`` are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from taskproc.call_options import NO_OPTIONS, CallOptions, On, call_options
from taskproc.codec import check_size, raw_payload, write_continuation
from taskproc.errors import ArgumentError, InvalidValue, PayloadTooLarge
from taskproc.handler import Handler
from taskproc.handlers import Keep, Unique
from taskproc.ids import locals_from, random_start
from taskproc.maker import Maker, extension_of, place_of
from taskproc.model import TaskId
from taskproc.store.segment import Place, Segment
from taskproc.values import Duration, queue_name

P = ParamSpec("P")
R = TypeVar("R")

MOST_CONTINUATIONS = 100
MOST_QUEUES = 64

Build = Callable[["Batch"], object]
"""Fills a batch; it may be async."""


def _rows(handler: Handler, rows: object) -> Iterable[object]:
    if not isinstance(rows, Iterable):
        raise ArgumentError(f"{handler.name}: rows of arguments must be iterable, not {type(rows).__name__}")
    return rows


def _row(handler: Handler, row: object) -> tuple[object, ...]:
    """A row of arguments. A text is a sequence too, but never meant as one."""
    if not isinstance(row, Sequence) or isinstance(row, str | bytes | bytearray | memoryview):
        raise ArgumentError(f"{handler.name}: a row of arguments must be a tuple or a list, not {type(row).__name__}")
    return tuple(row)


class Batch:
    """A batch, or an append to one, while it is built. Nothing of it is visible before the commit."""

    def __init__(self, segment: Segment, maker: Maker, queue: str, tenant: str, batch_id: str | None = None) -> None:
        self.id = batch_id or segment.seg
        self._tenant = tenant
        if maker.sealer is not None:
            segment.seal = partial(maker.sealer.seal, tenant, self.id)
        self._segment = segment
        self._maker = maker
        self._queue = queue_name(queue)
        self._append = batch_id is not None
        self._locals = locals_from(random_start() if self._append else 0)
        self._queues = {self._queue}
        self.continuations: list[bytes] = []
        self._continued = 0
        self._open = True

    @overload
    def enqueue(self, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[R]: ...
    @overload
    def enqueue(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[R]: ...
    def enqueue(self, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskId[Any]:
        """Add a task; arguments are frozen now. Raises ArgumentError, HandlerError or PayloadTooLarge."""
        return self._enqueue(NO_OPTIONS, handler, args, kwargs)

    def enqueue_raw(self, name: str, data: bytes) -> TaskId[Any]:
        """Add raw work for a handler in any language, by the handler's name."""
        return self._enqueue_raw(NO_OPTIONS, name, data)

    async def enqueue_many(self, handler: Callable[..., Any], rows: Iterable[Sequence[Any]]) -> int:
        """Add a task for each row of arguments, staging them in chunks so that memory stays bounded; how many there were."""
        return await self._enqueue_many(NO_OPTIONS, handler, rows)

    @overload
    def continue_with(self, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def continue_with(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def continue_with(self, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Add a task that becomes ready when all tasks of the batch are done."""
        self._continue(NO_OPTIONS, handler, args, kwargs)

    def options(
        self,
        *,
        queue: str | None = None,
        delay: Duration | None = None,
        delay_until: datetime | None = None,
        max_attempts: int | None = None,
        keep: Keep | None = None,
        on: On = "done",
        unique: Unique | None = None,
        unique_for: Duration | None = None,
    ) -> BatchCalls:
        """The same calls with these options. ``on`` is for ``continue_with``: done, settled, failed or cancelled."""
        chosen = call_options(
            queue=queue, delay=delay, delay_until=delay_until, max_attempts=max_attempts, keep=keep, on=on,
            unique=unique, unique_for=unique_for,
        )  # fmt: skip
        return BatchCalls(self, chosen)

    async def flush(self) -> None:
        """Stage what has been added so far, so that memory stays bounded. Nothing becomes visible."""
        self._check_open()
        await self._segment.flush()

    @property
    def total(self) -> int:
        """How many tasks have been added."""
        return self._segment.total

    def close(self) -> Segment:
        """No more tasks; what there is, for the commit."""
        self._open = False
        return self._segment

    def _check_open(self) -> None:
        if not self._open:
            raise InvalidValue(f"batch {self.id} is built: append to it with append_batch")

    def _enqueue(
        self, options: CallOptions, handler: Callable[..., Any], args: Sequence[object], kwargs: dict[str, object]
    ) -> TaskId[Any]:
        found, payload = self._maker.call(handler, args, kwargs)
        extension = options.extension() if found.plain else extension_of(options, found, self._tenant, args, kwargs)
        if options.unique or found.options.unique:
            extension |= self._maker.lock(options, found, self._tenant, args, kwargs, payload)
        return self._add(place_of(options, found, self._queue), extension, payload)

    def _enqueue_raw(self, options: CallOptions, name: str, data: bytes) -> TaskId[Any]:
        payload = raw_payload(name, data, self._maker.max_payload)
        known = self._maker.registry.declared(name)
        extension = extension_of(options, known, self._tenant, (data,), {})
        extension |= self._maker.lock(options, name, self._tenant, (), {}, payload)
        return self._add(place_of(options, None, self._queue), extension, payload)

    def _add(self, place: Place, extension: dict[str, object], payload: bytes) -> TaskId[Any]:
        self._check_open()
        self._check_queue(place[0])
        local = next(self._locals)
        self._segment.add(place, local, extension, payload)
        return TaskId(self.id + local.decode())

    def _check_queue(self, queue: str) -> None:
        if queue not in self._queues:
            if len(self._queues) > MOST_QUEUES:
                raise InvalidValue(f"batch {self.id}: its tasks go to more than {MOST_QUEUES} queues")
            self._queues.add(queue)

    async def _enqueue_many(self, options: CallOptions, handler: Callable[..., Any], rows: Iterable[Sequence[Any]]) -> int:
        self._check_open()
        found = self._maker.registry.of(handler)
        place, extension = place_of(options, found, self._queue), options.of(found.options.keep).extension()
        limited = found.limit
        if limited is not None and not limited.varies:
            extension["l"], limited = limited.of(self._tenant, (), {}), None
        self._check_queue(place[0])
        segment, limit, locals_, count = self._segment, self._maker.max_payload, self._locals, 0
        dump = self._maker.payloads(found)
        unique = bool(options.unique or found.options.unique)
        for row in _rows(found, rows):
            if type(row) is not tuple:
                row = _row(found, row)
            payload = dump(row, {})
            if len(payload) > limit:
                check_size(found.name, payload, limit)
            own = extension
            if limited is not None:
                own = {**own, "l": limited.of(self._tenant, row, {})}
            if unique:
                own = own | self._maker.lock(options, found, self._tenant, row, {}, payload)
            segment.add(place, next(locals_), own, payload)
            count += 1
            if segment.waiting:
                await segment.flush()
        return count

    def _continue(
        self, options: CallOptions, handler: Callable[..., Any], args: Sequence[object], kwargs: dict[str, object]
    ) -> None:
        self._check_open()
        if self._append:
            raise InvalidValue("continuations belong to a batch's creation; an append can't add any")
        if len(self.continuations) >= MOST_CONTINUATIONS:
            raise InvalidValue(f"batch {self.id}: at most {MOST_CONTINUATIONS} continuations")
        if options.due_ms is not None:
            raise InvalidValue("continue_with: give a delay, which counts from when the batch has settled, not delay_until")
        found, payload = self._maker.call(handler, args, kwargs)
        self._continued += len(payload)
        if self._continued > self._maker.max_payload:
            raise PayloadTooLarge(
                f"batch {self.id}: its continuations have {self._continued:,} bytes;"
                f" at most {self._maker.max_payload:,} together (max_payload)"
            )
        local = next(locals_from(random_start()))
        queue, delay_ms, _ = place_of(options, found, self._queue)
        lock = self._maker.lock(options, found, self._tenant, args, kwargs, payload)
        if self._maker.sealer is not None:
            payload = self._maker.sealer.seal(self._tenant, self.id, queue, local, payload)
        extension = {"p": self.id, **extension_of(options, found, self._tenant, args, kwargs), **lock}
        body = write_continuation(local, extension, payload)
        self.continuations.append(f"{options.on} {queue} {delay_ms or 0}\n".encode() + body)


class BatchCalls:
    """A batch's calls with options."""

    def __init__(self, batch: Batch, options: CallOptions) -> None:
        self._batch = batch
        self._options = options

    @overload
    def enqueue(self, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[R]: ...
    @overload
    def enqueue(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> TaskId[R]: ...
    def enqueue(self, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskId[Any]:
        """Add a task with these options."""
        self._no_condition("enqueue")
        return self._batch._enqueue(self._options, handler, args, kwargs)

    def enqueue_raw(self, name: str, data: bytes) -> TaskId[Any]:
        """Add raw work with these options."""
        self._no_condition("enqueue_raw")
        return self._batch._enqueue_raw(self._options, name, data)

    async def enqueue_many(self, handler: Callable[..., Any], rows: Iterable[Sequence[Any]]) -> int:
        """Add a task with these options for each row of arguments."""
        self._no_condition("enqueue_many")
        return await self._batch._enqueue_many(self._options, handler, rows)

    @overload
    def continue_with(self, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def continue_with(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def continue_with(self, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Add a continuation with these options."""
        self._batch._continue(self._options, handler, args, kwargs)

    def _no_condition(self, call: str) -> None:
        if self._options.on != "done":
            raise InvalidValue(f"options(on=…) is for continue_with, not for {call}")


async def fill(batch: Batch, build: Build) -> None:
    """Run a build function, sync or async. Raises ArgumentError for what is no function."""
    if not callable(build):
        raise ArgumentError(
            f"build is a {type(build).__name__}, which is not callable: give a function that fills the batch"
        )
    result = build(batch)
    if inspect.isawaitable(result):
        await result
