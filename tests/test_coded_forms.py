"""What ``@schedule`` may stand on, what it refuses, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskproc import ArgumentError, HandlerError, InvalidValue, ScheduleInfo, TaskprocError
from taskproc import schedule as declared
from tests import handlers, scheduling
from tests.coding import NIGHTLY, Program
from tests.frozen import Clock
from tests.harness import Instance, until
from tests.scheduling import DAY, HOUR, NOON, known, schedule, shown_as


async def stored(instance: Instance, **options: Any) -> list[ScheduleInfo]:
    """The schedules that a worker makes when it starts."""
    async with instance.worker(**options) as proc:
        return await proc.get_schedules("system")


async def test_a_plain_function_becomes_a_handler_and_stays_a_function(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    module = code.deploy(
        '@schedule("@daily", tenant="system")\nasync def plain(tag=None, *, more=1): record("start", [tag, more])\n'
    )
    [info] = await stored(instance)
    assert (info.id, info.handler, info.words) == (f"{code.name}.plain", f"{code.name}.plain", "At 00:00")
    async with instance.worker() as proc:
        await proc.enqueue_task("default", "acme", module.plain, "enqueued")
        assert await proc.trigger_schedule(info.id, "system")
        ran = await instance.wait_records(2, "start")
        assert sorted((record["tenant"], record["tag"], record["schedule"]) for record in ran) == [
            ("acme", ["enqueued", 1], None),
            ("system", [None, 1], info.id),
        ]


@pytest.mark.parametrize("order", ["task first", "schedule first"])
async def test_what_task_says_holds_in_either_order(instance: Instance, clock: Clock, code: Program, order: str) -> None:
    clock.stand(NOON)
    marks = [
        '@task(name="mails.nightly", queue="mails", keep="all")',
        '@schedule("0 3 * * *", tenant="system", kwargs={"a": 1})',
    ]
    if order == "task first":
        marks.reverse()
    code.deploy("\n".join([*marks, "async def nightly(a=0): return a"]))
    [info] = await stored(instance)
    assert (info.id, info.handler) == ("mails.nightly", "mails.nightly")
    async with instance.worker(queues=["mails"]) as proc:
        assert await proc.trigger_schedule(info.id, "system")
        [run] = await until(lambda: history(proc, info.id))
        assert await proc.wait_result(run.task_id, 5) == 1


async def history(proc: Any, id: str) -> tuple[Any, ...]:
    """The runs of a schedule."""
    return (await known(proc, id, "system")).history


async def test_one_handler_may_have_several(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy("""
THIRTEEN = datetime(2026, 3, 4, 13, tzinfo=UTC)

@schedule("0 3 * * *", tenant="system", id="night", args=["night"])
@schedule(every=timedelta(hours=2), tenant="system", id="day", kwargs={"tag": "day"}, start=THIRTEEN)
@schedule("0 3 * * *", tenant="acme", id="night", args=("acme",))
@schedule("0 4 * * *", tenant="system")
async def report(tag=None): record("start", tag)
""")
    found = await stored(instance)
    assert [(info.id, info.next_at) for info in found] == [
        ("day", NOON + HOUR),
        ("night", NOON + 15 * HOUR),
        (f"{code.name}.report", NOON + 16 * HOUR),
    ]
    async with instance.worker() as proc:
        clock.stand(NOON + DAY)
        ran = await instance.wait_records(4, "start")
        assert {(r["tag"], r["tenant"], r["schedule"]) for r in ran} == {
            ("night", "system", "night"), ("day", "system", "day"), ("acme", "acme", "night"),
            (None, "system", f"{code.name}.report"),
        }  # fmt: skip
        assert await proc.count_schedules("acme") == 1


METHODS = """
class Base:
    @schedule("0 3 * * *", tenant="system")
    @task
    async def bound(self, tag="bound"): record("start", [tag, type(self).__name__])

    @staticmethod
    @schedule("0 3 * * *", tenant="system")
    async def static(tag="static"): record("start", tag)

    @classmethod
    @schedule("0 3 * * *", tenant="system")
    def of_class(cls, tag="class"): record("start", [tag, cls.__name__])

class Derived(Base):
    pass

def wrapped(tag): record("start", tag)
"""


async def test_methods_have_schedules_and_what_a_class_inherits_has_none_more(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    code.deploy(METHODS)
    found = await stored(instance)
    assert [info.id for info in found] == [f"{code.name}.Base.{name}" for name in ("bound", "of_class", "static")]
    clock.stand(NOON + DAY)
    async with instance.worker():
        ran = await instance.wait_records(3, "start")
    assert sorted(str(record["tag"]) for record in ran) == ["['bound', 'Base']", "['class', 'Base']", "static"]


async def test_two_of_one_id_are_refused_when_a_worker_starts(instance: Instance, code: Program) -> None:
    code.deploy(
        NIGHTLY,
        '@schedule("@hourly", tenant="system", id="PROGRAM.nightly")\nasync def other(): ...\n'.replace(
            "PROGRAM", code.name
        ),
    )
    with pytest.raises(HandlerError) as caught:
        async with instance.worker():
            pass
    for told in (
        f"two schedules of tenant system have the id '{code.name}.nightly'",
        "nightly",
        "other",
        f"{code.name}.py:",
    ):
        assert told in str(caught.value)
    assert instance.names(":s:") == []
    code.deploy('@schedule("@hourly", tenant="a")\n@schedule("@daily", tenant="a")\nasync def twice(): ...\n')
    with pytest.raises(HandlerError, match="two schedules of tenant a have the id"):
        async with instance.worker():
            pass


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (NIGHTLY.replace("0 3", "5 0 3"), InvalidValue, "cron='5 0 3 .*cron_seconds=True"),
        (NIGHTLY.replace('"first"', '"first", 2'), ArgumentError, "too many"),
        (NIGHTLY.replace(', args=["first"]', ""), ArgumentError, "tag"),
        (NIGHTLY.replace('args=["first"]', "args=[{1: object()}]"), ArgumentError, "tag"),
        (NIGHTLY.replace('args=["first"]', 'args=["a"], end=datetime(2020, 1, 1, tzinfo=UTC)'), InvalidValue, "end="),
        ('@schedule(next_run="os.getcwd", tenant="system")\nasync def f(): ...\n', InvalidValue, "next_run='os.getcwd'"),
    ],
    ids=["six fields", "too many", "too few", "no JSON", "over", "function"],
)  # fmt: skip
async def test_what_only_a_worker_can_judge_is_refused_when_it_starts(
    instance: Instance, code: Program, text: str, kind: type[TaskprocError], told: str
) -> None:
    code.deploy(text)
    with pytest.raises(kind, match=told):
        async with instance.worker():
            pass
    assert instance.names(":s:") == []


async def test_six_fields_are_right_where_the_processor_says_so(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON)
    code.deploy(NIGHTLY.replace("0 3", "5 0 3"))
    [info] = await stored(instance, cron_seconds=True)
    assert info.next_at == NOON + 15 * HOUR + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        (("0 3 * *",), {}, "cron='0 3 . .'"),
        ((), {}, "none of them is given"),
        (("@daily",), {"every": 5}, "cron and every"),
        (("@daily",), {"tenant": ""}, "tenant of 0 bytes"),
        (("@daily",), {"id": ""}, "id=''"),
        (("@daily",), {"id": 5}, "id=5"),
        (("@daily",), {"timezone": "Nowhere"}, "timezone='Nowhere'"),
        (("@daily",), {"queue": "a b"}, "queue name 'a b'"),
        (("@daily",), {"misfire": "no"}, "misfire='no'"),
        (("@daily",), {"start": datetime(2026, 1, 1)}, "start="),
        (("@daily",), {"expire": 0}, "expire=0"),
        (("@daily",), {"args": "text"}, "args='text'"),
        (("@daily",), {"kwargs": ["a"]}, "kwargs="),
        ((), {"next_run": lambda last: None}, "next_run="),
    ],
    ids=shown_as,
)
def test_what_makes_no_sense_is_refused_where_it_stands(given: tuple[Any, ...], options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        declared(*given, **{"tenant": "system", **options})


def test_what_can_not_be_a_handler_is_refused_where_it_stands() -> None:
    def local() -> None:
        """A function that nobody finds."""

    for wrong, told in (
        (local, "local function"),
        (lambda: None, "lambda"),
        ("text", "not a function"),
        (generator, "generator"),
    ):
        with pytest.raises(HandlerError, match=told):
            declared("@daily", tenant="system")(wrong)  # type: ignore[type-var]
    assert not hasattr(local, "__taskproc_schedules__")


def generator() -> Any:
    """Nothing would run it."""
    yield


async def test_times_of_its_own_and_every_option_come_from_code(instance: Instance, clock: Clock, code: Program) -> None:
    clock.stand(NOON - HOUR)
    code.deploy("""
@schedule(next_run=told, tenant="system", id="own")
@schedule("0 3 * * *|0 9 * * *", tenant="system", id="all", queue="low", label="words", timezone="Europe/Berlin",
    unique=True, expire=60, misfire="all", jitter=30,
    start=datetime(2026, 3, 5, tzinfo=UTC), end=datetime(2027, 3, 5, tzinfo=UTC))
async def busy(): ...
""")
    full, own = await stored(instance)
    assert (own.next_at, own.next_run) == (NOON, "tests.scheduling.told")
    expected = schedule(
        "all", "system", cron="0 3 * * *|0 9 * * *", queue="low", label="words", timezone="Europe/Berlin", unique=True,
        expire=timedelta(seconds=60), misfire="all", start=datetime(2026, 3, 5, tzinfo=UTC),
        end=datetime(2027, 3, 5, tzinfo=UTC), jitter=timedelta(seconds=30),
    )  # fmt: skip
    for name in (field for field in expected.__dataclass_fields__ if field != "_"):
        assert getattr(full, name) == getattr(expected, name)
    scheduling.asked.clear()


async def test_encrypted_arguments_are_stored_anew_only_when_they_change(
    instance: Instance, clock: Clock, code: Program
) -> None:
    clock.stand(NOON)
    keys = {"encryption_key": b"k" * 32, "signing_key": b"s" * 32}
    code.deploy(NIGHTLY.replace("first", "a secret"))
    [first] = await stored(instance, **keys)
    [name] = instance.names(":s:")
    assert b"a secret" not in b"".join(instance.client.hvals(name))
    clock.stand(NOON + HOUR)
    assert await stored(instance, **keys) == [first]
    code.deploy(NIGHTLY.replace("first", "another secret"))
    [second] = await stored(instance, **keys)
    assert second.changed_at == NOON + HOUR
    async with instance.worker(**keys) as proc:
        assert await proc.trigger_schedule(second.id, "system")
        [ran] = await instance.wait_records(1, "start")
        assert ran["tag"] == "another secret"


@pytest.mark.parametrize("kind", ["signing_key", "encryption_key"])
async def test_a_new_key_seals_what_the_code_declares_anew(
    instance: Instance, clock: Clock, code: Program, kind: str
) -> None:
    clock.stand(NOON)
    old, new = b"o" * 32, b"n" * 32
    code.deploy(NIGHTLY)
    [first] = await stored(instance, **{kind: old})
    clock.stand(NOON + HOUR)
    for keys in ([new, old], [new]):
        [info] = await stored(instance, **{kind: keys})
        assert (info.changed_at, info.next_at) == (NOON + HOUR, first.next_at)
        clock.stand(NOON + 2 * HOUR)
    async with instance.worker(**{kind: new}) as proc:
        assert await proc.trigger_schedule(info.id, "system")
        await instance.wait_records(1, "start")


async def test_a_quota_keeps_no_worker_from_its_work_and_is_told(
    instance: Instance, code: Program, caplog: pytest.LogCaptureFixture
) -> None:
    async with instance.open() as proc:
        await proc.set_schedule_limit("system", 1)
        await proc.upsert_schedule(schedule("mine", "system"), handlers.noop)
        code.deploy(NIGHTLY)
        async with instance.worker():
            assert "is not there: tenant system has 1 schedules and a limit of 1" in caplog.text
            assert await proc.count_schedules("system") == 1
        await proc.set_schedule_limit("system", None)
        async with instance.worker():
            assert await proc.count_schedules("system") == 2
