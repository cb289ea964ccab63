"""Fair shares by simulation, with the rules of the scripts; and that those are the scripts' rules."""

from __future__ import annotations

import random

import pytest

from tests import fairness_sim as sim
from tests.direct import W1, Direct, group
from tests.fair_ring import SECOND, Ring
from tests.ruling import rule

# the simulation's rules are those of the scripts


def stored(direct: Direct) -> tuple[int, dict[str, int]]:
    """The virtual time of the queue and the scores of its ring."""
    scores = direct.client.zrange(direct.key("ring", "q"), 0, -1, withscores=True)
    return int(direct.record("q", "q").get("virtual", 0)), {tenant.decode(): int(score) for tenant, score in scores}


@pytest.mark.parametrize("weights", [(1,), (1, 2, 5), (0.5, 3, 7, 700)])
@pytest.mark.parametrize("seed", range(6))
def test_the_simulation_makes_the_choices_of_the_scripts(direct: Direct, seed: int, weights: tuple[float, ...]) -> None:
    chance, ring, running = random.Random(seed), Ring(), {}
    tenants = [f"t{n}" for n in range(chance.randint(2, 9))]
    for tenant in tenants if weights != (1,) else []:
        ring.account(tenant).weight = weight = chance.choice(weights)
        rule(direct, tenant, w=weight)
    for _ in range(150):
        match chance.choice(["push", "claim", "claim", "settle", "settle"]):
            case "push":
                tenant, n = chance.choice(tenants), chance.randint(1, 6)
                direct.create(n, tenant)
                ring.push(tenant, n)
            case "claim":
                want = chance.randint(1, 9) if chance.random() < 0.9 else 128
                at_once = chance.choice([1, 1, 2, 8])
                answer = direct.step(want, at_once=at_once)
                found: dict[str, int] = {}
                for _, tenant, batch, _, bodies in answer[7]:
                    found[tenant.decode()] = found.get(tenant.decode(), 0) + len(bodies)
                    for body in bodies:
                        lease = f"{batch.decode()}{body[:10].decode()}{W1}{direct.seqs[W1]}"
                        running[lease] = tenant.decode()
                assert sorted(found.items()) == sorted(ring.claim(want, at_once)), seed
            case _ if running:
                lease = chance.choice(list(running))
                tenant, us = running.pop(lease), int(10 ** chance.uniform(3, 8))
                assert direct.step(0, [group([lease], us=us)])[5] == []
                ring.settle(tenant, 1, us)
        assert stored(direct) == ring.state(), seed


# what they come to

LENGTHS = {
    "the same": sim.same(0.1), "half short, half long": sim.halves(), "one length each": sim.apart(20, 0.01),
    "all lengths": sim.mixed(),
}  # fmt: skip


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("slots", [50, 70])
def test_tenants_of_equal_weight_have_equal_time_over_any_ten_seconds(lengths: str, slots: int) -> None:
    found = sim.backlog(slots, [1.0] * 20, LENGTHS[lengths], 70)
    assert found.time.jain(30, 60) >= 0.99
    assert sum(found.time.had(tenant, 30, 60) for tenant in range(20)) == pytest.approx(slots * 30, rel=1e-6)


@pytest.mark.parametrize("slots", [8, 11, 16, 40])
@pytest.mark.parametrize("length", [sim.same(1), sim.apart(3, 0.03, 3), sim.mixed(0.01)])
def test_tenants_have_time_by_their_weights(slots: int, length: sim.Length) -> None:
    found = sim.backlog(slots, [1, 2, 5], length, 260)
    assert found.time.shares(60, 260) == pytest.approx([1, 2, 5], rel=0.05)


@pytest.mark.parametrize("idle", ["new", "back", "back with a debt"])
def test_who_comes_late_neither_starves_nor_takes_over(idle: str) -> None:
    found = sim.Simulation(25, [1.0] * 10, sim.mixed(0.01))
    for tenant in range(9):
        found.put(tenant)
    if idle != "new":
        found.put(9)
        found.run(20)
        if idle == "back with a debt":  # it has had all slots while the others had nothing
            for tenant in range(9):
                found.drop(tenant)
            found.run(60)
            for tenant in range(9):
                found.put(tenant)
        found.drop(9)
    found.run(120)
    found.put(9)
    found.run(160)
    assert found.waits[9][-1] < 2, "it waits for its first slot"
    for start in (120, 130, 140):
        had = [found.time.had(tenant, start, start + 10) for tenant in range(10)]
        assert 15 < had[9] < 35, had
        assert min(had) > 15, had


def test_a_tenant_never_has_more_than_a_slot_above_its_share_but_for_what_it_is_behind() -> None:
    chance, ring, running = random.Random(3), Ring(), []
    for tenant, weight in (("a", 1), ("b", 2), ("c", 5), ("d", 1)):
        ring.account(tenant).weight = weight
        ring.push(tenant, 10**6)
    for _ in range(5_000):
        if len(running) < 24:
            [(tenant, _)] = ring.claim(1)
            mine = ring.account(tenant)
            for other in ring.accounts.values():
                behind = other.served - mine.served
                assert (mine.running - 1) / mine.weight <= other.running / other.weight + behind / (30 * SECOND) + 1e-6
            running.append(tenant)
        else:
            ring.settle(running.pop(chance.randrange(len(running))), 1, int(10 ** chance.uniform(3, 7)))
