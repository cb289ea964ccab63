"""What a processor's workers may run, told for people."""

from __future__ import annotations

import inspect

from taskproc.errors import HandlerError
from taskproc.handler import Handler
from taskproc.handlers import TaskOptions, where
from taskproc.model import HandlerInfo

APART = ("name", "aliases", "queue", "executor")
"""Options that a record has fields for."""


def described(handler: Handler) -> HandlerInfo:
    """What is to be known of a handler. Raises HandlerError or ArgumentError where its parameters can't be used."""
    options = handler.options
    return HandlerInfo(
        name=handler.name,
        aliases=options.aliases,
        queue=options.queue,
        kind=options.executor or ("async" if handler.is_async else "thread"),
        parameters=_parameters(handler.signature),
        injected=handler.injected,
        options=_set(options),
        where=where(handler.function),
    )


def can_run(handler: Handler) -> bool:
    """Whether its parameters are those of a handler; other functions of an included module may have any."""
    try:
        return handler.injected is not None
    except HandlerError:
        return False


class _Text:
    """An annotation that is shown as it is written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _parameters(signature: inspect.Signature) -> str:
    shown = [
        one.replace(annotation=_Text(one.annotation)) if isinstance(one.annotation, str) else one
        for one in signature.parameters.values()
    ]
    return str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))


def _set(options: TaskOptions) -> dict[str, object]:
    """The options that are set, as plain JSON; durations in seconds."""
    found: dict[str, object] = {}
    for name, value in vars(options).items():
        if name in APART or value in (None, (), False):
            continue
        if name.endswith("_ms"):
            found[name.removesuffix("_ms")] = value / 1000
        else:
            found[name] = _shown(value)
    return found


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        return ", ".join(map(str, map(_shown, value)))
    if isinstance(value, str | int | float | bool):
        return value
    return str(getattr(value, "__qualname__", value))
