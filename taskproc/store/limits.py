"""Limits in Redis: what the code and operators say of them, and what runs and waits under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from taskproc.limits import LimitInfo, info_of, limit_name, to_text
from taskproc.store.ledger import Ledger
from taskproc.store.reading import reading
from taskproc.store.scripts import Scripts
from taskproc.values import from_ms

OPERATOR = "!"

Words = Mapping[str, object]
"""What is said of a limit, as ``include/limit_values.lua`` reads it."""


class Limits:
    """Reads and sets limits."""

    def __init__(self, scripts: Scripts, ledger: Ledger) -> None:
        self._scripts = scripts
        self._ledger = ledger

    async def declare(self, said: Mapping[str, Words | None]) -> None:
        """Note what the code says of the limits of its handlers, by their names; None for a handler that has none."""
        known = {entry[0].decode(): entry[1].decode() for entry in await self._scripts.limit_list()}
        for name, words in said.items():
            limit, value = limit_name(name), to_text(words) if words else ""
            if known.get(limit, "") != value:
                await self._put(limit, "", value)

    async def look_again(self, said: Mapping[str, Words | None]) -> None:
        """Note what the code says where nothing is known of it, and let what waits go on if it may."""
        entries = await self._scripts.limit_list()
        known = {entry[0].decode() for entry in entries}
        new = {name: words for name, words in said.items() if words and limit_name(name) not in known}
        if new:
            await self.declare(new)
        for limit, *_, waiting, _keys, _next_at in entries:
            if waiting:
                await self._wake(limit.decode())

    async def set(self, name: str, words: Words, entry: str) -> None:
        """Set an operator's word, which adds to what was said before; none at all takes it back."""
        limit = limit_name(name)
        said = {**(await self._said(limit))[1], **words} if words else {}
        await self._put(limit, OPERATOR, to_text(said) if said else "", entry)

    async def read(self) -> list[LimitInfo]:
        """All limits, by the names of their handlers."""
        found = []
        for entry in await self._scripts.limit_list():
            code, own = (self._words(entry[0], text) for text in entry[1:3])
            with reading(f"limit {entry[0].decode('utf-8', 'replace')}"):
                next_at = from_ms(float(entry[6])) if entry[6] else None
                found.append(info_of(code, own, entry[3:6], next_at))
        return sorted(found, key=lambda info: info.name)

    async def known(self, name: str) -> bool:
        """Whether anything is said of a handler's limit."""
        return any(await self._said(limit_name(name)))

    async def _said(self, limit: str) -> tuple[dict[str, Any], dict[str, Any]]:
        for entry in await self._scripts.limit_list():
            if entry[0].decode() == limit:
                return self._words(entry[0], entry[1]), self._words(entry[0], entry[2])
        return {}, {}

    async def _put(self, limit: str, mark: str, value: str, entry: str = "") -> None:
        await self._ledger.call(lambda call: self._scripts.limit_set(call, limit, mark, value, entry))
        await self._wake(limit)

    async def _wake(self, limit: str) -> None:
        cursor = "0"
        while True:
            reply = await self._scripts.limit_wake(limit, cursor)
            cursor = reply[0].decode()
            if cursor == "0":
                return

    @staticmethod
    def _words(limit: bytes, text: bytes) -> dict[str, Any]:
        with reading(f"limit {limit.decode('utf-8', 'replace')}"):
            said = orjson.loads(text or b"{}")
            return dict(said)
