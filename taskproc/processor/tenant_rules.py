"""The part of a tenant's handle that tells and sets what holds for the tenant."""

from __future__ import annotations

from typing import Unpack

from taskproc.processor.calls import Calls
from taskproc.tenants import TenantLimits, TenantRules, TierGiven


class TenantRuleCalls:
    """A tenant's weight, limits and state."""

    name: str
    _calls: Calls

    async def get_limits(self) -> TenantRules:
        """What holds for the tenant."""
        return await self._calls.get_tenant_limits(self.name)

    async def set_limits(
        self,
        *,
        queue: str | None = None,
        tier: TierGiven = ...,
        actor: str = "",
        **limits: Unpack[TenantLimits],
    ) -> None:
        """Set what holds for the tenant, as the processor's ``set_tenant_limits`` does. Raises InvalidValue."""
        await self._calls.set_tenant_limits(self.name, queue=queue, tier=tier, actor=actor, **limits)

    async def clear_limits(self, *, actor: str = "") -> None:
        """Take back all that was set of the tenant, its tier too."""
        await self._calls.clear_tenant_limits(self.name, actor=actor)

    async def pause(self, *, actor: str = "") -> None:
        """Claim nothing of the tenant any more, and fire none of its schedules; running tasks finish."""
        await self._calls.pause_tenant(self.name, actor=actor)

    async def drain(self, *, actor: str = "") -> None:
        """Take no new tasks of the tenant (TenantClosed) and fire none of its schedules; what is there runs."""
        await self._calls.drain_tenant(self.name, actor=actor)

    async def resume(self, *, actor: str = "") -> None:
        """Let the tenant's work go on."""
        await self._calls.resume_tenant(self.name, actor=actor)
