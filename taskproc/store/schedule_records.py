"""Schedules as they are stored, and what callers see of them."""

from __future__ import annotations

from typing import Any

import orjson

from taskproc.errors import CorruptRecord
from taskproc.model import TaskState
from taskproc.schedule import Schedule, rule_of
from taskproc.scheduled import ScheduleInfo, ScheduleRun
from taskproc.store.reading import reading, whole
from taskproc.values import from_ms


def info_of(entry: list[Any]) -> ScheduleInfo:
    """What callers see of a schedule. Raises CorruptRecord."""
    fields = fields_of(entry)
    what = f"schedule {fields.get('id', b'').decode('utf-8', 'replace')!r} ({entry[0].decode('utf-8', 'replace')})"
    with reading(what):
        try:
            spec = Schedule.from_record(orjson.loads(fields["spec"]))
        except CorruptRecord as error:
            raise CorruptRecord(f"{what}: {error}") from None
        given = {name: getattr(spec, name) for name in Schedule.__dataclass_fields__ if name != "_"}
        return ScheduleInfo(
            **given,
            handler=fields.get("handler", b"").decode(),
            next_at=_time(fields.get("next", b"")),
            last_at=_time(fields.get("last", b"")),
            paused="paused" in fields,
            coded="coded" in fields,
            runs=whole(fields.get("runs", b"0")),
            skipped=whole(fields.get("skipped", b"0")),
            skip_reason=fields.get("why", b"").decode("utf-8", "replace"),
            history=tuple(_runs(fields.get("history", b""))),
            created_at=_time(fields.get("created", b"")),
            changed_at=_time(fields.get("changed", b"")),
            anchor_ms=whole(fields.get("anchor", b"0")),
        )


def fields_of(entry: list[Any]) -> dict[str, bytes]:
    """The fields of a record, as ``schedule_list`` has them."""
    names = (name.decode() for name in entry[1::2])
    return dict(zip(names, entry[2::2], strict=False))


def stored_rule(spec: bytes) -> str | None:
    """What of a stored schedule says when it runs; None where that can't be read."""
    try:
        found = orjson.loads(spec)
    except orjson.JSONDecodeError:
        return None
    return rule_of(found) if isinstance(found, dict) else None


def _time(stored: bytes) -> Any:
    return from_ms(float(stored)) if stored else None


def declared(said: bytes) -> list[str]:
    """The schedules that a worker's code declares, of what it says of itself."""
    try:
        found = orjson.loads(said)["coded"]
    except (ValueError, LookupError, TypeError):
        return []
    return [str(key) for key in found] if isinstance(found, list) else []


def _runs(stored: bytes) -> list[ScheduleRun]:
    """The runs of a history; lines that can't be read are left out."""
    found = []
    for line in stored.decode("utf-8", "replace").split("\n"):
        try:
            state, due, claimed, ended, task = line.split(" ")
            started = from_ms(float(claimed)) if float(claimed) else None
            found.append(ScheduleRun(task, TaskState(state), from_ms(float(due)), started, from_ms(float(ended))))
        except ValueError:
            continue
    return found
