"""Calls that both type checkers must let pass. Nothing here is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from taskproc import (
    AttemptError,
    Batch,
    BatchInfo,
    BatchState,
    Bury,
    Cancel,
    LimitInfo,
    QueueInfo,
    RateLimited,
    Retry,
    Snooze,
    TaskContext,
    TaskId,
    TaskInfo,
    TaskProcessor,
    TenantInfo,
    WorkerInfo,
    current_task,
    method,
    task,
)


@task
async def send(to: str, subject: str = "hi") -> None: ...


@task(max_attempts=5, timeout=30, executor="process", queue="images", backoff=[1, 5, 30], retry_on=(OSError, ValueError))
def resize(path: str, width: int) -> bytes:
    raise NotImplementedError


@task(raw=True, name="email", aliases=["mail"])
def raw(data: bytes) -> None: ...


@task(timeout=timedelta(seconds=3), backoff=lambda attempt: attempt * 2.0, keep="none")
async def count(words: list[str], *, upper: bool = False) -> int:
    raise NotImplementedError


@task(max_concurrency=4, rate_limit="100/s", concurrency_key="tenant")
async def convert(path: str) -> None:
    raise RateLimited(timedelta(seconds=3))


@task(max_concurrency=1, concurrency_key=lambda customer, path: customer)
async def upload(customer: str, path: str) -> None: ...


async def limits(proc: TaskProcessor) -> list[LimitInfo]:
    await proc.set_limit(convert, max_concurrency=8)
    await proc.set_limit("app.upload", max_concurrency=None, rate_limit="5/s")
    cleared: bool = await proc.clear_limit(upload)
    return await proc.get_limits() if cleared else []


class Service:
    """A service with handlers."""

    @task
    def send(self, to: str) -> int:
        raise NotImplementedError

    @staticmethod
    @task
    async def ping(host: str) -> float:
        raise NotImplementedError

    @classmethod
    @task
    def make(cls, n: int) -> str:
        raise NotImplementedError


async def start(ctx: TaskContext) -> None: ...
async def error(ctx: TaskContext, exception: BaseException) -> None: ...
async def delay(ctx: TaskContext, attempts_left: int) -> float | None: ...


proc = TaskProcessor(
    "redis://localhost",
    prefix="mine",
    queues=["high", "low"],
    max_workers=4,
    include=["myapp.tasks"],
    invisibility=timedelta(seconds=10),
    on_task_start=start,
    on_task_end=start,
    on_task_error=error,
    on_task_failed_delay=delay,
    resolver=lambda cls, ctx: cls(),
)
plain: Callable[[str, str], Awaitable[None]] = send


async def build(batch: Batch) -> None:
    one: TaskId[None] = batch.enqueue(send, "a@example.com")
    two: TaskId[None] = batch.enqueue(send, "a@example.com", subject="x")
    three: TaskId[bytes] = batch.enqueue(resize, "x.png", 640)
    four: TaskId[int] = batch.enqueue(count, ["a"], upper=True)
    five: TaskId[bytes] = batch.options(delay=3, queue="low").enqueue(resize, path="x.png", width=1)
    six: TaskId[int] = batch.enqueue(Service().send, "x")
    seven: TaskId[int] = batch.enqueue(method(Service.send), "x")
    eight: TaskId[float] = batch.enqueue(Service.ping, "host")
    nine: TaskId[str] = batch.enqueue(Service.make, 3)
    batch.enqueue(raw, b"bytes")
    batch.enqueue_raw("email", b"bytes")
    batch.continue_with(send, "b@example.com")
    batch.options(on="failed", queue="high").continue_with(count, [])
    batch.options(delay_until=datetime.now(UTC), max_attempts=2).enqueue(send, "c")
    await batch.enqueue_many(send, ((f"u{n}@example.com",) for n in range(10)))
    await batch.flush()
    print(one, two, three.upper(), four, five, six, seven, eight, nine)


async def use() -> None:
    async with proc:
        batch_id: str = await proc.enqueue_batch("default", "acme", build, label="x", idempotency_key="k")
        await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(send, "x"))
        async with proc.batch("default", "acme", label="x") as batch:
            batch.enqueue(send, "x")
        appended: bool = await proc.append_batch("default", "acme", batch_id, lambda b: b.enqueue(resize, "x", 1))
        info: BatchInfo | None = await proc.get_batch(batch_id)
        if info is not None and info.state is BatchState.DONE:
            total: int = info.done + info.remaining
            print(total, info.ended_at, info.run_seconds * 2)
        single: TaskId[bytes] = await proc.enqueue_task("default", "acme", resize, "x.png", width=3)
        again: TaskId[None] = await proc.options(delay=timedelta(1)).enqueue_task("default", "acme", send, "x")
        cancelled: bool = await proc.cancel_batch(batch_id, tenant="acme")
        await proc.cancel_task(single)
        waited: BatchInfo = await proc.wait_batch(batch_id, timedelta(seconds=3))
        queues: list[QueueInfo] = await proc.get_queues()
        dead: list[TaskInfo] = await proc.get_dead_tasks("default", tenant="acme", take=10)
        errors: tuple[AttemptError, ...] = dead[0].errors
        retried: int = await proc.retry_dead_tasks(count=None, max_attempts=3)
        workers: list[WorkerInfo] = await proc.get_workers()
        totals: TenantInfo | None = await proc.get_tenant("acme")
        acme = proc.tenant("acme")
        own: TaskId[int] = await acme.options(delay=5).enqueue(count, ["x"], upper=False)
        await acme.enqueue(send, "x")
        await acme.enqueue_raw("email", b"x")
        async with acme.batch("default", label="import") as batch:
            await batch.enqueue_many(send, [("x",)])
        await acme.append(batch_id, build)
        ran: int = await proc.run_until_idle(raise_errors=True)
        print(appended, again, cancelled, waited, queues, errors, retried, workers, totals, own, ran)


def handler() -> None:
    ctx = current_task()
    remaining: BatchInfo | None = ctx.sync.batch()
    print(ctx.attempt + ctx.delivery, ctx.created_at.isoformat(), remaining)
    for signal in (Retry(3), Retry(), Snooze(timedelta(1)), Bury("x"), Cancel("y")):
        raise signal
