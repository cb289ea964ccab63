"""Calls in bytes that another serializer makes: the ``serializer`` option.

Its payload is ``$``, the handler's name, a newline, and what the serializer makes of ``[arguments]`` or
``[arguments, keyword arguments]``. So its bytes never stand where a marker is looked for, whatever they are. It is given
what JSON would hold of annotated types, and other values as they are, which have to come back the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from taskproc.arguments import Arguments, Call, Slot, same
from taskproc.errors import ArgumentError, CorruptTask, SerializerMissing

SERIALIZED = b"$"


class Serializer(Protocol):
    """What makes bytes of plain values, and plain values of bytes; a module such as ``msgpack`` will do."""

    def dumps(self, value: Any, /) -> bytes | str:
        """The value in bytes."""

    def loads(self, data: bytes, /) -> Any:
        """The value again."""


class SerializedArguments(Arguments):
    """The parameters of one handler, whose calls go through a serializer."""

    def __init__(
        self, handler: str, function: Any, serializer: Serializer, *, bound: bool, injected: Collection[str]
    ) -> None:
        super().__init__(handler, function, bound=bound, injected=injected)
        self._serializer = serializer
        self._head = SERIALIZED + handler.encode() + b"\n"

    def dump(self, args: Sequence[object], kwargs: Mapping[str, object]) -> bytes:
        """The payload of a call. Raises ArgumentError naming handler and argument."""
        self.fit(args, kwargs)
        listed = [self._value(slot, value) for slot, value in self._placed(args)]
        named = {name: self._value(self._slot(name), value) for name, value in kwargs.items()}
        call = [listed, named] if named else [listed]
        try:
            data = self._bytes(call)
            if same(self._serializer.loads(data), call):
                return self._head + data
        except Exception:  # a serializer may raise anything; which argument it was is found below
            pass
        names = [slot.name for slot, _ in self._placed(args)]
        for name, value in [*zip(names, listed, strict=True), *named.items()]:
            self._check(name, value)
        raise ArgumentError(f"{self.handler}: the serializer does not give back the arguments that it was given")

    def _placed(self, args: Sequence[object]) -> Iterator[tuple[Slot, object]]:
        for number, value in enumerate(args):
            slot = self.slots[number] if number < len(self.slots) else self.rest
            assert slot is not None
            yield slot, value

    def _value(self, slot: Slot, value: object) -> object:
        """What the serializer is given for an argument."""
        if slot.adapter is not None:
            return orjson.loads(slot.dump(self.handler, value))
        try:
            slot.fit(value)
        except TypeError as error:
            raise ArgumentError(self._told(slot.name, value, error)) from None
        return value

    def _check(self, name: str, value: object) -> None:
        try:
            if same(self._serializer.loads(self._bytes(value)), value):
                return
            problem: object = "it would come back as something else; annotate the parameter with its type"
        except Exception as error:  # its text may hold the value
            problem = f"the serializer refuses it: {type(error).__name__}"
        raise ArgumentError(self._told(name, value, problem))

    def _told(self, name: str, value: object, problem: object) -> str:
        return f"{self.handler}: argument {name!r} of type {type(value).__qualname__}: {problem}"

    def _bytes(self, value: object) -> bytes:
        data = self._serializer.dumps(value)
        return data.encode() if isinstance(data, str) else bytes(data)


def read_serialized(payload: bytes, serializer: Serializer | None) -> Call:
    """A stored call. Raises SerializerMissing where there is none for it, CorruptTask when it can't be read."""
    head, _, data = payload.partition(b"\n")
    name = head[1:].decode("utf-8", "replace")
    if serializer is None:
        raise SerializerMissing(f"the arguments of {name} are written by a serializer that this process doesn't have")
    try:
        call = serializer.loads(data)
    except Exception as error:  # its text may hold the payload
        raise CorruptTask(f"{name}: the serializer can't read the arguments: {type(error).__name__}") from None
    if type(call) is list and 1 <= len(call) <= 2 and type(call[0]) is list:
        if len(call) == 1:
            return name, call[0], {}
        if type(call[1]) is dict and all(type(key) is str for key in call[1]):
            return name, call[0], call[1]
    raise CorruptTask(f"{name}: what the serializer reads are not the arguments of a call")
