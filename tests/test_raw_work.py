"""Raw work, and processors that execute all work themselves."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import Batch, InvalidValue, PayloadTooLarge, Retry, TaskContext, current_task
from tests import handlers, recording, typed
from tests.harness import Instance, refused, until
from tests.sweep import Sweep

# raw work


@pytest.mark.row("CT-67")
async def test_raw_work_arrives_byte_for_byte(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKPROC_TEST_PREFIX", instance.name)
    every = bytes(range(256))
    async with instance.open() as proc:
        ids = [await proc.enqueue_raw("default", "acme", "raw.echo", every)]
        ids.append(await proc.tenant("acme").enqueue_raw("raw.echo", b""))
        ids.append(await proc.tenant("acme").options(queue="default").enqueue_raw("raw.echo", bytearray(b"\n\n!\n")))
        ids.append(await proc.enqueue_task("default", "acme", handlers.raw_echo, every))
        info = await proc.get_task(ids[0])
        assert info is not None
        assert (info.name, info.data) == ("raw.echo", every)
        large = every * 100

        def build(batch: Batch) -> None:
            ids.append(batch.enqueue_raw("raw.echo", large))
            ids.append(batch.enqueue(handlers.raw_echo, memoryview(every)))
            batch.enqueue_raw("raw.process", every)

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert [recording.received[task_id] for task_id in ids] == [every, b"", b"\n\n!\n", every, large, every]
        assert all(r["kind"] == "bytes" for r in instance.recorded("raw"))
        assert {r["name"] for r in instance.recorded("raw")} == {"raw.echo", "raw.process"}
        assert [bytes.fromhex(r["hex"]) for r in instance.recorded("raw") if "hex" in r] == [every]
        done = await proc.get_batch(batch_id)
        assert done is not None
        assert done.done == 3


async def test_raw_rows(instance: Instance) -> None:
    async with instance.open() as proc:
        async with proc.batch("default", "acme") as batch:
            await batch.enqueue_many(handlers.raw_echo, [(b"one",), [b"two"]])
        for rows in ([(b"one", b"two")], [()], [("text",)], [b"one"]):
            with refused(instance, (InvalidValue, TypeError), "raw.echo"):
                async with proc.batch("default", "acme") as batch:
                    await batch.enqueue_many(handlers.raw_echo, [(b"zero",), *rows])
        assert await proc.run_until_idle() == 2


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("", b"", "handler name ''"),
        ("x" * 201, b"", "200 printable"),
        ("a\nb", b"", "printable"),
        (5, b"", "handler name 5"),
        ("raw.echo", "text", "raw data of raw.echo must be bytes, not str"),
        ("raw.echo", None, "must be bytes, not NoneType"),
        ("raw.echo", [1, 2], "must be bytes, not list"),
    ],
)
async def test_raw_work_that_is_refused(instance: Instance, name: Any, data: Any, told: str) -> None:
    async with instance.open() as proc:
        with refused(instance, InvalidValue, told):
            await proc.enqueue_raw("default", "acme", name, data)
        with refused(instance, InvalidValue, told):
            await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue_raw(name, data))


async def test_a_raw_handler_takes_one_argument_of_bytes(instance: Instance) -> None:
    async with instance.open() as proc:
        for args, kwargs in [((), {}), ((b"a", b"b"), {}), ((), {"data": b"a"}), (("text",), {})]:
            with refused(instance, InvalidValue, "raw.echo"):
                await proc.enqueue_task("default", "acme", handlers.raw_echo, *args, **kwargs)
        with refused(instance, PayloadTooLarge, "raw.echo: its payload has 1,000,010 bytes"):
            await proc.enqueue_task("default", "acme", handlers.raw_echo, bytes(1_000_000))


async def test_raw_bytes_for_a_handler_of_arguments_are_dead_and_harm_nobody(instance: Instance) -> None:
    async with instance.worker(max_workers=1) as proc:
        for name in ("needs", "positional", "opaque", "typed"):
            await proc.enqueue_raw("default", "acme", f"{typed.__name__}.{name}", b"\xff")
        await proc.enqueue_task("default", "acme", handlers.mark)
        await instance.wait_records(1, "ran")
        dead = await until(lambda: proc.get_dead_tasks())
        assert len(dead) == 4
        assert len(await proc.get_workers()) == 1


# execute=


async def test_execute_replaces_decoding_and_calling(instance: Instance) -> None:
    seen: list[tuple[str, bytes, int]] = []

    async def execute(ctx: TaskContext) -> str:
        assert current_task() is ctx
        seen.append((ctx.name, ctx.data, ctx.attempt))
        if ctx.name == "again" and ctx.attempt == 1:
            raise Retry(0)
        if ctx.name == "broken":
            raise ValueError("x")
        return "result"

    async with instance.open(execute=execute, max_attempts=2, backoff=0) as proc:
        acme = proc.tenant("acme")
        await acme.enqueue(handlers.mark, "x")
        await acme.enqueue_raw("nobody.knows", b"\x00\xff")
        await acme.enqueue_raw("again", b"")
        await acme.enqueue_raw("broken", b"x" * 10_000)
        await acme.options(keep="none").enqueue_raw("broken", b"dropped")
        await acme.options(max_attempts=1).enqueue_raw("broken", b"once")
        await proc.run_until_idle()
        assert instance.records == []
        assert sorted(seen) == sorted(
            [
                ("tests.handlers.mark", b'["tests.handlers.mark",["x"]]', 1),
                ("nobody.knows", b"\x00\xff", 1),
                *[("again", b"", attempt) for attempt in (1, 2)],
                *[("broken", b"x" * 10_000, attempt) for attempt in (1, 2)],
                *[("broken", b"dropped", attempt) for attempt in (1, 2)],
                ("broken", b"once", 1),
            ]
        )
        assert {(d.data, len(d.errors)) for d in await proc.get_dead_tasks()} == {(b"x" * 10_000, 2), (b"once", 1)}
        totals = await acme.get_tenant()
        assert totals is not None
        assert (totals.done, totals.failed) == (3, 3)


async def test_execute_runs_no_task_that_has_used_its_attempts(instance: Instance) -> None:
    ran = []

    async def execute(ctx: TaskContext) -> None:
        ran.append(ctx.id)

    async with instance.open(execute=execute) as proc:
        task_id = await proc.options(max_attempts=1).enqueue_task("default", "acme", handlers.mark)
        crash(instance)
        await proc.run_until_idle()
        assert ran == []
        [dead] = await proc.get_dead_tasks()
        assert (dead.id, dead.errors[0].type) == (task_id, "taskproc.errors.LeaseExpired")


def crash(instance: Instance) -> None:
    """Claim all there is, as a worker that is gone by now, and let its leases run out."""
    sweep = Sweep(instance.client, instance.name)
    assert sweep.call("step", 1, "x" * 22, 1, 0, 128, b'["default"]', b"[]", 1)[0] == b"ok"
    sweep.call("upkeep_rescue", 100)
