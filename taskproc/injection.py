"""Injected parameters: what marks them, and what they ask for.

``inject()`` stands where a default would. A call that is enqueued leaves the parameter out; the worker fills it in.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from taskproc.errors import HandlerError
from taskproc.values import shown

Wants = tuple[tuple[str, object], ...]
"""Parameters that are injected, each with the class or the provider that it asks for."""


class Injected:
    """The mark of a parameter. ``wanted`` is a class or a provider; None leaves it to the annotation."""

    __slots__ = ("wanted",)

    def __init__(self, wanted: object = None) -> None:
        self.wanted = wanted

    def __repr__(self) -> str:
        return "inject()" if self.wanted is None else f"inject({named(self.wanted)})"


def inject(wanted: Callable[..., Any] | None = None, /) -> Any:
    """Mark a parameter as injected: ``mailer: Mailer = inject()``, ``session: Session = inject(open_session)``.

    ``wanted`` is a class, or a function that provides the value: plain or async, or a generator that yields it once and
    goes on when the task has ended. Raises HandlerError for anything else.
    """
    if wanted is not None and not callable(wanted):
        raise HandlerError(f"inject({shown(wanted)}): give a class, or a function that provides the value")
    return Injected(wanted)


Depends = inject


def marks(function: Callable[..., Any], known: Mapping[str, Any] | None = None) -> dict[str, Injected]:
    """The injected parameters of a function; those marked in ``Annotated`` only where its types are ``known``."""
    found = {}
    for name, parameter in _signature(function).items():
        extras = getattr((known or {}).get(name), "__metadata__", ())
        marked = [mark for mark in map(_mark, (parameter.default, *extras)) if mark is not None]
        if marked:
            found[name] = next((mark for mark in marked if mark.wanted is not None), marked[0])
    return found


def _mark(value: object) -> Injected | None:
    if isinstance(value, Injected):
        return value
    fastapi: Any = sys.modules.get("fastapi.params")  # whoever marks by FastAPI's Depends has imported it
    return Injected(value.dependency) if fastapi is not None and isinstance(value, fastapi.Depends) else None


def _signature(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some that are written in C
        return {}


def check_marks(place: str, function: Callable[..., Any], marked: Mapping[str, Injected]) -> None:
    """See that injected parameters can be left out of calls. Raises HandlerError naming the first that can't."""
    parameters = _signature(function)
    for name, mark in marked.items():
        parameter = parameters[name]
        if mark.wanted is None and parameter.annotation is parameter.empty:
            raise HandlerError(f"{place}: parameter {name!r} is injected and has no type: annotate it, or name a provider")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise HandlerError(f"{place}: parameter {name!r} is injected by its name and can't be positional only")
        if parameter.kind is parameter.KEYWORD_ONLY:
            continue
        for other in list(parameters.values())[list(parameters).index(name) + 1 :]:
            if other.name not in marked and other.kind in (other.POSITIONAL_OR_KEYWORD, other.VAR_POSITIONAL):
                raise HandlerError(
                    f"{place}: parameter {name!r} is injected and stands before {other.name!r}: put it last, or after a *"
                )


def wants(place: str, function: Callable[..., Any]) -> Wants:
    """What a function's injected parameters ask for. Raises HandlerError for a type that isn't known at run time."""
    known = hints(_typed(function))
    return tuple((name, _wanted(place, name, mark, known)) for name, mark in marks(function, known).items())


def _wanted(place: str, name: str, mark: Injected, known: Mapping[str, Any]) -> object:
    if mark.wanted is not None:
        return mark.wanted
    if name not in known:
        raise HandlerError(
            f"{place}: parameter {name!r} is injected, and its type is not known when the program runs;"
            " import it outside of TYPE_CHECKING"
        )
    found = known[name]
    return typing.get_args(found)[0] if typing.get_origin(found) is typing.Annotated else found


def _typed(function: Any) -> Any:
    """What has the annotations."""
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, type):
        made: Any = function
        return made.__init__
    return function if hasattr(function, "__annotations__") else type(function).__call__


def needed(function: Callable[..., Any]) -> dict[str, object]:
    """The parameters that have to be given, with their types: those without a default and a mark."""
    known = hints(_typed(function))
    marked = marks(function, known)
    return {
        name: known.get(name, parameter.annotation)
        for name, parameter in _signature(function).items()
        if name not in marked
        and parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def hints(function: Callable[..., object]) -> dict[str, Any]:
    """The types of its parameters; one that is not known at run time is left as a text, and doesn't hide the others."""
    known = inspect.unwrap(function)
    found: dict[str, Any] = {}
    for name, annotation in getattr(known, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(alone, getattr(known, "__globals__", {}), include_extras=True)
        except (NameError, TypeError, AttributeError, SyntaxError):
            continue
    return found


def is_provider(wanted: object) -> bool:
    """Whether something is called for a value, not asked for by its type."""
    kinds = (type, typing.NewType, typing.TypeVar)
    return callable(wanted) and not isinstance(wanted, kinds) and typing.get_origin(wanted) is None


def named(wanted: object) -> str:
    """A class or a provider in a message."""
    return str(getattr(wanted, "__qualname__", None) or wanted)
