"""The journal in Redis."""

from __future__ import annotations

import logging
from typing import Any

import orjson

from taskproc.journal import JournalEntry
from taskproc.store.ledger import Ledger
from taskproc.store.scripts import Scripts
from taskproc.values import from_ms

logger = logging.getLogger("taskproc")

PAGE = 500


class Journal:
    """Reads the journal, and notes what no script of its own notes."""

    def __init__(self, scripts: Scripts, ledger: Ledger) -> None:
        self._scripts = scripts
        self._ledger = ledger

    async def add(self, entry: str, count: int | None = None) -> None:
        """Note something that was done."""
        await self._ledger.call(lambda call: self._scripts.journal_add(call, entry, -1 if count is None else count))

    async def read(self, tenant: str | None, skip: int, take: int) -> list[JournalEntry]:
        """Entries, newest first; those that can't be read are left out."""
        found: list[JournalEntry] = []
        at = 0
        while len(found) < take and (page := await self._scripts.journal_list(at, PAGE)):
            at += len(page)
            for entry in filter(None, map(_entry, page)):
                if tenant is not None and entry.tenant != tenant:
                    continue
                if skip > 0:
                    skip -= 1
                elif len(found) < take:
                    found.append(entry)
        return found


def _entry(stored: bytes) -> JournalEntry | None:
    try:
        told: dict[str, Any] = orjson.loads(stored)
        count, detail = told.get("count"), told.get("detail", {})
        actor, what, tenant, subject = (str(told.get(name, "")) for name in ("actor", "what", "tenant", "subject"))
        counted = None if count is None else int(count)
        return JournalEntry(from_ms(float(told["at"])), actor, what, tenant, subject, counted, dict(detail))
    except (ValueError, LookupError, TypeError, AttributeError):
        logger.error("an entry of the journal can't be read: %s", stored[:200])
        return None
