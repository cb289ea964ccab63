"""What a handler knows of itself and can ask for while it runs."""

from __future__ import annotations

import orjson
import pytest

from taskproc import Batch, current_task
from tests import forms, handlers
from tests.harness import Instance


@pytest.mark.row("BE-35", "CT-65", "BN-23")
async def test_a_task_knows_itself_and_stores_nothing_of_it(instance: Instance) -> None:
    async with instance.open(backoff=0, max_attempts=7) as proc:
        before = instance.now()
        task_id = await proc.enqueue_task("default", "acme", forms.look_around, "x")
        after = instance.now()
        info = await proc.get_task(task_id)
        assert info is not None
        assert orjson.loads(info.data) == ["tests.forms.look_around", ["x"]]
        await proc.run_until_idle()
        first, second = instance.recorded("looked")
        assert before - 0.001 <= first["created"] <= after
        assert first["created"] == second["created"] == info.created_at.timestamp()
        assert [(r["id"], r["attempt"], r["delivery"]) for r in (first, second)] == [(task_id, 1, 1), (task_id, 2, 2)]
        for r in (first, second):
            assert (r["name"], r["queue"], r["tenant"]) == ("tests.forms.look_around", "default", "acme")
            assert (r["data"], r["most"], r["zone"], r["schedule"]) == (info.data.decode(), 7, "UTC", None)
            assert (r["continuation"], r["cancelled"], r["outcome"]) == (False, False, None)


@pytest.mark.row("BE-35")
async def test_a_task_of_a_batch_and_a_continuation_know_their_batch(instance: Instance) -> None:
    async with instance.open(backoff=0) as proc:

        def build(batch: Batch) -> None:
            batch.enqueue(forms.look_around, "task")
            batch.options(max_attempts=9).continue_with(forms.look_around, "continuation")

        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        looked = instance.recorded("looked")
        told = [(r["tag"], r["attempt"], r["batch"], r["continuation"], r["most"]) for r in looked]
        assert told == [
            ("task", 1, batch_id, False, 3),
            ("task", 2, batch_id, False, 3),
            ("continuation", 1, batch_id, True, 9),
            ("continuation", 2, batch_id, True, 9),
        ]


@pytest.mark.row("CT-65", "BN-23")
async def test_the_cancel_signal_is_live_and_never_stored(instance: Instance) -> None:
    async with instance.worker() as proc:
        ids = [await proc.enqueue_task("default", "acme", call, 30) for call in (handlers.nap, handlers.nap_thread)]
        await instance.wait_records(2, "start")
        assert b"ancel" not in b"".join(instance.client.hvals(f"{{{instance.name}}}:run"))
        for task_id in ids:
            assert await proc.cancel_task(task_id)
        assert {r["id"] for r in await instance.wait_records(2, "cancelled")} == set(ids)


def test_there_is_no_current_task_elsewhere() -> None:
    with pytest.raises(LookupError, match="outside of a running task"):
        current_task()


async def test_a_handler_in_a_thread_asks_through_sync(instance: Instance) -> None:
    async with instance.worker() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(forms.ask_in_thread))
        info = await proc.wait_batch(batch_id, 10)
        assert (info.total, info.done) == (2, 2)
        [asked] = instance.recorded("asked")
        assert (asked["totals"], asked["renewed"]) == ([1, 2], True)
        assert [r["batch"] for r in instance.recorded("ran", tag="appended")] == [batch_id]


@pytest.mark.row("BE-15")
async def test_a_task_enqueues_further_tasks(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.breed, 3, "child")
        assert await proc.run_until_idle() == 4
        assert sorted(r["tag"] for r in instance.recorded("ran")) == ["child 0", "child 1", "child 2"]
        assert {r["tenant"] for r in instance.recorded("ran")} == {"acme"}


async def test_contexts_of_tasks_that_run_at_once_do_not_mix(instance: Instance) -> None:
    async with instance.open(max_workers=20) as proc:
        calls = [handlers.nap, handlers.nap_thread]
        sent = {await proc.enqueue_task("default", f"t{n}", calls[n % 2], 0.05, n): n for n in range(20)}
        await proc.run_until_idle()
        ended = instance.recorded("end")
        assert {r["id"]: r["tag"] for r in ended} == sent
        assert all(r["tenant"] == f"t{r['tag']}" for r in ended)
