"""Crashes: of workers, of handlers' processes, of Redis. Nothing is lost, and what is counted is counted once."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import pytest

from taskproc import Batch, BatchInfo, BatchState, TaskProcessor
from tests import handlers
from tests.conftest import fresh
from tests.harness import LATE, Instance, Record, alone, until
from tests.measure import in_time
from tests.nursery import Nursery
from tests.recording import record_key
from tests.servers import CHOSEN, Server, running


def holds(info: BatchInfo | None) -> bool:
    """Whether a batch's counters add up."""
    assert info is not None
    return info.total == info.done + info.failed + info.cancelled + info.remaining


def steps(count: int, seconds: float) -> object:
    """Fills a batch with steps that are tagged with their numbers."""

    def build(batch: Batch) -> None:
        for n in range(count):
            batch.enqueue(handlers.step, seconds, n)

    return build


# workers


class Storm:
    """Batches that are worked on while workers are killed, and what must come of them."""

    def __init__(self, instance: Instance, proc: TaskProcessor, seed: int) -> None:
        self.instance, self.proc = instance, proc
        self.dice = random.Random(seed)
        self.expected: dict[str, tuple[int, int]] = {}
        self.looks = 0

    async def enqueue(self) -> None:
        """Enqueue a batch: tasks that take a moment, that fail at first or always, that kill their worker."""
        bad = self.dice.choice([0, 0, 2])

        def build(batch: Batch) -> None:
            for _ in range(40):
                batch.enqueue(handlers.step, self.dice.uniform(0, 0.05))
            for _ in range(3):
                batch.enqueue(handlers.fail, "at first", 2)
            for _ in range(bad):
                batch.options(max_attempts=2).enqueue(handlers.fail)
            batch.enqueue(handlers.die_below, 2)
            for on in ("done", "settled", "failed", "cancelled"):
                batch.options(on=on).continue_with(handlers.after, on)

        tenant = self.dice.choice(["acme", "beta", "core"])
        self.expected[await self.proc.enqueue_batch("default", tenant, build)] = (44 + bad, bad)

    async def check(self) -> None:
        """Hold the counters of all batches while they change."""
        for batch_id, (total, _) in self.expected.items():
            info = await self.proc.get_batch(batch_id)
            assert holds(info)
            assert info is not None
            assert info.total == total
            assert (info.state is BatchState.RUNNING) == (info.remaining > 0)
            assert (info.ended_at is None) == (info.state is BatchState.RUNNING)
            self.looks += 1

    async def settle(self) -> None:
        """Hold the counters of all batches once they have settled, and of their tenants."""
        tenants: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for batch_id, (total, bad) in self.expected.items():
            info = await self.proc.wait_batch(batch_id, 60)
            assert (info.total, info.done, info.failed, info.cancelled) == (total, total - bad, bad, 0)
            assert info.state is (BatchState.FAILED if bad else BatchState.DONE)
            continuations = 2
            for at, add in enumerate((total + continuations, info.done + continuations, bad)):
                tenants[info.tenant][at] += add
        await until(lambda: self.quiet(), 30)
        for tenant, (total, done, failed) in tenants.items():
            totals = await self.proc.get_tenant(tenant)
            assert totals is not None
            assert (totals.total, totals.done, totals.failed, totals.remaining) == (total, done, failed, 0)

    async def quiet(self) -> bool:
        """Whether nothing is left to run."""
        queue = await self.proc.get_queue("default")
        return queue.ready == queue.running == queue.delayed == 0

    def check_records(self, killed: set[int]) -> None:
        """Hold that every task ended, that only killed workers' tasks ran twice, and what continuations there were."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.instance.records:
            found[record["id"]].append(record)
        fired: dict[str, list[str]] = defaultdict(list)
        ended: dict[str, int] = defaultdict(int)
        for records in found.values():
            first = records[0]
            if first["name"] == "tests.handlers.after":
                fired[first["batch"]].append(first["tag"])
            elif first["name"] == "tests.handlers.step":
                ended[first["batch"]] += any(r["event"] == "end" for r in records)
                starts = [r for r in records if r["event"] == "start"]
                assert all(r["pid"] in killed for r in starts[:-1])
        for batch_id, (_, bad) in self.expected.items():
            assert ended[batch_id] == 40
            assert sorted(fired[batch_id]) == sorted(["settled", "failed" if bad else "done"])


@pytest.mark.row("BN-02", "BE-17", "BE-38")
@pytest.mark.timeout(180)
async def test_a_hundred_kills_lose_nothing_and_double_no_count(instance: Instance) -> None:
    options = {"max_attempts": 1000, "backoff": 0.05, "invisibility": 3, "max_workers": 6, "retention": 600}
    async with instance.open(retention=600) as proc:
        storm = Storm(instance, proc, 20)
        with Nursery(instance, **options) as nursery:
            kills = 0
            while kills < 110:
                nursery.ended()
                while len(nursery.living) < 4:
                    nursery.start()
                if (await proc.get_queue("default")).ready < 100:
                    await storm.enqueue()
                await asyncio.sleep(storm.dice.uniform(0, 0.1))
                nursery.kill(storm.dice.choice(sorted(nursery.living)))
                kills += 1
                await storm.check()
            mending = asyncio.create_task(keep_four(nursery))
            await storm.settle()
            mending.cancel()
        storm.check_records(nursery.killed)
        assert storm.looks >= 1_000
        assert len({r["pid"] for r in instance.records}) > 30


async def keep_four(nursery: Nursery) -> None:
    """Start workers in the place of those that end."""
    while True:
        nursery.ended()
        while len(nursery.living) < 4:
            nursery.start()
        await asyncio.sleep(0.05)


@pytest.mark.row("BR-20")
async def test_a_new_worker_takes_up_what_a_killed_one_left(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", steps(500, 0.01))
        worker = await asyncio.to_thread(instance.process, invisibility=1)
        await instance.wait_records(200, "end")
        worker.kill()
        async with instance.worker(invisibility=1):
            info = await proc.wait_batch(batch_id, 20)
        assert (info.total, info.done) == (500, 500)
        assert {r["tag"] for r in instance.recorded("end")} == set(range(500))
        assert any(r["pid"] != worker.pid for r in instance.records)


@pytest.mark.row("BE-38", "BN-12")
async def test_what_ran_in_a_killed_worker_runs_again_within_its_lease(instance: Instance) -> None:
    async def lateness() -> float:
        instance.client.delete(record_key(instance.name))
        worker = await asyncio.to_thread(instance.process, invisibility=2)
        async with instance.open() as proc:
            batch_id = await proc.enqueue_batch(
                "default", "acme", lambda b: [b.enqueue(handlers.nap, 0.5) for _ in range(5)]
            )
            await instance.wait_records(5, "start")
            worker.kill()
            killed = instance.now()
            another = await asyncio.to_thread(instance.process, invisibility=2)
            started = max(killed + 2, instance.now())
            info = await proc.wait_batch(batch_id, 20)
            assert (info.total, info.done) == (5, 5)
            again = instance.recorded("start")[5:]
            assert len(again) == 5
            assert {r["attempt"] for r in again} == {2}
            another.kill()
            return float(again[-1]["at"]) - started

    await in_time(lateness, LATE)


@pytest.mark.row("CT-37")
async def test_a_task_that_kills_its_process_ends_as_a_dead_letter(instance: Instance) -> None:
    async with instance.open(invisibility=0.5) as proc:
        with Nursery(instance, invisibility=0.5) as nursery:
            for _ in range(4):
                nursery.start()

            def build(batch: Batch) -> None:
                batch.enqueue(handlers.die)
                batch.options(on="failed").continue_with(handlers.after, "failed")

            batch_id = await proc.enqueue_batch("default", "acme", build)
            info = await proc.wait_batch(batch_id, 20)
            assert (info.state, info.failed, info.total) == (BatchState.FAILED, 1, 1)
            starts = instance.recorded("start")
            assert [r["attempt"] for r in starts] == [1, 2, 3]
            assert len({r["pid"] for r in starts}) == 3
            [dead] = await proc.get_dead_tasks()
            assert (dead.id, dead.attempt) == (starts[0]["id"], 3)
            assert [(e.attempt, e.type) for e in dead.errors] == [(n, "taskproc.errors.LeaseExpired") for n in (1, 2, 3)]
            await instance.wait_records(1, "ran")
            assert sorted(nursery.ended()) == sorted(r["pid"] for r in starts)


# Redis


@pytest.mark.row("BN-33")
async def test_work_goes_on_when_scripts_are_flushed(instance: Instance) -> None:
    async with instance.worker(max_workers=5) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", steps(300, 0.005))
        for n in range(30):
            alone(instance.client)
            assert await proc.append_batch("default", "acme", batch_id, steps(1, 0))
            await instance.wait_records(10 * n, "end")
        info = await proc.wait_batch(batch_id, 10)
        assert (info.state, info.total, info.done) == (BatchState.DONE, 330, 330)
        assert len(instance.recorded("start")) == len(instance.recorded("end")) == 330


@pytest.mark.row("BN-33")
@pytest.mark.timeout(120)
async def test_workers_consume_again_after_redis_was_killed_and_restarted(server: Server) -> None:
    with running(CHOSEN, "--appendonly", "yes", "--appendfsync", "always") as mortal:
        async with fresh(mortal) as instance:
            book = Instance(server, instance.name)  # where records are not lost
            worker = await asyncio.to_thread(instance.process, env={"TASKPROC_TEST_RECORD": server.url}, max_workers=3)
            async with instance.worker(max_workers=3) as proc:
                batches = []
                for _ in range(3):
                    seen = len(book.records)
                    batches.append(await proc.enqueue_batch("default", "acme", steps(60, 0.02)))
                    await book.wait_records(seen + 30)
                    mortal.kill()
                    await asyncio.sleep(0.1)
                    await asyncio.to_thread(mortal.start)
                    # In both processes, whatever was under way when the server went.
                    batches.append(await proc.enqueue_batch("default", "acme", steps(20, 0.2)))
                    await until(lambda b=batches[-1]: len(started(book, b)) == 2, 20)
                for n, batch_id in enumerate(batches):
                    info = await proc.wait_batch(batch_id, 20)
                    count = 20 if n % 2 else 60
                    assert (info.state, info.total, info.done) == (BatchState.DONE, count, count)
                    ended = {r["tag"] for r in book.recorded("end") if r["batch"] == batch_id}
                    assert ended == set(range(count))
                assert {r["pid"] for r in book.records} >= {worker.pid}
            await book.close()


def started(book: Instance, batch_id: str) -> set[int]:
    """The processes in which tasks of a batch were started."""
    return {r["pid"] for r in book.recorded("start") if r["batch"] == batch_id}


@pytest.mark.row("BR-24")
async def test_a_half_written_end_of_the_file_costs_nothing_else(anyio_backend: str, tmp_path: Path) -> None:
    url = f"embedded://{tmp_path}/data"
    async with TaskProcessor(url) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(handlers.noop, n) for n in range(3)])
    [log] = await until(lambda: stopped(tmp_path / "data"))
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$8\r\nha")
    async with TaskProcessor(url) as proc:
        assert await proc.run_until_idle() == 3
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.state, info.done) == (BatchState.DONE, 3)


def stopped(folder: Path) -> list[Path]:
    """The file that the server of a folder appends to, once the server has stopped."""
    return [] if (folder / "redis.sock").exists() else list((folder / "appendonlydir").glob("*.incr.aof"))
