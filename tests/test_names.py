"""Names of queues and tenants, labels, keys and ids: what is taken comes back, the rest is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproc import Batch, InvalidValue, NotFound, TaskProcessor
from tests import handlers
from tests.building import noops
from tests.harness import SOME, Instance, refused


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
    names = {one, other, *(name for name in (f"{one}:{other}", one + "}", ":" + one) if len(name.encode()) <= 255)}
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


class Queue(str, Enum):  # noqa: UP042
    """Names of queues, as services keep them; a StrEnum would be its text by itself."""

    MAIL = "mail"


async def test_a_queue_may_be_a_member_of_an_enumeration(instance: Instance) -> None:
    async with instance.open(queues=[Queue.MAIL]) as proc:
        await proc.set_tenant_limits("acme", queue=Queue.MAIL, max_running=1)
        await proc.set_tier("gold", queue=Queue.MAIL, max_running=2)
        assert (await proc.get_tenant_limits("acme")).queues["mail"].max_running == 1
        assert (await proc.get_tiers())["gold"].queues["mail"].max_running == 2
        await proc.enqueue_batch(Queue.MAIL, "acme", noops(2))
        assert [info.name for info in await proc.get_queues()] == ["mail"]
        assert await proc.run_until_idle() == 2
        await proc.remove_tier("gold")
