"""A processor's calls for the rules of tenants: weights, limits, tiers, and whether a tenant's work goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from taskproc.errors import InvalidValue
from taskproc.journal import noted
from taskproc.processor.connected import Connected
from taskproc.tenants import NAMES, TenantLimits, TenantRules, TenantState, TierGiven, tier_name, words
from taskproc.values import shown, tenant_name


class RuleCalls(Connected):
    """What operators set of tenants while work runs; every worker goes by it with its next claim."""

    async def set_tenant_limits(
        self,
        tenant: str | None,
        *,
        queue: str | None = None,
        tier: TierGiven = ...,
        actor: str = "",
        **limits: Unpack[TenantLimits],
    ) -> None:
        """Set what holds for a tenant, or with None for all of which nothing else is said.

        ``weight``: its share beside others, 0.001 to 1,000, 1 by default; ``max_running``: so many of its tasks at once;
        ``rate_limit``: so many starts in a time, such as ``"100/s"``; ``max_waiting``: so many ready and delayed tasks,
        above which enqueueing raises QuotaExceeded; ``max_payload``: bytes of one task as it is stored;
        ``max_schedules``: so many schedules; ``tier``: whose rules hold where nothing is said of the tenant itself. With
        ``queue``, what holds in that queue besides. None is no limit, whatever the tier says; what is left out stays.
        Raises InvalidValue.
        """
        said = words("set_tenant_limits", queue, limits)
        if tier is not ...:
            if tenant is None:
                raise InvalidValue("tier: it is a tenant's; give the tenant")
            if queue is not None:
                raise InvalidValue(f"tier: it holds for a tenant in all queues; leave queue={shown(queue)} out")
            said["tier"] = False if tier is None else tier_name(tier)
        if not said:
            raise InvalidValue("set_tenant_limits: give what is to hold, such as weight or max_running")
        told = {**said, "tier": tier} if isinstance(tier, str) else said
        entry = noted(actor, "set_tenant_limits", tenant, queue or "", **_told(told)).entry()
        await self._store.rules.set(None if tenant is None else tenant_name(tenant), said, entry)

    async def clear_tenant_limits(self, tenant: str | None, *, actor: str = "") -> None:
        """Take back all that was set of a tenant, its tier too, or with None what was set for all."""
        entry = noted(actor, "clear_tenant_limits", tenant).entry()
        await self._store.rules.clear(None if tenant is None else tenant_name(tenant), entry)

    async def get_tenant_limits(self, tenant: str | None) -> TenantRules:
        """What holds for a tenant, or with None for one of which nothing is said."""
        return await self._store.rules.read(None if tenant is None else tenant_name(tenant))

    async def set_tier(
        self,
        tier: str,
        *,
        queue: str | None = None,
        actor: str = "",
        **limits: Unpack[TenantLimits],
    ) -> None:
        """Make a tier, or change what holds for its tenants, as ``set_tenant_limits`` has it. Raises InvalidValue."""
        said = words("set_tier", queue, limits)
        entry = noted(actor, "set_tier", "", tier_name(tier), **_told(said)).entry()
        await self._store.rules.set_tier(tier, said, entry)

    async def remove_tier(self, tier: str, *, actor: str = "") -> bool:
        """Remove a tier; False where there is none. For its tenants holds what is set for all."""
        return await self._store.rules.remove_tier(tier, noted(actor, "remove_tier", "", tier_name(tier)).entry())

    async def get_tiers(self) -> dict[str, TenantRules]:
        """What is said of each tier, by its name."""
        return await self._store.rules.tiers()

    async def pause_tenant(self, tenant: str, *, actor: str = "") -> None:
        """Claim nothing of a tenant any more, and fire none of its schedules; running tasks finish, new ones are taken."""
        entry = noted(actor, "pause_tenant", tenant_name(tenant)).entry()
        await self._store.rules.set_state(tenant, TenantState.PAUSED, entry)

    async def drain_tenant(self, tenant: str, *, actor: str = "") -> None:
        """Take no new tasks of a tenant (TenantClosed) and fire none of its schedules; what is there runs."""
        entry = noted(actor, "drain_tenant", tenant_name(tenant)).entry()
        await self._store.rules.set_state(tenant, TenantState.DRAINING, entry)

    async def resume_tenant(self, tenant: str, *, actor: str = "") -> None:
        """Let the work of a tenant that was paused or drained go on."""
        entry = noted(actor, "resume_tenant", tenant_name(tenant)).entry()
        await self._store.rules.set_state(tenant, TenantState.ACTIVE, entry)


def _told(said: Mapping[str, object]) -> dict[str, object]:
    """What was set, as the journal tells it: by the names of the arguments."""
    queues = said.get("q")
    words = next(iter(queues.values())) if isinstance(queues, dict) else said
    return {NAMES[mark]: "none" if value in (-1, "", False) else value for mark, value in words.items() if mark in NAMES}
