"""Arguments: what comes back as it was, what is refused by its name, and stored calls that can't be read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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

from taskproc import ArgumentError, Batch, TaskProcessor, TaskState
from tests import handlers, typed
from tests.harness import Instance, refused, until

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
            assert alike(handlers.received[task_id], given_), (handlers.received[task_id], given_)


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
        assert handlers.received[one] == ("a", Decimal(1), (2, 3), date(2024, 1, 1), {"other": key})
        assert handlers.received[two] == ("b", Decimal(2), (), None, {})


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
        given_ = [handlers.received[task_id] for task_id in ids]
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


@pytest.mark.row("CT-64")
@pytest.mark.parametrize(
    ("name", "value"), WRONG, ids=lambda part: part if isinstance(part, str) and len(part) > 2 else None
)
async def test_what_would_not_come_back_is_refused_by_name(instance: Instance, name: str, value: Any) -> None:
    async with instance.open() as proc:
        for enqueue in ways(proc, typed.typed):
            with refused(instance, ArgumentError, f"^tests.typed.typed: argument '{name}'"):
                await enqueue(**{name: value})


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


async def test_rows_may_be_tuples_and_lists(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            assert await batch.enqueue_many(typed.needs, [(1, "a"), [2, "b"]]) == 2
        assert await proc.run_until_idle() == 2
        assert {r["tag"] for r in instance.recorded("ran")} == {1, 2}


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


async def test_a_return_type_that_is_not_known_does_not_matter(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", typed.half_returned, "a", Decimal("1.10"))
        await proc.run_until_idle()
        assert alike(handlers.received[task_id], ("a", Decimal("1.10")))


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
        assert [handlers.received[task_id]["text"] for task_id in ids] == [*texts, texts[2]]


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
            assert alike(handlers.received[task_id], {"open": value})


# stored calls that can't be read

CALL = b'["tests.typed.needs",[1,"a"]]'
BAD: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[: -len(CALL)] + CALL[:-4],
    "not JSON": lambda body: body[: -len(CALL)] + b"\xff\xfe\x00",
    "empty": lambda body: body[: -len(CALL)],
    "nothing but an id": lambda body: body[:10],
    "half an id": lambda body: body[:5],
    "not a call": lambda body: body[: -len(CALL)] + b'{"a":1}',
    "no name": lambda body: body[: -len(CALL)] + b'[null,[1,"a"]]',
    "wrong type": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",["1","a"]]',
    "null where a value is needed": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[null,"a"]]',
    "an argument too few": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[1]]',
    "an unknown argument": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[1,"a"],{"new":1}]',
    "too deep": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",' + b"[" * 100_000,
    "a decimal that is none": lambda body: body[: -len(CALL)] + b'["tests.typed.typed",[],{"decimal":"x"}]',
    "raw work for a handler of arguments": lambda body: body[: -len(CALL)] + b"!tests.typed.needs\nabc",
    "raw work for typed arguments": lambda body: body[: -len(CALL)] + b"!tests.typed.positional\nabc",
    "arguments that can't be stored": lambda body: body[: -len(CALL)] + b'["tests.typed.opaque",[1]]',
    "unknown kind": lambda body: body[:10] + b"?" + body[11:],
    "extension not JSON": lambda body: body[:10] + b"+{\n" + CALL,
    "extension not an object": lambda body: body[:10] + b"+[1]\n" + CALL,
    "extension without end": lambda body: body[:10] + b"+{}",
    "creation beyond all years": lambda body: body[:10] + b'+{"c":1e300}\n[',
    "attempts beyond all numbers": lambda body: body[:10] + b'+{"a":1e400}\n' + CALL,
    "a number beyond all in a list": lambda body: body[:10] + b'+{"a":[1e400]}\n' + CALL,
    "a segment that is no text": lambda body: body[:10] + b'*{"g":{"a":1},"z":1}\n',
    "payload that is missing": lambda body: body[:10] + b'*{"z":1}\n',
    "payload of another segment": lambda body: body[:10] + b'*{"g":"x","z":1}\n',
}


@pytest.mark.row("PJ-28")
@pytest.mark.parametrize("many", [True, False], ids=["batch", "single"])
async def test_bad_stored_calls_fail_alone_and_with_the_reason(instance: Instance, many: bool) -> None:
    async with instance.open(max_workers=4) as proc:
        if many:
            await proc.enqueue_batch(
                "default", "acme", lambda batch: [batch.enqueue(typed.needs, 1, "a") for _ in range(len(BAD) + 5)]
            )
        else:
            for _ in range(len(BAD) + 5):
                await proc.enqueue_task("default", "acme", typed.needs, 1, "a")
        spoil(instance, list(BAD.values()))
        before = instance.now()
        async with serving(instance, proc):
            await instance.wait_records(5, "ran")
            dead = await until(lambda: all_dead(proc, len(BAD)))
            assert all(len(d.errors) == 1 and d.errors[0].message and d.state is TaskState.FAILED for d in dead)
            assert {d.errors[0].type for d in dead} <= {"taskproc.errors.CorruptTask", "taskproc.errors.ArgumentError"}
            await proc.enqueue_task("default", "acme", typed.needs, 2, "b")
            await instance.wait_records(1, "ran", tag=2)
        assert len(instance.recorded("ran")) == 6
        assert instance.recorded("ran")[4]["at"] - before < 5
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed, totals.remaining) == (6, len(BAD), 0)


def spoil(instance: Instance, bad: list[Callable[[bytes], bytes]]) -> None:
    """Change the last tasks of the only ready list."""
    name = next(filter(lambda name: name.endswith(b":r:default"), instance.keys()))
    for place, change in enumerate(bad, 1):
        body = instance.client.lindex(name, -place)
        assert isinstance(body, bytes)
        instance.client.lset(name, -place, change(body))


async def all_dead(proc: TaskProcessor, count: int) -> Any:
    """The dead letters, once there are so many."""
    found = await proc.get_dead_tasks(take=1_000)
    return found if len(found) == count else None


@asynccontextmanager
async def serving(instance: Instance, proc: TaskProcessor) -> AsyncIterator[None]:
    """A worker beside a processor."""
    async with instance.worker(max_workers=proc._options.max_workers):
        yield


async def test_a_validator_that_breaks_when_a_worker_reads(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance.open(max_workers=2) as proc:
        for _ in range(3):
            await proc.enqueue_task("default", "acme", typed.typed, moody=typed.Moody(number=1))
        monkeypatch.setattr(typed.Moody, "mood", True)
        await proc.enqueue_task("default", "acme", handlers.mark, "next")
        assert await proc.run_until_idle() == 4
        assert len(instance.recorded("ran", tag="next")) == 1
        dead = await proc.get_dead_tasks()
        assert [d.errors[0].message for d in dead] == ["tests.typed.typed: argument 'moody' can't be read: 1"] * 3


async def test_errors_of_stored_arguments_do_not_repeat_them(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open() as proc:
        await proc.enqueue_raw("default", "acme", "tests.typed.positional", b"very secret")
        await proc.enqueue_task("default", "acme", typed.needs, 1, "a")
        spoil(instance, [lambda body: body.replace(b'"a"', b'{"a":"very secret"}')])
        assert await proc.run_until_idle() == 2
        dead = await proc.get_dead_tasks()
        assert len(dead) == 2
        assert not any("secret" in e.message + e.traceback for d in dead for e in d.errors)
        assert "secret" not in caplog.text
