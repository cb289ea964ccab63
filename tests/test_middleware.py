"""Middleware: what goes around each execution."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from taskproc import Bury, CallNext, Cancel, InvalidValue, Retry, Snooze, TaskContext, TaskProcessor, inject, method, task
from taskproc.outcome import Done
from tests import handlers, services
from tests.harness import Instance, until
from tests.recording import note
from tests.services import Mailer

trail: list[str] = []


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    """Nothing has happened."""
    trail.clear()
    Mailer.made.clear()
    services.events.clear()


@task
async def give(value: object) -> object:
    """Returns what it is given."""
    trail.append("body")
    return value


@task
def give_thread(value: object) -> object:
    """The same in a thread."""
    trail.append("body")
    return value


def around(name: str) -> Callable[[TaskContext, CallNext], Any]:
    """Middleware that leaves a trail."""

    async def wrap(ctx: TaskContext, call_next: CallNext) -> Any:
        trail.append(f"{name}1")
        try:
            return await call_next(ctx)
        finally:
            trail.append(f"{name}2")

    return wrap


class Results:
    """What executions came to."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    async def end(self, ctx: TaskContext) -> None:
        """The hook that sees them."""
        self.all.append(ctx.outcome.result if isinstance(ctx.outcome, Done) else ctx.outcome)


@pytest.mark.row("BR-10")
@pytest.mark.parametrize("handler", [give, give_thread])
async def test_the_first_is_outermost_and_sees_the_task(instance: Instance, handler: Any) -> None:
    results, seen = Results(), []

    async def look(ctx: TaskContext, call_next: CallNext) -> Any:
        found = await call_next(ctx)
        seen.append((ctx.name, ctx.tenant, ctx.attempt, found))
        return [found, "changed"]

    async with instance.open(middleware=[around("a"), around("b"), look], on_task_end=results.end) as proc:
        await proc.enqueue_task("default", "acme", handler, 7)
        await proc.run_until_idle()
    assert trail == ["a1", "b1", "body", "b2", "a2"]
    assert seen == [(f"tests.test_middleware.{handler.__name__}", "acme", 1, 7)]
    assert results.all == [[7, "changed"]]


@pytest.mark.row("BR-10")
async def test_one_that_does_not_go_on_is_the_result(instance: Instance) -> None:
    results = Results()

    async def short(ctx: TaskContext, call_next: CallNext) -> Any:
        return "from the cache"

    async with instance.open(middleware=[around("a"), short, around("b")], on_task_end=results.end) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(give, 1))
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.done == 1
    assert (trail, results.all) == (["a1", "a2"], ["from the cache"])


@pytest.mark.row("BR-10")
async def test_one_may_handle_an_exception_or_raise_one(instance: Instance) -> None:
    results = Results()

    async def forgive(ctx: TaskContext, call_next: CallNext) -> Any:
        try:
            return await call_next(ctx)
        except ValueError as error:
            return f"forgiven: {error}"

    async def refuse(ctx: TaskContext, call_next: CallNext) -> Any:
        if ctx.tenant == "bad":
            raise PermissionError("not for you")
        return await call_next(ctx)

    async with instance.open(middleware=[forgive, refuse], on_task_end=results.end, max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", handlers.fail, "broken")
        await proc.enqueue_task("default", "bad", give, 1)
        await proc.run_until_idle()
        [dead] = await proc.get_dead_tasks()
        assert (dead.tenant, dead.errors[0].type, dead.errors[0].message) == ("bad", "PermissionError", "not for you")
    assert results.all[0] == "forgiven: broken"
    assert trail == []


@pytest.mark.row("BR-11")
@pytest.mark.parametrize("flag", [False, True])
async def test_one_may_be_there_under_a_condition(instance: Instance, flag: bool) -> None:
    async with instance.open(middleware=[around("a"), *([around("b")] if flag else [])]) as proc:
        await proc.enqueue_task("default", "acme", give, 1)
        await proc.run_until_idle()
    assert ("b1" in trail) == flag
    assert "a1" in trail


@pytest.mark.row("BR-12")
async def test_it_is_given_the_services_that_the_handler_is_given(instance: Instance) -> None:
    given: list[Mailer] = []

    async def wrap(ctx: TaskContext, call_next: CallNext, mailer: Mailer = inject()) -> Any:
        given.append(mailer)
        assert await ctx.get(Mailer) is mailer
        return await call_next(ctx)

    class Wrap:
        """Middleware that is no function."""

        async def __call__(self, ctx: TaskContext, call_next: CallNext, *, mailer: Mailer = inject()) -> Any:
            given.append(mailer)
            return await call_next(ctx)

    async with instance.open(middleware=[wrap, Wrap()], resolver=services.opened, max_workers=1) as proc:
        for tag in "ab":
            await proc.enqueue_task("default", "acme", services.send, tag)
        await proc.enqueue_task("default", "acme", method(services.Shop.order), "c")
        await proc.run_until_idle()
        assert [r["mailer"] for r in instance.recorded("sent")] == [0, 1, 2]
    assert given == [made for made in Mailer.made for _ in range(2)]


@task
async def raise_(what: str) -> None:
    """Raises a signal at first."""
    note("ran")


SIGNALS = {"retry": Retry(0), "snooze": Snooze(0), "bury": Bury("for good"), "cancel": Cancel("enough")}


@pytest.mark.parametrize("kind", SIGNALS)
async def test_signals_of_middleware_are_those_of_a_handler(instance: Instance, kind: str) -> None:
    async def wrap(ctx: TaskContext, call_next: CallNext) -> Any:
        if ctx.delivery == 1:
            raise SIGNALS[kind]
        return await call_next(ctx)

    async with instance.open(middleware=[wrap], max_attempts=2) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(raise_, kind))
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.done, info.failed, info.cancelled) == {
            "retry": (1, 0, 0), "snooze": (1, 0, 0), "bury": (0, 1, 0), "cancel": (0, 0, 1)
        }[kind]  # fmt: skip
        assert [r["attempt"] for r in instance.recorded("ran")] == {"retry": [2], "snooze": [1]}.get(kind, [])


async def test_signals_of_a_handler_pass_through(instance: Instance) -> None:
    async with instance.open(middleware=[around("a")]) as proc:
        for kind in ("retry", "snooze", "bury", "cancel"):
            await proc.enqueue_task("default", "acme", handlers.signal, kind)
        await proc.run_until_idle()
        assert len(instance.recorded("end")) == 2
        tenant = await proc.get_tenant("acme")
        assert tenant is not None
        assert (tenant.done, tenant.failed, tenant.cancelled) == (2, 1, 1)


@task(timeout=0.2)
async def sleep_long(tag: str) -> None:
    """Is stopped by its limit."""
    trail.append("body")
    await asyncio.sleep(60)


@task(timeout=0.2)
def never(tag: str) -> None:
    """Isn't reached: middleware before it takes too long."""
    trail.append("body")


@pytest.mark.parametrize("handler", [sleep_long, never])
@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_cancel_and_time_limit_reach_through(instance: Instance, handler: Any, how: str) -> None:
    async def wait(ctx: TaskContext, call_next: CallNext) -> Any:
        try:
            trail.append("waits")
            if handler is never:
                await asyncio.sleep(60)
            return await call_next(ctx)
        except asyncio.CancelledError:
            trail.append(str(ctx.stop_reason))
            raise

    async with instance.worker(middleware=[around("a"), wait], max_attempts=1) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handler, "a"))
        if how == "cancel":
            await until(lambda: "waits" in trail)
            assert await proc.cancel_batch(batch_id)
        info = await proc.wait_batch(batch_id, 10)
        assert (info.failed, info.cancelled) == ((1, 0) if how == "timeout" else (0, 1))
        await until(lambda: trail[-1] == "a2")
    middle = [] if handler is never else ["body"]
    reason = {"timeout": "timeout", "cancel": "cancelled"}[how]
    assert trail == ["a1", "waits", *middle, reason, "a2"]


async def test_it_goes_around_what_replaces_handlers(instance: Instance) -> None:
    results = Results()

    async def execute(ctx: TaskContext) -> object:
        trail.append("execute")
        mailer = await ctx.get(Mailer)
        return [ctx.name, ctx.data.decode(), mailer.number]

    async with instance.open(middleware=[around("a")], execute=execute, on_task_end=results.end) as proc:
        await proc.enqueue_task("default", "acme", give, 1)
        await proc.enqueue_raw("default", "acme", "any.name", b"\x00!")
        await proc.run_until_idle()
    assert trail == ["a1", "execute", "a2"] * 2
    assert results.all == [["tests.test_middleware.give", '["tests.test_middleware.give",[1]]', 0], ["any.name", "\x00!", 1]]


async def test_one_that_is_not_async_says_so(instance: Instance) -> None:
    def plain(ctx: TaskContext, call_next: CallNext) -> Any:
        return 5

    async with instance.open(middleware=[plain], max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", give, 1)
        await proc.run_until_idle()
        [dead] = await proc.get_dead_tasks()
        assert "plain returned a int: middleware must be async" in dead.errors[0].message


@pytest.mark.parametrize(
    ("given", "told"), [("log", "middleware='log': give a list"), ([5], "middleware: 5 is not a function")]
)
def test_what_is_no_middleware(given: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        TaskProcessor("redis://localhost", middleware=given)
