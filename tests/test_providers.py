"""Providers, as FastAPI has them: functions and generators that give what is injected, and go on when the task has ended."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import fastapi
import pytest

from taskproc import Depends, TaskContext, TaskprocError, current_task, inject, task
from tests import services
from tests.harness import Instance, until
from tests.recording import note
from tests.services import events


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    """Nothing has happened."""
    events.clear()


@pytest.mark.row("PJ-02")
async def test_providers_of_every_kind_are_called_once_and_closed_in_reverse(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", services.query, "a")
        await proc.run_until_idle()
        [queried] = instance.recorded("queried")
        assert queried["session"] == f"session of {task_id}"
        assert queried["cursor"] == f"cursor of session of {task_id}"
        assert queried["size"] == 50
        assert events == [
            ("open", task_id), ("cursor", False), "settings", "handler", ("cursor closed", False), ("closed", task_id)
        ]  # fmt: skip


@pytest.mark.parametrize("how", ["done", "failed", "timeout", "cancelled"])
async def test_what_was_opened_is_closed_however_the_task_ends(instance: Instance, how: str) -> None:
    closed: list[bool] = []

    async def ended(ctx: TaskContext) -> None:
        closed.append(("closed", ctx.id) in events)

    async with instance.worker(max_attempts=1, on_task_end=ended) as proc:
        arguments = {"done": (0,), "failed": (0, "broken"), "timeout": (60,), "cancelled": (60,)}[how]
        batch_id = await proc.enqueue_batch(
            "default", "acme", lambda batch: batch.enqueue(services.query_slowly, *arguments)
        )
        if how == "cancelled":
            await until(lambda: "handler" in events)
            assert await proc.cancel_batch(batch_id)
        info = await proc.wait_batch(batch_id, 10)
        await until(lambda: closed)
        assert (info.done, info.failed, info.cancelled) == {
            "done": (1, 0, 0), "failed": (0, 1, 0), "timeout": (0, 1, 0), "cancelled": (0, 0, 1)
        }[how]  # fmt: skip
        told = {"failed": [("failed", "ValueError")], "done": []}.get(how, [("failed", "CancelledError")])
        assert [e for e in events if e[0] == "failed"] == told
        assert closed == [True]


async def test_a_service_of_a_handler_in_a_thread_is_open_until_it_returns(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        task_id = await proc.enqueue_task("default", "acme", services.query_in_thread, 0.6)
        await proc.run_until_idle()
        assert events == [("open", task_id), "handler", ("closed", task_id)]
        [dead] = await proc.get_dead_tasks()
        assert dead.errors[0].type == "taskproc.errors.TaskTimeout"


async def test_what_fails_as_it_closes_fails_the_attempt(instance: Instance) -> None:
    async with instance.open(max_attempts=2, backoff=0) as proc:
        await proc.enqueue_task("default", "acme", services.commit, "a")
        await proc.run_until_idle()
        assert len(instance.recorded("sent")) == 2
        [dead] = await proc.get_dead_tasks()
        assert [e.message for e in dead.errors] == ["the commit failed"] * 2


async def test_a_type_that_only_a_checker_knows_may_have_a_provider(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", services.typed_elsewhere, "a")
        await proc.run_until_idle()
        assert instance.recorded("sent")[0]["size"] == "50"


async def open_slowly() -> Any:
    """Takes a moment."""
    await asyncio.sleep(0.01)
    events.append("made")
    return object()


async def needs_itself() -> Any:
    """Asks for itself on its way."""
    return await current_task().get(needs_itself)


@task
async def ask_at_once(tag: str) -> None:
    """Asks for the same thing several times at once."""
    ctx = current_task()
    found = await asyncio.gather(*(ctx.get(open_slowly) for _ in range(5)))
    note("asked", tag=tag, same=len(set(found)) == 1)
    try:
        await ctx.get(needs_itself)
    except ValueError as error:
        note("circle", told=str(error))


@task
def ask_from_thread(tag: str) -> None:
    """The same calls in a thread."""
    ctx = current_task()
    cursor = ctx.sync.get(services.open_cursor)
    note("asked", tag=tag, same=cursor == ctx.sync.get(services.open_cursor), app=ctx.app)


async def test_handlers_may_ask_on_their_way(instance: Instance) -> None:
    ended: list[TaskContext] = []

    async def end(ctx: TaskContext) -> None:
        ended.append(ctx)
        with pytest.raises(TaskprocError, match="has ended, and its services are closed"):
            await ctx.get(open_slowly)

    async with instance.open(on_task_end=end, max_workers=2) as proc:
        await proc.enqueue_task("default", "acme", ask_at_once, "a")
        ids = [await proc.enqueue_task("default", "acme", ask_from_thread, f"b{n}") for n in range(4)]
        await proc.run_until_idle()
        assert all(r["same"] for r in instance.recorded("asked")), await proc.get_dead_tasks()
        assert len(instance.recorded("asked")) == 5
        assert events.count("made") == 1
        assert [("closed", task_id) in events for task_id in ids] == [True] * 4
        assert instance.recorded("circle")[0]["told"] == "needs_itself needs needs_itself: in a circle"
        assert len(ended) == 5


# FastAPI's own marks


async def of_fastapi(size: Annotated[int, fastapi.Depends(services.page)]) -> int:
    """A provider that is written for FastAPI."""
    return size + 1


@task
async def written_for_fastapi(
    tag: str,
    *,
    size: Annotated[int, fastapi.Depends(of_fastapi)],
    same: int = fastapi.Depends(of_fastapi),
    own: Annotated[int, inject(services.page)] = Depends(),
) -> None:
    """A handler with FastAPI's marks."""
    note("sized", tag=tag, sizes=[size, same, own])


async def test_marks_of_fastapi_are_understood(instance: Instance) -> None:
    async with instance.open() as proc:
        task_id = await proc.enqueue_task("default", "acme", written_for_fastapi, "a")  # type: ignore[call-arg]
        info = await proc.get_task(task_id)
        assert info is not None
        assert info.data.endswith(b'["a"]]')
        await proc.run_until_idle()
        assert [r["sizes"] for r in instance.recorded("sized")] == [[51, 51, 50]]
    assert "fastapi.params" in sys.modules
