"""Every public call with its parameters: what each takes, and by which words an error names it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from taskproc import Batch, ResultNotKept, TaskProcessor, method
from tests.fuzz import handlers
from tests.fuzz.values import CANARY, odd, payload

Chance = Callable[[random.Random], Any]
Values = dict[str, Any]


@dataclass(frozen=True)
class Slot:
    """A parameter: a good value, an odd one, and what an error that refuses it matches."""

    name: str
    good: Chance
    told: str
    odd: Chance = odd


@dataclass(frozen=True)
class Call:
    """A call with its parameters."""

    name: str
    slots: tuple[Slot, ...]
    make: Callable[[TaskProcessor, Values], Awaitable[Any]]


def fixed(*values: Any) -> Chance:
    """One of some values."""
    return lambda rng: rng.choice(values)


def uncallable(rng: random.Random) -> Any:
    """An odd value that isn't callable: what a function of the caller's raises is the caller's."""
    while callable(value := odd(rng)):
        pass
    return value


def impatient(rng: random.Random) -> Any:
    """An odd value that is no time to wait for."""
    while isinstance(value := odd(rng), int | float) and 0.1 < value < 1e9:
        pass
    return value


def arguments(rng: random.Random) -> tuple[Any, ...]:
    """Arguments for a handler."""
    return tuple(payload(rng) for _ in range(rng.randrange(5)))


def rows(rng: random.Random) -> Any:
    """Rows of arguments."""
    kind = rng.randrange(4)
    if kind == 0:
        return odd(rng)
    return [arguments(rng) if kind == 1 else odd(rng) if kind == 2 else (1, "a") for _ in range(rng.randrange(4))]


def named(rng: random.Random) -> dict[str, Any]:
    """Arguments by name."""
    return {
        rng.choice(["number", "text", "flag", "tag", "canary", "more", "x", "self"]): payload(rng)
        for _ in range(rng.randrange(3))
    }


def a_handler(rng: random.Random) -> Any:
    """Something in place of a handler."""
    return rng.choice([handlers.unmarked, len, print, "tests.fuzz.handlers.take", TaskProcessor.run, odd(rng)])


QUEUE = Slot("queue", fixed("default", "second"), "queue")
TENANT = Slot("tenant", fixed("acme", "second"), "tenant")
TENANT_OR_ALL = Slot("tenant", fixed("acme", None), "tenant")
ONE_QUEUE = Slot("queue", fixed("default", None), "queue")
START = Slot("start", fixed(datetime(2020, 1, 1, tzinfo=UTC)), "start|end|step")
END = Slot("end", fixed(datetime(2020, 1, 2, tzinfo=UTC)), "end|step")
STEP = Slot("step", fixed(60, 3600, 86_400), "step")
TARGET_WAIT = Slot("target_wait", fixed(1, 60), "target_wait")
ON = Slot("on", fixed(True, False), "on=")
HANDLER = Slot(
    "handler", fixed(handlers.take, handlers.strict, handlers.fail_first), "function|handler|lambda|generator", a_handler
)
ARGS = Slot("args", fixed(("t", "x"), (1, "x")), "argument|payload|row|takes", arguments)
KWARGS = Slot("kwargs", fixed({}), "argument|payload", named)
BATCH = Slot("batch", fixed("", "a" * 22), "batch|id")
TASK = Slot("task", fixed("a" * 32, ""), "task|id")
LABEL = Slot("label", fixed("", "label"), "label")
KEY = Slot("key", fixed(None, "k1", "k2"), "idempotency_key")
BUILD = Slot(
    "build", fixed(lambda batch: None, lambda batch: batch.enqueue(handlers.take, "t", CANARY)), "build", uncallable
)
SKIP, TAKE = Slot("skip", fixed(0, 5), "skip"), Slot("take", fixed(0, 50), "take")
COUNT = Slot("count", fixed(0, 5, None), "count")
MOST = Slot("most", fixed(None, 3), "max_attempts")
RAW_NAME = Slot("name", fixed("fuzz.raw", "nobody"), "name")
DATA = Slot("data", fixed(b"", CANARY.encode()), "data|payload", payload)
TIMEOUT = Slot("timeout", fixed(0, 0.01), "timeout", impatient)
MODE = Slot("mode", fixed("fair", "fifo"), "mode|queue")
LIMIT = Slot("limit", fixed(None, 0, 10**9), "max_waiting")
DELAY = Slot("delay", fixed(None, 0, 1_000), "delay")
DUE = Slot("due", fixed(None, datetime(2100, 1, 1, tzinfo=UTC)), "delay_until|delay")
KEEP = Slot("keep", fixed(None, "failed", "none"), "keep")
ON = Slot("on", fixed("done", "settled", "failed", "cancelled"), "on=|on…|on\\(")
ROWS = Slot("rows", fixed([("t", "x")], []), "row|argument|payload", rows)
CALL_OPTIONS = (QUEUE, DELAY, DUE, MOST, KEEP, KEY)


def chosen(v: Values, *names: str) -> dict[str, Any]:
    """Options of a call."""
    plain = {"queue": "queue", "delay": "delay", "due": "delay_until", "most": "max_attempts", "keep": "keep",
             "key": "idempotency_key", "on": "on"}  # fmt: skip
    return {plain[name]: v[name] for name in names if not (name == "delay" and v["due"] is not None)}


async def built(p: TaskProcessor, v: Values, fill: Callable[[Batch], Any], tenant: str = "acme") -> None:
    """Make a batch, or append to one, as a call says."""

    async def build(batch: Batch) -> None:
        batch.enqueue(handlers.take, "t", "x")
        found = fill(batch)
        if asyncio.iscoroutine(found):
            await found

    if v.get("append"):
        await p.append_batch("default", tenant, v["target"], build)
    else:
        await p.enqueue_batch("default", tenant, build)


async def block(p: TaskProcessor, v: Values) -> None:
    """A batch as a block."""
    async with p.batch(v["queue"], v["tenant"], label=v["label"], idempotency_key=v["key"]) as batch:
        batch.enqueue(handlers.take, "t", "x")


def batch_of(v: Values) -> Any:
    """The batch that is named, or one that exists."""
    return v["target"] if isinstance(v["batch"], str) and not v["batch"] else v["batch"]


async def waited(p: TaskProcessor, v: Values) -> None:
    """Wait, though not for long."""
    with suppress(TimeoutError):  # among them NotReady
        async with asyncio.timeout(0.05):
            await p.wait_batch(batch_of(v), v["timeout"])


async def resulted(p: TaskProcessor, v: Values) -> None:
    """Wait for a result, though not for long."""
    with suppress(TimeoutError, ResultNotKept):
        async with asyncio.timeout(0.05):
            await p.wait_result(v["task"], v["timeout"])


async def watched(p: TaskProcessor, v: Values) -> None:
    """Look at the first event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05), aclosing(p.watch(v["task"])) as events:
            await anext(events)


async def configured(p: TaskProcessor, v: Values) -> None:
    """Configure another processor."""
    TaskProcessor("redis://localhost").configure(queues=v["queues"], max_workers=v["workers"])


APPEND = Slot("append", fixed(True, False), "never", fixed(True, False))
FLAGS = ("queue", "delay", "due", "most", "keep")

CALLS: list[Call] = [
    Call("enqueue_task", (QUEUE, TENANT, HANDLER, ARGS, KWARGS),
         lambda p, v: p.enqueue_task(v["queue"], v["tenant"], v["handler"], *v["args"], **v["kwargs"])),
    Call("enqueue_task of arguments", (ARGS, KWARGS),
         lambda p, v: p.enqueue_task("default", "acme", handlers.strict, *v["args"], **v["kwargs"])),
    Call("tenant.enqueue", (TENANT, HANDLER, ARGS),
         lambda p, v: p.tenant(v["tenant"]).enqueue(v["handler"], *v["args"])),
    Call("method", (HANDLER,), lambda p, v: p.enqueue_task("default", "acme", method(v["handler"]), "t", "x")),
    Call("enqueue_raw", (QUEUE, TENANT, RAW_NAME, DATA),
         lambda p, v: p.enqueue_raw(v["queue"], v["tenant"], v["name"], v["data"])),
    Call("tenant.enqueue_raw", (RAW_NAME, DATA), lambda p, v: p.tenant("acme").enqueue_raw(v["name"], v["data"])),
    Call("options.enqueue_task", CALL_OPTIONS,
         lambda p, v: p.options(**chosen(v, *FLAGS, "key")).enqueue_task("default", "acme", handlers.take, "t", "x")),
    Call("tenant.options.enqueue", CALL_OPTIONS,
         lambda p, v: p.tenant("acme").options(**chosen(v, *FLAGS, "key")).enqueue(handlers.take, "t", "x")),
    Call("tenant.options.enqueue_raw", CALL_OPTIONS,
         lambda p, v: p.tenant("acme").options(**chosen(v, *FLAGS, "key")).enqueue_raw("fuzz.raw", b"")),
    Call("enqueue_batch", (QUEUE, TENANT, BUILD, LABEL, KEY),
         lambda p, v: p.enqueue_batch(v["queue"], v["tenant"], v["build"], label=v["label"], idempotency_key=v["key"])),
    Call("tenant.enqueue_batch", (QUEUE, BUILD, LABEL, KEY),
         lambda p, v: p.tenant("acme").enqueue_batch(v["build"], queue=v["queue"], label=v["label"],
         idempotency_key=v["key"])),
    Call("batch", (QUEUE, TENANT, LABEL, KEY), block),
    Call("append_batch", (QUEUE, TENANT, BATCH, BUILD, KEY),
         lambda p, v: p.append_batch(v["queue"], v["tenant"], batch_of(v), v["build"], idempotency_key=v["key"])),
    Call("tenant.append", (QUEUE, BATCH, BUILD, KEY),
         lambda p, v: p.tenant("acme").append(batch_of(v), v["build"], queue=v["queue"], idempotency_key=v["key"])),
    Call("batch.enqueue", (HANDLER, ARGS, KWARGS, APPEND),
         lambda p, v: built(p, v, lambda b: b.enqueue(v["handler"], *v["args"], **v["kwargs"]))),
    Call("batch.enqueue_raw", (RAW_NAME, DATA, APPEND),
         lambda p, v: built(p, v, lambda b: b.enqueue_raw(v["name"], v["data"]))),
    Call("batch.enqueue_many", (HANDLER, ROWS, APPEND),
         lambda p, v: built(p, v, lambda b: b.enqueue_many(v["handler"], v["rows"]))),
    Call("batch.continue_with", (HANDLER, ARGS),
         lambda p, v: built(p, v, lambda b: b.continue_with(v["handler"], *v["args"]))),
    Call("batch.options.enqueue", (*CALL_OPTIONS[:5], APPEND),
         lambda p, v: built(p, v, lambda b: b.options(**chosen(v, *FLAGS)).enqueue(handlers.take, "t", "x"))),
    Call("batch.options.continue_with", (*CALL_OPTIONS[:5], ON),
         lambda p, v: built(p, v, lambda b: b.options(**chosen(v, *FLAGS, "on")).continue_with(handlers.take, "t", "x"))),
    Call("batch.options.enqueue_many", (ROWS, QUEUE, ON),
         lambda p, v: built(p, v, lambda b: b.options(queue=v["queue"], on=v["on"]).enqueue_many(handlers.take, v["rows"]))),
    Call("get_batch", (BATCH,), lambda p, v: p.get_batch(v["batch"])),
    Call("get_task", (TASK,), lambda p, v: p.get_task(v["task"])),
    Call("wait_result", (TASK, TIMEOUT), resulted),
    Call("watch", (TASK,), watched),
    Call("tenant.get_batch", (BATCH,), lambda p, v: p.tenant("acme").get_batch(v["batch"])),
    Call("tenant.get_task", (TASK,), lambda p, v: p.tenant("acme").get_task(v["task"])),
    Call("cancel_batch", (BATCH, TENANT), lambda p, v: p.cancel_batch(v["batch"], tenant=v["tenant"])),
    Call("cancel_task", (TASK,), lambda p, v: p.cancel_task(v["task"])),
    Call("tenant.cancel_batch", (BATCH,), lambda p, v: p.tenant("acme").cancel_batch(v["batch"])),
    Call("tenant.cancel_task", (TASK,), lambda p, v: p.tenant("acme").cancel_task(v["task"])),
    Call("wait_batch", (BATCH, TIMEOUT), waited),
    Call("get_batches", (TENANT, SKIP, TAKE, BATCH),
         lambda p, v: p.get_batches(v["tenant"], v["skip"], v["take"], v["batch"])),
    Call("tenant.get_batches", (SKIP, TAKE, BATCH),
         lambda p, v: p.tenant("acme").get_batches(v["skip"], v["take"], v["batch"])),
    Call("count_batches", (TENANT,), lambda p, v: p.count_batches(v["tenant"])),
    Call("get_queue", (QUEUE,), lambda p, v: p.get_queue(v["queue"])),
    Call("set_queue_mode", (QUEUE, MODE), lambda p, v: p.set_queue_mode(v["queue"], v["mode"])),
    Call("set_queue_limit", (LIMIT,), lambda p, v: p.set_queue_limit("limited", v["limit"])),
    Call("get_tasks_in_queue", (QUEUE, SKIP, TAKE), lambda p, v: p.get_tasks_in_queue(v["queue"], v["skip"], v["take"])),
    Call("get_dead_tasks", (QUEUE, TENANT, BATCH, SKIP, TAKE),
         lambda p, v: p.get_dead_tasks(v["queue"], tenant=v["tenant"], batch_id=v["batch"], skip=v["skip"], take=v["take"])),
    Call("retry_dead_tasks", (QUEUE, TENANT, BATCH, COUNT, MOST),
         lambda p, v: p.retry_dead_tasks(v["queue"], tenant=v["tenant"], batch_id=v["batch"], count=v["count"],
         max_attempts=v["most"])),
    Call("discard_dead_tasks", (QUEUE, BATCH, COUNT),
         lambda p, v: p.discard_dead_tasks(v["queue"], batch_id=v["batch"], count=v["count"])),
    Call("tenant.get_dead_tasks", (QUEUE, BATCH, SKIP, TAKE),
         lambda p, v: p.tenant("acme").get_dead_tasks(v["queue"], batch_id=v["batch"], skip=v["skip"], take=v["take"])),
    Call("tenant.retry_dead_tasks", (QUEUE, BATCH, COUNT, MOST),
         lambda p, v: p.tenant("acme").retry_dead_tasks(v["queue"], batch_id=v["batch"], count=v["count"],
         max_attempts=v["most"])),
    Call("get_tenants", (SKIP, TAKE), lambda p, v: p.get_tenants(v["skip"], v["take"])),
    Call("get_tenant", (TENANT,), lambda p, v: p.get_tenant(v["tenant"])),
    Call("get_tenant_queues", (TENANT,), lambda p, v: p.get_tenant_queues(v["tenant"])),
    Call(
        "get_history", (TENANT_OR_ALL, START, END, STEP, ONE_QUEUE),
        lambda p, v: p.get_history(v["tenant"], v["start"], v["end"], v["step"], queue=v["queue"]),
    ),
    Call(
        "get_usage", (TENANT_OR_ALL, START, END, ONE_QUEUE),
        lambda p, v: p.get_usage(v["tenant"], v["start"], v["end"], queue=v["queue"]),
    ),
    Call("get_signals", (TARGET_WAIT, ONE_QUEUE), lambda p, v: p.get_signals(v["target_wait"], queue=v["queue"])),
    Call("set_statistics", (ON,), lambda p, v: p.set_statistics(v["on"])),
    Call("configure", (Slot("queues", fixed(None, ["a"]), "queue"), Slot("workers", fixed(None, 3), "max_workers")),
         configured),
]  # fmt: skip
