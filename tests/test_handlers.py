"""Handlers: what can be one, how its instance is made, and how it is registered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from taskproc import ArgumentError, Batch, HandlerError, TaskContext, method
from tests import forms, handlers, typed
from tests.harness import Instance, refused


@pytest.fixture(autouse=True)
def counted_from_zero() -> None:
    """The instances of a class are counted for each test."""
    forms.Service.made.clear()


@pytest.mark.row("BN-01")
async def test_sync_and_async_functions_run(instance: Instance) -> None:
    async with instance.worker() as proc:
        await proc.enqueue_task("default", "acme", forms.add, 100, 200)
        await proc.enqueue_task("default", "acme", forms.add_thread, 100, b=200)
        sums = await instance.wait_records(2, "sum")
        assert {(r["tag"], r["result"]) for r in sums} == {("async", 300), ("thread", 300)}
        assert forms.add.__name__ == "add"
        assert forms.add_thread.__doc__ == "Adds in a thread."


@pytest.mark.row("CT-62", "BN-22", "PJ-26")
async def test_everything_that_can_be_a_handler(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open(include=[forms]) as proc:
        service = forms.Service("never stored")
        calls: list[Callable[..., Any]] = [
            service.greet,
            service.greet_thread,
            service.greet_process,
            service.plain,
            service.of_class,
            forms.Service.plain,
            forms.Service.of_class,
            method(forms.Service.greet),
            forms._hidden,
            forms.unmarked,
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
        for n, call in enumerate((forms.decorated, forms.decorated_thread)):
            await proc.enqueue_task("default", "acme", call, n, tag="fine")
            with refused(instance, ArgumentError, "argument 'number' of type str: it must be int"):
                await proc.enqueue_task("default", "acme", call, "text")
        for call in (forms.forgotten, forms.forgotten_process):
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
        ids = [await proc.enqueue_task("default", "acme", method(forms.Service.greet), 1)]
        ids.append(await proc.enqueue_task("default", "acme", method(forms.Service.greet_thread), 2))
        ids.append(await proc.enqueue_task("default", "acme", method(forms.Service.greet), 3, broken=True))
        await proc.enqueue_task("default", "acme", forms.Service.plain, 4)
        await proc.enqueue_task("default", "acme", handlers.mark, 5)
        assert await proc.run_until_idle() == 5
        assert sorted(making.asked, key=str) == sorted([(forms.Service, task_id) for task_id in ids], key=str)
        greeted = instance.recorded("greeted")
        assert sorted(r["instance"] for r in greeted if r["tag"] != 4) == [0, 1, 2]
        assert all(r["greeting"] == kind and r["closed"] == 0 for r in greeted if r["tag"] != 4)
        assert [made.closed for made in forms.Service.made] == [int("context" in kind)] * 3
        assert len(await proc.get_dead_tasks()) == 1


async def test_a_resolver_that_fails_fails_the_attempt(instance: Instance) -> None:
    asked = []

    def resolver(cls: type, ctx: TaskContext) -> Any:
        asked.append(ctx.attempt)
        if ctx.attempt < 3:
            raise LookupError("no such service")
        return cls("made")

    async with instance.open(resolver=resolver, backoff=0, max_attempts=3) as proc:
        await proc.enqueue_task("default", "acme", method(forms.Service.greet))
        await proc.run_until_idle()
        assert asked == [1, 2, 3]
        assert [r["greeting"] for r in instance.recorded("greeted")] == ["made"]


# registration


@pytest.mark.parametrize("include", [["no.such.module"], ["tests.no_such_module"]])
async def test_an_included_module_that_is_not_there(instance: Instance, include: list[str]) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        await instance.processor(include=include).open()


async def test_modules_are_included_by_name_or_as_they_are(instance: Instance) -> None:
    for number, include in enumerate((["tests.forms"], [forms], (forms, typed))):
        async with instance.open(include=include) as proc:
            await proc.enqueue_task("default", "acme", forms.unmarked, number)
            assert await proc.run_until_idle() == 1
    assert [r["tag"] for r in instance.recorded("ran")] == [0, 1, 2]


@pytest.mark.row("BN-22")
async def test_what_is_imported_into_an_included_module_is_not_included(instance: Instance) -> None:
    async with instance.open(include=[typed], unknown_grace=0) as proc:
        with pytest.raises(HandlerError, match="unmarked"):
            await proc.enqueue_task("default", "acme", forms.unmarked)
        await proc.enqueue_raw("default", "acme", "tests.forms.unmarked", b"")
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
    command = [sys.executable, str(script), instance.server.app_url, instance.name]
    process = await asyncio.create_subprocess_exec(*command, cwd=os.getcwd())
    assert await process.wait() == 0
    async with instance.open() as proc:
        assert [info.name for info in await proc.get_tasks_in_queue("default")] == ["my_app.greet"]
