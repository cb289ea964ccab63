"""Control of tenants that have rules: those that stand out of line are cancelled, moved and purged as others are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import TenantClosed
from tests import handlers
from tests.building import noops
from tests.harness import MODES, Instance, counters
from tests.test_purge import traces

pytestmark = pytest.mark.parametrize("mode", MODES)


async def outside(instance: Instance, proc: Any, mode: Any) -> str:
    """A tenant that has had its rate and stands out of line with the rest; its batch."""
    for queue in ("default", "other"):
        await proc.set_queue_mode(queue, mode)
    await proc.set_tenant_limits("acme corp", rate_limit="2/h burst 2", weight=3)
    await proc.set_tenant_limits("acme corp", queue="default", rate_limit="100/s", max_running=2)
    batch_id = str(await proc.enqueue_batch("default", "acme corp", noops(6)))
    await proc.enqueue_task("default", "acme corp", handlers.noop)
    await proc.enqueue_batch("default", "b", noops(2))
    assert await proc.run_until_idle() == 4
    assert instance.client.smembers(f"{{{instance.name}}}:out") == {b"acme corp"}
    return batch_id


async def test_a_purge_leaves_nothing_of_rules_and_refuses_meanwhile(instance: Instance, mode: str) -> None:
    async with instance.open() as proc:
        await outside(instance, proc, mode)
        report = await proc.purge_tenant("acme corp")
        assert report.left == ()
        assert report.cancelled == 5
        assert traces(instance, "acme corp") == []
        now = datetime.now(UTC)
        points = await proc.get_history("acme corp", now - timedelta(hours=2), now, 3_600)
        assert not any(point.done or point.cancelled for point in points)
        await proc.enqueue_task("default", "acme corp", handlers.noop)  # its name is like any other
        assert await proc.run_until_idle() == 1


async def test_what_stands_outside_is_cancelled(instance: Instance, mode: str) -> None:
    async with instance.open() as proc:
        batch_id = await outside(instance, proc, mode)
        assert await proc.cancel_tenant("acme corp") == 5
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert info.remaining == 0
        await proc.clear_tenant_limits("acme corp")
        assert await proc.run_until_idle() == 0
        assert (await proc.audit()).differences == ()
        assert not instance.client.exists(f"{{{instance.name}}}:out")


async def test_what_stands_outside_is_moved_and_runs_there_when_it_may(instance: Instance, mode: str) -> None:
    async with instance.open(queues=("default", "other")) as proc:
        batch_id = await outside(instance, proc, mode)
        assert await proc.move_tasks("acme corp", "default", "other") == 5
        assert (await proc.audit()).differences == ()
        assert await proc.run_until_idle() == 0
        await proc.clear_tenant_limits("acme corp")
        assert await proc.run_until_idle() == 5
        info = await proc.get_batch(batch_id)
        assert info is not None
        assert counters(info) == (6, 6, 0, 0, 0)
        assert (await proc.audit()).differences == ()


async def test_a_purge_takes_nothing_new(instance: Instance, mode: str) -> None:
    async with instance.open() as proc:
        await proc.set_queue_mode("default", mode)  # type: ignore[arg-type]
        await proc._store._ledger.call(lambda call: proc._store._scripts.purge_begin(call, "acme corp", ""))
        with pytest.raises(TenantClosed):
            await proc.enqueue_task("default", "acme corp", handlers.noop)
        assert (await proc.purge_tenant("acme corp")).left == ()
        await proc.enqueue_task("default", "acme corp", handlers.noop)
        await proc.run_until_idle()
