"""A processor's calls for schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

from taskproc.journal import named, noted
from taskproc.occurrences import Occurrences
from taskproc.processor.connected import Connected
from taskproc.schedule import NextRun, Schedule, schedule_id
from taskproc.scheduled import ScheduleInfo
from taskproc.templates import coded_templates, rule_function, template_of
from taskproc.values import count, page, tenant_name, timestamp_ms
from taskproc.worker.scheduler import Scheduler

P = ParamSpec("P")

MOST_AT_ONCE = 100
"""So many schedules one call of ``run_due_schedules`` fires."""


class ScheduleCalls(Connected):
    """What services and operators call."""

    async def upsert_schedule(
        self, schedule: Schedule, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Create a tenant's schedule, or change the one of that id; arguments are frozen now.

        One whose rule (cron, time zone, interval, bounds) stays the same keeps its next occurrence, a missed one too; one
        whose rule changes begins anew. A paused one stays paused. Raises InvalidValue that names the field which makes
        no sense, ArgumentError, HandlerError and PayloadTooLarge as enqueueing does, QuotaExceeded where the tenant has as
        many as it may.
        """
        await self._upsert(schedule, handler, args, kwargs)

    def acting(self, actor: str) -> Acting:
        """``upsert_schedule``, noted in the journal under an actor's name. Raises InvalidValue."""
        named(actor, "")
        return Acting(self, actor)

    async def _upsert(
        self, schedule: Schedule, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
        actor: str = "",
    ) -> None:  # fmt: skip
        made = template_of(self._maker, schedule, handler, args, kwargs, cron_seconds=self._options.cron_seconds)
        entry = named(actor, "upsert_schedule", schedule.tenant, schedule.id)
        await self._store.schedules.put(made, self._scheduler().begins(schedule), entry)

    async def cancel_schedule(self, id: str, tenant: str, *, actor: str = "") -> bool:
        """Delete a schedule; False where the tenant has none of that id. A task of it that is there goes on."""
        entry = named(actor, "cancel_schedule", tenant_name(tenant), schedule_id(id))
        return await self._store.schedules.cancel(tenant, id, entry)

    async def trigger_schedule(self, id: str, tenant: str, *, actor: str = "") -> bool:
        """Enqueue its task now; the next occurrence stays what it is, and it isn't counted as a run.

        False where the tenant has none of that id, and for a unique one of which a task is there. Raises QuotaExceeded.
        """
        entry = named(actor, "trigger_schedule", tenant_name(tenant), schedule_id(id))
        return await self._store.schedules.trigger(tenant, id, entry)

    async def pause_schedule(self, id: str, tenant: str, *, actor: str = "") -> bool:
        """Let a schedule rest; False where the tenant has none of that id. Occurrences that come meanwhile are left out."""
        entry = noted(actor, "pause_schedule", tenant_name(tenant), schedule_id(id)).entry()
        return await self._store.schedules.pause(tenant, id, entry)

    async def resume_schedule(self, id: str, tenant: str, *, actor: str = "") -> bool:
        """Let a paused schedule go on with the next occurrence from now; one that runs once, and whose time has come
        meanwhile, runs at once. False where the tenant has none of that id."""
        entry = noted(actor, "resume_schedule", tenant_name(tenant), schedule_id(id)).entry()
        return await self._store.schedules.resume(tenant, id, self._goes_on, entry)

    async def get_schedule(self, id: str, tenant: str) -> ScheduleInfo | None:
        """A schedule, with its next occurrence and its last runs."""
        return await self._store.schedules.get(tenant_name(tenant), schedule_id(id))

    async def get_schedules(self, tenant: str, skip: int = 0, take: int = 50) -> list[ScheduleInfo]:
        """A tenant's schedules by id."""
        page(skip, take)
        return await self._store.schedules.page(tenant_name(tenant), skip, take)

    async def count_schedules(self, tenant: str) -> int:
        """How many schedules a tenant has."""
        return await self._store.schedules.count(tenant_name(tenant))

    async def set_schedule_limit(self, tenant: str | None, most: int | None, *, actor: str = "") -> None:
        """How many schedules a tenant may have; with None for the tenant, all those for which nothing else is set.

        ``most=None`` lifts it. Those that are there stay.
        """
        limit = None if most is None else count("most", most, 0, 1_000_000_000)
        owner = None if tenant is None else tenant_name(tenant)
        entry = noted(actor, "set_schedule_limit", owner, most="none" if limit is None else limit).entry()
        await self._store.schedules.set_limit(owner, limit, entry)

    async def run_due_schedules(self) -> int:
        """Fire up to 100 schedules that are due, as a worker does by itself; how many tasks that made."""
        scheduler = self._scheduler()
        scheduler.look_for(coded_templates(self._maker, cron_seconds=self._options.cron_seconds))
        return await scheduler.fire(MOST_AT_ONCE)

    def _scheduler(self) -> Scheduler:
        return Scheduler(self._store.schedules, self._rule)

    def _rule(self, name: str) -> NextRun:
        return rule_function(self._registry, name)

    def _goes_on(self, info: ScheduleInfo, now: int) -> int | None:
        if info.next_run is not None and info.next_at is not None and timestamp_ms("next_at", info.next_at) > now:
            return timestamp_ms("next_at", info.next_at)
        occurrences = Occurrences.of(info, anchor=info.anchor_ms, resolve=self._rule)
        return occurrences.first(now, info.runs) if info.at is not None else occurrences.next_after(now, info.runs)


class Acting:
    """A processor's ``upsert_schedule`` under an actor's name: its own arguments are the handler's."""

    def __init__(self, calls: ScheduleCalls, actor: str) -> None:
        self._calls = calls
        self._actor = actor

    async def upsert_schedule(
        self, schedule: Schedule, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Create a tenant's schedule, or change the one of that id. Raises as the processor's does."""
        await self._calls._upsert(schedule, handler, args, kwargs, self._actor)
