"""Limits in the scripts: slots, lists that wait and who lets them go on, in every way in which a list or a task can go."""

from __future__ import annotations

import pytest

from taskproc.store.scripts import to_json
from tests.direct import LEASE, W1, W2, Direct, claimed
from tests.harness import in_each_mode
from tests.limiting import G, H, allow, body, crowd, slots, waiting

ERROR = '{"attempt":1,"type":"E"}'

mode = in_each_mode("q", "r")


@pytest.mark.usefixtures("mode")
def test_a_list_that_is_held_up_leaves_the_line_whole_and_others_go_on(direct: Direct) -> None:
    allow(direct, m=2)
    batch = crowd(direct, [H] * 900 + [""] * 3)
    assert len(direct.claim(50)) == 2 + 3
    assert (waiting(direct), slots(direct)) == ([batch], 2)
    assert direct.counts() == (898, 5, 0, 0)
    assert direct.claim(50) == []
    assert not direct.named("lane:")
    assert not direct.named("fifo:")
    assert not direct.named("wake:")


VERBS = {
    "done": 1, "retry": 0, "dead": 1, "drop": 1, "cancelled": 1, "release": 0, "unknown": 0, "exhausted": 1, "limited": 0,
}  # fmt: skip


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("delay", [0, 500])
def test_a_slot_comes_back_once_whatever_is_reported(direct: Direct, verb: str, delay: int) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 3)
    [lease] = direct.claim(5)
    assert direct.settle([lease], verb, delay, ERROR, 1_000) == []
    assert slots(direct) == 0
    assert direct.settle([lease], verb, delay, ERROR, 1_000) == [lease]
    if verb == "limited" and delay:
        assert direct.claim(5) == []
        direct.wait(delay)
        direct.promote()
    [again] = direct.claim(5)
    same = again[:32] == lease[:32]
    assert same == (VERBS[verb] == 0 and (not delay or verb == "limited") and verb != "retry")
    assert slots(direct) == 1


@pytest.mark.usefixtures("mode")
def test_the_crash_of_a_holder_gives_its_slot_back_once(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 2)
    [lost] = direct.claim(5)
    assert direct.claim(5, worker=W2) == []
    direct.wait(LEASE)
    assert (direct.rescue(), slots(direct)) == (1, 0)
    [again] = direct.claim(5, worker=W2)
    assert again[:32] == lost[:32]
    assert direct.settle([lost], "done") == [lost]
    assert slots(direct) == 1


@pytest.mark.usefixtures("mode")
def test_cancelled_tasks_that_run_keep_their_slots_until_they_end(direct: Direct) -> None:
    allow(direct, m=1)
    first, other = crowd(direct, [H] * 5), crowd(direct, [H])
    [lease] = direct.claim(5)
    assert direct.once("batch_cancel", first, "") == [b"ok"]
    assert (slots(direct), direct.claim(5), waiting(direct)) == (1, [], [other])
    assert direct.settle([lease], "cancelled") == []
    assert [found[:22] for found in direct.claim(5)] == [other]


@pytest.mark.usefixtures("mode")
def test_a_cancel_of_what_was_to_go_on_lets_the_next_go_on(direct: Direct) -> None:
    """The list was put in line when a slot came back, and nobody has claimed of it yet."""
    allow(direct, m=1)
    crowd(direct, [H])
    [lease] = direct.claim(5)
    second, third = crowd(direct, [H, H], "beta"), crowd(direct, [H], "core")
    assert direct.claim(5) == []
    assert direct.settle([lease], "done") == []
    [left] = waiting(direct)
    assert direct.once("batch_cancel", second if left == third else third, "") == [b"ok"]
    assert [found[:22] for found in direct.claim(5)] == [left]
    assert not direct.named(":" + third if left == second else ":" + second + "!")


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("waits", [True, False])
def test_single_cancels_of_what_waits_or_was_to_go_on(direct: Direct, waits: bool) -> None:
    allow(direct, m=1)
    crowd(direct, [H])
    [lease] = direct.claim(5)
    batches = [crowd(direct, [H], tenant) for tenant in ("beta", "core")]
    assert direct.claim(5) == []
    if not waits:
        assert direct.settle([lease], "done") == []
    gone = next(b for b in batches if (b in waiting(direct)) == waits)
    [left] = set(batches) - {gone}
    assert direct.once("task_cancel", f"{gone}{0:010}", "", "") == [b"ok"]
    assert direct.counters(gone) == ("done", 1, 0, 0, 1)
    if waits:
        assert direct.settle([lease], "done") == []
    claims = direct.claim(5) or direct.claim(5)  # in a strict queue an empty place is claimed first
    assert [found[:22] for found in claims] == [left]


@pytest.mark.usefixtures("mode")
def test_one_limit_in_two_queues_goes_to_the_queue_that_is_served_first(direct: Direct) -> None:
    allow(direct, m=1)
    low, high = crowd(direct, [H] * 3, queue="q"), crowd(direct, [H] * 3, queue="r")
    held = direct.claim(5, queues=["q", "r"])
    assert (waiting(direct, queue="q"), waiting(direct, queue="r")) == ([low], [high])
    for _ in range(3):
        queue = "q" if held[0][:22] == low else "r"
        assert direct.settle(held, "done", queue=queue) == []
        held = direct.claim(5, queues=["r", "q"])
        assert [lease[:22] for lease in held] == [high]
    assert slots(direct) == 1


def test_a_freed_slot_wakes_whoever_serves_the_queue(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H], queue="q")
    crowd(direct, [H], queue="r")
    held = direct.claim(5, queues=["q", "r"])
    assert not direct.named("wake:")
    direct.step(0, [[held[0][:22], "q", 0, held, [[1, "done"]]]], queues=["other"])
    assert direct.named("wake:") == ["wake:r"]


@pytest.mark.usefixtures("mode")
def test_appended_retried_and_promoted_tasks_join_the_list_that_waits(direct: Direct) -> None:
    allow(direct, m=1)
    batch = crowd(direct, [H, H, "", G])
    leases = direct.claim(5)
    assert direct.client.llen(direct.key("wake", "q")) == 0
    lists = to_json([["r", "q", 1, 0, False, 0, 0, H], ["d", "q", 1, 10]])
    assert direct.once("batch_append", batch, "acme", "", lists, body(10), body(11)) == [b"ok"]
    direct.wait(20)
    assert direct.promote() == 1
    assert direct.client.llen(direct.key("b", f"{batch}!{H}", "r", "q")) == 3
    assert direct.claim(5) == []
    order = []
    while leases:
        direct.settle(leases, "done")
        leases = direct.claim(5)
        order += [int(lease[22:32]) for lease in leases]
    assert order == [1, 10, 11]
    assert not direct.named("park")
    assert not direct.named(":segs")


def test_a_task_that_joins_a_waiting_list_wakes_nobody(direct: Direct) -> None:
    allow(direct, m=1)
    batch = crowd(direct, [H, H])
    direct.claim(5)
    lists = to_json([["r", "q", 1, 0, False, 0, 0, H]])
    assert direct.once("batch_append", batch, "acme", "", lists, body(10)) == [b"ok"]
    assert not direct.named("wake:")
    assert not direct.named("ring:")


@pytest.mark.usefixtures("mode")
def test_a_limit_that_is_raised_lets_as_many_go_on_as_there_is_room_for(direct: Direct) -> None:
    allow(direct, m=0)
    for _ in range(5):
        crowd(direct, [H])
    assert direct.claim(9) == []
    allow(direct, mark="!", m=3)
    assert sum(len(direct.claim(1)) for _ in range(9)) == 3
    allow(direct, mark="!", m=-1)
    assert sum(len(direct.claim(1)) for _ in range(9)) == 2
    allow(direct, mark="!")
    crowd(direct, [H])
    assert direct.claim(9) == []


def test_who_was_served_least_goes_on_first_by_what_it_was_served_until_now(direct: Direct) -> None:
    allow(direct, m=1)
    for _ in range(3):
        crowd(direct, [H], "greedy")
    crowd(direct, [H, H], "modest")
    [lease] = direct.claim(9)
    turns = []
    for _ in range(4):
        owner = "modest" if direct.record("b", lease[:22])["tenant"] == "modest" else "greedy"
        turns.append(owner)
        direct.settle([lease], "done", us=1_000_000 if owner == "greedy" else 1_000)
        [lease] = direct.claim(9)
    assert turns == ["greedy", "modest", "modest", "greedy"]


def test_a_strict_queue_keeps_its_order_beside_what_waits(direct: Direct) -> None:
    direct.call("queue_mode", "q", "fifo")
    allow(direct, m=1)
    batch = direct.new()
    crowd(direct, [H], batch=batch)
    lists = to_json([["r", "q", 1, 0, False, 0, 0, H]])
    plain = [direct.create(1) for _ in range(2)]
    assert direct.once("batch_append", batch, "acme", "", lists, body(10)) == [b"ok"]
    plain.append(direct.create(1))
    assert direct.once("batch_append", batch, "acme", "", lists, body(11)) == [b"ok"]
    plain.append(direct.create(1))
    first = direct.claim(3)
    assert [lease[:22] for lease in first] == [batch, *plain[:2]]
    assert [lease[:22] for lease in direct.claim(1)] == [plain[2]]  # the appended one waits
    direct.settle(first[:1], "done")
    [second] = direct.claim(1)
    assert second[22:32] == f"{10:010}"
    assert [lease[:22] for lease in direct.claim(9)] == [plain[3]]
    direct.settle([second], "done")
    assert [lease[22:32] for lease in direct.claim(9)] == [f"{11:010}"]
    assert not direct.named("fifo")


def test_a_replayed_step_takes_no_slot_twice(direct: Direct) -> None:
    allow(direct, m=2)
    crowd(direct, [H] * 5)
    first = direct.step(9)
    assert claimed(direct.step(9, seq=direct.seqs[W1])) == claimed(first)
    assert slots(direct) == 2


def test_a_tenant_goes_with_its_lists_of_cancelled_tasks_that_wait(direct: Direct) -> None:
    allow(direct, i=10_000_000, b=1)
    for queue in ("q", "r"):
        direct.call("queue_mode", queue, "fifo")
    tasks = []
    for local, queue in enumerate(("q", "q", "r")):
        lists = to_json([["r", queue, 1, 0, False, 0, 0, H]])
        tasks.append(direct.once("task_enqueue", "acme", "acme", "", 9, lists, f"{local:010}", body(local))[1].decode())
    direct.settle(direct.claim(5, queues=("q", "r")), "done")
    for task in tasks[1:]:
        assert direct.once("task_cancel", task, "acme", "") == [b"ok"]
    direct.wait(20_000)
    assert direct.call("tenant_prune", 0, 10) == [b"ok", 1, 1, []]
    assert not direct.named("fifo") + direct.named("wake") + direct.named("park")
