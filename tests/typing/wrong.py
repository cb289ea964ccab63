"""Calls that both type checkers must flag, each on its line. Nothing here is run."""

from __future__ import annotations

from datetime import datetime

from taskproc import (
    Batch,
    Bury,
    CallNext,
    Retry,
    Schedule,
    Snooze,
    TaskContext,
    TaskId,
    TaskProcessor,
    current_task,
    inject,
    method,
    schedule,
    task,
)


@task
async def send(to: str, subject: str = "hi") -> None: ...


@task
def resize(path: str, width: int) -> bytes:
    raise NotImplementedError


class Service:
    """A service with a handler."""

    @task
    def send(self, to: str) -> int:
        raise NotImplementedError


class Mailer:
    """A service."""


@task
async def greet(to: str, mailer: Mailer = inject()) -> int:
    raise NotImplementedError


def plain_middleware(ctx: TaskContext, call_next: CallNext) -> None: ...
async def short_middleware(ctx: TaskContext) -> None: ...
async def generator(processor: TaskProcessor) -> None: ...


async def wrong_hook(ctx: TaskContext) -> int:
    raise NotImplementedError


def sync_hook(ctx: TaskContext) -> None: ...


proc = TaskProcessor("redis://localhost")


def build(batch: Batch) -> None:
    batch.enqueue(send)  # E
    batch.enqueue(send, 1)  # E
    batch.enqueue(send, "a", "b", "c")  # E
    batch.enqueue(send, to="a", topic="b")  # E
    batch.enqueue(send, "a", subject=3)  # E
    batch.enqueue(resize, "x.png")  # E
    batch.enqueue(resize, "x.png", "wide")  # E
    batch.enqueue(resize, width=3, path=None)  # E
    batch.enqueue("send", "a")  # E
    batch.enqueue(send("a"))  # E
    batch.enqueue(Service().send, 3)  # E
    batch.enqueue(method(Service.send))  # E
    batch.enqueue(greet)  # E
    batch.enqueue(greet, 3)  # E
    batch.enqueue(greet, "a", mailer="text")  # E
    batch.enqueue_raw("email", "text")  # E
    batch.enqueue_raw(b"email", b"bytes")  # E
    batch.continue_with(send, 5)  # E
    batch.continue_with(resize, "x.png")  # E
    batch.options(on="never").continue_with(send, "a")  # E
    batch.options(delay="soon").enqueue(send, "a")  # E
    batch.options(delay_until=5).enqueue(send, "a")  # E
    batch.options(priority=5).enqueue(send, "a")  # E
    batch.options(delay=5).enqueue(send)  # E
    one: TaskId[str] = batch.enqueue(resize, "x.png", 1)  # E
    print(one)


async def ask(ctx: TaskContext) -> str:
    return await ctx.get(Mailer)  # E


async def use() -> None:
    proc.enqueue_batch("default", "acme", build)  # E
    await proc.enqueue_batch("default", build)  # E
    await proc.enqueue_batch("default", "acme", build, title="x")  # E
    await proc.enqueue_task("default", "acme", send, 5)  # E
    await proc.enqueue_task("default", "acme", resize, "x.png")  # E
    await proc.options(delay=1).enqueue_task("default", "acme", send)  # E
    batch_id: int = await proc.enqueue_batch("default", "acme", build)  # E
    print(batch_id)
    info = await proc.get_batch("x")
    print(info.total)  # E
    await proc.get_batch(batch_id=1)  # E
    await proc.cancel_batch()  # E
    proc.cancel_batch("x")  # E
    acme = proc.tenant("acme")
    await acme.enqueue(send, None)  # E
    acme.enqueue(send, "a")  # E
    await acme.options(queue=3).enqueue(send, "a")  # E
    await proc.wait_batch("x")  # E
    await acme.cancel_unique(send)  # E
    await acme.find_unique(send, 3)  # E
    await acme.options(unique_for="1 s").enqueue(send, "a")  # E
    await proc.retry_dead_tasks(count="all")  # E
    picture: str = await proc.wait_result(await acme.enqueue(resize, "x.png", 1), 3)  # E
    print(picture)
    await proc.wait_result("x")  # E
    proc.wait_result("x", 3)  # E
    async for step in proc.watch(await acme.enqueue(resize, "x.png", 1)):
        print(step.remaining)  # E
    await current_task().progress("half")  # E


async def rules() -> None:
    acme = proc.tenant("acme")
    await proc.set_tenant_limits()  # E
    await proc.set_tenant_limits("acme", wieght=2)  # E
    await proc.set_tenant_limits("acme", weight="heavy")  # E
    await proc.set_tenant_limits("acme", max_running=1.5)  # E
    await proc.set_tenant_limits("acme", rate_limit=50)  # E
    await proc.set_tenant_limits("acme", tier=5)  # E
    await proc.set_tier("gold", tier="silver")  # E
    await proc.set_tier("gold", max_waiting="many")  # E
    await acme.set_limits(max_payload="1 MB")  # E
    await acme.set_limits(max_schedule=5)  # E
    proc.set_tier("gold", weight=2)  # E


async def schedules() -> None:
    daily, acme = Schedule("daily", "acme", "@daily"), proc.tenant("acme")
    await proc.upsert_schedule(daily, send)  # E
    await proc.upsert_schedule(daily, send, 5)  # E
    await proc.upsert_schedule(daily, resize, "x.png", height=3)  # E
    await proc.upsert_schedule("daily", send, "a")  # E
    await acme.upsert_schedule(daily, resize, "x.png")  # E
    await acme.upsert_schedule(daily, send("a"))  # E
    await acme.upsert_schedule(daily, Service().send, 3)  # E
    proc.upsert_schedule(daily, send, "a")  # E
    await proc.cancel_schedule("daily")  # E
    await acme.cancel_schedule("daily", "acme")  # E
    await proc.set_schedule_limit("acme", "many")  # E
    info = await proc.get_schedule("daily", "acme")
    print(info.words)  # E


Schedule("daily")  # E
Schedule("daily", "acme", cron=5)  # E
Schedule("daily", "acme", every="1 h")  # E
Schedule("daily", "acme", at="noon")  # E
Schedule("daily", "acme", "@daily", misfire="never")  # E
Schedule("daily", "acme", next_run=len)  # E
Schedule("daily", "acme", crom="@daily")  # E
schedule("@daily")  # E
schedule("@daily", tenant="system", at=datetime.now())  # E
schedule(cron="@daily", tenant="system")  # E


@task(max_attempts="3")  # E
def one() -> None: ...


@task(executor="thread")  # E
def two() -> None: ...


@task(retries=3)  # E
def three() -> None: ...


@task(keep="some")  # E
def five() -> None: ...


@task(unique=3)  # E
def unique() -> None: ...


@task(timeout="1 s")  # E
def four() -> None: ...


TaskProcessor("redis://localhost", workers=4)  # E
TaskProcessor("redis://localhost", max_workers="4")  # E
TaskProcessor("redis://localhost", on_task_start=sync_hook)  # E
TaskProcessor("redis://localhost", middleware=[plain_middleware])  # E
TaskProcessor("redis://localhost", middleware=[short_middleware])  # E
TaskProcessor("redis://localhost", lifespan=generator)  # E
TaskProcessor("redis://localhost", serializer=print)  # E
inject("mailer")  # E
Retry("soon")  # E
Snooze()  # E
Bury(3)  # E
current_task().attempt.upper()  # E
datetime.now() + 3  # E
