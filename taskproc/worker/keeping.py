"""Results of tasks with keep="all" on their way to their records.

Nothing here may cost a task its end: what can't be kept is left out, and the record says why.
"""

from __future__ import annotations

import logging

from taskproc.codec import kept, read_body
from taskproc.errors import TaskprocError
from taskproc.options import Options
from taskproc.outcome import Done, Outcome
from taskproc.registry import Registry
from taskproc.results import Results, Unkept
from taskproc.sealing import owner_of
from taskproc.store.records import INLINE, write_result
from taskproc.store.tasks import Tasks
from taskproc.worker.execution import Execution

logger = logging.getLogger("taskproc")


class Keeper:
    """Freezes what handlers return."""

    def __init__(self, options: Options, registry: Registry, tasks: Tasks) -> None:
        self._options = options
        self._registry = registry
        self._tasks = tasks
        self._plain = Results("a handler that isn't known", lambda: None)

    async def keep(self, execution: Execution, outcome: Outcome | None) -> None:
        """Make the result of a task with an extension ready for its settlement, if it has a record."""
        if type(outcome) is not Done or outcome.result is None or not kept(execution.body):
            return
        try:
            execution.result = await self._frozen(execution, outcome.result)
        except Exception as error:  # a resolver of keys may raise anything
            why = str(error) if isinstance(error, Unkept) else f"it could not be stored ({type(error).__name__})"
            logger.warning("task %s is done; its result is not kept: %s", execution.task_id, why)
            execution.result = "!" + why[:500].encode("utf-8", "replace").decode()

    async def _frozen(self, execution: Execution, value: object) -> str:
        if isinstance(value, Unkept):
            raise value
        name = execution.context.name if execution.context is not None else ""
        handler = self._registry.named(name)
        result = (self._plain if handler is None else handler.results).dump(value)
        limit = self._options.max_payload
        if len(result) > limit:
            raise Unkept(f"it has {len(result):,} bytes; at most {limit:,} (max_payload)")
        sealer, claims = self._options.sealer, execution.claims
        if sealer is not None:
            owner = owner_of(claims.batch, read_body(execution.body).text("p"))
            result = sealer.seal_result(claims.tenant, owner, claims.queue, execution.body[:10], name, result)
        if len(result) <= INLINE:
            return write_result(result, sealer is not None)
        try:
            await self._tasks.keep_result(execution.member, result)
        except TaskprocError as error:
            raise Unkept(f"Redis could not take it ({type(error).__name__})") from None
        return "r"
