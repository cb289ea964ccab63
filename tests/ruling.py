"""What tests of tenants' rules have in common."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskproc.store.scripts import to_json
from tests.direct import Direct

ANY_PLACES = ("out", "aside", "tr:")


def rule(direct: Direct, tenant: str | None = "acme", *, of_tier: str = "", wake: bool = True, **words: Any) -> None:
    """Set what holds for a tenant, for all (None) or for a tier, and let what it held up go on."""
    kind, name = ("tier", of_tier) if of_tier else ("all", "") if tenant is None else ("tenant", tenant)
    answer = direct.once("rules_set", kind, name, to_json(words), "")
    assert answer[0] == b"ok", answer
    if not wake:
        return
    if kind == "tenant":
        assert direct.call("tenant_wake", name, "0") == [b"0"]
    else:
        assert direct.call("tenants_wake", "out", "0") == [b"0", []]
        cursor = b""
        while cursor != b"0":
            cursor, broken = direct.call("tenants_wake", "all", cursor or "0")
            assert broken == []


def shares(direct: Direct, leases: list[str]) -> Counter[str]:
    """How many tasks of each tenant there are among some that were claimed."""
    owners = {batch: direct.record("b", batch)["tenant"] for batch in {lease[:22] for lease in leases}}
    return Counter(owners[lease[:22]] for lease in leases)


def outside(direct: Direct) -> dict[str, list[str]]:
    """The tenants that stand out of line, with the queues."""
    names = sorted(name.decode() for name in direct.client.smembers(direct.key("out")))
    return {name: sorted(q.decode() for q in direct.client.smembers(direct.key("out", name))) for name in names}


def settle_all(direct: Direct, leases: list[str], us: int = 0, queue: str = "q") -> None:
    """Report tasks of any batches as done."""
    for batch in dict.fromkeys(lease[:22] for lease in leases):
        assert direct.settle([lease for lease in leases if lease[:22] == batch], us=us, queue=queue) == []
