"""Calls to the scripts of audits."""

from __future__ import annotations

from typing import Any

from taskproc.store.scripts import to_json
from tests.direct import Answer, Direct, body

Asked = tuple[Any, ...]
LOOK = to_json([])


def look(direct: Direct, script: str, *args: Any) -> Answer:
    """Ask a script of an audit only to look; what it found."""
    with direct.unchanged():
        return direct.call(script, LOOK, *args)[1:]


def kinds(found: Answer) -> list[bytes]:
    """What kinds of differences were found."""
    return [one[0] for one in found if isinstance(one, list)]


def batch_of(batch: str, running: int = 0, version: str = "", *, exact: int = 1) -> Asked:
    """An audit of one batch."""
    return "audit_batches", exact, to_json([[batch, running, version]])


def account(
    running: int = 0, *, aside: int = 0, version: str = "", ready: int = 0, exact: int = 1, tenant: str = "acme"
) -> Asked:
    """An audit of a tenant's account in a queue."""
    return "audit_accounts", exact, to_json([["q", tenant, running, aside, version, ready]])


def lists(segment: str, kind: str = "r") -> Asked:
    """An audit of one list."""
    return "audit_lists", to_json([[segment, kind, "" if kind == "staged" else "q"]])


def crowd(direct: Direct, batch: str, count: int) -> None:
    """So many more running tasks of a batch."""
    for at in range(0, count, 1_000):
        ids = [f"{batch}{n:010}" for n in range(1_000_000 + at, 1_000_000 + min(at + 1_000, count))]
        direct.client.hset(direct.key("run"), mapping={task: b"q\n1\n" + body(0) for task in ids})  # type: ignore[arg-type]
