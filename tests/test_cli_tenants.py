"""Commands for tenants."""

from __future__ import annotations

import json

from tests import handlers
from tests.building import noops
from tests.commands import of, quick, run
from tests.harness import Instance
from tests.tenancy import fill


async def test_tenants_are_listed_and_shown(instance: Instance) -> None:
    told = of(instance)
    async with instance.open() as proc:
        for tenant in ("acme", "b"):
            await proc.enqueue_batch("default", tenant, noops(3))
        assert [one["tenant"] for one in (await quick("tenants", "list", "--json", **told)).json] == ["acme", "b"]
        assert "acme" in (await quick("tenants", "list", **told)).out
        shown = (await quick("tenants", "show", "b", "--json", **told)).json
        assert (shown["tenant"], shown["total"], shown["ready"]) == ("b", 3, 3)
        assert "b" in (await quick("tenants", "show", "b", **told)).out
        missing = await quick("tenants", "show", "c", **told)
        assert (missing.code, "nothing is kept of tenant c" in missing.err) == (1, True)


async def test_a_tenant_is_cancelled_moved_exported_and_purged(instance: Instance) -> None:
    told = of(instance)
    async with instance.open() as proc:
        await fill(proc, "acme")
        count = 6
        await proc.enqueue_batch("one", "b", noops(count))
        done = await quick("tenants", "move", "b", "one", "two", "--actor", "ann", **told)
        assert (done.code, done.out) == (0, "6 moved\n")
        assert (await quick("tenants", "move", "b", "two", "one", "--json", **told)).json == {
            "tenant": "b", "moved": 6, "stayed": []
        }  # fmt: skip
        assert (await quick("tenants", "move", "b", "one", "one", **told)).code == 2
        assert (await quick("tenants", "cancel", "b", "--queue", "two", "--json", **told)).json["cancelled"] == 0
        assert (await quick("tenants", "cancel", "b", **told)).out == "6 cancelled\n"
        lines = (await quick("tenants", "export", "acme", **told)).out.splitlines()
        assert json.loads(lines[-1])["counts"]["task"] == len(lines) - 1 - 1 - 3 - 1
        assert (await quick("tenants", "export", "nobody", **told)).code == 1
        await proc.set_tenant_limits("ruled", max_running=1)
        rules = json.loads((await quick("tenants", "export", "ruled", **told)).out.splitlines()[1])
        assert rules == {"type": "rules", "rules": {"max_running": 1}}
        await proc.clear_tenant_limits("ruled")
        report = (await quick("tenants", "purge", "acme", "--yes", "--json", **told)).json
        assert (report["batches"], report["left"]) == (3, [])
        assert await proc.get_tenant("acme") is None
        assert "0 are left of b" in (await quick("tenants", "purge", "b", "--yes", **told)).out
        assert await proc.get_tenants() == []
        entries = (await quick("journal", "--json", **told)).json
        assert [one["what"] for one in entries] == [
            *["purge_tenant"] * 4, "clear_tenant_limits", "set_tenant_limits", "cancel_tenant", *["move_tasks"] * 2
        ]  # fmt: skip
        assert entries[-1]["actor"] == "ann"


async def test_a_purge_asks_first(instance: Instance) -> None:
    told = of(instance)
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)
        assert (await run("tenants", "purge", "acme", **told)).code == 130
        assert await proc.get_tenant("acme") is not None


async def test_what_cannot_be_moved_is_told(instance: Instance) -> None:
    async with instance.open(signing_key="s" * 16) as proc:
        await proc.enqueue_task("default", "acme", handlers.noop)
        done = await quick("tenants", "move", "acme", "default", "other", **of(instance))
        assert (done.out, "1 stayed" in done.err, "--app" in done.err) == ("0 moved\n", True, True)
