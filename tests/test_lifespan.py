"""The lifespan: what a worker sets up for all its tasks, before it claims the first and after the last has settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from taskproc import InvalidValue, TaskContext, TaskProcessor, current_task, task
from tests import handlers
from tests.harness import Instance, until
from tests.recording import note

trail: list[Any] = []


class App:
    """What the tasks share."""

    def __init__(self, processor: TaskProcessor) -> None:
        self.processor = processor
        self.seen: list[int] = []


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    """Nothing has happened."""
    trail.clear()


@asynccontextmanager
async def lifespan(processor: TaskProcessor) -> AsyncIterator[App]:
    """Leaves a trail."""
    trail.append(("enter", len(await processor.get_workers()), (await processor.get_queue("default")).running))
    yield App(processor)
    info = await processor.get_queue("default")
    trail.append(("leave", len(await processor.get_workers()), info.running))


@task
async def use_app(tag: str) -> None:
    """Uses what its worker has set up, and its queue."""
    app: App = current_task().app
    app.seen.append(id(app))
    note("ran", tag=tag, app=id(app))
    if tag == "first":
        await app.processor.enqueue_task("default", "acme", use_app_thread, "child")


@task
def use_app_thread(tag: str) -> None:
    """The same in a thread."""
    note("ran", tag=tag, app=id(current_task().app))


@task(executor="process")
def without_app() -> None:
    """A handler in a process has none."""
    note("ran", tag="process", app=current_task().app)


@pytest.mark.row("BE-34")
async def test_all_tasks_of_a_worker_see_the_same_object(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    async with instance.open() as producer:
        await producer.enqueue_task("default", "acme", use_app, "first")
        await producer.enqueue_task("default", "acme", use_app, "second")
        await producer.enqueue_task("default", "acme", without_app)
        async with instance.worker(lifespan=lifespan) as proc:
            ran = {r["tag"]: r["app"] for r in await instance.wait_records(4, "ran")}
            assert trail == [("enter", 0, 0)], "it is entered before anything is claimed, once"
            await proc.enqueue_task("default", "acme", handlers.nap, 0.3)
            await instance.wait_records(1, "start")
        assert len(instance.recorded("end")) == 1
        assert trail == [("enter", 0, 0), ("leave", 0, 0)], "it is left when all has settled"
    assert ran.pop("process") is None
    assert len(set(ran.values())) == 1
    assert set(ran) == {"first", "second", "child"}


async def test_hooks_middleware_and_execute_see_it_too(instance: Instance) -> None:
    seen: list[Any] = []

    async def hook(ctx: TaskContext) -> None:
        seen.append(ctx.app)

    async def wrap(ctx: TaskContext, call_next: Any) -> Any:
        seen.append(ctx.app)
        return await call_next(ctx)

    async with instance.open(
        lifespan=lifespan, on_task_start=hook, on_task_end=hook, middleware=[wrap], execute=hook
    ) as proc:
        await proc.enqueue_raw("default", "acme", "any", b"")
        assert await proc.run_until_idle() == 1
        assert await proc.run_until_idle() == 0
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert isinstance(seen[0], App)
    assert [event for event, *_ in trail] == ["enter", "leave"] * 2


async def test_an_error_at_entry_fails_the_start_and_claims_nothing(instance: Instance) -> None:
    @asynccontextmanager
    async def broken(processor: TaskProcessor) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    async with instance.open(lifespan=broken) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "a")
        for run in (proc.run, proc.run_until_idle):
            with pytest.raises(ConnectionError, match="no database") as caught:
                await run()
            assert caught.value.__notes__ == ["the lifespan failed, so the worker does not start"]
            assert not proc.is_running
        assert await proc.get_workers() == []
        assert (await proc.get_queue("default")).ready == 1
    async with instance.open() as proc:
        await proc.run_until_idle()


async def test_what_is_no_context_manager_is_told(instance: Instance) -> None:
    async def plain(processor: TaskProcessor) -> AsyncIterator[None]:
        yield

    async with instance.open(lifespan=plain) as proc:
        with pytest.raises(InvalidValue, match="lifespan gave a async_generator: decorate it with"):
            await proc.run()
    with pytest.raises(InvalidValue, match="lifespan=5: give a function"):
        TaskProcessor("redis://localhost", lifespan=5)  # type: ignore[arg-type]


async def test_a_stop_while_it_is_entered_is_a_stop(instance: Instance) -> None:
    entering = asyncio.Event()

    @asynccontextmanager
    async def slow(processor: TaskProcessor) -> AsyncIterator[None]:
        try:
            entering.set()
            await asyncio.sleep(60)
            yield
        finally:
            trail.append("given up")

    async with instance.open(lifespan=slow) as proc:
        running = asyncio.create_task(proc.run())
        await entering.wait()
        await asyncio.wait_for(proc.stop(), 4)  # it isn't waited for as one that is left is
        await running
        assert await proc.get_workers() == []
    assert trail == ["given up"]


async def test_what_it_enters_is_left_where_it_was_entered_even_when_the_run_is_cancelled(instance: Instance) -> None:
    @asynccontextmanager
    async def grouped(processor: TaskProcessor) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(asyncio.sleep, 60)
            yield
            group.cancel_scope.cancel()
        trail.append("left")

    async with instance.open(lifespan=grouped) as proc:
        running = asyncio.create_task(proc.run())
        await until(proc.get_workers)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert trail == ["left"]


async def test_one_that_ends_in_mid_run_ends_the_worker(instance: Instance) -> None:
    fall = asyncio.Event()

    async def falls() -> None:
        await fall.wait()
        raise ConnectionError("the pool is gone")

    @asynccontextmanager
    async def grouped(processor: TaskProcessor) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(falls())
            yield

    async with instance.open(lifespan=grouped) as proc:
        running = asyncio.create_task(proc.run())
        await proc.enqueue_task("default", "acme", handlers.nap, 60)
        await instance.wait_records(1, "start")
        fall.set()
        with pytest.raises(ConnectionError, match="the pool is gone"):
            await asyncio.wait_for(running, 10)
        assert (await proc.get_queue("default")).ready == 1, "what ran is handed back"


async def test_an_error_or_a_hang_at_its_end(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskproc.worker.FLUSH_SECONDS", 0.2)

    @asynccontextmanager
    async def broken(processor: TaskProcessor) -> AsyncIterator[None]:
        yield
        raise ConnectionError("it would not close")

    @asynccontextmanager
    async def hangs(processor: TaskProcessor) -> AsyncIterator[None]:
        yield
        try:
            await asyncio.sleep(60)
        finally:
            trail.append("cancelled")

    async with instance.open(lifespan=broken) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark)
        with pytest.raises(ConnectionError, match="it would not close"):
            await proc.run_until_idle()
        assert len(instance.recorded("ran")) == 1
        assert await proc.get_workers() == []
        assert not proc.is_running
    async with instance.open(lifespan=hangs, shutdown_grace=0.2) as proc:
        assert await proc.run_until_idle() == 0
    assert trail == ["cancelled"]
