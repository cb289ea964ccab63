"""What is said of limits: in the code, at the command line, by the number of slots that serve a queue; what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import Batch, InvalidValue, RateLimited, TaskProcessor, task
from tests import handlers, limited
from tests.commands import of, quick
from tests.harness import Instance, refused
from tests.limiting import limit, many, most_at_once


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_concurrency": -1}, "max_concurrency=-1"),
        ({"max_concurrency": "4"}, "max_concurrency='4'"),
        ({"max_concurrency": True}, "max_concurrency=True"),
        ({"concurrency_key": "tenant"}, "give max_concurrency or rate_limit too"),
        ({"max_concurrency": 1, "concurrency_key": "customer"}, "concurrency_key='customer'"),
        ({"rate_limit": "fast"}, "rate_limit='fast'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        task(**options)(handlers.noop)


@pytest.mark.parametrize("given", [-1, "soon", None])
def test_a_time_to_wait_that_makes_no_sense_is_refused(given: Any) -> None:
    with pytest.raises(InvalidValue, match="retry_after"):
        RateLimited(given)


@pytest.mark.parametrize("given", [None, 1.5, True, ["SECRET"]])
async def test_a_key_that_is_none_is_refused_and_nothing_stored(instance: Instance, given: Any) -> None:
    async with instance.open() as proc:
        with pytest.raises(InvalidValue, match=f"gave something of type {type(given).__name__}: it must give a text"):
            await proc.enqueue_task("default", "acme", limited.of_anything, given)
        with refused(instance, InvalidValue, "concurrency_key gave"):
            await proc.enqueue_task("default", "acme", limited.of_anything, given)
        with refused(instance, InvalidValue, "concurrency_key gave"):
            await proc.enqueue_batch("default", "acme", many(limited.of_anything, 2, given))


async def test_what_a_key_raises_is_raised_where_it_is_enqueued(instance: Instance) -> None:
    async with instance.open() as proc:
        with refused(instance, KeyError, "customer"):
            await proc.enqueue_task("default", "acme", limited.of_order, {})

        with pytest.raises(KeyError):
            await proc.enqueue_batch("default", "acme", lambda b: b.continue_with(limited.of_order, {}))
        with pytest.raises(KeyError):
            await proc.enqueue_batch("default", "acme", rows)


async def rows(batch: Batch) -> None:
    """Many tasks, the last of which has no key."""
    await batch.enqueue_many(limited.of_order, (({"customer": n} if n < 1500 else {},) for n in range(1501)))


async def test_all_that_limits_hold_up_is_run_until_idle(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", many(limited.two, 7))
        await proc.enqueue_batch("default", "other", many(limited.of_anything, 3, "key"))
        assert await proc.run_until_idle() == 10
    assert most_at_once(instance.records) <= 3


async def test_any_text_or_number_is_a_key(instance: Instance) -> None:
    keys = ["", "a b", "ü", "a.b!c:d}", "x" * 61, "x" * 61 + "y", 0, "0 ", -7, "%", "." * 20]
    async with instance.worker(max_workers=50, poll_interval=60) as proc:

        def build(batch: Batch) -> None:
            for _ in range(2):
                for key in keys:
                    batch.enqueue(limited.of_anything, key)

        batch = await proc.enqueue_batch("default", "acme", build)
        assert (await proc.wait_batch(batch, 10)).done == 2 * len(keys)
    records = instance.records
    assert most_at_once(records) == len(keys)
    assert all(most_at_once(r for r in records if r["tag"] == key) == 1 for key in keys)


@pytest.mark.row("BE-31")
async def test_a_queue_has_as_many_slots_as_the_processes_that_serve_it(instance: Instance) -> None:
    for queue, slots in (("one", 1), ("four", 4)):
        instance.process(queues=[queue], max_workers=slots)
    async with instance.open() as proc:
        batches = [await proc.enqueue_batch(queue, "acme", many(handlers.nap, 12, 0.1, queue)) for queue in ("one", "four")]
        for batch in batches:
            await proc.wait_batch(batch, 20)
    for queue, slots in (("one", 1), ("four", 4)):
        assert most_at_once(r for r in instance.records if r["queue"] == queue) == slots


async def test_limits_at_the_command_line(instance: Instance) -> None:
    async with instance.worker() as proc:
        name = "tests.limited.two"
        done = await quick("limits", "set", name, "--max-concurrency", "7", "--rate-limit", "9/s", **of(instance))
        assert done.code == 0
        found = await limit(proc, "two")
        assert (found.max_concurrency, found.rate_limit) == (7, "9/s")
        listed = await quick("limits", "list", "--json", **of(instance))
        [mine] = [entry for entry in listed.json if entry["name"] == name]
        assert (mine["max_concurrency"], mine["code_max_concurrency"], mine["is_set"]) == (7, 2, True)
        table = await quick("limits", "list", **of(instance))
        assert name in table.out.replace("\n", "")
        assert (await quick("limits", "set", name, "--max-concurrency", "none", **of(instance))).code == 0
        assert (await limit(proc, "two")).max_concurrency is None
        assert (await quick("limits", "clear", name, **of(instance))).code == 0
        assert (await limit(proc, "two")).max_concurrency == 2
        for arguments, code in (
            (("clear", name), 1),
            (("set", name), 2),
            (("set", name, "--max-concurrency", "many"), 2),
            (("set", name, "--rate-limit", "fast"), 2),
            (("set", "nobody.knows", "--max-concurrency", "1"), 2),
        ):
            assert (await quick("limits", *arguments, **of(instance))).code == code, arguments


async def test_the_worker_that_started_last_says_what_the_code_says(instance: Instance) -> None:
    """A handler that has no limit any more has none."""
    async with instance.worker() as proc:
        assert {info.name for info in await proc.get_limits()} >= {"tests.limited.two", "tests.limited.one"}
    async with instance.open() as proc:
        said = {"tests.limited.two": {"n": "tests.limited.two", "m": 5}, "tests.limited.one": None}
        await store_of(proc).limits.declare(said)
        assert (await limit(proc, "two")).max_concurrency == 5
        assert "tests.limited.one" not in {info.name for info in await proc.get_limits()}
        await store_of(proc).limits.look_again({name: {"n": name, "m": 9} for name in said})
        assert (await limit(proc, "two")).max_concurrency == 5  # it was known
        assert (await limit(proc, "one")).max_concurrency == 9


def store_of(proc: TaskProcessor) -> Any:
    """Its side of Redis."""
    return proc._store
