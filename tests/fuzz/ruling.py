"""The calls of tenants' rules with values that make no sense. They are of a tenant and of a tier that nothing else has."""

from __future__ import annotations

from taskproc.values import shown
from tests.fuzz.callables import TIMEOUT, Call, Slot, fixed
from tests.fuzz.report import Broken

WHO = Slot("who", fixed("ruled"), "tenant")
TIER = Slot("tier", fixed("free", "gold"), "tier")
OF_TIER = Slot("of_tier", fixed(..., None, "gold"), "tier|give what")
PLACE = Slot("place", fixed(None, "ruled"), "queue|holds for a tenant in all queues")
WEIGHT = Slot("weight", fixed(..., None, 1, 0.5), "weight|give what")
AMOUNT = Slot("amount", fixed(..., None, 0, 10**6), "max_running|max_waiting|max_payload|max_schedules|give what")
RATE = Slot("rate", fixed(..., None, "100/s", "5/min burst 2"), "rate_limit|give what")
NAMES = ("max_running", "max_waiting", "max_payload", "max_schedules")


async def told(p: object, v: dict[str, object]) -> None:
    """What holds is told, whatever was set."""
    found = await p.get_tenant_limits(v["who"])  # type: ignore[attr-defined]
    if not 0.001 <= found.weight <= 1000:
        raise Broken(f"a weight of {shown(found.weight)} was taken")


RULED: list[Call] = [
    *(Call(f"set_tenant_limits {name}", (WHO, OF_TIER, PLACE, WEIGHT, AMOUNT, RATE),
           lambda p, v, name=name: p.set_tenant_limits(
               v["who"], tier=v["of_tier"], queue=v["place"], weight=v["weight"], rate_limit=v["rate"], **{name: v["amount"]}
           )) for name in NAMES),
    *(Call(f"set_tier {name}", (TIER, PLACE, WEIGHT, AMOUNT, RATE),
           lambda p, v, name=name: p.set_tier(
               v["tier"], queue=v["place"], weight=v["weight"], rate_limit=v["rate"], **{name: v["amount"]}
           )) for name in NAMES),
    *(Call(name, (WHO,), lambda p, v, name=name: getattr(p, name)(v["who"]))
      for name in ("pause_tenant", "drain_tenant", "resume_tenant", "clear_tenant_limits", "get_tenant_limits")),
    Call("what get_tenant_limits tells", (WHO,), told),
    Call("remove_tier", (TIER,), lambda p, v: p.remove_tier(v["tier"])),
    Call("room_timeout", (TIMEOUT,), lambda p, v: p.enqueue_batch("default", "acme", lambda batch: None,
         room_timeout=v["timeout"])),
]  # fmt: skip
