"""A processor's calls that steer all of a tenant at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from taskproc.errors import InvalidValue
from taskproc.journal import noted
from taskproc.processor.connected import Connected
from taskproc.steering import Moved, PurgeReport
from taskproc.values import Duration, milliseconds, queue_name, shown, tenant_name


class TenantControl(Connected):
    """What operators do to a whole tenant: in bounded steps, whatever it has, and again where a call was cut short."""

    async def cancel_tenant(self, tenant: str, *, queue: str | None = None, actor: str = "") -> int:
        """Cancel all that a tenant has waiting or running, or what of it is in a queue; how many tasks that are.

        Its batches are cancelled as by ``cancel_batch``; in a queue alone, and where tasks are single, each task as by
        ``cancel_task``. Dead letters of what has ended stay. What is enqueued meanwhile goes on, and so does what batches
        fire as they are cancelled. Raises InvalidValue.
        """
        chosen = None if queue is None else queue_name(queue)
        entry = noted(actor, "cancel_tenant", tenant_name(tenant), queue=chosen).entry(steps=True)
        return await self._store.control.cancel(tenant, chosen, entry)

    async def move_tasks(self, tenant: str, from_queue: str, to_queue: str, *, actor: str = "") -> Moved:
        """Move a tenant's ready and delayed tasks and dead letters of a queue to another, in their order; how many.

        They join the end of its line. Running ones finish where they are, and go back there where they are tried again.
        Payloads are sealed anew; those that can't be opened stay: ``stayed`` of the answer has their ids. A queue's limit
        refuses nothing here. Raises InvalidValue, also for a batch that has tasks in 64 queues.
        """
        if queue_name(from_queue) == queue_name(to_queue):
            raise InvalidValue(f"to_queue={shown(to_queue)}: it is the queue in which they are")
        entry = noted(actor, "move_tasks", tenant_name(tenant), from_queue, to_queue=to_queue).entry(steps=True)
        return await self._store.moving.move(tenant, from_queue, to_queue, entry)

    async def purge_tenant(self, tenant: str, *, actor: str = "", timeout: Duration = 60) -> PurgeReport:
        """Delete all of a tenant, and look through all keys for what may be left; what was found the report tells.

        The tenant takes no new tasks meanwhile. What runs is told to stop and waited for: NotReady is raised where it
        still runs when the time is over; the tenant then takes no new tasks, and the same call goes on. The journal
        keeps its entries. Schedules that code declares come back with the next worker. Raises InvalidValue.
        """
        noted_ = noted(actor, "purge_tenant", tenant_name(tenant))
        return await self._store.purging.purge(tenant, noted_, milliseconds("timeout", timeout) / 1000)

    def export_tenant(self, tenant: str) -> AsyncIterator[bytes]:
        """All that is kept of a tenant as lines of JSON, a page at a time: the tenant, its rules, schedules, batches, tasks.

        Each object has its ``type``; the last, of type ``end``, counts the others. Work may go on: what waits the whole
        time is there, what changes its place meanwhile may come twice, or, where a worker hands it back, not at all.
        Raises InvalidValue.
        """
        return self._store.exporting.lines(tenant_name(tenant))
