"""What is no handler, and options that make no sense for one: refused when it is marked or enqueued."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from taskproc import HandlerError, InvalidValue, task
from tests import forms, handlers
from tests.harness import Instance, refused


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
    before = forms._hidden
    task(forms._hidden)
    assert forms._hidden is before


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
