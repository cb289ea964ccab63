"""What workers serve: a task's queue, by default one, all that handlers name; which workers live; how often they look."""

from __future__ import annotations

import asyncio
import itertools
import signal
from time import monotonic
from typing import Any

import pytest

from taskproc import Batch, TaskProcessor
from taskproc.errors import InvalidValue
from taskproc.handlers import DECLARED, options_of
from tests import handlers
from tests.harness import LATE, Instance, until
from tests.measure import in_time
from tests.proxy import Proxy

# queues: what other systems call a type


@pytest.mark.row("BE-04")
async def test_a_task_tells_its_queue_which_is_default_unless_something_says_otherwise(instance: Instance) -> None:
    async with instance.open() as proc:
        acme, ids = proc.tenant("acme"), list[str]()

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue(handlers.mark))
            ids.append(batch.enqueue(handlers.placed))
            ids.append(batch.options(queue="chosen").enqueue(handlers.placed))

        await acme.enqueue_batch(build)
        ids.append(await acme.enqueue(handlers.mark))
        ids.append(await acme.enqueue(handlers.placed))
        ids.append(await acme.options(queue="chosen", delay=60).enqueue(handlers.placed))
        found = [await proc.get_task(task_id) for task_id in ids]
        assert [info.queue for info in found if info is not None] == ["default", "elsewhere", "chosen"] * 2
        listed = {name: await proc.get_tasks_in_queue(name) for name in ("default", "elsewhere", "chosen")}
        assert {name: [task.queue for task in tasks] for name, tasks in listed.items()} == {
            "default": ["default"] * 2, "elsewhere": ["elsewhere"] * 2, "chosen": ["chosen"]
        }  # fmt: skip


@pytest.mark.row("BE-06")
async def test_a_worker_of_no_queues_serves_the_default_one_only(instance: Instance) -> None:
    async with instance.open() as client:
        for queue in ("default", "mail", "high"):
            await client.enqueue_task(queue, "acme", handlers.mark, queue)
        async with instance.worker() as proc:
            await instance.wait_records(1, seconds=2)
            await asyncio.sleep(2)
            [worker] = await proc.get_workers()
            assert worker.queues == ("default",)
        assert [r["tag"] for r in instance.records] == ["default"]
        assert [(await client.get_queue(queue)).ready for queue in ("default", "mail", "high")] == [0, 1, 1]


# queues that are missing


@pytest.mark.row("BE-32")
@pytest.mark.parametrize("how", ["run", "run_until_idle"])
async def test_a_worker_whose_queues_lack_a_handlers_own_does_not_start(instance: Instance, how: str) -> None:
    names = {options.queue for function in DECLARED if (options := options_of(function)).queue is not None}
    assert {"elsewhere", "own"} <= names
    async with instance.open() as client:
        await client.enqueue_task("default", "acme", handlers.mark, "plain")
        await client.enqueue_task("own", "acme", handlers.mark_own, "own")
        partly = sorted(names - {"elsewhere", "own"} | {"default"})
        async with instance.open(queues=partly, strict_queues=True) as proc:
            with pytest.raises(InvalidValue) as caught:
                await getattr(proc, how)()
            told = str(caught.value)
            assert "elsewhere (tests.handlers.placed)" in told
            assert "own (tests.handlers.mark_own)" in told
            assert "default (" not in told
            assert not proc.is_running
            assert await proc.get_workers() == []
        assert not instance.records
        async with instance.open(queues=[*partly, "own", "elsewhere"], strict_queues=True) as proc:
            assert await proc.run_until_idle() == 2
        async with instance.open(queues=[*partly, "own", "elsewhere"], strict_queues=True) as proc:
            proc.configure(queues=["elsewhere"])  # a worker of some of the queues is fine
            assert await proc.run_until_idle() == 0


@pytest.mark.row("BE-32")
async def test_the_command_line_tells_which_queues_a_worker_lacks(instance: Instance) -> None:
    worker = instance.process(wait=False, strict_queues=True)
    assert await asyncio.to_thread(worker.wait) == 2
    assert "own (tests.handlers.mark_own)" in worker.output()


# who lives


@pytest.mark.row("BN-28")
async def test_live_workers_are_listed_with_their_last_beat_and_killed_ones_for_a_while(
    instance: Instance,
) -> None:
    async with instance.open(invisibility=1) as proc:
        started = [instance.process(wait=False, invisibility=1) for _ in range(3)]
        for worker in started:
            await asyncio.to_thread(worker.wait_ready)
        first = {info.pid: info for info in await proc.get_workers()}
        assert first.keys() == {worker.pid for worker in started}
        assert len({info.id for info in first.values()}) == 3
        assert all(info.name == f"{info.host}:{pid}" for pid, info in first.items())

        async def later() -> bool:
            return all(info.last_seen > first[info.pid].last_seen for info in await proc.get_workers())

        await until(later, 3)
        began = monotonic()
        started[0].signal(signal.SIGKILL)
        await asyncio.to_thread(started[0].wait)
        assert len(await proc.get_workers()) == 3, "nobody has told yet that it is gone"
        left = await until(lambda: listed(proc, 2), 5)
        assert {info.pid for info in left} == {worker.pid for worker in started[1:]}
        assert monotonic() - began < 2 * 1 + 1
        seconds = instance.now() - max(info.last_seen.timestamp() for info in left)
        assert seconds < 1


async def listed(proc: TaskProcessor, count: int) -> list[Any]:
    """The workers that are listed, if they are so many."""
    found = await proc.get_workers()
    return found if len(found) == count else []


# looking without being told


@pytest.mark.row("BE-40")
async def test_an_idle_worker_looks_seldom_and_finds_what_nobody_told_it(instance: Instance) -> None:
    """A minute in a twentieth of the time: at most 10 polls, and then a task whose marker is lost starts by the next."""
    poll = 0.33
    tags, alone = itertools.count(), {"poll_interval": poll, "invisibility": 60}

    async def untold(proc: TaskProcessor) -> tuple[int, float]:
        """Store a task whose marker nobody gets; its tag and when."""
        while True:
            tag = next(tags)
            for client in instance.client.client_list():
                if client["cmd"] == "blpop":
                    instance.client.client_kill_filter(_id=client["id"])
            await proc.enqueue_task("default", "acme", handlers.mark, tag)
            stored = instance.now()
            if instance.client.delete(f"{{{instance.name}}}:wake:default"):
                return tag, stored

    async with Proxy(instance.server) as proxy, instance.open() as proc, instance.worker(redis=proxy.url, **alone):

        async def lateness() -> float:
            await proc.enqueue_task("default", "acme", handlers.mark, "told")
            await instance.wait_records(1, tag="told")
            await asyncio.sleep(poll)  # that there was work makes it look no more often
            before = proxy.requests.count("step")
            await asyncio.sleep(3)
            assert 5 <= proxy.requests.count("step") - before <= 10
            tag, stored = await untold(proc)
            [ran] = await instance.wait_records(1, tag=tag)
            return float(ran["at"]) - stored

        await in_time(lateness, poll + LATE)
