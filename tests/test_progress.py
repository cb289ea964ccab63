"""Progress: told by a running task, shown while it runs, stored seldom, ended with the attempt."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from taskproc import InvalidValue, Progress, TaskProcessor, TaskState, current_task
from taskproc.model import progress_of
from taskproc.store.records import read_progress
from tests import keeping
from tests.direct import Direct
from tests.harness import FAR, Instance, until

pytestmark = pytest.mark.usefixtures("fresh_gates")


async def shown(proc: TaskProcessor, task_id: str) -> Progress | None:
    """What is shown of a task's progress."""
    info = await proc.get_task(task_id)
    return info.progress if info is not None else None


@pytest.mark.parametrize("keep", ["all", "failed"])
async def test_progress_is_shown_while_the_task_runs(instance: Instance, keep: Any) -> None:
    async with instance.worker(**FAR) as proc:
        task_id = await proc.options(keep=keep).enqueue_task("default", "acme", keeping.tell, "gate", [3, 10, "third"])
        found = await until(lambda: shown(proc, task_id))
        assert found == Progress(3, 10, "third")
        assert (await proc.audit()).differences == ()
        keeping.gate("gate").set()
        await until(lambda: _over(proc))
        info = await proc.get_task(task_id)
        assert (info is not None) is (keep == "all")
        assert info is None or (info.state, info.progress) == (TaskState.DONE, None)
        assert instance.client.exists(f"{{{instance.name}}}:run") == 0


async def _over(proc: TaskProcessor) -> bool:
    totals = await proc.get_tenant("acme")
    return totals is not None and totals.remaining == 0


async def test_a_thread_tells_of_its_progress(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.tell_in_thread, 0.5, 1.0, "half")
        assert await until(lambda: shown(proc, task_id)) == Progress(0.5, 1.0, "half")
        assert await proc.cancel_task(task_id)


async def test_the_last_of_what_is_told_counts_and_little_is_stored(instance: Instance) -> None:
    async with instance.worker(**FAR) as proc:
        steps = [[n] for n in range(500)]
        task_id = await proc.enqueue_task("default", "acme", keeping.tell, "gate", *steps)
        await until(lambda: _is(proc, task_id, Progress(499)))
        calls = instance.client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
        began = time.monotonic()
        other = await proc.enqueue_task("default", "acme", keeping.tell_often, 20_000)
        await until(lambda: _gone(instance, other))
        took = time.monotonic() - began
        written = instance.client.info("commandstats")["cmdstat_evalsha"]["calls"] - calls
        assert written <= 4 * took + 8
        keeping.gate("gate").set()


async def _is(proc: TaskProcessor, task_id: str, progress: Progress) -> bool:
    return await shown(proc, task_id) == progress


def _gone(instance: Instance, task_id: str) -> bool:
    return (
        not instance.client.hexists(f"{{{instance.name}}}:run", task_id)
        and instance.client.llen(f"{{{instance.name}}}:b:{task_id[:22]}:r:default") == 0
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((None,), "done=None: use a finite number"),
        ((float("nan"),), "done=nan"),
        ((float("inf"),), "done=inf"),
        ((True,), "done=True"),
        ((1, "2"), "total='2'"),
        ((1, 2, 3), "note must be a text"),
        ((1, 2, "x" * 1_001), "note of 1001 bytes: at most 1000"),
    ],
)
def test_what_is_no_progress_is_refused(given: tuple[Any, ...], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        progress_of(*given, *(None, "")[len(given) - 1 :])


@pytest.mark.parametrize("stored", [b"", b"x", b"{}", b"[1]", b'["a",null,""]', b"[null,null,null]", b"[1,2,3]"])
def test_what_can_not_be_read_is_no_progress(stored: bytes) -> None:
    assert read_progress(stored) is None


def test_progress_is_fenced_by_the_lease(direct: Direct) -> None:
    batch = direct.create(1)
    [lease] = direct.claim()
    assert direct.call("task_progress", lease, b'[1,2,""]') == [b"ok"]
    entry = direct.client.hget(direct.key("run"), lease[:32])
    assert direct.call("task_read", f"{batch}{0:010}", "", 0)[12] == b'[1,2,""]'
    with direct.unchanged():
        assert direct.call("task_progress", lease[:-1] + "9", b"[9]") == [b"lost"]
    direct.wait(100_000)
    direct.rescue()
    with direct.unchanged():
        assert direct.call("task_progress", lease, b"[9]") == [b"lost"]
    assert entry is not None
    [again] = direct.claim()
    assert direct.call("task_read", f"{batch}{0:010}", "", 0)[12] == b""
    direct.client.hdel(direct.key("run"), again[:32])
    with direct.unchanged():
        assert direct.call("task_progress", again, b"[9]") == [b"lost"]
    direct.client.hset(direct.key("run"), again[:32], entry)


def test_progress_keeps_the_time_of_the_claim(direct: Direct) -> None:
    batch = direct.create(1)
    claimed = direct.now
    [lease] = direct.claim()
    for wait in (1_000, 1_000):
        direct.wait(wait)
        assert direct.call("task_progress", lease, b"[1]") == [b"ok"]
        found = direct.call("task_read", f"{batch}{0:010}", "", 0)
        assert (found[0], found[6], found[7][-26:]) == (b"running", str(claimed).encode(), b'["tests.handlers.noop",[]]')


def test_a_retried_task_has_no_progress_and_its_body_is_as_before(direct: Direct) -> None:
    direct.create(1)
    [lease] = direct.claim()
    for number in range(3):
        assert direct.call("task_progress", lease, f'[{number},null,"a b\\\\n"]'.encode()) == [b"ok"]
    assert direct.settle([lease], "retry") == []
    answer = direct.step(1)
    [(_, _, _, _, [body])] = answer[7]
    assert body.endswith(b'}\n["tests.handlers.noop",[]]')
    assert body.startswith(b"0000000000+")


async def test_telling_outside_of_a_worker_is_an_error() -> None:
    with pytest.raises(LookupError):
        await current_task().progress(1)
    await asyncio.sleep(0)
