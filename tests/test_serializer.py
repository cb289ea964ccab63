"""Other serializers than JSON: they see all calls, and nobody takes their bytes for something else."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskproc import ArgumentError, Batch, InvalidValue, TaskContext, TaskProcessor, task
from tests import forms, handlers, recording, services, typed
from tests.harness import Instance, refused
from tests.test_arguments import VALUES, alike


class Packed:
    """msgpack, which counts what it sees."""

    def __init__(self) -> None:
        self.dumped: list[Any] = []
        self.loaded: list[Any] = []

    def dumps(self, value: Any) -> bytes:
        """The value in bytes."""
        self.dumped.append(value)
        return bytes(msgpack.packb(value))

    def loads(self, data: bytes) -> Any:
        """The value again."""
        found = msgpack.unpackb(data)
        self.loaded.append(found)
        return found


@pytest.mark.row("CT-66")
async def test_msgpack_sees_all_calls(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    packed = Packed()
    async with instance.open(serializer=packed) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(handlers.mark, "one")
            batch.options(delay=0.01).enqueue(forms.add, 1, b=2)
            batch.enqueue(services.send, "to", subject="s")
            batch.enqueue(handlers.nap_process, 0, tag={"in": "a process"})
            batch.enqueue(forms.Service().greet, "method")
            batch.enqueue(handlers.swallow, "x" * 20_000)
            batch.continue_with(handlers.mark, "two")

        await proc.enqueue_batch("default", "acme", build)
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handlers.mark, [(n,) for n in range(3)])
        one = await proc.enqueue_task("default", "acme", typed.positional, "a", Decimal("1.10"), 2, other=typed.UUID(int=1))
        info = await proc.get_task(one)
        assert info is not None
        assert info.name == "tests.typed.positional"
        call = [["a", "1.10", 2], {"other": str(typed.UUID(int=1))}]
        assert info.data == b"$tests.typed.positional\n" + msgpack.packb(call)
        stored = b"".join(info.data for info in await proc.get_tasks_in_queue("default"))
        assert b"[" not in stored.replace(b"$", b"")
        seen = len(packed.dumped)
        await proc.run_until_idle()
        assert seen == 11
        assert len(packed.loaded) == 2 * seen, "once to see what comes back, once to run"
        assert await proc.get_dead_tasks() == []
        assert recording.received[one] == ("a", Decimal("1.10"), (2,), None, {"other": typed.UUID(int=1)})
        assert len(instance.recorded()) == 12


@pytest.mark.row("CT-66")
async def test_every_type_comes_back_as_it_was(instance: Instance) -> None:
    async with instance.open(max_workers=50, serializer=Packed()) as proc:
        sent: dict[str, dict[str, Any]] = {}

        def build(batch: Batch) -> None:
            for name, values in VALUES.items():
                sent.update({batch.enqueue(typed.typed, **{name: value}): {name: value} for value in values})
            sent[batch.enqueue(typed.typed, open=b"\x00bytes")] = {"open": b"\x00bytes"}  # which msgpack has and JSON hasn't

        await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == len(sent)
        assert await proc.get_dead_tasks() == []
        assert all(alike(recording.received[task_id], given_) for task_id, given_ in sent.items())


class Refusing:
    """A serializer that can't do everything."""

    def dumps(self, value: Any) -> str:
        """The value as JSON; nothing for some."""
        if "boom" in repr(value):
            raise RuntimeError("boom")
        return json.dumps(value)

    def loads(self, data: bytes) -> Any:
        """The value again."""
        return json.loads(data)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((1, 2), "argument 'open' of type tuple: it would come back as something else"),
        ({1: 2}, "argument 'open' of type dict: it would come back as something else"),
        ({1, 2}, "argument 'open' of type set: the serializer refuses it: TypeError"),
        ("boom", "argument 'open' of type str: the serializer refuses it: RuntimeError$"),
        (float("nan"), "argument 'open' of type float: it would come back as something else"),
    ],
)
async def test_what_a_serializer_does_not_give_back_is_refused(instance: Instance, value: Any, told: str) -> None:
    async with instance.open(serializer=Refusing()) as proc:
        with refused(instance, ArgumentError, told):
            await proc.enqueue_task("default", "acme", typed.typed, open=value, text="fine")
        with refused(instance, ArgumentError, "argument 'number' of type str: it must be int"):
            await proc.enqueue_task("default", "acme", typed.needs, "text", "text")
        with refused(instance, ArgumentError, "missing a required argument"):
            await proc.enqueue_task("default", "acme", typed.needs, 1)
        with refused(instance, ArgumentError, "parameter 'mailer' is injected"):
            await proc.enqueue_task("default", "acme", services.send, "a", mailer=1)


async def test_one_that_lies_about_the_whole_is_refused(instance: Instance) -> None:
    lies = SimpleNamespace(dumps=json.dumps, loads=lambda data: {} if data[:2] == b"[[" else json.loads(data))
    async with instance.open(serializer=lies) as proc:
        with refused(instance, ArgumentError, "the serializer does not give back the arguments"):
            await proc.enqueue_task("default", "acme", handlers.mark, "a")


@task(name="serializer.keep")
async def keep(first: Any = None, *rest: Any) -> None:
    """Keeps what it is given."""
    recording.received[handlers.current_task().id] = [first, *rest]


MARKS = [
    b"!",
    b"~s",
    b"~e",
    b"$",
    b"[",
    b'["serializer.keep",[1]]',
    b"!serializer.keep\n",
    b"\n",
    b"",
    b"~",
    b"*",
    b"+",
    b".",
]


class Prefixed:
    """A serializer whose bytes begin as it is told."""

    def __init__(self, head: bytes) -> None:
        self.head = head

    def dumps(self, value: Any) -> bytes:
        """The head, then JSON."""
        return self.head + orjson.dumps(value)

    def loads(self, data: bytes) -> Any:
        """What comes after the head."""
        assert data.startswith(self.head)
        return orjson.loads(data[len(self.head) :])


@pytest.mark.parametrize("keys", [{}, {"signing_key": "k" * 16}, {"signing_key": "k" * 16, "encryption_key": b"e" * 16}])
async def test_bytes_that_begin_like_a_marker_are_not_taken_for_one(instance: Instance, keys: dict[str, Any]) -> None:
    for head in MARKS:
        async with instance.open(serializer=Prefixed(head), **keys) as proc:
            ids = [await proc.enqueue_task("default", "acme", keep, n, "text") for n in range(2)]
            ids.append(await proc.enqueue_task("default", "acme", keep, 2, "x" * 10_000))
            raw = await proc.enqueue_raw("default", "acme", "raw.echo", head + b"$serializer.keep\n[[1]]")
            found = [await proc.get_task(task_id) for task_id in ids]
            assert [info and info.name for info in found] == ["serializer.keep"] * 3
            assert await proc.run_until_idle() == 4
            assert await proc.get_dead_tasks() == []
        assert [recording.received[task_id] for task_id in ids] == [[0, "text"], [1, "text"], [2, "x" * 10_000]]
        assert recording.received[raw] == head + b"$serializer.keep\n[[1]]"


@pytest.mark.parametrize("head", [b"!", b"$", b'["serializer.keep",[1]]'])
async def test_neither_are_those_for_a_handler_in_a_process(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open(serializer=Prefixed(head)) as proc:
        await proc.enqueue_task("default", "acme", any_process, "in a process")
        await proc.run_until_idle()
        assert instance.recorded("kept")[0]["text"] == "'in a process'", await proc.get_dead_tasks()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads=st.lists(st.binary(max_size=8), min_size=1, max_size=8))
async def test_whatever_bytes_a_serializer_makes(instance: Instance, heads: list[bytes]) -> None:
    chosen = Prefixed(b"")
    async with instance.open(serializer=chosen) as proc:
        for head in heads:
            chosen.head = head
            task_id = await proc.enqueue_task("default", "acme", keep, "a", 1)
            assert await proc.run_until_idle() == 1
            assert recording.received[task_id] == ["a", 1]


async def test_raw_work_for_a_handler_in_a_process_is_never_read_as_a_call(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open(max_attempts=1) as proc:
        await proc.enqueue_raw("default", "acme", "tests.test_serializer.any_process", b'["x",["not this"]]')
        await proc.run_until_idle()
        assert instance.recorded("kept")[0]["text"] == repr(b'["x",["not this"]]')


@task(executor="process")
def any_process(text: Any) -> None:
    """Takes whatever it is given."""
    recording.note("kept", text=repr(text))


# beside others


async def test_workers_of_either_kind_run_what_they_can(instance: Instance) -> None:
    async with instance.open() as plain, instance.open(serializer=Packed()) as packed:
        await plain.enqueue_task("default", "acme", handlers.mark, "json")
        assert await packed.run_until_idle() == 1, "calls in JSON are read by all"
        await packed.enqueue_task("default", "acme", handlers.mark, "msgpack")
        await plain.run_until_idle()
        assert [r["tag"] for r in instance.recorded("ran")] == ["json"]
        assert (await plain.get_queue("default")).delayed == 1, "it is handed back for another worker"
        await packed.enqueue_task("default", "acme", handlers.mark, "wait")
        async with instance.worker(serializer=Packed()):
            await instance.wait_records(3, "ran")
    async with instance.open(unknown_grace=0) as plain, instance.open(serializer=Packed()) as packed:
        await packed.enqueue_task("default", "acme", handlers.mark, "gone")
        await plain.run_until_idle()
        [dead] = await plain.get_dead_tasks()
        assert dead.errors[0].type == "taskproc.errors.SerializerMissing"
        assert "the arguments of tests.handlers.mark are written by a serializer that this process" in dead.errors[0].message


@pytest.mark.parametrize("stored", [b"\xc1", b"\x93\x01\x02\x03", b"\x91\x01", b"\x92\x90\x81\x01\x02", b""])
async def test_what_a_serializer_can_not_read_harms_only_its_task(instance: Instance, stored: bytes) -> None:
    async with instance.open(serializer=Packed()) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "kanarienvogel")
        [*_, name] = filter(lambda key: key.endswith(b":r:default"), instance.keys())
        body = instance.client.lindex(name, -1)
        assert isinstance(body, bytes)
        instance.client.lset(name, -1, body.partition(b"\n")[0] + b"\n" + stored)
        await proc.enqueue_task("default", "acme", handlers.mark, "b")
        await proc.run_until_idle()
        assert [r["tag"] for r in instance.recorded("ran")] == ["b"]
        [dead] = await proc.get_dead_tasks()
        assert dead.errors[0].type == "taskproc.errors.CorruptTask"
        assert "kanarienvogel" not in dead.errors[0].message


@pytest.mark.parametrize("module", [msgpack, json, pickle, orjson])
async def test_modules_will_do(instance: Instance, module: Any) -> None:
    async with instance.open(serializer=module) as proc:
        task_id = await proc.enqueue_task("default", "acme", keep, {"a": [1, None, 2.5]}, "ü")
        info = await proc.get_task(task_id)
        assert info is not None
        assert info.data.startswith(b"$") == (module is not orjson)
        await proc.run_until_idle()
        assert recording.received[task_id] == [{"a": [1, None, 2.5]}, "ü"]


async def test_it_reaches_what_replaces_handlers(instance: Instance) -> None:
    seen: list[tuple[str, bytes]] = []

    async def execute(ctx: TaskContext) -> None:
        seen.append((ctx.name, ctx.data))

    async with instance.open(serializer=msgpack, execute=execute) as proc:
        await proc.enqueue_task("default", "acme", keep, 1)
        await proc.run_until_idle()
    assert seen == [("serializer.keep", b"$serializer.keep\n" + msgpack.packb([[1]]))]


def test_what_is_no_serializer() -> None:
    with pytest.raises(InvalidValue, match="give an object with dumps and loads"):
        TaskProcessor("redis://localhost", serializer=print)  # type: ignore[arg-type]
