"""Records are summed up once, whoever dies in the middle, and sums end when their time has come or they are too many."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from taskproc.store import statistics as store
from tests.direct import Direct, group
from tests.summing import Died, Scripted, sum_of

START = 1_700_000_000 // 60 * 60
HOUR = 1_700_000_000 // 3600 * 3600


def scripts(direct: Direct, puts: int = 10**9) -> Scripted:
    """The scripts of statistics, at the test's time."""
    return Scripted(direct.call, puts=puts)


def sum_up(direct: Direct, *, hurry: bool = True) -> bool:
    """Sum up; whether there may be more."""
    return asyncio.run(scripts(direct).statistics().sum_up(hurry=hurry))


def die(direct: Direct, puts: int) -> None:
    """Sum up, and die after some parts."""
    with pytest.raises(Died):
        asyncio.run(scripts(direct, puts).statistics().sum_up(hurry=True))


def work(direct: Direct, *tenants: str, tasks: int = 1, queue: str = "q") -> None:
    """Tasks of tenants are done, each tenant's in a step of its own."""
    for tenant in tenants:
        direct.create(tasks, tenant, queues=[queue])
        leases = direct.claim(tasks, queues=[queue])
        direct.step(0, [[*group(leases, us=10, queue=queue), "3" * tasks, "5" * tasks, 7]], queues=[queue])


def sums(direct: Direct, span: str, start: int) -> dict[str, list[object]]:
    """The sums of a minute or an hour by place, a blank between queue and tenant."""
    stored = direct.client.hgetall(direct.key("sum", span, str(start)))
    return {name.replace(b"\0", b" ").decode(): orjson.loads(value) for name, value in stored.items()}


def done(direct: Direct, span: str = "m") -> dict[str, int]:
    """How many are done by place, over all minutes or hours."""
    state = {
        name.decode().removeprefix(direct.prefix): direct.client.hgetall(name)
        for name in direct.client.scan_iter(direct.key("sum", "*"), count=1000)
    }
    return {f"{queue} {tenant}": ends["done"] for (queue, tenant), ends in sum_of(state, span).items()}


def test_minutes_and_hours_have_what_was_done(direct: Direct) -> None:
    work(direct, "acme", "acme", "beta")
    assert not sum_up(direct)
    one, all_three = [1, 0, 0, 0, 10, 7, [3, 1], [5, 1]], [3, 0, 0, 0, 30, 21, [3, 3], [5, 3]]
    two = [2, 0, 0, 0, 20, 14, [3, 2], [5, 2]]
    for span, start in (("m", START), ("h", HOUR)):
        assert sums(direct, span, start) == {"q ": all_three, "q acme": two, "q beta": one}
    assert direct.client.llen(direct.key("stats")) == 0
    assert direct.record("sums")["entries"] == "6"


def test_what_comes_later_is_added(direct: Direct) -> None:
    work(direct, "acme")
    sum_up(direct)
    direct.wait(60_000)
    work(direct, "acme", tasks=2)
    sum_up(direct)
    assert [sums(direct, "m", START + at)["q acme"][0] for at in (0, 60)] == [1, 2]
    assert sums(direct, "h", HOUR)["q acme"] == [3, 0, 0, 0, 20, 14, [3, 3], [5, 3]]


@pytest.mark.parametrize("puts", [0, 1, 2, 3])
def test_another_goes_on_where_one_has_died(direct: Direct, monkeypatch: pytest.MonkeyPatch, puts: int) -> None:
    monkeypatch.setattr(store, "PART", 2)
    work(direct, "acme", "beta", "acme")
    die(direct, puts)
    work(direct, "acme")
    assert not done(direct) or puts
    while sum_up(direct):
        pass
    for span in "mh":
        assert done(direct, span) == {"q ": 4, "q acme": 3, "q beta": 1}


def test_two_at_once_count_once(direct: Direct) -> None:
    work(direct, "acme", "beta")
    one, two = scripts(direct), scripts(direct)

    async def both() -> None:
        await asyncio.gather(one.statistics().sum_up(hurry=True), two.statistics().sum_up(hurry=True))

    asyncio.run(both())
    while sum_up(direct):
        pass
    assert done(direct) == done(direct, "h") == {"q ": 2, "q acme": 1, "q beta": 1}


def test_a_part_that_comes_twice_or_late_is_refused(direct: Direct) -> None:
    work(direct, "acme", "acme")
    put = ("", 0, 2, 0, "m", START, b"q\0acme", b"[]")
    assert direct.call("stats_put", *put) == [b"ok"]
    for turn, part, taken in (("", 0, 2), ("", 2, 2), ("7", 1, 2), ("", 1, 1)):
        with direct.unchanged():
            assert direct.call("stats_put", turn, part, taken, 1, "m", START) == [b"moved"]
    assert direct.call("stats_put", "", 1, 2, 1, "m", START) == [b"ok"]
    with direct.unchanged():
        assert direct.call("stats_put", *put) == [b"moved"]
        turn = direct.record("sums")["turn"]
        assert direct.call("stats_put", turn, 0, 1, 1, "m", START) == [b"moved"]


def test_there_is_no_hurry_where_somebody_has_just_summed_up(direct: Direct) -> None:
    work(direct, "acme")
    sum_up(direct, hurry=False)
    work(direct, "acme")
    direct.wait(999)
    sum_up(direct, hurry=False)
    assert done(direct)["q acme"] == 1
    direct.wait(1)
    sum_up(direct, hurry=False)
    assert done(direct)["q acme"] == 2


def test_many_records_are_summed_up_in_several_rounds(direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 30)
    monkeypatch.setattr(store, "PAGE", 7)
    work(direct, *["acme"] * 31)
    assert sum_up(direct)
    assert done(direct)["q acme"] == 30
    assert not sum_up(direct)
    assert done(direct)["q acme"] == 31


def test_large_records_come_in_several_pages(direct: Direct) -> None:
    direct.client.rpush(direct.key("stats"), *["[1]" + " " * 50_000] * 30)
    assert len(direct.call("stats_read", 0, 500)) == 7 + 20
    assert len(direct.call("stats_read", 20, 500)) == 7 + 10
    assert len(direct.call("stats_read", 20, 3)) == 7 + 3
    assert not sum_up(direct)
    assert direct.client.llen(direct.key("stats")) == 0


ODD_RECORDS = [
    b"", b"7", b"{}", b'["x"]', b'[1,"q"]', b"[1,2,3,4,5,6,7,8]", b'[1,"q","t",0,0,"","",[1,2]]',
    b'[1,"q","t",0,0,"","",[1,2,3,"x"]]', b'[1,2,"t",0,0,"","",1]', b'[1,"q",[],0,0,"","",1]', b'["1","q","t",0,0,"","",1]',
    b'[1,"q","t","0",0,"","",1]',
]  # fmt: skip
ODD_SUMS = [
    b"", b"7", b"[]", b"[1,2,3,4,5,6,7,8]", b'[1,2,3,4,5,"x",[],[]]', b"[1,2,3,4,5,6,[7],[]]", b'[1,2,3,4,5,6,["x",1],[]]',
]  # fmt: skip


@pytest.mark.parametrize("record", ODD_RECORDS)
def test_records_of_no_use_hold_nothing_up(direct: Direct, record: bytes) -> None:
    direct.client.rpush(direct.key("stats"), record)
    work(direct, "acme")
    sum_up(direct)
    assert done(direct) == {"q ": 1, "q acme": 1}


@pytest.mark.parametrize("stored", ODD_SUMS)
def test_sums_of_no_use_are_begun_anew(direct: Direct, stored: bytes) -> None:
    work(direct, "acme")
    sum_up(direct)
    direct.client.hset(direct.key("sum", "m", str(START)), b"q\0acme", stored)
    work(direct, "acme")
    sum_up(direct)
    assert sums(direct, "m", START)["q acme"] == [1, 0, 0, 0, 10, 7, [3, 1], [5, 1]]


def test_sums_are_read_in_pages(direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOOKUPS", 2)
    hours(direct, 5)
    found = asyncio.run(scripts(direct).statistics().read("h", HOUR + 3600, HOUR + 9 * 3600, ["r", "q"], "acme"))
    assert {at: one.numbers[0] for at, one in found.items()} == {HOUR + n * 3600: 1 for n in range(1, 5)}


def test_a_full_redis_sums_up(direct: Direct) -> None:
    work(direct, "acme")
    with direct.full():
        sum_up(direct)
    assert done(direct)["q acme"] == 1


# ends


def prune(direct: Direct, minutes: int = 10**9, hours: int = 10**9, entries: int = 10**6, limit: int = 100) -> int:
    """Prune; how many minutes and hours were dropped."""
    found: int = direct.call("stats_prune", minutes, hours, entries, limit)[1]
    return found


def periods(direct: Direct, span: str) -> list[int]:
    """Which minutes or hours there are, from the first on, as numbers of them."""
    length = 60 if span == "m" else 3600
    first = START if span == "m" else HOUR
    found = [int(at) for at in direct.client.zrange(direct.key("periods", span), 0, -1)]
    assert all(direct.client.exists(direct.key("sum", span, str(at))) for at in found)
    return [(at - first) // length for at in found]


def hours(direct: Direct, count: int) -> None:
    """Something is done in each of so many hours."""
    for _ in range(count):
        work(direct, "acme")
        sum_up(direct)
        direct.wait(3_600_000)


def test_what_is_past_its_time_is_dropped(direct: Direct) -> None:
    hours(direct, 4)
    begun = direct.now - START * 1000
    assert prune(direct, begun - 59_999) == 0
    assert prune(direct, begun - 60_000) == 1
    assert periods(direct, "m") == [60, 120, 180]
    begun = direct.now - HOUR * 1000
    assert prune(direct, hours=begun - 3_600_000 - 3_599_999) == 1
    assert periods(direct, "h") == [1, 2, 3]
    assert direct.record("sums")["entries"] == "12"


def test_of_too_many_the_oldest_minutes_go_first(direct: Direct) -> None:
    hours(direct, 3)
    assert prune(direct, entries=12) == 0
    assert prune(direct, entries=9) == 2
    assert (periods(direct, "m"), periods(direct, "h")) == ([120], [0, 1, 2])
    assert prune(direct, entries=5) == 2
    assert (periods(direct, "m"), periods(direct, "h")) == ([], [1, 2])


def test_so_much_is_pruned_at_once(direct: Direct) -> None:
    hours(direct, 3)
    assert prune(direct, 0, 0, limit=2) == 2
    assert prune(direct, 0, 0, limit=3) == 3
    assert prune(direct, 0, 0, limit=3) == 1
    assert direct.client.exists(direct.key("sums"), direct.key("summed")) == 0


def test_what_is_not_summed_up_keeps_its_account(direct: Direct) -> None:
    work(direct, "acme")
    sum_up(direct)
    work(direct, "acme")
    direct.wait(8_000_000)
    assert prune(direct, 0, 0) == 2
    assert direct.client.exists(direct.key("sums")) == 1


def test_queues_that_have_sums_are_known(direct: Direct) -> None:
    work(direct, "acme", queue="r")
    sum_up(direct)
    direct.wait(3_600_000)
    work(direct, "acme")
    sum_up(direct)
    assert direct.call("stats_queues", 0, 10) == [b"r", b"q"]
    assert direct.call("stats_queues", 1, 1) == [b"q"]
    direct.wait(3_600_000)
    prune(direct, 0, 3_600_000)
    assert direct.call("stats_queues", 0, 10) == [b"q"]


def test_rows_of_sums_are_read_with_what_they_have(direct: Direct) -> None:
    hours(direct, 3)

    def rows(start: int, end: int, take: int) -> list[list[object]]:
        found = direct.call("stats_sums", "h", HOUR + start * 3600, HOUR + end * 3600, take, b"q\0acme", b"q\0none")
        return [[(int(row[0]) - HOUR) // 3600, *(bool(one) for one in row[1:])] for row in found]

    assert rows(-5, 9, 9) == [[0, True, False], [1, True, False], [2, True, False]]
    assert rows(1, 2, 9) == [[1, True, False]]
    assert rows(0, 9, 2) == [[0, True, False], [1, True, False]]
