"""A processor's calls for the limits of handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskproc.errors import InvalidValue
from taskproc.handler import Handler
from taskproc.journal import noted
from taskproc.limits import Amount, LimitInfo, Rate, RateGiven, most_at_once, values
from taskproc.processor.connected import Connected
from taskproc.values import shown


class LimitCalls(Connected):
    """What operators set while work runs."""

    async def get_limits(self) -> list[LimitInfo]:
        """The limits of all handlers that have one, with how many of their tasks run and wait."""
        return await self._store.limits.read()

    async def set_limit(
        self, handler: Callable[..., Any] | str, *, max_concurrency: Amount = ..., rate_limit: RateGiven = ...,
        actor: str = "",
    ) -> None:  # fmt: skip
        """Set a handler's limit, by the function or its name, for all processes and at once; it goes before the code's.

        ``max_concurrency=0`` stops it, None lifts what the code says, and what is left out stays. Raises InvalidValue
        where nothing is given, and for a handler without a limit in the code, whose tasks nobody counts.
        """
        name, known = self._limited(handler)
        given = {"max_concurrency": max_concurrency, "rate_limit": rate_limit}
        entry = noted(
            actor,
            "set_limit",
            "",
            name,
            **{field: "none" if to is None else to for field, to in given.items() if to is not ...},
        ).entry()
        rate = Rate.parse(rate_limit) if isinstance(rate_limit, str) else rate_limit
        if rate is not None and rate is not ... and not isinstance(rate, Rate):
            raise InvalidValue(f"rate_limit={shown(rate_limit)}: use a text such as '100/s'")
        words = values(max_concurrency if max_concurrency is ... else most_at_once(max_concurrency), rate)
        if not words:
            raise InvalidValue("set_limit: give max_concurrency or rate_limit")
        if known is not None and known.limit is not None:
            await self._store.limits.declare({name: known.limit.limit.told(name)})
        elif not await self._store.limits.known(name):
            raise InvalidValue(
                f"handler {shown(name)} has no limit: give it max_concurrency or rate_limit in the code, and start a worker"
            )
        await self._store.limits.set(name, words, entry)

    async def clear_limit(self, handler: Callable[..., Any] | str, *, actor: str = "") -> bool:
        """Let what the code says hold again; False where nothing else was set."""
        name, _ = self._limited(handler)
        entry = noted(actor, "clear_limit", "", name).entry()
        if not any(info.name == name and info.is_set for info in await self._store.limits.read()):
            return False
        await self._store.limits.set(name, {}, entry)
        return True

    def _limited(self, handler: Callable[..., Any] | str) -> tuple[str, Handler | None]:
        known = self._registry.named(handler) if isinstance(handler, str) else self._registry.of(handler)
        return (known.name if known is not None else str(handler)), known
