"""Arguments: what is accepted comes back as it was."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskproc import ArgumentError, Batch, task
from taskproc.handlers import DECLARED
from tests import handlers, recording, typed
from tests.harness import Instance, refused

VALUES: dict[str, list[Any]] = {
    "open": [None, True, 0, -1.5, "", {"a": [1, {"b": None}], "": []}, [[[]]], {}],
    "text": ["", "ü💥", 'a\x00b\n"\\\x7f', "x" * 5_000],
    "number": [0, -1, 2**63 - 1, -(2**63), 2**64 - 1, True],
    "real": [1.5, 1e308, 5e-324, 0.1 + 0.2, 3],
    "flag": [True, False],
    "nothing": [None],
    "maybe": [None, 5],
    "either": [5, "5", None],
    "decimal": [Decimal("1.10"), Decimal("1E+30"), Decimal("-0.000000000000000000000001")],
    "blob": [b"", bytes(range(256))],
    "moment": [
        datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2024, 7, 1, 8, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 7, 1, 8),
    ],
    "day": [date(1, 1, 1), date(9999, 12, 31)],
    "span": [timedelta(0), timedelta(days=-1, microseconds=1), timedelta(days=1000, microseconds=999_999)],
    "uuid": [UUID(int=0), uuid4()],
    "path": [Path("/a b/ü"), Path("relative")],
    "colour": [typed.Colour.RED],
    "word": [typed.Word.YES],
    "choice": ["b"],
    "numbers": [[], [1, 2, 3]],
    "plain_list": [[], [1, "a", None, [{}]]],
    "plain_dict": [{}, {"a": [1.5]}],
    "group": [set(), {1, 2}],
    "frozen": [frozenset({"a"})],
    "pair": [(1, Decimal("2.50"))],
    "many": [(), (1, 2, 3)],
    "prices": [{"tea": Decimal("1.10")}],
    "by_number": [{-1: UUID(int=7)}],
    "point": [typed.Point(1, Decimal("2.50"))],
    "maybe_point": [None, typed.Point(1, Decimal(2))],
    "box": [typed.Box(typed.Point(1, Decimal(2)), [typed.Point(3, Decimal(4))])],
    "boxes": [{"a": [typed.Box(Decimal("1.0"))], "b": []}],
    "movie": [{"title": "M", "seen": datetime(2024, 1, 1, tzinfo=UTC)}],
    "order": [typed.Order(id=UUID(int=3), points=[typed.Point(1, Decimal("1.5"))])],
    "aliased": [typed.Aliased(userName="u", town="t")],
    "tagged": [4],
}


def alike(back: Any, value: Any) -> bool:
    """Whether two values are equal and of the same types throughout."""
    if type(back) is not type(value) or back != value:
        return False
    if isinstance(value, list | tuple):
        return all(map(alike, back, value))
    if isinstance(value, dict):
        return all(
            alike(back[name], value[name]) and type(name) is type(known) for name, known in zip(value, back, strict=True)
        )
    if dataclasses.is_dataclass(value) or isinstance(value, pydantic.BaseModel):
        return alike(vars(back), vars(value))
    return True


@pytest.mark.row("CT-64", "BN-21")
async def test_every_type_comes_back_as_it_was(instance: Instance) -> None:
    async with instance.open(max_workers=50) as proc:
        sent: dict[str, dict[str, Any]] = {}

        def build(batch: Batch) -> None:
            for name, values in VALUES.items():
                sent.update({batch.enqueue(typed.typed, **{name: value}): {name: value} for value in values})

        batch_id = await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == len(sent)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.done == info.total, [d.errors for d in await proc.get_dead_tasks()]
        for task_id, given_ in sent.items():
            assert alike(recording.received[task_id], given_), (recording.received[task_id], given_)


async def test_the_same_in_a_process(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as proc:
        point, when = typed.Point(1, Decimal("1.10")), datetime(2024, 1, 1, tzinfo=UTC)
        await proc.enqueue_task("default", "acme", typed.typed_process, point, when=when)
        assert await proc.run_until_idle() == 1
        [got] = instance.recorded("typed")
        assert got["given"][0] == repr(point)
        assert "2024, 1, 1, 0, 0" in got["given"][1]


async def test_parameters_of_every_kind(instance: Instance) -> None:
    async with instance.open() as proc:
        call = typed.positional
        key = UUID(int=1)
        one = await proc.enqueue_task("default", "acme", call, "a", Decimal(1), 2, 3, third=date(2024, 1, 1), other=key)
        two = await proc.enqueue_task("default", "acme", call, "b", second=Decimal(2))
        assert await proc.run_until_idle() == 2
        assert recording.received[one] == ("a", Decimal(1), (2, 3), date(2024, 1, 1), {"other": key})
        assert recording.received[two] == ("b", Decimal(2), (), None, {})


async def test_a_tasks_id_is_passed_on_as_a_text(instance: Instance) -> None:
    async with instance.open() as proc:
        one = await proc.enqueue_task("default", "acme", handlers.noop)
        taken = {
            name: await proc.enqueue_task("default", "acme", typed.typed, **{name: one})
            for name in ("text", "open", "either")
        }
        assert await proc.run_until_idle() == 4
        for name, task_id in taken.items():
            given = recording.received[task_id]
            assert given == {name: one}
            assert type(given[name]) is str


@pytest.mark.row("CT-63")
async def test_arguments_are_frozen_when_they_are_enqueued(instance: Instance) -> None:
    async with instance.open() as proc:
        numbers, point, deep = [1, 2], typed.Point(1, Decimal(2)), {"a": [1]}
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue(typed.typed, numbers=numbers))
            ids.append(batch.enqueue(typed.typed, point=point))
            ids.append(batch.enqueue(typed.typed, open=deep))
            numbers.append(3)
            point.x = 99
            deep["a"].append(2)

        await proc.enqueue_batch("default", "acme", build)
        ids.append(await proc.enqueue_task("default", "acme", typed.typed, numbers=numbers))
        numbers.clear()
        assert await proc.run_until_idle() == 4
        given_ = [recording.received[task_id] for task_id in ids]
        assert given_ == [
            {"numbers": [1, 2]},
            {"point": typed.Point(1, Decimal(2))},
            {"open": {"a": [1]}},
            {"numbers": [1, 2, 3]},
        ]


async def test_what_a_call_leaves_out_is_not_stored(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.fail, "broken")
        info = await proc.get_task(task_id)
        assert info is not None
        assert orjson.loads(info.data) == ["tests.handlers.fail", ["broken"]]


OLD = """
from taskproc import task
from tests.recording import note

@task(name="grown")
async def grown(tag: str) -> None: ...
"""
NEW = """
from taskproc import inject, task
from tests.recording import note
from tests.services import Mailer

@task(name="grown")
async def grown(tag: str, size: int = 5, *, colour: str | None = None, mailer: Mailer = inject()) -> None:
    note("ran", tag=tag, more=[size, colour], mailer=mailer is not None)
"""


@pytest.mark.parametrize("serializer", [None, json])
async def test_calls_of_before_a_handler_gained_parameters_still_run(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serializer: Any
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "growing.py").write_text(OLD)
    module = importlib.import_module("growing")
    async with instance.open(serializer=serializer) as proc:
        await proc.enqueue_task("default", "acme", module.grown, "one")
        await proc.enqueue_task("default", "acme", module.grown, tag="two")
    handlers_before = [function for function in DECLARED if function.__module__ != "growing"]
    monkeypatch.setattr("taskproc.handlers.DECLARED", handlers_before)
    monkeypatch.setattr("taskproc.registry.DECLARED", handlers_before)
    (tmp_path / "growing.py").write_text(NEW)
    monkeypatch.delitem(sys.modules, "growing")
    module = importlib.import_module("growing")
    async with instance.open(serializer=serializer) as proc:
        await proc.enqueue_task("default", "acme", module.grown, "three", 7, colour="red")
        await proc.run_until_idle()
        assert await proc.get_dead_tasks() == []
        ran = {r["tag"]: r["more"] for r in instance.recorded("ran") if r["mailer"]}
        assert ran == {"one": [5, None], "two": [5, None], "three": [7, "red"]}
    monkeypatch.delitem(sys.modules, "growing")


async def test_what_is_no_list_is_refused_for_a_list_of_anything(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", listed, [1, "a"], {"a": None})
        with refused(instance, ArgumentError, "argument 'some' of type dict: it must be list"):
            await proc.enqueue_task("default", "acme", listed, {}, {})
        with refused(instance, ArgumentError, "argument 'by_name' of type str: it must be dict"):
            await proc.enqueue_task("default", "acme", listed, [], "text")
        assert await proc.run_until_idle() == 1


@task
async def listed(some: list[Any], by_name: dict[str, Any]) -> None:
    """Takes containers of anything."""


async def test_rows_may_be_tuples_and_lists(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            assert await batch.enqueue_many(typed.needs, [(1, "a"), [2, "b"]]) == 2
        assert await proc.run_until_idle() == 2
        assert {r["tag"] for r in instance.recorded("ran")} == {1, 2}


async def test_a_return_type_that_is_not_known_does_not_matter(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", typed.half_returned, "a", Decimal("1.10"))
        await proc.run_until_idle()
        assert alike(recording.received[task_id], ("a", Decimal("1.10")))


async def test_large_arguments_come_back(instance: Instance) -> None:
    async with instance.open() as proc:
        texts = ["ü" * 3_000, "x" * 9_000, "y" * 500_000]
        ids: list[str] = []
        await proc.enqueue_batch(
            "default", "acme", lambda batch: ids.extend(batch.enqueue(typed.typed, text=text) for text in texts)
        )
        ids.append(await proc.enqueue_task("default", "acme", typed.typed, text=texts[2]))
        info = await proc.get_task(ids[3])
        assert info is not None
        assert (info.name, orjson.loads(info.data)[2]) == ("tests.typed.typed", {"text": texts[2]})
        assert await proc.run_until_idle() == 4
        assert [recording.received[task_id]["text"] for task_id in ids] == [*texts, texts[2]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
ODD = (
    st.binary()
    | st.decimals()
    | st.datetimes()
    | st.tuples(JSON)
    | st.sets(st.integers())
    | st.dictionaries(st.integers(), JSON)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(JSON | ODD | st.lists(ODD, max_size=2), min_size=1, max_size=30))
async def test_whatever_is_accepted_comes_back_the_same(instance: Instance, values: list[Any]) -> None:
    async with instance.open() as proc:
        sent: dict[str, Any] = {}
        async with proc.batch("default", "acme") as batch:
            for value in values:
                try:
                    sent[batch.enqueue(typed.typed, open=value)] = value
                except ArgumentError:
                    continue
        await proc.run_until_idle()
        for task_id, value in sent.items():
            assert alike(recording.received[task_id], {"open": value})
