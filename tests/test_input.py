"""Bad input to enqueue, read and control: refused with an error that says what is wrong, and nothing is stored."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from taskproc import ArgumentError, Batch, HandlerError, InvalidValue, PayloadTooLarge
from tests import handlers, typed
from tests.harness import Instance, refused

# what is enqueued


@pytest.mark.parametrize(
    ("kind", "told", "args", "kwargs"),
    [
        (HandlerError, "a lambda", (lambda: None,), {}),
        (HandlerError, "not a function", ("tests.handlers.mark",), {}),
        (ArgumentError, "argument 'tag' of type object", (handlers.mark, object()), {}),
        (ArgumentError, "argument 'seconds' of type str: it must be float", (handlers.nap, "long"), {}),
        (ArgumentError, "argument 'text' of type int", (typed.typed,), {"text": 5}),
        (ArgumentError, "missing a required argument: 'seconds'", (handlers.nap,), {}),
        (PayloadTooLarge, r"mark: its payload has 1,000,0\d\d bytes; at most 1,000,000", (handlers.mark, "x" * 10**6), {}),
    ],
)  # fmt: skip
async def test_one_bad_task_stores_nothing_of_its_batch(
    instance: Instance, kind: type[Exception], told: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    async with instance.open() as proc:
        running = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))

        def build(batch: Batch) -> None:
            for n in range(2_500):
                batch.enqueue(handlers.noop, n)
            batch.enqueue(*args, **kwargs)

        async def staged(batch: Batch) -> None:
            await batch.enqueue_many(handlers.noop, ((n,) for n in range(2_500)))
            await batch.flush()
            batch.enqueue(*args, **kwargs)

        for way in (build, staged):
            with refused(instance, kind, told):
                await proc.enqueue_batch("default", "acme", way)
            with refused(instance, kind, told):
                await proc.append_batch("default", "acme", running, way)
        with refused(instance, kind, told):
            await proc.enqueue_task("default", "acme", *args, **kwargs)
        with refused(instance, kind, told):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.continue_with(*args, **kwargs))
        info = await proc.get_batch(running)
        assert info is not None
        assert (info.total, info.remaining) == (1, 1)


async def test_payloads_up_to_the_limit_pass(instance: Instance) -> None:
    async with instance.open(max_payload=20_000) as proc:
        room = 20_000 - len('["tests.handlers.mark",[""]]')
        await proc.enqueue_task("default", "acme", handlers.mark, "x" * room)
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handlers.mark, [("x" * room,)])
            batch.enqueue_raw("raw.echo", bytes(20_000 - len("!raw.echo\n")))
        for bad in (lambda: "x" * (room + 1), lambda: "ü" * (room // 2 + 1)):
            with refused(instance, PayloadTooLarge, "at most 20,000"):
                await proc.enqueue_task("default", "acme", handlers.mark, bad())
            with refused(instance, PayloadTooLarge, "at most 20,000"):
                async with proc.batch("default", "acme") as batch:
                    await batch.enqueue_many(handlers.mark, [("fits",), (bad(),)])
        with refused(instance, PayloadTooLarge, "at most 20,000"):
            await proc.enqueue_raw("default", "acme", "raw.echo", bytes(20_001 - len("!raw.echo\n")))
        with refused(instance, PayloadTooLarge, r"its continuations have 20,0\d\d bytes"):
            async with proc.batch("default", "acme") as batch:
                for _ in range(2):
                    batch.continue_with(handlers.mark, "x" * 9_990)
        assert await proc.run_until_idle() == 3


async def test_continuations_up_to_a_hundred(instance: Instance) -> None:
    async with instance.open() as proc:

        def build(batch: Batch) -> None:
            for _ in range(101):
                batch.continue_with(handlers.noop)

        with refused(instance, InvalidValue, "at most 100 continuations"):
            await proc.enqueue_batch("default", "acme", build)
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        with refused(instance, InvalidValue, "an append can't add any"):
            await proc.append_batch("default", "acme", batch_id, lambda batch: batch.continue_with(handlers.noop))


async def test_a_batch_goes_to_sixty_four_queues_at_most(instance: Instance) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "64"):
            async with proc.batch("default", "acme") as batch:
                for n in range(80):
                    batch.options(queue=f"q{n}").enqueue(handlers.noop)
        async with proc.batch("q0", "acme") as batch:
            for n in range(64):
                batch.options(queue=f"q{n}").enqueue(handlers.noop)
        with refused(instance, InvalidValue, "64"):
            await proc.append_batch("q64", "acme", batch.id, lambda more: more.enqueue(handlers.noop))


async def test_a_batch_that_is_built_takes_no_more(instance: Instance) -> None:
    async with instance.open() as proc:
        kept: list[Batch] = []
        batch_id = await proc.enqueue_batch("default", "acme", kept.append)
        for late in (
            lambda: kept[0].enqueue(handlers.noop),
            lambda: kept[0].enqueue_raw("raw.echo", b""),
            lambda: kept[0].continue_with(handlers.noop),
        ):
            with refused(instance, InvalidValue, f"batch {batch_id} is built: append to it"):
                late()
        with refused(instance, InvalidValue, "is built"):
            await kept[0].enqueue_many(handlers.noop, [()])
        with refused(instance, InvalidValue, "is built"):
            await kept[0].flush()


async def test_whatever_a_build_raises_stores_nothing(instance: Instance) -> None:
    async with instance.open() as proc:
        running = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        for error in (ZeroDivisionError("mine"), asyncio.CancelledError("mine"), SystemExit("mine")):

            async def build(batch: Batch, error: BaseException = error) -> None:
                await batch.enqueue_many(handlers.noop, ((n,) for n in range(2_500)))
                raise error

            for call in (proc.enqueue_batch("default", "acme", build), proc.append_batch("default", "acme", running, build)):
                before = instance.keys()
                with pytest.raises(type(error), match="mine"):
                    await call
                assert instance.keys() == before
        with refused(instance, TypeError, "not callable"):
            await proc.enqueue_batch("default", "acme", 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_attempts": -1}, "max_attempts=-1"),
        ({"max_attempts": 1.5}, "max_attempts=1.5"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"max_attempts": "3"}, "max_attempts='3'"),
        ({"max_attempts": 10**7}, "from 1 to 1000000"),
        ({"keep": "all of it"}, "keep='all of it'"),
        ({"keep": True}, "keep=True"),
        ({"queue": ""}, "queue name ''"),
        ({"queue": 5}, "queue name 5"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": timedelta(seconds=-1)}, "delay="),
        ({"delay_until": datetime(2030, 1, 1)}, "no time zone"),
        ({"on": "never"}, "on='never': use one of done, settled, failed, cancelled"),
        ({"on": None}, "on=None"),
        ({"on": ["done"]}, "on=['done']"),
    ],
)
async def test_options_of_a_call_that_are_refused(instance: Instance, options: dict[str, Any], told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, re.escape(told)):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.options(**options).enqueue(handlers.noop))
        with refused(instance, InvalidValue, re.escape(told)):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.options(**options).continue_with(handlers.noop))
        if "on" not in options:
            with refused(instance, InvalidValue, re.escape(told)):
                await proc.options(**options).enqueue_task("default", "acme", handlers.noop)
            with refused(instance, InvalidValue, re.escape(told)):
                await proc.tenant("acme").options(**options).enqueue(handlers.noop)


async def test_options_that_no_call_knows(instance: Instance) -> None:
    async with instance.open() as proc:
        with refused(instance, TypeError, "retries"):
            proc.options(retries=3)  # type: ignore[call-arg]
        for call in ("enqueue", "enqueue_raw"):
            with refused(instance, InvalidValue, f"is for continue_with, not for {call}"):
                await proc.enqueue_batch(
                    "default",
                    "acme",
                    lambda batch, call=call: getattr(batch.options(on="failed"), call)(handlers.noop, b""),
                )
        with refused(instance, InvalidValue, "not for enqueue_many"):
            await proc.enqueue_batch(
                "default", "acme", lambda batch: batch.options(on="failed").enqueue_many(handlers.noop, [()])
            )


# reading and control


@pytest.mark.parametrize("bad", [-1, 1.5, "1", None, True, 10**10])
async def test_pages_that_are_refused(instance: Instance, bad: Any) -> None:
    async with instance.open() as proc:
        for name in ("skip", "take"):
            for call in (
                lambda **page: proc.get_batches("acme", **page),
                lambda **page: proc.get_tasks_in_queue("default", **page),
                proc.get_dead_tasks,
                proc.get_tenants,
            ):
                with refused(instance, InvalidValue, f"{name}={bad!r}"):
                    await call(**{name: bad})
        if bad is not None:
            for call in (proc.retry_dead_tasks, proc.discard_dead_tasks):
                with refused(instance, InvalidValue, f"count={bad!r}"):
                    await call(count=bad)
        if bad is not None:
            with refused(instance, InvalidValue, f"max_attempts={bad!r}"):
                await proc.retry_dead_tasks(max_attempts=bad)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", None])
async def test_waits_that_are_refused(instance: Instance, timeout: Any) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        for wait in (proc.wait_batch, proc.tenant("acme").wait_batch):
            with refused(instance, InvalidValue, "timeout="):
                await wait(batch_id, timeout)


@pytest.mark.parametrize("mode", ["strict", "", None, 5])
async def test_modes_that_are_refused(instance: Instance, mode: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "mode="):
            await proc.set_queue_mode("default", mode)
