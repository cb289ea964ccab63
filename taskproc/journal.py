"""The journal: who has changed what while work runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskproc.values import shown, text

LONGEST_ACTOR = 200
LONGEST_DETAIL = 500
NOTHING = ""
"""An entry that isn't written."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change: at the server's time, by whom (empty where the call named nobody), and what the call was.

    ``tenant`` is empty for what concerns all; ``subject`` is what it was about: a batch, a task, a queue, a schedule or a
    handler; ``count`` is how many tasks it concerned, where that is known; ``detail`` is what else the call was given.
    """

    at: datetime
    actor: str
    what: str
    tenant: str
    subject: str
    count: int | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """What a call notes in the journal, before it is done."""

    actor: str
    what: str
    tenant: str = ""
    subject: str = ""
    detail: Mapping[str, object] | None = None

    def entry(self, *, steps: bool = False, **detail: object) -> str:
        """As the scripts take it. ``steps``: the call has several, each of which adds its count to one entry."""
        told = {name: _plain(value) for name, value in {**(self.detail or {}), **detail}.items() if value is not None}
        fields: dict[str, object] = {"actor": self.actor, "what": self.what, "tenant": self.tenant, "subject": self.subject}
        if told:
            fields["detail"] = told
        if steps:
            fields["id"] = secrets.token_hex(5)
        return orjson.dumps(fields).decode()


def noted(actor: object, what: str, tenant: object = "", subject: object = "", **detail: object) -> Noted:
    """What a call notes. Raises InvalidValue for an actor that is no text of up to 200 bytes; the rest the call refuses."""
    return Noted(text("actor", actor, LONGEST_ACTOR), what, _text(tenant), _text(subject), detail)


def named(actor: object, what: str, tenant: object = "", subject: object = "", **detail: object) -> str:
    """The entry of a call that programs make all the time, which is noted only where it names an actor."""
    if not text("actor", actor, LONGEST_ACTOR):
        return NOTHING
    return noted(actor, what, tenant, subject, **detail).entry()


def _text(value: object) -> str:
    """A text that can be encoded, not too long."""
    return value[:LONGEST_DETAIL].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _plain(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return _text(shown(value))
