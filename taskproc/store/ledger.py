"""A producer's calls that change something, numbered so that each is done once however often it is sent.

The scripts remember the answer of every call until the producer has acknowledged it, which it does by naming, with
each call, the lowest number that it may still send again; a call below that is refused as stale.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskproc.errors import CorruptRecord, OutcomeUnknown
from taskproc.ids import new_id
from taskproc.store.scripts import Json, Reply, to_json

T = TypeVar("T")


class Ledger:
    """The numbers of one producer's calls."""

    def __init__(self) -> None:
        self.producer = new_id()
        self._next = 1
        self._open: set[int] = set()

    @property
    def used(self) -> bool:
        """Whether there may be something to remember in Redis."""
        return self._next > 1

    async def call(self, send: Callable[[Json], Awaitable[Reply]]) -> Reply:
        """Send a call under a number of its own; ``send`` may send it several times.

        Raises OutcomeUnknown when Redis refuses it as older than what was acknowledged.
        """
        number = self._next
        self._next += 1
        self._open.add(number)
        try:
            reply = await send(to_json([self.producer, number, min(self._open)]))
        finally:
            self._open.discard(number)
        if not isinstance(reply, list) or not reply or not isinstance(reply[0], bytes):
            raise CorruptRecord(f"call {number} of producer {self.producer}: its stored answer can't be read")
        if reply[0] == b"stale":
            raise OutcomeUnknown("Redis refused a call as older than one that was acknowledged; it was not done now")
        return reply
