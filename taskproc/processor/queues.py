"""A processor's calls for queues, dead letters, tenants, workers and the instance as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Literal

from taskproc.errors import InvalidValue
from taskproc.ids import is_batch_id
from taskproc.journal import noted
from taskproc.model import QueueInfo, TaskInfo, TenantInfo, WorkerInfo
from taskproc.processor.connected import Connected
from taskproc.store.dead import AT_ONCE, Letter
from taskproc.values import count as whole
from taskproc.values import one_of, page, queue_name, shown, tenant_name


class QueuesAndControl(Connected):
    """What operators and dashboards call."""

    async def get_queues(self) -> list[QueueInfo]:
        """All queues in use, by name."""
        return await self._store.queues.read(await self._store.queues.names())

    async def get_queue(self, name: str) -> QueueInfo:
        """One queue's counts; all zero for one that nobody has used."""
        return (await self._store.queues.read([queue_name(name)]))[0]

    async def set_queue_mode(self, name: str, mode: Literal["fair", "fifo"], *, actor: str = "") -> None:
        """How tenants share a queue: ``fair``, by handler time, or ``fifo``, strictly by enqueue time.

        Raises InvalidValue while tasks are ready in it.
        """
        if not one_of(mode, ("fair", "fifo")):
            raise InvalidValue(f"mode={shown(mode)}: use 'fair' or 'fifo'")
        entry = noted(actor, "set_queue_mode", "", queue_name(name), mode=mode).entry()
        await self._store.queues.set_mode(name, mode, entry)

    async def set_queue_limit(self, name: str, max_waiting: int | None, *, actor: str = "") -> None:
        """How many tasks may wait in a queue, ready or delayed; None: any number.

        What would bring more is refused whole, with QuotaExceeded. What was acknowledged never is: retries,
        continuations and retried dead letters wait beyond the limit.
        """
        most = None if max_waiting is None else whole("max_waiting", max_waiting, 0, 10**15)
        entry = noted(actor, "set_queue_limit", "", queue_name(name), max_waiting="none" if most is None else most).entry()
        await self._store.queues.set_limit(name, most, entry)

    async def get_tasks_in_queue(self, queue: str, skip: int = 0, take: int = 50) -> list[TaskInfo]:
        """Ready tasks of a queue, in the order of its line; those of one batch oldest first."""
        page(skip, take)
        return await self._store.queues.tasks(queue_name(queue), skip, take)

    async def get_dead_tasks(
        self,
        queue: str | None = None,
        *,
        tenant: str | None = None,
        batch_id: str | None = None,
        skip: int = 0,
        take: int = 50,
    ) -> list[TaskInfo]:
        """Dead letters, oldest first, with the errors of their attempts."""
        page(skip, take)
        found: list[TaskInfo] = []
        async for letter in self._dead(queue, tenant, batch_id):
            if len(found) == take:
                break
            if skip > 0:
                skip -= 1
            else:
                found.append(letter.info)
        return found

    async def retry_dead_tasks(
        self,
        queue: str | None = None,
        *,
        tenant: str | None = None,
        batch_id: str | None = None,
        count: int | None = 100,
        max_attempts: int | None = None,
        actor: str = "",
    ) -> int:
        """Make dead letters ready again with fresh attempts, oldest first; how many. ``count=None``: all there are now."""
        attempts = None if max_attempts is None else whole("max_attempts", max_attempts)
        entry = noted(actor, "retry_dead_tasks", tenant, batch_id, queue=queue, max_attempts=attempts).entry(steps=True)
        retry = partial(self._store.dead.retry, max_attempts=attempts, entry=entry)
        return await self._move(retry, queue, tenant, batch_id, count)

    async def discard_dead_tasks(
        self,
        queue: str | None = None,
        *,
        tenant: str | None = None,
        batch_id: str | None = None,
        count: int | None = 100,
        actor: str = "",
    ) -> int:
        """Drop dead letters, oldest first; how many. They stay counted as failed."""
        entry = noted(actor, "discard_dead_tasks", tenant, batch_id, queue=queue).entry(steps=True)
        return await self._move(partial(self._store.dead.discard, entry=entry), queue, tenant, batch_id, count)

    async def _move(
        self,
        move: Callable[[Sequence[Letter]], Awaitable[int]],
        queue: str | None,
        tenant: str | None,
        batch_id: str | None,
        most: int | None,
    ) -> int:
        if most is not None:
            whole("count", most, 0, 1_000_000_000)
        began = await self._store.queues.now_ms()
        moved, stuck = 0, set[str]()
        while most is None or moved < most:
            letters: list[Letter] = []
            async for letter in self._dead(queue, tenant, batch_id):
                if letter.died > began:
                    break  # oldest first: whatever follows may be one that was moved, and has died again
                if letter.info.id in stuck:
                    continue
                letters.append(letter)
                if len(letters) == AT_ONCE or len(letters) + moved == most:
                    break
            taken = await move(letters) if letters else 0
            if taken < len(letters):  # gone meanwhile, or unique and there: they are not asked for again
                stuck |= {letter.info.id for letter in letters}
            if not letters:
                break
            moved += taken
        return moved

    async def _dead(self, queue: str | None, tenant: str | None, batch_id: str | None) -> AsyncIterator[Letter]:
        queues = await self._store.queues.names() if queue is None else [queue_name(queue)]
        if tenant is not None:
            tenant_name(tenant)
        if batch_id is not None and not is_batch_id(batch_id):
            return
        if batch_id is not None and tenant is not None:
            info = await self._store.batches.get(batch_id)
            if info is None or info.tenant != tenant:
                return
        async for letter in self._store.dead.walk(queues, tenant, batch_id):
            yield letter

    async def pause(self, *, actor: str = "") -> None:
        """Stop the whole instance: nothing is claimed, running tasks finish. It is stored, so later workers start paused."""
        await self._store.queues.pause(noted(actor, "pause").entry())

    async def resume(self, *, actor: str = "") -> None:
        """Let work go on."""
        await self._store.queues.resume(noted(actor, "resume").entry())

    async def is_paused(self) -> bool:
        """Whether the instance is paused."""
        return await self._store.queues.open()

    async def get_workers(self) -> list[WorkerInfo]:
        """Live worker processes; one that was killed stays listed for up to two lease lengths."""
        return await self._store.queues.workers()

    async def get_tenants(self, skip: int = 0, take: int = 50) -> list[TenantInfo]:
        """Tenants by name, with their totals."""
        page(skip, take)
        return await self._store.queues.tenants(skip, take)

    async def get_tenant(self, tenant: str) -> TenantInfo | None:
        """One tenant's totals; None when nothing is kept of it."""
        return await self._store.queues.tenant(tenant_name(tenant))
