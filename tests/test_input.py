"""Bad input: every part of the public interface refuses it with an error that says what is wrong, and stores nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskproc import (
    ArgumentError,
    Batch,
    HandlerError,
    InvalidValue,
    NotFound,
    PayloadTooLarge,
    RedisUnavailable,
    TaskprocError,
    TaskProcessor,
)
from taskproc.errors import SchemaMismatch, ServerRefused, ServerTooOld
from tests import handlers, typed
from tests.harness import Instance, refused
from tests.servers import Server, free_port, running

SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def enqueues(proc: TaskProcessor) -> list[Callable[[Any, Any], Any]]:
    """Every call that takes a queue and a tenant and stores something."""

    def build(batch: Batch) -> None:
        batch.enqueue(handlers.noop, 1)

    async def block(queue: Any, tenant: Any) -> None:
        async with proc.batch(queue, tenant) as batch:
            build(batch)

    return [
        lambda queue, tenant: proc.enqueue_task(queue, tenant, handlers.noop),
        lambda queue, tenant: proc.enqueue_raw(queue, tenant, "raw.echo", b""),
        lambda queue, tenant: proc.options(delay=1).enqueue_task(queue, tenant, handlers.noop),
        lambda queue, tenant: proc.enqueue_batch(queue, tenant, build),
        lambda queue, tenant: proc.append_batch(queue, tenant, "a" * 22, build),
        block,
    ]


# names


GOOD_QUEUES = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
BAD_QUEUES = st.text().filter(lambda name: not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)) | st.sampled_from(
    ["", "a b", "a:b", "a}", "q\n", "ü", "x" * 65, "a/b", "*", "\x00", None, 5, b"default", ["default"]]
)
GOOD_TENANTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63)
BAD_TENANTS = st.sampled_from(["", "x" * 256, "ü" * 128, "\ud800", None, 5, b"acme", ["acme"], ("acme",)])


@SOME
@given(queue=BAD_QUEUES)
async def test_queue_names_that_are_refused(instance: Instance, queue: Any) -> None:
    async with instance.open() as proc:
        for enqueue in enqueues(proc):
            with refused(instance, InvalidValue, "queue name"):
                await enqueue(queue, "acme")
        for call in (proc.get_queue, proc.get_tasks_in_queue, proc.set_queue_mode):
            with refused(instance, InvalidValue, "queue name"):
                await call(queue, *(["fair"] if call == proc.set_queue_mode else []))  # type: ignore[operator]
        if queue is not None:
            for call in (proc.get_dead_tasks, proc.retry_dead_tasks, proc.discard_dead_tasks):
                with refused(instance, InvalidValue, "queue name"):
                    await call(queue)
            with pytest.raises(InvalidValue, match="queue name"):
                proc.options(queue=queue)
        with pytest.raises(InvalidValue, match="queue"):
            TaskProcessor("redis://localhost", queues=[queue])


@SOME
@given(tenant=BAD_TENANTS)
async def test_tenants_that_are_refused(instance: Instance, tenant: Any) -> None:
    async with instance.open() as proc:
        for enqueue in enqueues(proc):
            with refused(instance, InvalidValue, "tenant"):
                await enqueue("default", tenant)
        for call in (proc.get_batches, proc.count_batches, proc.get_tenant):
            with refused(instance, InvalidValue, "tenant"):
                await call(tenant)  # type: ignore[operator]
        with pytest.raises(InvalidValue, match="tenant"):
            proc.tenant(tenant)
        if tenant is not None:
            for call in (proc.get_dead_tasks, proc.retry_dead_tasks, proc.discard_dead_tasks):
                with refused(instance, InvalidValue, "tenant"):
                    await call(tenant=tenant)
            with refused(instance, InvalidValue, "tenant"):
                await proc.cancel_batch("a" * 22, tenant=tenant)


@SOME
@given(queue=GOOD_QUEUES, tenant=GOOD_TENANTS, label=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
async def test_names_that_are_taken_come_back(instance: Instance, queue: str, tenant: str, label: str) -> None:
    async with instance.open(queues=[queue]) as proc:
        batch_id = await proc.enqueue_batch(queue, tenant, lambda batch: batch.enqueue(handlers.noop), label=label)
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert (info.tenant, info.label) == (tenant, label)
        [waiting] = [task for task in await proc.get_tasks_in_queue(queue) if task.batch_id == batch_id]
        assert (waiting.queue, waiting.tenant) == (queue, tenant)
        assert batch_id in [found.id for found in await proc.get_batches(tenant)]
        assert await proc.run_until_idle() == 1
        totals = await proc.get_tenant(tenant)
        assert totals is not None
        assert totals.tenant == tenant


@SOME
@given(one=GOOD_TENANTS, other=GOOD_TENANTS)
async def test_no_tenant_reaches_another(instance: Instance, one: str, other: str) -> None:
    names = {one, other, one + ":" + other, one + "}", ":" + one}
    async with instance.open() as proc:
        before = {name: await proc.count_batches(name) for name in names}
        for name in names:
            await proc.enqueue_batch("default", name, lambda batch: batch.enqueue(handlers.noop))
        for name in names:
            assert await proc.count_batches(name) == before[name] + 1
        await proc.run_until_idle()


@pytest.mark.parametrize("label", ["x" * 1_001, "ü" * 501, "\ud800", 5, None, b"label"])
async def test_labels_that_are_refused(instance: Instance, label: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "label"):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop), label=label)


@pytest.mark.parametrize("key", ["", "x" * 1_001, "\ud800", 5, b"key", ["key"]])
async def test_idempotency_keys_that_are_refused(instance: Instance, key: Any) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, "idempotency_key"):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop), idempotency_key=key)
        with refused(instance, InvalidValue, "idempotency_key"):
            await proc.append_batch(
                "default", "acme", "a" * 22, lambda batch: batch.enqueue(handlers.noop), idempotency_key=key
            )
        with refused(instance, InvalidValue, "idempotency_key"):
            await proc.options(idempotency_key=key).enqueue_task("default", "acme", handlers.noop)


IDS = ["", "x", "a" * 21, "a" * 23, "ü" * 22, "a" * 21 + "\n", "a" * 21 + ":", "a" * 22, "a" * 31 + "}", "a" * 32, "a" * 33]


@pytest.mark.parametrize("made_up", IDS)
async def test_ids_that_are_nobodys(instance: Instance, made_up: str) -> None:
    async with instance.open() as proc:
        before = instance.keys()
        acme = proc.tenant("acme")
        for reader in (proc.get_batch, proc.get_task, acme.get_batch, acme.get_task):
            assert await reader(made_up) is None
        for canceller in (proc.cancel_batch, proc.cancel_task, acme.cancel_batch, acme.cancel_task):
            assert await canceller(made_up) is False
        assert await proc.append_batch("default", "acme", made_up, lambda batch: batch.enqueue(handlers.noop)) is False
        assert await proc.get_dead_tasks(batch_id=made_up) == []
        assert await proc.retry_dead_tasks(batch_id=made_up) == 0
        assert await proc.discard_dead_tasks(batch_id=made_up) == 0
        assert await proc.get_batches("acme", before=made_up) == []
        for waiter in (proc.wait_batch, acme.wait_batch):
            with pytest.raises(NotFound, match=f"no batch {re.escape(made_up)}"):
                await waiter(made_up, 5)
        with pytest.raises(NotFound, match=f"no batch {re.escape(made_up)}"):
            await acme.append(made_up, lambda batch: batch.enqueue(handlers.noop))
        left = [name for name in set(instance.keys()) - set(before) if b"}:p:" not in name]
        assert left == []


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


# options of the processor


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


# where Redis is


@pytest.mark.parametrize(
    ("redis", "told"),
    [
        ("http://localhost", "unknown scheme http://; use one of redis://, rediss://, unix://"),
        ("localhost:6379", "unknown scheme"),
        ("//localhost", "unknown scheme"),
        ("", "unknown scheme"),
        ("redis://localhost:port", "Redis URL"),
        ("redis://localhost:99999999", "Redis URL"),
        ("redis://localhost/notanumber", "Redis URL"),
        ("redis://localhost?socket_timeout=x", "socket_timeout"),
        ("redis+cluster://", "host:port"),
        ("redis://localhost/1x", "'1x' is not the number of a database"),
        ("redis://localhost/-1", "not the number of a database"),
        ("redis://[", "Redis URL"),
        ("unix://", "path of a socket"),
        ("redis+cluster://a:b", "'a:b' is not host:port"),
        ("redis+cluster://a:1/2", "a cluster has no databases"),
        ("redis+cluster://a:1?socket_connect_timeout=x", "socket_connect_timeout"),
        ("redis+sentinel://a:1/service/x", "'x' is not the number of a database"),
        ("redis+sentinel://localhost:26379", "name of the service"),
        (5, "a URL or a redis.asyncio client, not int"),
        (b"redis://localhost", "not bytes"),
        (["redis://localhost"], "not list"),
    ],
)
def test_places_of_redis_that_make_no_sense(redis: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(told)):
        TaskProcessor(redis)


def test_a_client_that_is_not_async_is_refused(server: Server) -> None:
    with server.client() as client, pytest.raises(InvalidValue, match=r"redis\.asyncio client, not Redis"):
        TaskProcessor(client)


@pytest.mark.parametrize(
    "url", ["redis://:secret@127.0.0.1:{port}", "redis+cluster://:secret@127.0.0.1:{port}", "unix:///nowhere/{port}"]
)
async def test_redis_that_is_not_there(url: str, anyio_backend: str) -> None:
    proc = TaskProcessor(url.format(port=free_port()), redis_patience=0.2)
    with pytest.raises(RedisUnavailable, match="Nothing was done") as caught:
        await proc.open()
    assert isinstance(caught.value, ConnectionError)
    assert "secret" not in repr(caught.value) + repr(proc)
    assert not proc.is_open


async def test_a_password_that_is_wrong(anyio_backend: str) -> None:
    with running("valkey") as server:
        with server.client() as client:
            client.config_set("requirepass", "right")
        wrong = TaskProcessor(server.url.replace("//", "//:wrong@"), redis_patience=5)
        with anyio.fail_after(3), pytest.raises(ServerRefused) as caught:
            await wrong.open()
        assert "wrong@" not in str(caught.value)
        async with TaskProcessor(server.url.replace("//", "//:right@")) as proc:
            assert await proc.get_queues() == []


def instead(answer: bytes, version: str) -> bytes:
    """What a server answers, telling another version; it keeps its length."""
    return re.sub(
        rb"(redis_version:)([0-9.]+)", lambda found: found[1] + version.encode().ljust(len(found[2]), b"0"), answer
    )


@asynccontextmanager
async def old_server(server: Server, version: str) -> AsyncIterator[str]:
    """A server that seems to be of another version; its URL."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            writer.write(instead(part, version))
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, before), pump(behind, writer), return_exceptions=True)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
    finally:
        listener.close()


@pytest.mark.row("CT-73")
@pytest.mark.parametrize("version", ["6.0.9", "5.0.7", "2.8.1"])
async def test_a_server_before_redis_6_2_is_refused_at_the_start(instance: Instance, version: str) -> None:
    async with old_server(instance.server, version) as url:
        proc = instance.processor(redis=url)
        for start in (proc.open, proc.run):
            with refused(instance, ServerTooOld, rf"the server is Redis {version}\d*; taskproc needs Redis 6\.2 or later"):
                await start()
        assert not proc.is_open


@pytest.mark.row("CT-73")
@pytest.mark.parametrize("version", ["6.2.0", "7.0.0", "10.1."])
async def test_later_servers_are_not(instance: Instance, version: str) -> None:
    async with old_server(instance.server, version) as url, instance.open(redis=url) as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)


async def test_keys_of_another_layout_are_left_alone(instance: Instance) -> None:
    instance.client.hset(f"{{{instance.name}}}:m", "schema", "999")
    proc = instance.processor()
    for start in (proc.open, proc.run):
        with refused(instance, SchemaMismatch, "have schema 999"):
            await start()
    instance.client.hset(f"{{{instance.name}}}:m", "schema", "1")


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
