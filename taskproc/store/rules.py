"""Rules of tenants in Redis, and how what they held up goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from taskproc.errors import InvalidValue
from taskproc.store.ledger import Ledger
from taskproc.store.reading import reading
from taskproc.store.scripts import Reply, Scripts, to_json
from taskproc.tenants import TenantRules, TenantState, rules_of

MOST_TIERS = 1_000
FIELDS = ("w", "m", "i", "b", "r", "n", "p", "x")


class Rules:
    """Reads and sets what holds for tenants."""

    def __init__(self, scripts: Scripts, ledger: Ledger) -> None:
        self._scripts = scripts
        self._ledger = ledger

    async def set(self, tenant: str | None, words: Mapping[str, object], entry: str = "") -> None:
        """Set what is said of a tenant, or of all. Raises InvalidValue for a tier that isn't there."""
        kind, name = ("all", "") if tenant is None else ("tenant", tenant)
        reply = await self._ledger.call(lambda call: self._scripts.rules_set(call, kind, name, to_json(words), entry))
        if reply[0] == b"unknown":
            raise InvalidValue(f"tier={words['tier']!r}: there is no such tier; set_tier makes one")
        await (self.wake_all() if tenant is None else self.wake(tenant))

    async def set_tier(self, tier: str, words: Mapping[str, object], entry: str = "") -> None:
        """Set what is said of a tier, which is made if it isn't there. Raises InvalidValue above 1,000."""
        reply = await self._ledger.call(lambda call: self._scripts.rules_set(call, "tier", tier, to_json(words), entry))
        if reply[0] == b"tiers":
            raise InvalidValue(f"tier={tier!r}: there are {int(reply[1]):,} tiers, and {MOST_TIERS:,} may be")
        await self.wake_all()

    async def remove_tier(self, tier: str, entry: str = "") -> bool:
        """Remove a tier; False where there is none."""
        reply = await self._ledger.call(lambda call: self._scripts.rules_set(call, "tier", tier, to_json(False), entry))
        if reply[1] == b"1":
            await self.wake_all()
        return bool(reply[1] == b"1")

    async def set_state(self, tenant: str, state: TenantState, entry: str = "") -> None:
        """Pause, drain or resume a tenant."""
        await self.set(tenant, {"s": False if state is TenantState.ACTIVE else state.value}, entry)

    async def clear(self, tenant: str | None, entry: str = "") -> None:
        """Take all back that was said of a tenant, or of all, but for its state."""
        said, own, _ = await self._read(tenant or "")
        taken = {field: False for field in (*FIELDS, "q", "tier") if field in (said if tenant is None else own)}
        queues = (said if tenant is None else own).get("q") or {}
        if queues:
            taken["q"] = dict.fromkeys(queues, False)  # type: ignore[assignment]
        if taken:
            await self.set(tenant, taken, entry)

    async def read(self, tenant: str | None) -> TenantRules:
        """What holds for a tenant, or for one of which nothing is said."""
        said, own, tiers = await self._read(tenant or "")
        with reading(f"the rules of tenant {tenant}"):
            return rules_of(said, tiers.get(str(own.get("tier")), {}), own)

    async def tiers(self) -> dict[str, TenantRules]:
        """What is said of each tier."""
        _, _, tiers = await self._read("")
        return {name: rules_of(said) for name, said in sorted(tiers.items())}

    async def _read(self, tenant: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
        said, own, tiers = await self._scripts.rules_read(tenant)
        with reading(f"the rules of tenant {tenant}" if tenant else "the rules of tenants"):
            names = (name.decode() for name in tiers[::2])
            return _words(said), _words(own), dict(zip(names, map(_words, tiers[1::2]), strict=True))

    async def wake(self, tenant: str) -> None:
        """Let a tenant go on by its rules as they are now."""
        await _through(lambda cursor: self._scripts.tenant_wake(tenant, cursor))

    async def wake_all(self) -> None:
        """Let all tenants go on by their rules as they are now."""
        await self.look_again()
        await _through(lambda cursor: self._scripts.tenants_wake("all", cursor))

    async def look_again(self) -> None:
        """Let those return to the lines of queues that stand outside and have room."""
        await _through(lambda cursor: self._scripts.tenants_wake("out", cursor))


async def _through(page: Callable[[bytes], Awaitable[Reply]]) -> None:
    cursor = b"0"
    while (cursor := (await page(cursor))[0]) != b"0":
        pass


def _words(text: bytes) -> dict[str, Any]:
    return dict(orjson.loads(text or b"{}"))
