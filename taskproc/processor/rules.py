"""A processor's calls for the rules of tenants: weights, limits, tiers, and whether a tenant's work goes on."""

from __future__ import annotations

from taskproc.errors import InvalidValue
from taskproc.limits import Amount, RateGiven
from taskproc.processor.connected import Connected
from taskproc.tenants import TenantRules, TenantState, TierGiven, WeightGiven, tier_name, words
from taskproc.values import tenant_name


class RuleCalls(Connected):
    """What operators set of tenants while work runs; every worker goes by it with its next claim."""

    async def set_tenant_limits(
        self,
        tenant: str | None,
        *,
        queue: str | None = None,
        tier: TierGiven = ...,
        weight: WeightGiven = ...,
        max_running: Amount = ...,
        rate_limit: RateGiven = ...,
        max_waiting: Amount = ...,
        max_payload: Amount = ...,
        max_schedules: Amount = ...,
    ) -> None:
        """Set what holds for a tenant, or with None for all of which nothing else is said.

        ``weight``: its share beside others, 1 by default; ``max_running``: so many of its tasks at once; ``rate_limit``: so
        many starts in a time, such as ``"100/s"``; ``max_waiting``: so many ready and delayed tasks, above which enqueueing
        raises QuotaExceeded; ``max_payload``: bytes of one task as it is stored; ``max_schedules``; ``tier``: whose rules
        hold where nothing is said of the tenant itself. With ``queue``, what holds in that queue besides. None is no limit,
        whatever the tier says; what is left out stays. Raises InvalidValue.
        """
        said = words(
            queue=queue, weight=weight, max_running=max_running, rate_limit=rate_limit, max_waiting=max_waiting,
            max_payload=max_payload, max_schedules=max_schedules,
        )  # fmt: skip
        if tier is not ...:
            if tenant is None:
                raise InvalidValue("tier: it is a tenant's; give the tenant")
            said["tier"] = False if tier is None else tier_name(tier)
        if not said:
            raise InvalidValue("set_tenant_limits: give what is to hold, such as weight or max_running")
        await self._store.rules.set(None if tenant is None else tenant_name(tenant), said)

    async def clear_tenant_limits(self, tenant: str | None) -> None:
        """Take back all that was set of a tenant, its tier too, or with None what was set for all."""
        await self._store.rules.clear(None if tenant is None else tenant_name(tenant))

    async def get_tenant_limits(self, tenant: str | None) -> TenantRules:
        """What holds for a tenant, or with None for one of which nothing is said."""
        return await self._store.rules.read(None if tenant is None else tenant_name(tenant))

    async def set_tier(
        self,
        tier: str,
        *,
        queue: str | None = None,
        weight: WeightGiven = ...,
        max_running: Amount = ...,
        rate_limit: RateGiven = ...,
        max_waiting: Amount = ...,
        max_payload: Amount = ...,
        max_schedules: Amount = ...,
    ) -> None:
        """Make a tier, or change what holds for its tenants. Raises InvalidValue."""
        said = words(
            queue=queue, weight=weight, max_running=max_running, rate_limit=rate_limit, max_waiting=max_waiting,
            max_payload=max_payload, max_schedules=max_schedules,
        )  # fmt: skip
        await self._store.rules.set_tier(tier_name(tier), said)

    async def remove_tier(self, tier: str) -> bool:
        """Remove a tier; False where there is none. For its tenants holds what is set for all."""
        return await self._store.rules.remove_tier(tier_name(tier))

    async def get_tiers(self) -> dict[str, TenantRules]:
        """What is said of each tier, by its name."""
        return await self._store.rules.tiers()

    async def pause_tenant(self, tenant: str) -> None:
        """Claim nothing of a tenant any more, and fire none of its schedules; running tasks finish, new ones are taken."""
        await self._store.rules.set_state(tenant_name(tenant), TenantState.PAUSED)

    async def drain_tenant(self, tenant: str) -> None:
        """Take no new tasks of a tenant (TenantClosed) and fire none of its schedules; what is there runs."""
        await self._store.rules.set_state(tenant_name(tenant), TenantState.DRAINING)

    async def resume_tenant(self, tenant: str) -> None:
        """Let the work of a tenant that was paused or drained go on."""
        await self._store.rules.set_state(tenant_name(tenant), TenantState.ACTIVE)
