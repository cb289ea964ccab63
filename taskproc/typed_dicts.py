"""``typing.TypedDict`` as pydantic wants it before Python 3.12."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

import typing_extensions


def known_typed_dicts(annotation: Any) -> Any:
    """The annotation with ``typing.TypedDict`` as pydantic wants it before Python 3.12: that of typing_extensions."""
    if sys.version_info >= (3, 12):
        return annotation
    if typing.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation, include_extras=True)
        fields = {name: _field(hint, name in annotation.__required_keys__) for name, hint in hints.items()}
        return typing_extensions.TypedDict(annotation.__name__, fields)  # type: ignore[operator]  # a name that is not a literal
    parts = typing.get_args(annotation)
    changed = tuple(known_typed_dicts(part) for part in parts)
    if all(new is old for new, old in zip(changed, parts, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return typing.Union[changed]  # noqa: UP007  # made from a tuple
    return typing.get_origin(annotation)[changed]


def _field(hint: Any, required: bool) -> Any:
    """A field's type; where annotations are texts, only its hint says whether it is required."""
    mark = typing.get_origin(hint)
    if mark in (typing.Required, typing.NotRequired):
        required, hint = mark is typing.Required, typing.get_args(hint)[0]
    changed = known_typed_dicts(hint)
    return changed if required else typing_extensions.NotRequired[changed]
