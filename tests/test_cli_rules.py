"""Commands for the rules of tenants and of tiers."""

from __future__ import annotations

import pytest

from taskproc import TenantState
from tests.building import noops
from tests.commands import of, quick
from tests.harness import Instance


async def test_what_holds_is_set_shown_and_taken_back(instance: Instance) -> None:
    async with instance.open() as proc:
        told = of(instance)
        done = await quick("tiers", "set", "gold", "--weight", "5", "--max-running", "9", "--actor", "ann", **told)
        assert (done.code, done.out) == (0, "set gold\n")
        listed = (await quick("tiers", "list", "--json", **told)).json
        assert (listed["gold"]["weight"], listed["gold"]["max_running"]) == (5.0, 9)
        assert "gold" in (await quick("tiers", "list", **told)).out
        await quick("tenants", "limits", "acme", "--tier", "gold", "--max-running", "none", **told)
        await quick("tenants", "limits", "acme", "--queue", "mail", "--rate-limit", "5/s", **told)
        found = (await quick("tenants", "limits", "acme", "--json", **told)).json
        assert (found["weight"], found["max_running"], found["tier"]) == (5.0, None, "gold")
        assert found["queues"]["mail"]["rate_limit"] == "5/s"
        shown = await quick("tenants", "limits", "acme", **told)
        assert "gold" in shown.out
        assert "queue mail" in shown.out
        await quick("tenants", "limits", "--max-waiting", "7", **told)
        assert (await proc.get_tenant_limits(None)).max_waiting == 7
        assert (await quick("tenants", "show", "acme", "--json", **told)).json["rules"]["tier"] == "gold"
        await quick("tenants", "limits", "acme", "--clear", **told)
        assert (await proc.get_tenant_limits("acme")).tier is None
        assert (await quick("tiers", "remove", "gold", **told)).out == "removed gold\n"
        missing = await quick("tiers", "remove", "gold", **told)
        assert (missing.code, missing.err) == (1, "Error: there is no tier gold\n")
        entries = await proc.get_journal()
        assert ("ann", "set_tier", "gold", {"weight": 5, "max_running": 9}) in [
            (entry.actor, entry.what, entry.subject, dict(entry.detail)) for entry in entries
        ]


@pytest.mark.parametrize(("verb", "state"), [("pause", TenantState.PAUSED), ("drain", TenantState.DRAINING)])
async def test_a_tenant_is_stopped_and_goes_on(instance: Instance, verb: str, state: TenantState) -> None:
    async with instance.open() as proc:
        told = of(instance)
        await proc.enqueue_batch("default", "acme", noops(1))
        assert (await quick("tenants", verb, "acme", "--actor", "ann", **told)).code == 0
        assert (await proc.get_tenant_limits("acme")).state is state
        assert str(state) in (await quick("tenants", "show", "acme", **told)).out
        assert (await quick("tenants", "resume", "acme", **told)).out == "acme goes on\n"
        assert (await proc.get_tenant_limits("acme")).state is TenantState.ACTIVE
        assert [(e.what, e.tenant) for e in await proc.get_journal()] == [
            ("resume_tenant", "acme"), (f"{verb}_tenant", "acme"),
        ]  # fmt: skip
        await proc.run_until_idle()


@pytest.mark.parametrize("args", [
    ("tenants", "limits", "acme", "--weight", "heavy"),
    ("tenants", "limits", "acme", "--max-running", "1.5"),
    ("tenants", "limits", "acme", "--rate-limit", "fast"),
    ("tenants", "limits", "acme", "--tier", "unknown"),
    ("tenants", "limits", "acme", "--queue", "q", "--weight", "2"),
    ("tiers", "set", "a b"),
])  # fmt: skip
async def test_what_makes_no_sense_is_a_usage_error(instance: Instance, args: tuple[str, ...]) -> None:
    async with instance.open():
        assert (await quick(*args, **of(instance))).code == 2
