"""One claimed task on its way through a worker."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from taskproc.context import StopReason, TaskContext

if TYPE_CHECKING:
    from taskproc.store.work import Claims
    from taskproc.worker.closing import Closing
    from taskproc.worker.scope import Scope


class Stop(Enum):
    """Why a task is told to stop."""

    CANCELLED = "its batch or the task itself was cancelled"
    TIMEOUT = "it passed its time limit"
    LOST = "its lease was lost to another worker"
    STOPPING = "its worker stops"


REASONS: dict[Stop, StopReason] = {
    Stop.CANCELLED: "cancelled",
    Stop.TIMEOUT: "timeout",
    Stop.LOST: "lost",
    Stop.STOPPING: "stopping",
}


class Execution:
    """A claimed task: where it came from, what it became, and how to stop it."""

    __slots__ = ("body", "claims", "context", "extended", "member", "result", "scope", "stop", "task_id")

    def __init__(self, claims: Claims, body: bytes) -> None:
        self.claims = claims
        self.body = body
        self.task_id = claims.batch + body[:10].decode("ascii", "replace")
        self.member = self.task_id + claims.token
        self.extended = body[10:11] != b"."
        self.context: TaskContext | None = None
        self.scope: Scope | Closing | None = None
        self.stop: Stop | None = None
        self.result = ""  # of one that is kept, as its record has it

    def halt(self, stop: Stop) -> None:
        """Tell the handler to stop: on the loop it is cancelled, in a thread it sees ``cancelled``."""
        if self.stop is not None:
            return
        self.stop = stop
        if self.context is not None:
            self.context.stop_reason = REASONS[stop]
        if self.scope is not None:
            self.scope.cancel()
