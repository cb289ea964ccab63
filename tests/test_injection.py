"""Injected parameters: left out when a task is enqueued, given when it runs, closed before its end is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskproc import ArgumentError, Batch, ServiceMissing, TaskContext, method
from tests import services
from tests.harness import Instance, refused, until
from tests.services import Mailer, Shop, events


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    """Nothing is made or has happened."""
    Mailer.made.clear()
    Shop.made.clear()
    events.clear()


@pytest.mark.row("PJ-02", "PJ-03", "PJ-01")
async def test_services_are_left_out_at_enqueue_and_given_at_run(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(services.send, "a")
            batch.enqueue(services.send, "b", subject="news")
            batch.enqueue(services.send_thread, "c", subject="news")
            batch.enqueue(services.send_raw, b"d")
            batch.enqueue(services.send_others, "e", 1, 2, x=3)
            batch.enqueue(Shop().order, "f")
            batch.enqueue(method(Shop.order_thread), "g")
            batch.enqueue(Shop.ping, "h")
            batch.enqueue(Shop.about, "i")
            batch.continue_with(services.send, "j")

        await proc.enqueue_batch("default", "acme", build)
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(services.send, [("k",), ("l", "news")])
        stored = b"".join(info.data for info in await proc.get_tasks_in_queue("default"))
        assert b"mailer" not in stored.lower()
        assert await proc.run_until_idle() == 12
        sent = {r["tag"]: r for r in instance.recorded("sent")}
        assert sorted(sent) == list("abcdefghijkl"), [d.errors for d in await proc.get_dead_tasks()]
        assert {r["mailer"] for r in sent.values()} == set(range(12)), "each execution has a service of its own"
        assert [sent[tag]["subject"] for tag in "abckl"] == ["hi", "news", "news", "hi", "news"]
        assert sent["c"]["thread"]
        assert (sent["e"]["rest"], sent["e"]["others"]) == ([1, 2], {"x": 3})
        assert [sent[tag]["kind"] for tag in "fgi"] == ["Shop"] * 3


@pytest.mark.row("PJ-02", "PJ-03")
async def test_passing_a_service_at_enqueue_is_refused(instance: Instance) -> None:
    async with instance.open() as proc:
        told = "parameter 'mailer' is injected when the task runs; leave it out"
        for call in (services.send, services.send_thread, services.send_others, Shop().order, Shop.ping, Shop.about):
            with refused(instance, ArgumentError, told):
                await proc.enqueue_task("default", "acme", call, "a", mailer=Mailer())
            with pytest.raises(TypeError):
                await proc.enqueue_task("default", "acme", call, "a", mailer=None)
        with refused(instance, ArgumentError, r"too many positional arguments \(mailer: injected when the task runs\)"):
            await proc.enqueue_task("default", "acme", services.send, "a", "hi", Mailer())
        with refused(instance, ArgumentError, "missing a required argument: 'to'"):
            await proc.enqueue_task("default", "acme", services.send)


async def test_a_stored_call_that_passes_a_service_does_not_run(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", services.send, "a")
        [*_, name] = filter(lambda key: key.endswith(b":r:default"), instance.keys())
        body = instance.client.lindex(name, -1)
        assert isinstance(body, bytes)
        instance.client.lset(name, -1, body.replace(b'["a"]', b'["a"],{"mailer":"x"}'))
        await proc.run_until_idle()
        [dead] = await proc.get_dead_tasks()
        assert "parameter 'mailer' is injected" in dead.errors[0].message


@pytest.mark.row("BR-02", "CT-69", "BN-24")
@pytest.mark.parametrize("fails", [False, True])
async def test_one_scope_for_each_execution_closed_before_its_end_is_recorded(instance: Instance, fails: bool) -> None:
    seen: list[tuple[str, int]] = []

    async def ended(ctx: TaskContext) -> None:
        info = await ctx.batch()
        assert info is not None
        seen.append((ctx.id, len([e for e in events if e[0] == "close" and e[2] == ctx.id])))

    async def wrap(ctx: TaskContext, call_next: Callable[[TaskContext], Any]) -> Any:
        mailer = await ctx.get(Mailer)
        assert mailer is await ctx.get(Mailer)
        result = await call_next(ctx)
        if fails:
            raise ValueError("after all")
        return result

    async with instance.open(
        resolver=services.opened, middleware=[wrap], on_task_end=ended, max_attempts=1, max_workers=1
    ) as proc:
        ids: list[str] = []

        def build(batch: Batch) -> None:
            ids.extend(batch.enqueue(method(Shop.order), tag) for tag in "ab")
            ids.append(batch.enqueue(services.send_twice, "c"))

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.done, info.failed) == ((0, 3) if fails else (3, 0))
        asked = [(e[1], e[2]) for e in events if e[0] == "open"]
        assert asked == [("Mailer", ids[0]), ("Shop", ids[0]), ("Mailer", ids[1]), ("Shop", ids[1]), ("Mailer", ids[2])]
        error = "ValueError" if fails else None
        order = [e[1:] for e in events if e[0] == "close"]
        assert order[:2] == [("Shop", ids[0], error), ("Mailer", ids[0], error)]
        assert len(order) == len(asked)
        assert seen == [(ids[0], 2), (ids[1], 2), (ids[2], 1)]
        assert instance.recorded("sent", tag="c")[0]["same"]


@pytest.mark.row("CT-65")
async def test_context_and_processor_are_given_like_services(instance: Instance) -> None:
    async with instance.open(resolver=services.opened) as proc:
        task_id = await proc.enqueue_task("default", "acme", services.know, "a")
        info = await proc.get_task(task_id)
        assert info is not None
        assert info.data == b'["tests.services.know",["a"]]'
        await proc.run_until_idle()
        [knows] = instance.recorded("knows")
        assert (knows["own"], knows["processor"], knows["cancelled"]) == (True, True, False)
        assert events == []


# what can't be had


def nothing(cls: type, ctx: TaskContext) -> Any:
    """A resolver that knows only mailers."""
    return Mailer() if cls is Mailer else None


def unknown(cls: type, ctx: TaskContext) -> Any:
    """The same, which says so."""
    return {Mailer: Mailer()}[cls]


@pytest.mark.row("PJ-02")
@pytest.mark.parametrize("resolver", [None, nothing, unknown])
async def test_a_missing_service_fails_its_task_and_no_other(instance: Instance, resolver: Any) -> None:
    async with instance.open(resolver=resolver, max_attempts=2, backoff=0) as proc:
        await proc.enqueue_task("default", "acme", services.need, "a")
        await proc.enqueue_task("default", "acme", services.send, "b")
        await proc.run_until_idle()
        assert [r["tag"] for r in instance.recorded("sent")] == ["b"]
        [dead] = await proc.get_dead_tasks()
        assert len(dead.errors) == 2
        assert dead.errors[0].type == "taskproc.errors.ServiceMissing"
        assert "tests.services.need: parameter 'needy' needs Needy" in dead.errors[0].message
        assert issubclass(ServiceMissing, LookupError)


async def test_a_missing_instance_names_its_class(instance: Instance) -> None:
    async with instance.open(resolver=nothing, max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", method(Shop.order), "a")
        await proc.run_until_idle()
        [dead] = await proc.get_dead_tasks()
        assert "tests.services.Shop.order: it needs an instance of Shop: Shop can't be had" in dead.errors[0].message


async def test_what_a_resolver_raises_keeps_its_type_and_says_what_it_was_for(instance: Instance) -> None:
    def resolver(cls: type, ctx: TaskContext) -> Any:
        raise ConnectionError("no database")

    async with instance.open(resolver=resolver, max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", services.send, "a")
        await proc.run_until_idle()
        [dead] = await proc.get_dead_tasks()
        assert (dead.errors[0].type, dead.errors[0].message) == ("ConnectionError", "no database")
        assert "tests.services.send: parameter 'mailer' needs Mailer" in dead.errors[0].traceback


async def test_without_a_resolver_classes_are_constructed_with_their_parts(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        await proc.enqueue_task("default", "acme", services.need_built, "a")
        await proc.enqueue_task("default", "acme", services.need_protocol, "b")
        await proc.run_until_idle()
        assert [(r["tag"], r["mailer"]) for r in instance.recorded("sent")] == [("a", 0)]
        [dead] = await proc.get_dead_tasks()
        assert "Sends can't be had: no resolver is given, and it is abstract" in dead.errors[0].message


async def test_a_protocol_is_given_what_the_resolver_knows_for_it(instance: Instance) -> None:
    async with instance.open(resolver=lambda cls, ctx: Mailer()) as proc:
        await proc.enqueue_task("default", "acme", services.need_protocol, "a")
        await proc.run_until_idle()
        assert [r["mailer"] for r in instance.recorded("sent")] == [0]


# time


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services have a fifth of a second to close once their task is told to stop."""
    monkeypatch.setattr("taskproc.worker.closing.CLOSE_SECONDS", 0.2)


@pytest.mark.usefixtures("within")
@pytest.mark.parametrize("handler", [services.hold, services.hold_on, services.hold_in_thread])
async def test_a_service_that_does_not_close_holds_no_slot_for_ever(
    instance: Instance, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    async with instance.worker(max_workers=1) as proc:
        task_id = await proc.enqueue_task("default", "acme", handler, "a")
        dead = await until(lambda: proc.get_dead_tasks())
        assert dead[0].errors[0].type == "taskproc.errors.TaskTimeout"
        await proc.enqueue_task("default", "acme", services.send, "b")
        await instance.wait_records(1, "sent", tag="b")
    assert f"task {task_id}: its services did not close within 0.2 s" in caplog.text
