"""What steps, cancels and rescues note for statistics: each end once, whoever reports it and how often."""

from __future__ import annotations

import orjson
import pytest

from taskproc.histogram import MARKS, NONE, mark
from taskproc.store.scripts import to_json
from tests.direct import ERROR, W2, Direct, group
from tests.summing import Told, ended, told

ODD = 'b:ö\n"\\x'


def noted(direct: Direct) -> Told:
    """What was noted so far."""
    return told(direct.client.lrange(direct.key("stats"), 0, -1))


def ends(direct: Direct, tenant: str = "acme", queue: str = "q") -> list[int]:
    """How many tasks were done, failed, cancelled and retried."""
    return ended(noted(direct), queue, tenant)


def report(leases: list[str], runs: str, waits: str, size: int, us: int = 9) -> list[object]:
    """Settlements of tasks that are done, with what a worker tells of them."""
    return [*group(leases, us=us), runs, waits, size]


def test_each_way_to_end_is_noted(direct: Direct) -> None:
    direct.create(9)
    leases = direct.claim(8)
    direct.settle(leases[:2])
    for lease, verb in zip(leases[2:], ("retry", "dead", "exhausted", "drop", "cancelled", "release"), strict=True):
        direct.settle([lease], verb, 0, ERROR)
    assert ends(direct) == [2, 3, 1, 1]


def test_what_a_worker_tells_is_noted(direct: Direct) -> None:
    direct.create(3)
    leases = direct.claim(3)
    direct.step(0, [report(leases, "345", "666", 100)])
    [record] = direct.client.lrange(direct.key("stats"), 0, -1)
    assert orjson.loads(record) == [direct.now // 1000, "q", "acme", 9, 100, "345", "666", 3]


def test_what_others_have_is_not_noted(direct: Direct) -> None:
    direct.create(3)
    leases = direct.claim(3)
    direct.step(0, [report(leases[1:2], "4", "4", 10)])
    direct.step(0, [report([leases[0], leases[1], leases[2], leases[0]], "3456", "6789", 100, us=100)])
    counts = noted(direct)["q", "acme"]
    assert (counts["done"], counts["us"], counts["bytes"]) == (3, 59, 60)
    last = orjson.loads(direct.client.lindex(direct.key("stats"), -1))
    assert last[5:7] == ["35", "68"]


def test_a_step_that_is_sent_again_notes_nothing(direct: Direct) -> None:
    direct.create(2)
    leases = direct.claim(2)
    for _ in range(3):
        direct.step(0, [report(leases, "33", "44", 10)], seq=7)
    assert ends(direct) == [2, 0, 0, 0]


def test_a_cancelled_batch_counts_each_task_once(direct: Direct) -> None:
    batch = direct.create(3, queues=["q", "r"])
    direct.append(batch, 2, delay=10)
    leases = direct.claim(2)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert (ends(direct), ends(direct, queue="r")) == ([0, 0, 3, 0], [0, 0, 3, 0])
    direct.settle(leases[:1])
    assert ends(direct) == [0, 0, 4, 0]
    direct.wait(60_001)
    assert direct.rescue() == 1
    assert ends(direct) == [0, 0, 5, 0]
    direct.settle(leases)
    assert ends(direct) == [0, 0, 5, 0]


def test_dead_letters_that_a_cancel_drops_have_failed_before(direct: Direct) -> None:
    batch = direct.create(2)
    direct.kill(1)
    assert direct.once("batch_cancel", batch, "") == [b"ok"]
    assert ends(direct) == [0, 1, 1, 0]


def test_a_batch_that_fails_fast_counts_all(direct: Direct) -> None:
    batch = direct.create(5, fail="1")
    leases = direct.claim(3)
    direct.step(0, [group(leases[:2], "dead", 0, ERROR)])
    assert direct.counters(batch)[1:] == (5, 0, 2, 3)
    direct.settle(leases[2:])
    assert ends(direct) == [0, 2, 3, 0]


def test_single_tasks_that_are_cancelled_are_noted(direct: Direct) -> None:
    for local, delay in ((1, 0), (2, 10)):
        task = direct.single(local, delay=delay)
        call = direct.number()
        for _ in range(2):
            assert direct.call("task_cancel", call, task, "", "") == [b"ok"]
    assert ends(direct) == [0, 0, 2, 0]


def test_a_rescue_is_a_retry(direct: Direct) -> None:
    direct.create(2)
    leases = direct.claim(2)
    direct.wait(60_001)
    assert direct.rescue() == 2
    direct.settle(leases)
    assert ends(direct) == [0, 0, 0, 2]
    assert direct.record("t", "acme")["retried"] == "2"


def test_tenants_and_queues_are_told_apart(direct: Direct) -> None:
    for tenant in ("acme", ODD):
        direct.create(2, tenant, queues=["q", "r"])
    for queue in ("q", "r"):
        leases = direct.claim(4, queues=[queue])
        direct.step(0, [group([lease], queue=queue) for lease in leases])
    assert [ends(direct, tenant, queue) for tenant in ("acme", ODD) for queue in ("q", "r")] == [[2, 0, 0, 0]] * 4


def test_batches_of_a_tenant_count_together(direct: Direct) -> None:
    leases = []
    for _ in range(3):
        direct.create(2)
        leases.append(direct.claim(2))
    direct.step(0, [group(one[:1]) for one in leases])
    direct.step(0, [group(one[1:], "dead", 0, ERROR) for one in leases])
    assert ends(direct) == [3, 3, 0, 0]


def test_many_tenants_make_several_records(direct: Direct) -> None:
    for n in range(40):
        direct.create(1, f"t{n}")
    direct.step(0, [group([lease]) for lease in direct.claim(40)])
    assert [len(orjson.loads(r)) for r in direct.client.lrange(direct.key("stats"), 0, -1)] == [113, 113, 57]
    assert all(ends(direct, f"t{n}") == [1, 0, 0, 0] for n in range(40))


def test_records_that_nobody_sums_up_are_bounded(direct: Direct) -> None:
    direct.create(3)
    leases = direct.claim(3)
    direct.client.rpush(direct.key("stats"), *["[1]"] * 49_999)
    direct.settle(leases[:1])
    direct.settle(leases[1:2])
    direct.settle(leases[2:])
    assert direct.client.llen(direct.key("stats")) == 50_000
    assert (ends(direct), direct.record("sums")["dropped"]) == ([1, 0, 0, 0], "2")


@pytest.mark.parametrize("key", ["stats", "sums"])
def test_keys_of_no_use_stop_no_task(direct: Direct, key: str) -> None:
    batch = direct.create(2)
    leases = direct.claim(2)
    direct.client.rpush(direct.key("stats"), *["[1]"] * 50_000)
    direct.client.delete(direct.key(key))
    direct.client.set(direct.key(key), "of no use")
    direct.settle(leases)
    assert direct.counters(batch)[0] == "done"
    direct.client.delete(direct.key(key))


def test_none_are_noted_where_they_are_switched_off(direct: Direct) -> None:
    batch = direct.create(4)
    for quiet, count in ((1, 0), (0, 1)):
        assert direct.call("stats_quiet", quiet) == [b"ok"]
        direct.settle(direct.claim(1))
        assert ends(direct)[0] == count
    direct.call("stats_quiet", 1)
    direct.once("batch_cancel", batch, "")
    assert ends(direct) == [1, 0, 0, 0]


@pytest.mark.parametrize("more", [[7], ["3", 7], ["3", "3", "x"], ["3", "3", -1], [["3"]]])
def test_a_report_of_another_form_is_refused(direct: Direct, more: list[object]) -> None:
    direct.create(1)
    leases = direct.claim(1)
    groups = [[*group(leases), *more]]
    with direct.unchanged(), pytest.raises(Exception, match="settlement: statistics"):
        direct.call("step", 1, W2, 1, 1000, 0, to_json(["q"]), to_json(groups))


def test_marks_are_characters_of_their_own() -> None:
    assert len({*MARKS, NONE}) == len(MARKS) + 1
    assert [mark(us) for us in (-5, 0, 1, 2, 3, 4, 2**60)] == [MARKS[b] for b in (0, 0, 1, 2, 2, 3, 50)]
    assert all(one.isascii() and one.isprintable() for one in MARKS)
