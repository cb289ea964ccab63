"""What tests have in common: an instance of their own, workers in this process and in others, and what tasks recorded."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from taskproc import BatchInfo, TaskProcessor
from taskproc.keys import key, prefix_of
from tests.recording import record_key
from tests.servers import Server

FAST: dict[str, Any] = {"poll_interval": 0.2, "invisibility": 2, "retention": 5, "shutdown_grace": 3}
"""The settings of the rows, unless they say otherwise."""

FAR = {"poll_interval": 600, "invisibility": 600, "retention": 6000}
"""Nothing is found by looking from time to time."""

LATE = 0.3
"""How much later than its event a task may start, in seconds."""

MODES = ["fair", "fifo"]
"""The ways in which a queue is shared."""

UNKNOWN = "0" * 22
"""The id of no batch."""

SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""So many examples of random input."""

Record = dict[str, Any]


class Instance:
    """An instance of a test's own on a server: processors, worker processes, records."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.client = server.client()
        self.processors: list[TaskProcessor] = []
        self.workers: list[WorkerProcess] = []

    def processor(self, **options: Any) -> TaskProcessor:
        """A processor with fast settings, not yet open."""
        made = TaskProcessor(options.pop("redis", self.server.app_url), prefix=self.name, **{**FAST, **options})
        self.processors.append(made)
        return made

    def key(self, *parts: str) -> str:
        """The name of a key."""
        return key(prefix_of(self.name), *parts)

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[TaskProcessor]:
        """An open processor."""
        async with self.processor(**options) as proc:
            yield proc

    @asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[TaskProcessor]:
        """An open processor that serves its queues in this process, until the block ends; its grace is used at the end."""
        async with self.processor(**options) as proc:
            before = {info.id for info in await proc.get_workers()}
            running = asyncio.create_task(proc.run())
            try:
                await until(lambda: self._joined(proc, before, running))
                yield proc
            finally:
                await proc.stop()
                await running

    @staticmethod
    async def _joined(proc: TaskProcessor, before: set[str], running: asyncio.Task[None]) -> bool:
        if running.done():
            await running
        return any(info.id not in before for info in await proc.get_workers())

    def process(
        self, *arguments: str, wait: bool = True, env: dict[str, str] | None = None, **options: Any
    ) -> WorkerProcess:
        """A worker process with fast settings, which serves by the time this returns."""
        worker = WorkerProcess(self, arguments, {**FAST, **options}, env or {})
        self.workers.append(worker)
        if wait:
            worker.wait_ready()
        return worker

    @property
    def records(self) -> list[Record]:
        """What tasks recorded, oldest first; ``at`` in seconds of the server's clock."""
        lines = [json.loads(line) for line in self.client.lrange(record_key(self.name), 0, -1)]
        return [{"at": line["at"] / 1000, **json.loads(line["entry"])} for line in lines]

    def recorded(self, *events: str, tag: object = None) -> list[Record]:
        """The records of some events, or of all."""
        return [r for r in self.records if (not events or r["event"] in events) and (tag is None or r["tag"] == tag)]

    async def wait_records(self, count: int, *events: str, seconds: float = 10.0, tag: object = None) -> list[Record]:
        """Wait until there are so many records of some events."""
        await until(lambda: len(self.recorded(*events, tag=tag)) >= count, seconds)
        return self.recorded(*events, tag=tag)

    def now(self) -> float:
        """The server's time in seconds."""
        seconds, us = self.client.time()
        return float(seconds + us / 1e6)

    def keys(self) -> list[bytes]:
        """All keys of the instance, but the journal and that of what the code says of limits, which stay."""
        stay = {f"{{{self.name}}}:{name}".encode() for name in ("limits", "journal")}
        return sorted(name for name in self.client.scan_iter(f"{{{self.name}}}:*", count=1000) if name not in stay)

    def names(self, part: str = "", less: str | None = None) -> list[str]:
        """The names of its keys that have a part behind the instance's own name, which is random, and not another."""
        owns = [(name, name.partition("}")[2]) for name in map(bytes.decode, self.keys())]
        return [name for name, own in owns if part in own and (less is None or less not in own)]

    def belonging(self, batch_id: str) -> list[str]:
        """What a batch's keys are called after its id; that of its record is an empty text."""
        return sorted(name.partition(batch_id)[2] for name in self.names(batch_id))

    async def close(self) -> None:
        """End what the test has left running."""
        for worker in self.workers:
            worker.kill()
        self._age_killed()
        for proc in self.processors:
            await proc.close()
        self.client.delete(record_key(self.name))

    def forget_workers(self) -> None:
        """Let it be past the time when all workers of now are forgotten: others than ours were killed."""
        workers = f"{{{self.name}}}:workers"
        for name in self.client.zrange(workers, 0, -1):
            self.client.zadd(workers, {name: 0})

    def _age_killed(self) -> None:
        """Workers that were killed could not leave the list: let it be past the time when it forgets them."""
        prefix, killed = f"{{{self.name}}}:", {worker.pid for worker in self.workers if worker.process.returncode == -9}
        for name in self.client.zrange(prefix + "workers", 0, -1) if killed else ():
            info = self.client.get(prefix + "worker:" + name.decode())
            if info and json.loads(info)["pid"] in killed:
                self.client.zadd(prefix + "workers", {name: 0}, xx=True)


class WorkerProcess:
    """A worker in a process of its own, through the command line."""

    def __init__(self, instance: Instance, arguments: tuple[str, ...], options: dict[str, Any], env: dict[str, str]) -> None:
        self.instance = instance
        told = {"TASKPROC_TEST_URL": instance.server.app_url, "TASKPROC_TEST_RECORD": instance.server.url,
                "TASKPROC_TEST_PREFIX": instance.name, "TASKPROC_TEST_OPTIONS": json.dumps(options)}  # fmt: skip
        command = [sys.executable, "-m", "taskproc", "worker", "tests.app:proc", *arguments]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(
            command, cwd=root, env={**os.environ, **told, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def wait_ready(self, seconds: float = 20.0) -> None:
        """Wait until it is in the list of workers."""
        prefix, deadline = f"{{{self.instance.name}}}:", time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output()
            for name in self.instance.client.zrange(prefix + "workers", 0, -1):
                info = self.instance.client.get(prefix + "worker:" + name.decode())
                if info and json.loads(info)["pid"] == self.pid:
                    return
            time.sleep(0.01)
        raise AssertionError("the worker did not start: " + self.output(kill=True))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def output(self, kill: bool = False) -> str:
        """What it printed, once it has ended."""
        if kill:
            self.process.kill()
        return self.process.communicate(timeout=10)[0].decode("utf-8", "replace")


def counters(info: BatchInfo | None) -> tuple[int, int, int, int, int]:
    """A batch's total, done, failed, cancelled and remaining."""
    assert info is not None
    return info.total, info.done, info.failed, info.cancelled, info.remaining


async def until(check: Callable[[], Any | Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Wait until a check holds; it is looked at every few milliseconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"did not come true within {seconds} s: {check}"
        await asyncio.sleep(0.005)


def alone(client: redis.Redis) -> None:
    """Forget all scripts, so that a call has to bring its text."""
    client.script_flush()


def in_each_mode(*queues: str, autouse: bool = False) -> Any:
    """A fixture for tests with ``direct``: they run once for each way in which these queues are shared, which it gives."""

    @pytest.fixture(params=MODES, autouse=autouse)
    def mode(direct: Any, request: pytest.FixtureRequest) -> str:
        for queue in queues:
            direct.call("queue_mode", queue, request.param)
        return str(request.param)

    return mode


@contextmanager
def refused(instance: Instance, kind: type[Exception], told: str) -> Iterator[None]:
    """The block raises an error that tells something, and stores nothing."""
    before = instance.keys()
    with pytest.raises(kind, match=told):
        yield
    assert instance.keys() == before
