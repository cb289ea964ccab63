"""All ordeals, by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from tests.chaos import clusters, limits, locks, priorities, producers, rules, schedules, servers, wires, workers
from tests.chaos.field import Result, Trial
from tests.servers import Server

Ordeal = Callable[[Server, Trial], Awaitable[Result]]


async def _away(seconds: int, server: Server, trial: Trial) -> Result:
    """The server is gone for long; every worker must consume again."""
    return await servers.away(seconds if trial.long else min(seconds / 20, 2), server, trial)


ORDEALS: dict[str, Ordeal] = {
    **{f"server away for {seconds} s": partial(_away, seconds) for seconds in reversed(servers.OUTAGES)},
    **{f"the store against its model, part {part}": partial(producers.against_the_model, part) for part in (1, 2)},
    "workers killed": workers.killed,
    "slots of limits": limits.slots,
    "priorities under kills": priorities.killed,
    "rules of tenants": rules.killed,
    "schedules under kills": schedules.killed,
    "workers frozen": workers.frozen,
    "every request cut": wires.each_request,
    **servers.ORDEALS,
    "another client's worst wait": producers.slow_answers,
    "workers told to stop": workers.told_to_stop,
    "handlers that end their process": workers.ended_by_a_handler,
    "event loops blocked": workers.blocked,
    "clocks an hour off": workers.wrong_clocks,
    "schedules, the server struck": schedules.struck,
    "schedules, clocks an hour off": schedules.wrong_clocks,
    "unique tasks raced for": locks.raced_for,
    "requests cut at random": wires.random_requests,
    "subscriptions cut": wires.subscriptions,
    "calls cancelled": producers.cancelled,
    "producers killed": producers.killed,
    "cluster: primary killed": clusters.failovers,
    "cluster: down": clusters.down,
    "cluster: slot moved key by key": clusters.slot_moves,
    "cluster: slot moved whole": clusters.slot_moves_at_once,
    "Sentinel: primary killed": clusters.sentinel_fails_over,
    "lagging replica promoted": partial(clusters.promoted, False),
    "lagging replica promoted, durable": partial(clusters.promoted, True),
}
"""The longest first, so that none is left to run alone at the end."""
