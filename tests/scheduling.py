"""What tests of schedules have in common: schedules in short, handlers that record their occurrence, rules of their own."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from taskproc import Schedule, ScheduleInfo, TaskProcessor, current_task, task
from tests.harness import Instance, Record
from tests.recording import note

SECONDLY = "* * * * * *"
"""Each second, where the processor has ``cron_seconds``."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""


def schedule(id: str = "s", tenant: str = "acme", **options: Any) -> Schedule:
    """A schedule, each day at three if nothing else is said."""
    rule = {"every", "at", "next_run", "cron"} & options.keys()
    return Schedule(**{"id": id, "tenant": tenant, **({} if rule else {"cron": "0 3 * * *"}), **options})


def ms(at: datetime) -> int:
    """A time in milliseconds since 1970."""
    return round(at.timestamp() * 1000)


async def known(proc: TaskProcessor, id: str = "s", tenant: str = "acme") -> ScheduleInfo:
    """What is known of a schedule that is there."""
    info = await proc.get_schedule(id, tenant)
    assert info is not None
    return info


def dues(records: list[Record]) -> list[float]:
    """The occurrences for which tasks ran, each once: one whose worker was killed runs again."""
    return sorted({record["due"] for record in records})


def now(instance: Instance) -> datetime:
    """The server's time."""
    return datetime.fromtimestamp(instance.now(), UTC)


def record(event: str, tag: object = None) -> None:
    """Record an event of the running task with its occurrence."""
    info = current_task()
    due = info.scheduled_for
    note(event, tag=tag, schedule=info.schedule_id, due=None if due is None else due.timestamp())


@task
async def tick(tag: object = None, seconds: float = 0.0) -> None:
    """Works for a while on the loop, between a start and an end that are recorded with the occurrence."""
    record("start", tag)
    await asyncio.sleep(seconds)
    record("end", tag)


@task
def tick_thread(tag: object = None, seconds: float = 0.0) -> None:
    """The same in a thread."""
    record("start", tag)
    time.sleep(seconds)
    record("end", tag)


@task(executor="process")
def tick_process(tag: object = None) -> None:
    """The same in a process of its own."""
    record("start", tag)


@task(max_attempts=2, backoff=0.05)
async def tick_broken(tag: object = None) -> None:
    """Fails each time."""
    record("start", tag)
    raise ValueError("it always fails")


@task(queue="apart")
async def tick_own(tag: object = None) -> None:
    """Has a queue of its own."""
    record("start", tag)


# functions for next_run


asked: list[datetime | None] = []
"""What those below were given."""


def told(last: datetime | None) -> datetime | None:
    """Noon of three days."""
    asked.append(last)
    if last is None:
        return NOON
    return None if last >= NOON + 2 * DAY else last + DAY


def soon(last: datetime | None) -> datetime | None:
    """Once, in a moment."""
    return datetime.now(UTC) + timedelta(seconds=0.2) if last is None else None


def raising(last: datetime | None) -> datetime | None:
    """Can't say more than the first."""
    asked.append(last)
    if last is None:
        return NOON
    raise LookupError("a secret of the calendar")


def backwards(last: datetime | None) -> datetime | None:
    """Goes back in time."""
    asked.append(last)
    return NOON


def naive(last: datetime | None) -> datetime | None:
    """Knows no time zone."""
    return datetime(2026, 3, 4)


def nonsense(last: datetime | None) -> Any:
    """Says something else."""
    return "soon"


def never(last: datetime | None) -> datetime | None:
    """Has nothing to say."""
    return None


def shown_as(value: object) -> str:
    """A value as part of a test's name, which is the same in all processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(value))[:60]
