"""Arguments that would not come back, and calls that don't fit: refused by name, and nothing is stored."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskproc import ArgumentError, TaskProcessor
from tests import handlers, typed
from tests.harness import Instance, refused

WRONG: list[tuple[str, Any]] = [
    ("open", datetime(2024, 1, 1, tzinfo=UTC)),
    ("open", float("nan")),
    ("open", float("inf")),
    ("open", (1, 2)),
    ("open", {1, 2}),
    ("open", b"bytes"),
    ("open", {1: "a number as a key"}),
    ("open", {"deep": [{"deeper": Decimal(1)}]}),
    ("open", typed.Word.YES),
    ("open", [typed.Word.YES]),
    ("open", 2**64),
    ("open", "\ud800"),
    ("open", {"\ud800": 1}),
    ("open", object()),
    ("open", lambda: None),
    ("open", (n for n in range(3))),
    ("open", typed.Point(1, Decimal(2))),
    ("open", uuid4()),
    ("text", 5),
    ("text", None),
    ("text", b"text"),
    ("number", "5"),
    ("number", 1.0),
    ("number", 2**64),
    ("real", "1"),
    ("real", float("nan")),
    ("flag", 1),
    ("nothing", 0),
    ("either", 1.5),
    ("decimal", 1.5),
    ("decimal", Decimal("nan")),
    ("moment", "2024-01-01"),
    ("day", datetime(2024, 1, 1, 3)),
    ("choice", "c"),
    ("numbers", [1, "2"]),
    ("numbers", (1, 2)),
    ("plain_list", (1,)),
    ("plain_dict", [1]),
    ("group", [1]),
    ("pair", (1,)),
    ("by_number", {1: "x"}),
    ("point", {"x": 1, "y": "2"}),
    ("point", typed.Point("1", Decimal(2))),  # type: ignore[arg-type]
    ("point", typed.Point(1, 2.5)),  # type: ignore[arg-type]
    ("point", dataclasses.make_dataclass("Closer", [], bases=(typed.Point,))(1, Decimal(2))),
    ("movie", {"title": "M"}),
    ("order", {"id": str(UUID(int=3)), "points": []}),
    ("order", typed.Order.model_construct(id="no", points=[])),  # type: ignore[arg-type]
    ("tagged", 3),
]


@pytest.mark.row("CT-64")
@pytest.mark.parametrize(
    ("name", "value"), WRONG, ids=lambda part: part if isinstance(part, str) and len(part) > 2 else None
)
async def test_what_would_not_come_back_is_refused_by_name(instance: Instance, name: str, value: Any) -> None:
    async with instance.open() as proc:
        for enqueue in ways(proc, typed.typed):
            with refused(instance, ArgumentError, f"^tests.typed.typed: argument '{name}'"):
                await enqueue(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("prices", {"SECRET": "x"}, "type dict: …: Input should be an instance of Decimal"),
        ("boxes", {"SECRET": ["SECRET"]}, "type dict: ….…: Input should be an instance of Box"),
        ("by_number", {7777: "x"}, "type dict: …: Input should be an instance of UUID"),
        ("numbers", [1, "SECRET"], "type list: 1: Input should be a valid integer"),
        ("point", typed.Point("SECRET", Decimal(2)), "type Point: it can't be stored as its type: .*Expected `int`"),  # type: ignore[arg-type]
        ("tagged_kind", {"kind": "SECRET"}, "type dict: union tag invalid"),
    ],
)
async def test_an_error_tells_nothing_of_a_value(instance: Instance, name: str, value: Any, told: str) -> None:
    async with instance.open() as proc:
        with pytest.raises(ArgumentError, match=f"argument '{name}' of {told}") as caught:
            await proc.enqueue_task("default", "acme", typed.typed, **{name: value})
        assert not any(part in str(caught.value) for part in ("SECRET", "7777"))


async def test_no_number_is_not_taken_for_nothing(instance: Instance) -> None:
    async with instance.open() as proc:
        for enqueue in ways(proc, typed.weigh):
            with refused(instance, ArgumentError, "^tests.typed.weigh: argument 'weight'"):
                await enqueue(float("nan"))


def ways(proc: TaskProcessor, handler: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The ways to enqueue a call."""

    async def single(*args: Any, **kwargs: Any) -> None:
        await proc.enqueue_task("default", "acme", handler, *args, **kwargs)

    async def in_batch(*args: Any, **kwargs: Any) -> None:
        async with proc.batch("default", "acme") as batch:
            batch.enqueue(handlers.mark)
            batch.enqueue(handler, *args, **kwargs)

    async def continuation(*args: Any, **kwargs: Any) -> None:
        await proc.enqueue_batch("default", "acme", lambda batch: batch.continue_with(handler, *args, **kwargs))

    return [single, in_batch, continuation]


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ((), {}, "missing a required argument: 'number'"),
        ((1,), {}, "missing a required argument: 'text'"),
        ((1, "a", 2), {}, "too many positional arguments"),
        ((1,), {"text": "a", "more": 1}, "unexpected keyword argument 'more'"),
        ((1, "a"), {"number": 1}, "multiple values for argument 'number'"),
        (("a", "a"), {}, "argument 'number' of type str: it must be int"),
    ],
)
async def test_a_call_that_does_not_fit_is_refused(
    instance: Instance, args: tuple[Any, ...], kwargs: dict[str, Any], told: str
) -> None:
    async with instance.open() as proc:
        for enqueue in ways(proc, typed.needs):
            with refused(instance, TypeError, told):
                await enqueue(*args, **kwargs)


@pytest.mark.parametrize("row", ["ab", b"ab", {"number": 1, "text": "a"}, {1, "a"}, 5, None, (1,), [1, "a", 2], ("a", 1)])
async def test_a_row_that_does_not_fit_stores_nothing(instance: Instance, row: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, ArgumentError, "tests.typed.needs"):
            async with proc.batch("default", "acme") as batch:
                await batch.enqueue_many(typed.needs, [(1, "a"), row])


async def test_a_parameter_whose_type_is_no_json_is_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        with refused(instance, ArgumentError, "tests.typed.opaque: parameter 'thing': its type can't be stored as JSON"):
            await proc.enqueue_task("default", "acme", typed.opaque, typed.Opaque())


@pytest.mark.parametrize(
    ("handler", "args", "told"),
    [
        (
            typed.half_known,
            ("a", Decimal(1)),
            "parameter 'other': its type Elsewhere | None is not known when the program runs",
        ),
        (typed.holds, ([],), "parameter 'things': its type can't be stored as JSON: .*'Elsewhere' is not defined"),
    ],
)
async def test_a_type_that_is_not_known_at_run_time_is_named(
    instance: Instance, handler: Any, args: tuple[Any, ...], told: str
) -> None:
    async with instance.open() as proc:
        with refused(instance, ArgumentError, re.escape(told) if "|" in told else told):
            await proc.enqueue_task("default", "acme", handler, *args)
