"""A processor's call for the journal."""

from __future__ import annotations

from taskproc.journal import JournalEntry
from taskproc.processor.connected import Connected
from taskproc.values import page, tenant_name


class JournalCalls(Connected):
    """Who has changed what."""

    async def get_journal(self, tenant: str | None = None, *, skip: int = 0, take: int = 50) -> list[JournalEntry]:
        """What was changed while work ran, and by whom, newest first; of one tenant, or of all. 10,000 entries are kept.

        Pauses, limits, modes, what is done to dead letters and to whole tenants are always noted; cancelling a batch or a
        task, and schedules, where the call names an ``actor``. Raises InvalidValue.
        """
        page(skip, take)
        return await self._store.journal.read(None if tenant is None else tenant_name(tenant), skip, take)
