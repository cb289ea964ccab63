"""What can't be injected, and methods that no worker would find: refused when they are marked, enqueued, or at the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from taskproc import HandlerError, inject, task
from tests import services
from tests.harness import Instance, refused
from tests.services import Bakery, Mailer, Shop


def no_default(a: int, mailer: Mailer = inject(), b: int = 1) -> None:
    """Wrong: in the middle."""


def before_rest(a: int, mailer: Mailer = inject(), *rest: int) -> None:
    """Wrong: it would swallow what comes after."""


def positional_only(a: int, mailer: Mailer = inject(), /) -> None:
    """Wrong: it can't be given by its name."""


def without_type(a: int, mailer=inject()) -> None:  # type: ignore[no-untyped-def]
    """Wrong: nobody knows what it wants."""


def raw_without_data(mailer: Mailer = inject()) -> None:
    """Wrong for raw work."""


def raw_with_two(a: bytes, b: bytes) -> None:
    """The same."""


def fine(a: int, mailer: Mailer = inject()) -> None:
    """Right, but not in a process."""


@pytest.mark.row("PJ-26", "BR-04")
@pytest.mark.parametrize(
    ("function", "options", "told"),
    [
        (no_default, {}, "parameter 'mailer' is injected and stands before 'b': put it last, or after a *"),
        (before_rest, {}, "parameter 'mailer' is injected and stands before 'rest'"),
        (positional_only, {}, "parameter 'mailer' is injected by its name and can't be positional only"),
        (without_type, {}, "parameter 'mailer' is injected and has no type"),
        (fine, {"executor": "process"}, "executor='process': nothing can be injected there: mailer"),
        (raw_without_data, {"raw": True}, "it must take one argument, the bytes, and not ()"),
        (raw_with_two, {"raw": True}, "it must take one argument, the bytes, and not (a:"),
        (Shop, {}, "Shop"),
        (5, {}, "5 is not a function or a method"),
    ],
)
def test_what_can_not_be_injected_is_refused_when_it_is_marked(function: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(HandlerError, match=re.escape(told)):
        task(**options)(function)
    assert not hasattr(function, "__taskproc__")


def test_only_classes_and_functions_can_be_injected() -> None:
    with pytest.raises(HandlerError, match=re.escape("inject('mailer'): give a class, or a function")):
        inject("mailer")  # type: ignore[arg-type]


def circle_a(b: int = inject(lambda: 1)) -> int:
    """Needs itself in the end."""
    return b


def needs_more(host: str) -> str:
    """A provider with a parameter that nobody gives."""
    return host


async def test_what_no_worker_could_run_is_told_when_it_starts(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(services.send.__annotations__, "mailer", "Unknown")
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", services.send, "a")  # who enqueues needs no services
        with pytest.raises(HandlerError, match="parameter 'mailer' is injected, and its type is not known when the program"):
            await proc.run_until_idle()
        monkeypatch.undo()
    async with instance.open() as proc:
        assert await proc.run_until_idle() == 1


@pytest.mark.parametrize(
    ("wanted", "told"),
    [(needs_more, "provider needs_more: parameter 'host' has no default; mark it with inject()"), (circle_a, "in a circle")],
)
async def test_providers_that_can_not_be_called_are_told_when_a_worker_starts(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, wanted: Callable[..., Any], told: str
) -> None:
    monkeypatch.setattr(circle_a, "__defaults__", (inject(circle_a),))
    monkeypatch.setattr(services.commit, "__defaults__", (inject(wanted),))
    async with instance.open() as proc:
        with pytest.raises(HandlerError, match=told):
            await proc.run_until_idle()
        with pytest.raises(HandlerError, match=told):
            await proc.run()


@pytest.mark.row("BN-22", "CT-62")
async def test_a_method_runs_on_the_class_that_it_was_asked_of(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as proc:
        for kind in (Shop, Bakery):
            made = kind()
            for number, call in enumerate(
                (made.order, made.order_thread, made.about, made.order_process, made.about_process)
            ):
                await proc.enqueue_task("default", "acme", call, f"{kind.__name__} {number}")
        names = {info.name for info in await proc.get_tasks_in_queue("default")}
        assert {"tests.services.Shop.order", "tests.services.Bakery.order", "tests.services.Bakery.about"} <= names
        assert await proc.run_until_idle() == 10
        sent = {r["tag"]: r["kind"] for r in instance.recorded("sent")}
        assert len(sent) == 10, [d.errors for d in await proc.get_dead_tasks()]
        assert all(tag.split()[0] == kind for tag, kind in sent.items())


async def test_a_local_class_and_a_shared_name_are_refused(instance: Instance) -> None:
    class Local(Shop):
        """No worker would find it."""

    async with instance.open() as proc:
        with refused(instance, HandlerError, "Local is a local class: define it at the top of a module"):
            await proc.enqueue_task("default", "acme", Local().order, "a")
        with refused(instance, HandlerError, "Named.work is inherited, and its name 'shared' says nothing of the class"):
            await proc.enqueue_task("default", "acme", Named().work)


class Base:
    """Has a handler with a name of its own."""

    @task(name="shared")
    async def work(self) -> None:
        """Whose?"""


class Named(Base):
    """Has inherited it."""
