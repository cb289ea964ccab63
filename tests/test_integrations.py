"""Containers of others as resolver, and that nobody pays for those that aren't used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import dishka
import pytest
import svcs

from taskproc import TaskContext, inject, method, task
from taskproc.integrations import dishka as by_dishka
from taskproc.integrations import svcs as by_svcs
from tests.harness import Instance
from tests.recording import note

events: list[Any] = []


class Pool:
    """One for all tasks."""


class Session:
    """One for each task."""

    def __init__(self, pool: Pool, task_id: str) -> None:
        self.pool = pool
        self.task_id = task_id


class Missing:
    """What no container knows."""


class Store:
    """A service with a handler."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @task
    async def save(self, tag: str, *, session: Session = inject(), pool: Pool = inject()) -> None:
        """Is given the session that its instance has."""
        note("saved", tag=tag, same=self.session is session and session.pool is pool, task=session.task_id)
        events.append(("saved", session))


@task
async def lack(tag: str, missing: Missing = inject()) -> None:
    """Asks for what no container knows."""
    note("saved", tag=tag)


async def open_session(pool: Pool, ctx: TaskContext) -> AsyncIterator[Session]:
    """A session that is closed with its scope."""
    yield Session(pool, ctx.id)
    events.append(("closed", ctx.id))


def dishka_resolver() -> Any:
    """A container of dishka."""
    provider = dishka.Provider()
    provider.from_context(provides=TaskContext, scope=dishka.Scope.REQUEST)
    provider.provide(Pool, scope=dishka.Scope.APP)
    provider.provide(Store, scope=dishka.Scope.REQUEST)
    provider.provide(open_session, scope=dishka.Scope.REQUEST)
    return by_dishka.resolver(dishka.make_async_container(provider))


def svcs_resolver() -> Any:
    """A registry of svcs."""
    registry = svcs.Registry()
    registry.register_value(Pool, Pool())

    async def session(container: svcs.Container) -> AsyncIterator[Session]:
        ctx = container.get(TaskContext)
        yield Session(container.get(Pool), ctx.id)
        events.append(("closed", ctx.id))

    async def store(container: svcs.Container) -> Store:
        return Store(await container.aget(Session))

    registry.register_factory(Session, session)
    registry.register_factory(Store, store)
    return by_svcs.resolver(registry)


@pytest.mark.row("CT-69", "BR-02")
@pytest.mark.parametrize("make", [dishka_resolver, svcs_resolver])
async def test_each_execution_has_a_scope_of_the_container(instance: Instance, make: Any) -> None:
    events.clear()
    seen: list[tuple[bool, bool]] = []

    async def wrap(ctx: TaskContext, call_next: Any, session: Session = inject()) -> Any:
        result = await call_next(ctx)
        seen.append((session.task_id == ctx.id, ("closed", ctx.id) in events))
        return result

    async def end(ctx: TaskContext) -> None:
        seen.append((True, ("closed", ctx.id) in events))

    async with instance.open(resolver=make(), middleware=[wrap], on_task_end=end, max_attempts=1, max_workers=1) as proc:
        ids = [await proc.enqueue_task("default", "acme", method(Store.save), tag) for tag in "ab"]
        await proc.enqueue_task("default", "acme", lack, "c")
        await proc.run_until_idle()
        saved = instance.recorded("saved")
        assert [(r["same"], r["task"]) for r in saved] == [(True, task_id) for task_id in ids], await proc.get_dead_tasks()
        sessions = [session for event, session in events if event == "saved"]
        assert sessions[0] is not sessions[1]
        assert sessions[0].pool is sessions[1].pool
        assert seen[:4] == [(True, False), (True, True)] * 2
        [dead] = await proc.get_dead_tasks()
        assert "parameter 'missing' needs Missing" in dead.errors[0].message


def test_taskproc_alone_loads_no_container() -> None:
    code = """
import sys, taskproc, taskproc.middleware, taskproc.cli, taskproc.demo.handlers, taskproc.integrations
print(*sorted({m.split('.')[0] for m in sys.modules}))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "taskproc" in loaded
    assert not {"dishka", "svcs", "attrs", "fastapi", "starlette", "msgpack"} & set(loaded)
