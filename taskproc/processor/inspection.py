"""A processor's calls that look whether all is well: with the server, with the keys, with one batch."""

from __future__ import annotations

from taskproc.findings import AuditReport, BatchExplanation, ServerCheck
from taskproc.processor.connected import Connected


class Inspection(Connected):
    """What operators ask when something seems wrong."""

    async def check_server(self) -> list[ServerCheck]:
        """What of the server's set-up would lose work or stop it, and how to set it; it need not be open.

        What this user may not read is told as unknown.
        """
        async with self._reached() as store:
            return await store.check()

    async def explain_batch(self, batch_id: str) -> BatchExplanation | None:
        """Why a batch hasn't settled: where its tasks are and what holds them; None when there is none by that id."""
        return await self._store.explaining.explain(batch_id)

    async def audit(self, repair: bool = False) -> AuditReport:
        """Hold all counters and cross-references against what is stored, in bounded steps, while workers run.

        ``repair``: mend what can be mended. What moves meanwhile is no difference; a healthy instance has none.
        """
        return await self._store.audit(repair)
