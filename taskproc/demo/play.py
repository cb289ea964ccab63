"""The demo's program: enqueue, watch, cancel one batch, kill one worker, add up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from taskproc.batch import Batch
from taskproc.cli.tables import emit_table, span
from taskproc.demo.handlers import analyse, look_up_licence, report
from taskproc.demo.progress import Board
from taskproc.model import BatchInfo, BatchState
from taskproc.processor import TaskProcessor

WORKERS = 3
LONGEST = 55.0
SKIPPED = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "lib2to3"}


@dataclass
class Order:
    """One tenant's batch of the demo."""

    tenant: str
    label: str
    files: Sequence[Path]
    folder: Path
    batch_id: str = ""


def sources(limit: int | None) -> list[Path]:
    """The standard library's source files that every machine has."""
    root = Path(sysconfig.get_path("stdlib"))
    found = sorted(p for p in root.rglob("*.py") if not SKIPPED & set(p.relative_to(root).parts))
    return found[:limit]


async def play(url: str | None, limit: int | None) -> int:
    """The whole demo; 0 if everything adds up."""
    with tempfile.TemporaryDirectory(prefix="taskproc-demo-") as folder:
        os.environ["TASKPROC_REDIS_URL"] = url or f"embedded://{folder}/redis"
        from taskproc.demo.app import proc  # it takes its Redis from the environment

        async with proc:
            workers = [start_worker(Path(folder, f"worker-{n}.log")) for n in range(WORKERS)]
            try:
                return await asyncio.wait_for(_play(proc, Path(folder), limit, workers), LONGEST)
            finally:
                stop_workers(workers)


async def _play(proc: TaskProcessor, folder: Path, limit: int | None, workers: list[subprocess.Popen[bytes]]) -> int:
    began, files = time.monotonic(), sources(limit)
    some = [path for path in files if {"email", "asyncio", "http"} & set(path.parts)] or files[: len(files) // 5 + 1]
    few = [path for path in files if "json" in path.parts] or files[:3]
    orders = [
        Order("archive", "every module", files, folder / "archive"),
        Order("office", "mail, http, asyncio", some, folder / "office"),
        Order("kiosk", "json", few, folder / "kiosk"),
    ]
    mistake = Order("office", "a mistake, to be cancelled", files, folder / "mistake")
    for order in [*orders, mistake]:
        order.folder.mkdir()
        order.batch_id = await enqueue(proc, order)
    events = [
        Event("cancel", mistake, 0.05, lambda: proc.cancel_batch(mistake.batch_id), "cancelled the mistaken batch"),
        Event("kill", orders[0], 0.2, lambda: kill(proc, workers[0]), "killed a worker with SIGKILL while it had tasks"),
    ]
    await watch(proc, [*orders, mistake], events)
    return await add_up(proc, orders, mistake, time.monotonic() - began)


async def enqueue(proc: TaskProcessor, order: Order) -> str:
    """Enqueue a batch: a task for each file, one that fails at first, and the report when all are done."""

    def build(batch: Batch) -> None:
        for path in order.files:
            batch.enqueue(analyse, str(path), str(order.folder))
        batch.enqueue(look_up_licence, str(order.folder))
        batch.continue_with(report, str(order.folder))

    return await proc.enqueue_batch("default", order.tenant, build, label=order.label)


@dataclass
class Event:
    """Something that happens once a batch has come so far."""

    name: str
    order: Order
    share: float
    act: Callable[[], Awaitable[bool]]
    told: str
    done: bool = False


async def watch(proc: TaskProcessor, orders: Sequence[Order], events: Sequence[Event]) -> None:
    """Show progress until every batch has settled and the reports are written."""
    with Board() as board:
        while True:
            infos = {order.batch_id: await proc.get_batch(order.batch_id) for order in orders}
            for order in orders:
                board.show(order.tenant, order.label, infos[order.batch_id])
            for event in events:
                info = infos[event.order.batch_id]
                if info is not None and not event.done and info.total - info.remaining >= event.share * info.total:
                    event.done = await event.act()
                    if event.done:
                        board.tell(event.told)
            written = all(o.folder.joinpath("report.txt").exists() for o in orders if _state(infos[o.batch_id]) == "done")
            if all(_state(info) != "running" for info in infos.values()) and written:
                return
            await asyncio.sleep(0.1)


def _state(info: BatchInfo | None) -> str:
    return "gone" if info is None else info.state.value


async def kill(proc: TaskProcessor, worker: subprocess.Popen[bytes]) -> bool:
    """Kill a worker in the middle of its work; False while it has none."""
    busy = {info.pid: info.running for info in await proc.get_workers()}
    if not busy.get(worker.pid):
        return False
    worker.kill()
    return True


async def add_up(proc: TaskProcessor, orders: Sequence[Order], mistake: Order, seconds: float) -> int:
    """Print counters and reports; 0 if they agree with the files there are."""
    rows, right = [], True
    for order in [*orders, mistake]:
        info = await proc.get_batch(order.batch_id)
        assert info is not None
        right &= info.total == info.done + info.failed + info.cancelled + info.remaining == len(order.files) + 1
        rows.append(
            (
                order.tenant,
                order.label,
                info.state.value,
                info.total,
                info.done,
                info.failed,
                info.cancelled,
                info.remaining,
            )
        )
        if order is not mistake:
            found = json.loads(order.folder.joinpath("report.txt").read_text())
            right &= info.state is BatchState.DONE and found["files"] == found["done"] - 1 == len(order.files)
    emit_table("Batches", ["tenant", "label", "state", "total#", "done#", "failed#", "cancelled#", "left#"], rows)
    reports = [json.loads(order.folder.joinpath("report.txt").read_text()) for order in orders]
    title, columns = "Reports, by the continuations", ["tenant", "files#", "lines#", "functions#", "classes#", "sha256"]
    emit_table(title, columns, [
        (r["tenant"], r["files"], r["lines"], r["functions"], r["classes"], r["sha256"][:16]) for r in reports
    ])  # fmt: skip
    totals = [await proc.get_tenant(tenant) for tenant in ("archive", "office", "kiosk")]
    shown = [(t.tenant, t.total, t.done, t.failed, t.cancelled, t.remaining, span(t.run_seconds)) for t in totals if t]
    emit_table("Tenants", ["tenant", "tasks#", "done#", "failed#", "cancelled#", "left#", "run time#"], shown)
    retried, taken = sum(r["attempts"] > 1 for r in reports), sum(r["taken over"] for r in reports)
    print(f"{retried} tasks failed at first and were retried; {taken} of the killed worker were taken over by the others.")
    right &= retried == len(orders)
    verdict = "total = done + failed + cancelled + left, for every batch; each file is in its report once."
    print(f"{verdict if right else 'THE COUNTERS DO NOT ADD UP.'} {seconds:.1f} s")
    return 0 if right else 1


def start_worker(log: Path) -> subprocess.Popen[bytes]:
    """A worker process of the demo's processor."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "taskproc", "worker", "taskproc.demo.app:proc"]
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


def stop_workers(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask all workers to stop and wait for them."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.wait(10)
            continue
        worker.kill()
