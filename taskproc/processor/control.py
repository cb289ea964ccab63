"""A processor's calls that steer all of a tenant at once."""

from __future__ import annotations

from taskproc.journal import noted
from taskproc.processor.connected import Connected
from taskproc.values import queue_name, tenant_name


class TenantControl(Connected):
    """What operators do to a whole tenant: in bounded steps, whatever it has, and again where a call was cut short."""

    async def cancel_tenant(self, tenant: str, *, queue: str | None = None, actor: str = "") -> int:
        """Cancel all that a tenant has waiting or running, or what of it is in a queue; how many tasks that are.

        Its batches are cancelled as by ``cancel_batch``; in a queue alone, and where tasks are single, each task as by
        ``cancel_task``. Dead letters of what has ended stay. What is enqueued meanwhile goes on, and what batches fire as they
        are cancelled. Raises InvalidValue.
        """
        chosen = None if queue is None else queue_name(queue)
        entry = noted(actor, "cancel_tenant", tenant_name(tenant), queue=chosen).entry(steps=True)
        return await self._store.control.cancel(tenant, chosen, entry)
