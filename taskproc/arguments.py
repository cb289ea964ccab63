"""Arguments of a handler as JSON and back, with the types that its annotations name.

Most arguments are plain texts and numbers; for those a look at their type is all that is done. What an
annotation names beyond JSON goes through pydantic. Either way an argument that would come back as
something else is refused when it is enqueued, by its name.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import PydanticSerializationError

from taskproc.errors import ArgumentError, CorruptTask
from taskproc.injection import hints
from taskproc.model import TaskId
from taskproc.typed_dicts import known_typed_dicts

PLAIN: Mapping[object, frozenset[type]] = {
    str: frozenset({str}),
    int: frozenset({int, bool}),
    bool: frozenset({bool}),
    float: frozenset({float, int}),
    None: frozenset({types.NoneType}),
    types.NoneType: frozenset({types.NoneType}),
}
OPEN = (inspect.Parameter.empty, Any, object)
EXACT = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
REPEATING = frozenset({"import_error", "union_tag_invalid", "zoneinfo_str"})
"""Kinds of errors in whose texts pydantic repeats the value."""
BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Slot:
    """One parameter: which values pass as they are, and what to do with others."""

    __slots__ = ("adapter", "annotation", "kept", "name")

    def __init__(self, handler: str, name: str, annotation: object) -> None:
        self.name = name
        self.annotation = annotation
        self.kept = _kept(annotation)
        self.adapter = None if self.kept is not None or _is_open(annotation) else _adapter(handler, name, annotation)

    @property
    def unchanged(self) -> frozenset[type]:
        """The types whose values come back from JSON as they are, whatever they are, where the parameter takes them."""
        exact: frozenset[type] = frozenset({str, int, bool, types.NoneType})
        if self.kept is not None:
            return self.kept if self.kept <= exact else frozenset()
        return exact if self.adapter is None and not _is_container(self.annotation) else frozenset()

    def dump(self, handler: str, value: object) -> bytes:
        """The value as JSON. Raises ArgumentError naming the parameter when it can't be, or would come back changed."""
        value = str(value) if type(value) is TaskId else value  # an id of ours is a text to whoever passes it on
        try:
            if self.adapter is None:
                return self._dump_plain(value)
            return self._dump_typed(self.adapter, value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"{handler}: argument {self.name!r} of type {_type_name(value)}: {_first_line(error, self.adapter)}"
            ) from None

    def _dump_plain(self, value: object) -> bytes:
        self.fit(value)
        dumped = orjson.dumps(value, option=EXACT)
        if not same(orjson.loads(dumped), value):
            raise TypeError("it would come back as something else; annotate the parameter with its type or pass plain JSON")
        return dumped

    def fit(self, value: object) -> None:
        """Hold a value against a plain type. Raises TypeError."""
        container = typing.get_origin(self.annotation) or self.annotation
        if self.kept is not None and type(value) not in self.kept:
            raise TypeError(f"it must be {inspect.formatannotation(self.annotation)}")
        if (container is list or container is dict) and not isinstance(value, container):
            raise TypeError(f"it must be {container.__name__}")

    def _dump_typed(self, adapter: TypeAdapter[Any], value: object) -> bytes:
        adapter.validate_python(value, strict=True)
        try:
            dumped = adapter.dump_json(value, by_alias=False, round_trip=True, warnings="error")
        except PydanticSerializationError as error:
            told = str(error).splitlines()[-1].strip().partition(" [")[0]  # behind it stands the value
            raise TypeError(f"it can't be stored as its type: {told}") from None
        back = _read(adapter, orjson.loads(dumped))
        if type(back) is not type(value) or back != value:
            raise TypeError("it would come back as something else")
        return dumped

    def load(self, handler: str, value: object) -> object:
        """The argument from plain JSON values. Raises CorruptTask when it doesn't fit."""
        if self.kept is not None:
            if type(value) in self.kept:
                return value
            raise CorruptTask(f"{handler}: argument {self.name!r} is stored as {_type_name(value)},"
                              f" it must be {inspect.formatannotation(self.annotation)}")  # fmt: skip
        if self.adapter is None:
            return value
        try:
            return _read(self.adapter, value)
        except Exception as error:  # bytes of raw work, or whatever a type's own validator raises
            why = _first_line(error, self.adapter)
            raise CorruptTask(f"{handler}: argument {self.name!r} can't be read: {why}") from None


def _read(adapter: TypeAdapter[Any], value: object) -> object:
    """A value of plain JSON as its type. Fields go by their names, whatever their aliases for others."""
    return adapter.validate_json(orjson.dumps(value), by_alias=False, by_name=True)


def same(back: object, value: object) -> bool:
    """Whether two values are equal and of the same plain types throughout."""
    if type(back) is not type(value):
        return False
    if isinstance(back, dict) and isinstance(value, dict):
        return back.keys() == value.keys() and all(type(name) is str and same(back[name], value[name]) for name in value)
    if isinstance(back, list) and isinstance(value, list):
        return len(back) == len(value) and all(map(same, back, value))
    return back == value


def _kept(annotation: object) -> frozenset[type] | None:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        found = [_kept(part) for part in typing.get_args(annotation)]
        return None if None in found else frozenset().union(*(part for part in found if part is not None))
    try:
        return PLAIN.get(annotation)
    except TypeError:
        return None


def _is_open(annotation: object) -> bool:
    return any(annotation is kind for kind in OPEN) or _is_container(annotation)


def _is_container(annotation: object) -> bool:
    return annotation in (list, dict, list[Any], dict[str, Any])


def _adapter(handler: str, name: str, given: object) -> TypeAdapter[Any]:
    if isinstance(given, str):
        problem = f"{given} is not known when the program runs; import it outside of TYPE_CHECKING"
        raise ArgumentError(f"{handler}: parameter {name!r}: its type {problem}")
    annotation: Any = known_typed_dicts(given)
    try:
        try:
            adapter = TypeAdapter(annotation, config=BYTES)
        except PydanticUserError as error:
            if isinstance(error, PydanticSchemaGenerationError | PydanticUndefinedAnnotation):
                raise
            adapter = TypeAdapter(annotation)
        adapter.rebuild()  # raises where a type within is not known; otherwise its first use would
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError, NameError) as error:
        raise ArgumentError(
            f"{handler}: parameter {name!r}: its type can't be stored as JSON: {_first_line(error)}"
        ) from None
    return adapter


def _type_name(value: object) -> str:
    return type(value).__qualname__


def _first_line(error: BaseException, adapter: TypeAdapter[Any] | None = None) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        known = frozenset(_texts(adapter.core_schema) if adapter is not None else ())
        where = ".".join(_part(part, known) for part in first["loc"])
        told = first["type"].replace("_", " ") if first["type"] in REPEATING else first["msg"]
        return f"{where}: {told}" if where else told
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _part(part: int | str, known: frozenset[str]) -> str:
    """A step on the way to what is wrong, such as a field; a key of the value's own is not told."""
    return str(part) if part in known or (isinstance(part, int) and "dict" not in known) else "…"


def _texts(schema: object) -> Iterator[str]:
    """All texts in the schema of a type, names of fields among them."""
    if isinstance(schema, str):
        yield schema
    elif isinstance(schema, Mapping):
        yield from _texts([*schema.keys(), *schema.values()])
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _texts(part)


class Arguments:
    """The parameters of one handler, made ready once."""

    def __init__(
        self, handler: str, function: Callable[..., object], *, bound: bool, injected: Collection[str] = ()
    ) -> None:
        self.handler = handler
        self.injected = injected
        signature = inspect.signature(function)
        parameters = [p for p in list(signature.parameters.values())[1 if bound else 0 :] if p.name not in injected]
        self.signature = signature.replace(parameters=parameters)
        known = hints(function)
        slots = {p.name: Slot(handler, p.name, known.get(p.name, p.annotation)) for p in parameters}
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.slots = [slots[p.name] for p in positional]
        self.rest = next((slots[p.name] for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.named = {p.name: slots[p.name] for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        self.others = next((slots[p.name] for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self.least = sum(p.default is p.empty for p in positional)
        self.only_named = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
        self._head = b'["' + handler.encode() + b'",'
        self._quick = [slot.unchanged for slot in self.slots]
        self._plain = [slot.kept or (slot.unchanged if slot.adapter is None else frozenset()) for slot in self.slots]

    def dump(self, args: Sequence[object], kwargs: Mapping[str, object]) -> bytes:
        """The payload of a call. Raises ArgumentError naming handler and argument, TypeError's way."""
        if not kwargs and self.least <= len(args) <= len(self._quick) and not self.only_named:
            for value, kept in zip(args, self._quick, strict=False):
                if type(value) not in kept:
                    break
            else:
                try:
                    return self._head + orjson.dumps(args) + b"]"
                except TypeError:
                    pass  # an integer beyond 64 bits or a lone surrogate: the slow way names it
        return self._dump_each(args, kwargs)

    def _dump_each(self, args: Sequence[object], kwargs: Mapping[str, object]) -> bytes:
        self.fit(args, kwargs)
        places = [*self.slots[: len(args)], *([self.rest] * (len(args) - len(self.slots)))]
        listed = [slot.dump(self.handler, value) for slot, value in zip(places, args, strict=True) if slot is not None]
        payload = self._head + b"[" + b",".join(listed) + b"]"
        if kwargs:
            named = [
                orjson.dumps(name) + b":" + self._slot(name).dump(self.handler, value) for name, value in kwargs.items()
            ]
            payload += b",{" + b",".join(named) + b"}"
        return payload + b"]"

    def fit(self, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        """Hold a call against the signature. Raises ArgumentError that says what is missing or too much."""
        for name in self.injected:
            if name in kwargs:
                raise ArgumentError(f"{self.handler}: parameter {name!r} is injected when the task runs; leave it out")
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            less = f" ({', '.join(self.injected)}: injected when the task runs)" if self.injected else ""
            raise ArgumentError(f"{self.handler}: {error}{less}") from None

    def _slot(self, name: str) -> Slot:
        slot = self.named.get(name) or self.others
        if slot is None:
            raise ArgumentError(f"{self.handler}: there is no parameter {name!r}")
        return slot

    def load(self, stored: list[object], named: Mapping[str, object]) -> tuple[list[object], dict[str, object]]:
        """The arguments of a stored call. Raises CorruptTask when they don't fit the handler."""
        if not named and self.least <= len(stored) <= len(self._plain) and not self.only_named:
            for value, kept in zip(stored, self._plain, strict=False):
                if type(value) not in kept:
                    break
            else:
                return stored, {}
        if named or not self.least <= len(stored) <= len(self.slots) or self.only_named:
            try:
                self.fit(stored, named)
            except ArgumentError as error:
                raise CorruptTask(str(error)) from None
        places = [*self.slots[: len(stored)], *([self.rest] * (len(stored) - len(self.slots)))]
        args = [slot.load(self.handler, value) for slot, value in zip(places, stored, strict=True) if slot is not None]
        if not named:
            return args, {}
        return args, {name: self._slot(name).load(self.handler, value) for name, value in named.items()}


Call = tuple[str, list[object], dict[str, object]]
"""A stored call: the handler's name, and its arguments as plain values."""


def read_call(payload: bytes) -> Call:
    """A stored call, read from JSON. Raises CorruptTask."""
    try:
        call = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise CorruptTask(f"the call can't be read: {error}") from None
    if type(call) is list and 2 <= len(call) <= 3 and type(call[0]) is str and type(call[1]) is list:
        if len(call) == 2:
            return call[0], call[1], {}
        if type(call[2]) is dict:
            return call[0], call[1], call[2]
    raise CorruptTask("the call is not a name with arguments")
