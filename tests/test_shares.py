"""Fair shares: tenants take turns by the handler time that they have had, and by what they run."""

from __future__ import annotations

from tests.direct import W2, Direct, group

SECOND = 1_000_000
RUNNING = 30 * SECOND
"""What a running task weighs."""


def score(direct: Direct, tenant: str) -> float | None:
    """A tenant's place in the ring."""
    found: float | None = direct.client.zscore(direct.key("ring", "q"), tenant)
    return found


def test_tenants_take_turns_by_what_they_run(direct: Direct) -> None:
    direct.create(9, "a")
    direct.create(9, "b")
    answer = direct.step(5)
    assert sorted((tenant, len(bodies)) for _, tenant, _, _, bodies in answer[7]) == [(b"a", 3), (b"b", 2)]


def test_what_a_step_gives_a_tenant_weighs_within_the_step(direct: Direct) -> None:
    direct.create(9, "a")
    direct.create(9, "b")
    direct.client.zadd(direct.key("ring", "q"), {"b": 20 * SECOND})
    answer = direct.step(4)
    assert sorted((tenant, len(bodies)) for _, tenant, _, _, bodies in answer[7]) == [(b"a", 2), (b"b", 2)]


def test_a_newcomer_begins_where_the_queue_is_and_idling_is_no_credit(direct: Direct) -> None:
    direct.create(3, "a")
    direct.settle(direct.claim(), us=100 * SECOND)
    direct.claim()
    direct.create(1, "b")
    assert score(direct, "b") == 100 * SECOND
    assert direct.record("tq", "q", "b")["offset"] == str(100 * SECOND)


def test_idling_erases_no_debt(direct: Direct) -> None:
    direct.create(1, "a")
    direct.settle(direct.claim(), us=100 * SECOND)
    direct.create(1, "a")
    assert score(direct, "a") == 100 * SECOND


def test_the_time_of_a_queue_never_goes_back(direct: Direct) -> None:
    direct.create(9, "b")
    direct.claim(4)
    assert score(direct, "b") == 4 * RUNNING
    direct.create(3, "a")
    [lease] = direct.claim(worker=W2)
    direct.step(0, [group([lease], us=119 * SECOND)], worker=W2)
    direct.claim(worker=W2)
    assert direct.record("q", "q")["virtual"] == str(119 * SECOND)
    [last] = direct.claim(worker=W2)
    assert direct.client.hget(direct.key("run"), last[:32]) is not None
    assert direct.record("q", "q")["virtual"] == str(119 * SECOND)
    before = score(direct, "b")
    direct.create(1, "b")  # it stands in line already
    assert score(direct, "b") == before


def test_a_running_task_weighs_until_its_real_time_is_known(direct: Direct) -> None:
    direct.create(3, "a")
    [lease] = direct.claim()
    assert score(direct, "a") == RUNNING
    direct.settle([lease], us=SECOND)
    assert score(direct, "a") == SECOND
