"""The part of an audit that looks whether those who have unique locks are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskproc.errors import ServerRefused
from taskproc.store.scripts import Reply, to_json

if TYPE_CHECKING:
    from taskproc.store.audit import Audit

AT_ONCE = 10
LOOKS = 5

Holder = tuple[str, str, str, str]
"""A lock's digest, its task, where to go on looking for it, and what its batch's accounts were at the start."""


class UniqueLocks:
    """Looks at all unique locks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def run(self) -> None:
        """Look at each, and for the task that has it."""
        cursor = "0"
        while True:
            try:
                reply = await self._audit.ask(self._audit.scripts.audit_locks, cursor)
            except ServerRefused:
                self._audit.broken("unique locks")
                return
            self._audit.note(reply[2:])
            held = [one.decode("utf-8", "replace") for one in reply[1]]
            for at in range(0, len(held), 2 * AT_ONCE):
                some = held[at : at + 2 * AT_ONCE]
                await self._look([(digest, task, "", "") for digest, task in zip(some[::2], some[1::2], strict=True)])
            cursor = reply[0].decode()
            if cursor == "0":
                return

    async def _ask(self, asked: list[Holder]) -> Reply:
        return await self._audit.ask(self._audit.scripts.audit_holders, to_json(asked))

    async def _look(self, asked: list[Holder]) -> None:
        """Look for tasks until each is found, or nothing is left to look through; anew where others came and went."""
        for _ in range(LOOKS):
            again: list[Holder] = []
            unsure = []
            while asked:
                told, more = dict(zip((task for _, task, *_ in asked), asked, strict=True)), list[Holder]()
                async for reply in self._audit.parts(asked, self._ask, lambda holder: f"task {holder[1]}"):
                    unsure += [entry for entry in reply[1:] if entry[0] == b"unsure"]
                    again += [(*told[entry[2].decode()][:2], "", "") for entry in reply[1:] if entry[0] == b"unsure"]
                    self._audit.note(entry for entry in reply[1:] if entry[0] == b"unlocked")
                    more += [_holder(entry) for entry in reply[1:] if entry[0] == b"more"]
                asked = more
            if not again:
                return
            asked = again
        self._audit.note(unsure)


def _holder(entry: Reply) -> Holder:
    _, digest, task, cursor, version = (part.decode("utf-8", "replace") for part in entry)
    return digest, task, cursor, version
