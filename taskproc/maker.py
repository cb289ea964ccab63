"""Making tasks of calls: what is stored of each, and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taskproc.call_options import CallOptions
from taskproc.codec import check_size, raw_payload
from taskproc.errors import InvalidValue
from taskproc.handler import Handler
from taskproc.registry import Registry
from taskproc.sealing import Sealer
from taskproc.store.segment import Place
from taskproc.unique import lock_fields


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes tasks of calls: the handlers that are known, and the limit of a payload."""

    registry: Registry
    max_payload: int
    sealer: Sealer | None = None

    def call(self, handler: Callable[..., Any], args: Sequence[object], kwargs: dict[str, object]) -> tuple[Handler, bytes]:
        """A handler and the payload of a call. Raises HandlerError, ArgumentError or PayloadTooLarge."""
        found = self.registry.of(handler)
        if found.options.raw:
            data = _only(found, () if kwargs else args)
            return found, raw_payload(found.name, data, self.max_payload)
        return found, check_size(found.name, found.arguments.dump(args, kwargs), self.max_payload)

    def payloads(self, handler: Handler) -> Callable[[tuple[Any, ...], dict[str, Any]], bytes]:
        """What makes the payloads of many calls of a handler; those that are too large are the caller's to refuse."""
        if handler.options.raw:
            return lambda row, _: raw_payload(handler.name, _only(handler, row), self.max_payload)
        return handler.arguments.dump

    def lock(
        self, options: CallOptions, handler: Handler | str, tenant: str, args: Sequence[Any], kwargs: dict[str, Any],
        payload: bytes,
    ) -> dict[str, object]:  # fmt: skip
        """What the extension of a task says of its unique lock. Raises ArgumentError."""
        return lock_fields(options, handler, tenant, self.sealer, args, kwargs, payload)


def place_of(options: CallOptions, handler: Handler | None, queue: str) -> Place:
    """Where a task goes: the call's queue, else the handler's, else the batch's; and when."""
    own = None if handler is None else handler.options.queue
    return options.queue or own or queue, options.delay_ms, options.due_ms


def extension_of(
    options: CallOptions, handler: Handler | None, tenant: str, args: Sequence[object], kwargs: dict[str, object]
) -> dict[str, object]:
    """What goes with a task beside its payload. Raises what its handler's ``concurrency_key`` raises."""
    found = (options if handler is None else options.of(handler.options.keep)).extension()
    if handler is not None and handler.limit is not None:
        found["l"] = handler.limit.of(tenant, args, kwargs)
    return found


def _only(handler: Handler, args: Sequence[object]) -> object:
    if len(args) != 1:
        raise InvalidValue(f"{handler.name} takes raw bytes: enqueue it with one argument of bytes")
    return args[0]
