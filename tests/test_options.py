"""Options of the processor, and the times at which it can be configured, run and asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproc import Batch, InvalidValue, TaskprocError, TaskProcessor
from taskproc.options import check_options
from tests import handlers
from tests.harness import SOME, Instance


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_workers": 0}, "max_workers=0: use a whole number from 1 to 10000"),
        ({"max_workers": -1}, "max_workers=-1"),
        ({"max_workers": 2.0}, "max_workers=2.0"),
        ({"max_workers": True}, "max_workers=True"),
        ({"max_workers": None}, "max_workers=None"),
        ({"queues": []}, "queues=[]: give a list of at least one"),
        ({"queues": "default"}, "queues='default': give a list"),
        ({"queues": None}, "queues=None"),
        ({"queues": ["a", "a"]}, "a queue stands there twice"),
        ({"queues": ["a b"]}, "queue name 'a b'"),
        ({"queues": [f"q{n}" for n in range(65)]}, "at most 64"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"backoff": -1}, "backoff=-1"),
        ({"backoff": []}, "backoff=[]"),
        ({"backoff": [1, "2"]}, "backoff='2'"),
        ({"backoff": "1s"}, "backoff='1s'"),
        ({"backoff": float("nan")}, "backoff=nan"),
        ({"invisibility": 0}, "invisibility=0"),
        ({"invisibility": -1}, "invisibility=-1"),
        ({"poll_interval": 0}, "poll_interval=0"),
        ({"poll_interval": "5"}, "poll_interval='5'"),
        ({"retention": -1}, "retention=-1"),
        ({"retention": timedelta.max}, "retention="),
        ({"shutdown_grace": -1}, "shutdown_grace=-1"),
        ({"shutdown_grace": None}, "shutdown_grace=None"),
        ({"unknown_grace": -1}, "unknown_grace=-1"),
        ({"redis_patience": 0}, "redis_patience=0"),
        ({"max_payload": 0}, "max_payload=0"),
        ({"max_payload": 10**12}, "max_payload="),
        ({"renew": 1}, "renew=1: use True or False"),
        ({"deadletter": None}, "deadletter=None"),
        ({"prefix": ""}, "prefix=''"),
        ({"prefix": "a{b}"}, "prefix='a{b}'"),
        ({"prefix": "a b"}, "prefix='a b'"),
        ({"prefix": "a\n"}, "prefix="),
        ({"prefix": "x" * 65}, "prefix of 65 bytes"),
        ({"prefix": 5}, "prefix=5"),
        ({"include": "tests.handlers"}, "include='tests.handlers': give a list"),
        ({"include": handlers}, "give a list of modules"),
        ({"include": [5]}, "include: 5 is not a module"),
        ({"include": [""]}, "include: '' is not a module"),
        ({"on_task_start": "log"}, "on_task_start='log': give a function"),
        ({"on_task_end": 5}, "on_task_end=5"),
        ({"on_task_error": []}, "on_task_error=[]"),
        ({"on_task_failed_delay": 5}, "on_task_failed_delay=5"),
        ({"resolver": "x"}, "resolver='x'"),
        ({"execute": "x"}, "execute='x'"),
        ({"max_worker": 5}, "TaskProcessor has no option 'max_worker'"),
    ],
)
def test_options_of_the_processor_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        TaskProcessor("redis://localhost", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 1, "queues": ("a", "b-c_d.E9"), "max_attempts": 1_000_000},
        {"backoff": 0, "retention": 0, "shutdown_grace": 0, "unknown_grace": 0, "renew": False, "deadletter": False},
        {"backoff": [timedelta(seconds=1), 2, 0.5], "invisibility": timedelta(seconds=1), "poll_interval": 0.001},
        {"backoff": lambda attempt: attempt, "prefix": "ü" * 32, "max_payload": 1, "redis_patience": timedelta(days=1)},
    ],
)
def test_options_of_the_processor_that_do(options: dict[str, Any]) -> None:
    assert not TaskProcessor("redis://localhost", **options).is_running


async def hook(*_: Any) -> None:
    """Does nothing."""


ALL: dict[str, Any] = {
    "prefix": "mine", "queues": ("a", "b"), "max_workers": 7, "include": ("json",), "max_attempts": 9,
    "invisibility": 7, "poll_interval": 3, "retention": 100, "shutdown_grace": 4, "unknown_grace": 8, "redis_patience": 2,
    "max_payload": 5_000, "renew": False, "deadletter": False, "durable": True, "on_task_start": hook, "on_task_end": hook,
    "on_task_error": hook, "on_task_failed_delay": hook, "execute": hook, "resolver": hook, "middleware": (hook, hook),
    "lifespan": hook, "serializer": json,
}  # fmt: skip
MILLISECONDS = {
    "invisibility": "invisibility_ms", "poll_interval": "poll_ms", "retention": "retention_ms",
    "shutdown_grace": "grace_ms", "unknown_grace": "unknown_grace_ms", "redis_patience": "patience_ms",
}  # fmt: skip


@pytest.mark.row("BN-29")
@SOME
@given(names=st.permutations(sorted(ALL)), count=st.integers(0, len(ALL)))
def test_options_are_read_back_in_whatever_order_they_are_set(names: list[str], count: int) -> None:
    chosen: Any = {name: ALL[name] for name in names[:count]}
    found, plain = check_options(chosen), check_options({})
    for name, value in ALL.items():
        field = MILLISECONDS.get(name, name)
        unset = getattr(plain, field) if name != "invisibility" or "renew" not in chosen else 300_000
        assert getattr(found, field) == ((value * 1000 if name in MILLISECONDS else value) if name in chosen else unset)


@pytest.mark.row("BN-29")
async def test_options_of_a_call_are_read_back_in_whatever_order_they_are_set(instance: Instance) -> None:
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    given_: dict[str, Any] = {"queue": "chosen", "delay_until": when, "max_attempts": 5, "keep": "none"}
    async with instance.open() as proc:
        for order in permutations(given_):
            chosen = proc.options(**{name: given_[name] for name in order})
            task_id = await chosen.enqueue_task("default", "acme", handlers.mark)
            info = await proc.get_task(task_id)
            assert info is not None
            assert (info.queue, info.scheduled_for, info.max_attempts) == ("chosen", when, 5)
            assert await proc.cancel_task(task_id)


def test_a_processor_is_configured_before_it_runs() -> None:
    proc = TaskProcessor("redis://localhost")
    for options, told in [
        ({"queues": []}, "queues="),
        ({"max_workers": 0}, "max_workers=0"),
        ({"queues": "q"}, "queues='q'"),
    ]:
        with pytest.raises(InvalidValue, match=told):
            proc.configure(**options)  # type: ignore[arg-type]


async def test_a_processor_that_runs_runs_once(instance: Instance) -> None:
    async with instance.worker() as proc:
        for again in (proc.run, proc.run_until_idle):
            with pytest.raises(TaskprocError, match="runs already"):
                await again()
        with pytest.raises(TaskprocError, match="configure it before"):
            proc.configure(max_workers=2)


async def test_calls_need_an_open_processor(instance: Instance) -> None:
    proc = instance.processor()
    build: Callable[[Batch], None] = lambda batch: None  # noqa: E731
    for call in (
        lambda: proc.enqueue_task("default", "acme", handlers.noop),
        lambda: proc.enqueue_raw("default", "acme", "raw.echo", b""),
        lambda: proc.enqueue_batch("default", "acme", build),
        lambda: proc.append_batch("default", "acme", "a" * 22, build),
        lambda: proc.cancel_batch("a" * 22),
        lambda: proc.cancel_task("a" * 32),
        lambda: proc.get_batch("a" * 22),
        lambda: proc.get_batches("acme"),
        lambda: proc.count_batches("acme"),
        lambda: proc.wait_batch("a" * 22, 1),
        lambda: proc.get_task("a" * 32),
        proc.get_queues,
        lambda: proc.get_queue("default"),
        lambda: proc.get_tasks_in_queue("default"),
        proc.get_dead_tasks,
        proc.retry_dead_tasks,
        proc.discard_dead_tasks,
        proc.pause,
        proc.resume,
        proc.is_paused,
        proc.get_workers,
        proc.get_tenants,
        lambda: proc.get_tenant("acme"),
        proc.run_until_idle,
    ):
        with pytest.raises(TaskprocError, match="the processor is not open"):
            await call()
    await proc.open()
    await proc.open()
    assert proc.is_open
    await proc.close()
    await proc.close()
    with pytest.raises(TaskprocError, match="not open"):
        await proc.get_queues()
    await proc.stop()


OPTIONS = (
    "prefix", "queues", "max_workers", "include", "max_attempts", "backoff", "invisibility", "poll_interval", "retention",
    "shutdown_grace", "unknown_grace", "redis_patience", "max_payload", "renew", "deadletter", "on_task_start", "execute",
)  # fmt: skip
ANYTHING = (
    st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.binary() | st.lists(st.integers() | st.text())
)


@SOME
@given(value=ANYTHING)
def test_whatever_an_option_is_given_the_error_is_one_of_ours(value: Any) -> None:
    for name in OPTIONS:
        told = problem("redis://localhost", **{name: value})
        assert told is None or name.split("_")[0].rstrip("s") in told


@SOME
@given(url=st.text(max_size=40) | st.from_regex(r"(redis|rediss|unix|redis\+cluster|redis\+sentinel)://.{0,30}"))
def test_whatever_url_is_given_the_error_is_one_of_ours(url: str) -> None:
    told = problem(url)
    assert told is None or "Redis URL: " in told


def problem(redis: Any, **options: Any) -> str | None:
    """What is told of input that is refused."""
    try:
        TaskProcessor(redis, **options)
    except InvalidValue as error:
        return str(error)
    return None
