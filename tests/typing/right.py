"""Calls that both type checkers must let pass. Nothing here is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from taskproc import (
    AttemptError,
    Batch,
    BatchEvent,
    BatchInfo,
    BatchState,
    Bury,
    CallNext,
    Cancel,
    Depends,
    HandlerInfo,
    LimitInfo,
    Middleware,
    Progress,
    QueueInfo,
    RateLimited,
    Retry,
    Schedule,
    ScheduleInfo,
    ScheduleRun,
    Snooze,
    TaskContext,
    TaskId,
    TaskInfo,
    TaskProcessor,
    TenantInfo,
    TenantRules,
    WorkerInfo,
    current_task,
    inject,
    method,
    schedule,
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


class Mailer:
    """A service."""

    def mail(self, to: str) -> int:
        raise NotImplementedError


async def session(ctx: TaskContext, mailer: Mailer = inject()) -> AsyncIterator[int]:
    yield mailer.mail(ctx.id)


def cursor(opened: int = Depends(session)) -> Iterator[str]:
    yield str(opened)


async def settings() -> list[str]:
    raise NotImplementedError


@task
async def greet(to: str, loud: bool = False, mailer: Mailer = inject(), *, opened: int = inject(session)) -> int:
    return mailer.mail(to) + opened


@task(raw=True)
async def raw_greet(data: bytes, *, mailer: Mailer = inject()) -> None: ...


async def wrap(ctx: TaskContext, call_next: CallNext) -> int | None:
    mailer: Mailer = await ctx.get(Mailer)
    number: int = await ctx.get(session)
    text: str = await ctx.get(cursor)
    names: list[str] = await ctx.get(settings)
    found: int = await call_next(ctx)
    return mailer.mail(text) + number + len(names) + found


async def wrap_injected(ctx: TaskContext, call_next: CallNext, mailer: Mailer = inject()) -> object:
    return await call_next(ctx)


@asynccontextmanager
async def lifespan(processor: TaskProcessor) -> AsyncIterator[dict[str, str]]:
    yield {}


class Packer:
    """A serializer."""

    def dumps(self, value: object) -> bytes:
        raise NotImplementedError

    def loads(self, data: bytes) -> object:
        raise NotImplementedError


around: list[Middleware] = [wrap, wrap_injected]


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


async def rules(proc: TaskProcessor) -> TenantRules:
    await proc.set_tenant_limits("acme", weight=0.5, max_running=None, max_payload=1_000, tier="gold", actor="ann")
    await proc.set_tenant_limits(None, queue="mail", rate_limit="50/s", max_waiting=0)
    await proc.set_tier("gold", weight=3, max_schedules=10)
    await proc.tenant("acme").set_limits(max_running=3 if proc.is_open else ..., tier=None)
    return await proc.get_tenant_limits("acme")


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
    middleware=[wrap, wrap_injected],
    lifespan=lifespan,
    serializer=Packer(),
)
proc.include("myapp.more")
known: list[HandlerInfo] = proc.get_handlers()
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
    ten: TaskId[int] = batch.enqueue(greet, "x")
    eleven: TaskId[int] = batch.options(delay=1).enqueue(greet, "x", loud=True)
    print(ten, eleven)
    batch.enqueue(raw_greet, b"bytes")
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
        picture: bytes = await proc.wait_result(single, timeout=3)
        number: int = await acme.wait_result(own, timedelta(seconds=3)) + 1
        named: int = await proc.wait_result(TaskId[int]("of a type that is known"), 3)
        print(named, await proc.wait_result("of any type", 3))
        async for step in proc.watch(single):
            progress: Progress | None = step.progress
            print(step.attempt, progress and progress.done / 2)
        async for event in acme.watch(batch_id):
            if isinstance(event, BatchEvent):
                print(event.remaining + 1, event.state is BatchState.DONE, event.ended)
        kept: TaskId[int] = await acme.options(keep="all").enqueue(count, ["x"])
        print(picture, number, kept)
        once: TaskId[None] = await acme.options(unique=True, unique_for=timedelta(minutes=1)).enqueue(send, "x")
        await acme.options(unique=lambda to, subject="hi": to).enqueue(send, "x")
        found: TaskId[bytes] | None = await proc.find_unique("acme", resize, "x.png", width=3)
        gone: bool = await acme.options(unique="key").cancel_unique(send, "x")
        await proc.enqueue_batch("default", "acme", build, fail_after="5%")
        async with acme.batch(fail_after=1) as batch:
            batch.options(unique=False).enqueue(send, "x")
        print(once, found, gone)
        ran: int = await proc.run_until_idle(raise_errors=True)
        print(appended, again, cancelled, waited, queues, errors, retried, workers, totals, own, ran)


def next_time(last: datetime | None) -> datetime | None:
    raise NotImplementedError


@schedule("0 3 * * *", tenant="system", timezone="Europe/Berlin", args=["a@example.com"])
@schedule(every=timedelta(hours=1), tenant="system", id="hourly", kwargs={"to": "b@example.com"}, misfire="skip")
@schedule(next_run=next_time, tenant="system", id="own", expire=60, end=datetime.now(UTC))
async def remind(to: str) -> None: ...


async def schedules() -> None:
    acme = proc.tenant("acme")
    once = Schedule("once", "acme", at=datetime.now(UTC))
    await proc.upsert_schedule(Schedule("mail", "acme", "0 */1 * * *", unique=True), send, "a@example.com")
    await proc.upsert_schedule(once, resize, "x.png", width=640)
    await acme.upsert_schedule(Schedule("own", "acme", next_run=next_time), Service().send, "a@example.com")
    await acme.upsert_schedule(Schedule("e", "acme", every=1.5, jitter=timedelta(1), max_runs=3), greet, "x", loud=True)
    await acme.upsert_schedule(Schedule("raw", "acme", "@daily", misfire="all"), raw, b"bytes")
    await acme.upsert_schedule(Schedule("remind", "acme", "@daily"), remind, to="a@example.com")
    done: bool = await proc.trigger_schedule("mail", "acme") and await acme.pause_schedule("mail")
    done = await proc.resume_schedule("mail", "acme") or await acme.cancel_schedule("mail") or done
    info: ScheduleInfo | None = await proc.get_schedule("mail", "acme")
    listed: list[ScheduleInfo] = await acme.get_schedules(skip=1, take=2)
    number: int = await proc.count_schedules("acme") + await proc.run_due_schedules()
    await proc.set_schedule_limit(None, 100)
    if info is not None:
        runs: tuple[ScheduleRun, ...] = info.history
        drift: float | None = runs[0].drift
        times: list[datetime] = info.upcoming(3)
        print(info.words.upper(), info.expire, drift, times, runs[0].seconds + 1, current_task().scheduled_for)
    print(listed, number, done)


def handler() -> None:
    ctx = current_task()
    remaining: BatchInfo | None = ctx.sync.batch()
    ctx.sync.progress(1, 2.5, "half")
    mailer: Mailer = ctx.sync.get(Mailer)
    text: str = ctx.sync.get(cursor)
    print(mailer, text, ctx.app, ctx.stop_reason == "timeout")
    print(ctx.attempt + ctx.delivery, ctx.created_at.isoformat(), remaining)
    for signal in (Retry(3), Retry(), Snooze(timedelta(1)), Bury("x"), Cancel("y")):
        raise signal
