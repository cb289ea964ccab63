"""The calls of schedules with fields that make no sense, cycles of any characters among them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from taskproc import Schedule, TaskProcessor, schedule
from tests.fuzz import handlers
from tests.fuzz.callables import ARGS, HANDLER, KWARGS, QUEUE, SKIP, TAKE, TENANT, Call, Slot, Values, fixed
from tests.fuzz.report import Broken
from tests.fuzz.values import odd

ATOMS = (
    "*", "*", "?", "0", "5", "23", "31", "59", "60", "-1", "*/5", "*/0", "*/90", "*/-1", "1-5", "5-1", "1-", "-", ",", "1,2",
    "1,,2", "L", "L5", "LW", "W", "5#2", "5#6", "0#0", "FRI#2", "FRI", "JAN", "frid", "MON-FRI", "FRI-MON", "22-2", "1/2",
    "*/1.5", "0x5", "٣", "1e1", "0" * 18 + "5", "9" * 400, "H", "R", "#", "|", "\n", "\x00", "30", "FEB", "2", "L,5", "/",
)  # fmt: skip
WORDS: tuple[str, ...] = (
    "@hourly",
    "@daily",
    "@reboot",
    "@every 5s",
    "@",
    "@yearly|@daily",
    "|",
    "||",
    "* * * * *|",
    "|".join(["* * * * *"] * 500),
)
ZONES = (
    "UTC", "utc", "Etc/UTC", "Europe/Berlin", "europe/berlin", "Europe/Berlin\x00", "../etc/localtime", "/etc/localtime",
    "GMT+25", ".", "Etc/GMT+12", "US/Pacific-New", "+01:00", "EST5EDT", "Local", "Europe", "Europe/", "Factory",
)  # fmt: skip
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
FUNCTIONS = (handlers.next_hour, "tests.fuzz.handlers.next_hour")


def cycles(rng: random.Random) -> Any:
    """Something in place of a cron expression."""
    kind = rng.randrange(6)
    if kind == 0:
        return odd(rng)
    if kind == 1:
        return rng.choice(WORDS)
    parts = [
        " ".join(rng.choice(ATOMS) for _ in range(rng.choice([5, 5, 5, 6, 4, 7, 1]))) for _ in range(rng.choice([1, 1, 3]))
    ]
    return "|".join(parts)


def places(rng: random.Random) -> Any:
    """Something in place of a time zone."""
    return rng.choice([*ZONES, odd(rng)])


def a_function(rng: random.Random) -> Any:
    """Something in place of a function for the next run."""
    return rng.choice([
        handlers.next_hour, "tests.fuzz.handlers.take", "tests.fuzz.handlers.nobody", "os.system", "next_hour",
        lambda last: None, len, handlers.take, Schedule, Schedule.check, odd(rng),
    ])  # fmt: skip


ID = Slot("id", fixed("one", "two"), "id")
CRON = Slot("cron", fixed("0 3 * * *", "*/5 * * * *"), "cron|end", cycles)
ZONE = Slot("timezone", fixed("UTC", "Europe/Berlin"), "timezone|time zone", places)
EVERY = Slot("every", fixed(3600, timedelta(days=1)), "every")
AT = Slot("at", fixed(PAST, FUTURE), "at=|at:|cron, every, at")
NEXT_RUN = Slot("next_run", fixed(*FUNCTIONS), "next_run|cron, every, at", a_function)
START = Slot("start", fixed(None, PAST, FUTURE), "start|end")
END = Slot("end", fixed(None, FUTURE + timedelta(days=9)), "end")
LABEL = Slot("label", fixed("", "label"), "label")
UNIQUE = Slot("unique", fixed(False, True), "unique")
EXPIRE = Slot("expire", fixed(None, 60), "expire")
MISFIRE = Slot("misfire", fixed("once", "all", "skip"), "misfire")
RUNS = Slot("max_runs", fixed(None, 5), "max_runs")
JITTER = Slot("jitter", fixed(None, 0, 60), "jitter")
COMMON = (ID, TENANT, LABEL, UNIQUE, EXPIRE, MISFIRE, RUNS, JITTER)
RULES = {
    "cron": (CRON, ZONE, START, END), "every": (EVERY, START, END), "at": (AT,), "next_run": (NEXT_RUN, END),
    "all": (CRON, EVERY, AT, NEXT_RUN),
}  # fmt: skip
OWN, NEIGHBOUR = ("own", "acme"), ("due", "neighbour")
TENANTS = ("acme", "second", "neighbour")
ROUNDS = 100
FIELDS = frozenset(Schedule.__dataclass_fields__)
WHOSE = Slot("tenant", fixed("limited"), "tenant", lambda rng: "limited" if (value := odd(rng)) is None else value)
MOST = Slot("most", fixed(None, 10**6), "most")
N = Slot("n", fixed(0, 3), "n=")


def given(v: Values) -> Schedule:
    """The schedule of a call."""
    return Schedule(**{"id": "one", "tenant": "acme", **{name: value for name, value in v.items() if name in FIELDS}})


async def declared(_: TaskProcessor, v: Values) -> None:
    """A schedule in code."""
    fields = {name: value for name, value in v.items() if name in FIELDS and name not in ("cron", "at", "max_runs")}
    schedule(v.get("cron"), **fields)(handlers.scheduled_later)
    del handlers.scheduled_later.__taskproc_schedules__  # else workers would create it


async def upcoming(p: TaskProcessor, v: Values) -> None:
    """What comes."""
    info = await p.get_schedule(*OWN)
    assert info is not None
    info.upcoming(v["n"])


async def begin(p: TaskProcessor) -> None:
    """What is there before all calls: one to ask about, and a neighbour's that is due."""
    await p.upsert_schedule(Schedule(*OWN, "* * * * *", start=FUTURE), handlers.take, "t", "x")
    await p.upsert_schedule(Schedule(*NEIGHBOUR, at=PAST), handlers.take, "n", "x")


async def end(p: TaskProcessor) -> None:
    """Raises Broken where one that was taken can't be fired, read and reckoned on, or keeps the neighbour's from firing."""
    for _ in range(ROUNDS):
        if not await p.run_due_schedules():
            break
    else:
        raise Broken("there are always schedules that are due")
    info = await p.get_schedule(*NEIGHBOUR)
    if info is None or info.runs != 1:
        raise Broken(f"a neighbour's schedule that was due is {info}")
    for tenant in TENANTS:
        for found in await p.get_schedules(tenant, take=1_000):
            if not found.words or (found.next_at is not None and found.upcoming(3)[:1] != [found.next_at]):
                raise Broken(f"what is told of a schedule: {found.words} {found.upcoming(3)} {found}"[:600])


SCHEDULED: list[Call] = [
    *(Call(f"upsert_schedule by {name}", (*COMMON, QUEUE, *slots),
           lambda p, v: p.upsert_schedule(given(v), handlers.take, "t", "x")) for name, slots in RULES.items()),
    *(Call(f"schedule in code by {name}", (*COMMON[:-2], JITTER, *slots), declared)
      for name, slots in RULES.items() if name not in ("at", "all")),
    Call("upsert_schedule of a handler", (HANDLER, ARGS, KWARGS),
         lambda p, v: p.upsert_schedule(Schedule("one", "acme", "@daily"), v["handler"], *v["args"], **v["kwargs"])),
    Call("upsert_schedule of anything", (Slot("schedule", fixed(Schedule("one", "acme", every=60)), "schedule"),),
         lambda p, v: p.upsert_schedule(v["schedule"], handlers.take, "t", "x")),
    Call("tenant.upsert_schedule", (ID, CRON),
         lambda p, v: p.tenant("acme").upsert_schedule(given(v), handlers.take, "t", "x")),
    *(Call(name, (ID, TENANT), lambda p, v, name=name: getattr(p, name)(v["id"], v["tenant"]))
      for name in ("cancel_schedule", "trigger_schedule", "pause_schedule", "resume_schedule", "get_schedule")),
    *(Call(f"tenant.{name}", (ID,), lambda p, v, name=name: getattr(p.tenant("acme"), name)(v["id"]))
      for name in ("cancel_schedule", "trigger_schedule", "pause_schedule", "resume_schedule", "get_schedule")),
    Call("get_schedules", (TENANT, SKIP, TAKE), lambda p, v: p.get_schedules(v["tenant"], v["skip"], v["take"])),
    Call("tenant.get_schedules", (SKIP, TAKE), lambda p, v: p.tenant("acme").get_schedules(v["skip"], v["take"])),
    Call("count_schedules", (TENANT,), lambda p, v: p.count_schedules(v["tenant"])),
    Call("set_schedule_limit", (WHOSE, MOST), lambda p, v: p.set_schedule_limit(v["tenant"], v["most"])),
    Call("upcoming", (N,), upcoming),
]  # fmt: skip
