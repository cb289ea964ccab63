"""Which input is of which kind, in which order they are tried, and which of a group is to blame."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.fuzz import bodies, calls, commands, contexts, instances, records, schedules
from tests.fuzz.report import Broken, Finding, Tally
from tests.fuzz.world import Listener, World
from tests.servers import running

Group = Callable[[World, Sequence[int]], Awaitable[None]]

BLOCK = 250
"""Inputs that follow each other are of one kind."""

GROUPS: dict[str, tuple[Group, int]] = {
    "calls": (calls.group, 250), "bodies": (bodies.group, 250), "contexts": (contexts.group, 250),
    "commands": (commands.group, 250), "records": (records.group, 50), "instance": (instances.group, 1),
    "schedules": (schedules.group, 25),
}  # fmt: skip
"""What tries inputs of a kind, and how many at once."""

MANY = ["calls", "bodies", "calls"]
PLAN = [*MANY * 12, "records", *MANY * 12, "contexts", "records", *MANY, "commands", "contexts", "schedules"]
"""The kinds of blocks, again and again."""

INSTANCES = 6
"""So many of the first inputs of each block of records are of the kind that all share."""

MOST_FINDINGS = 20
BLAME_SECONDS = 120


def kind_of(number: int) -> str:
    """The kind of an input."""
    kind = PLAN[(number // BLOCK) % len(PLAN)]
    return "instance" if kind == "records" and number % BLOCK < INSTANCES else kind


async def fuzz(seed: int, inputs: int, seconds: float | None, only: Sequence[int], say: Callable[[str], None]) -> Tally:
    """Try inputs on a server of their own."""
    tally, listener = Tally(seed), Listener()
    logger, before = logging.getLogger("taskproc"), logging.getLogger("taskproc").level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        with running("valkey") as server:
            world = World(server, tally, listener)
            for kind, numbers in groups(list(only) or range(inputs)):
                if (seconds is not None and tally.seconds > seconds) or len(tally.findings) >= MOST_FINDINGS:
                    break
                await _try(world, kind, numbers, say)
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before)
    return tally


def groups(numbers: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Inputs in the groups in which they are tried."""
    found: list[tuple[str, list[int]]] = []
    for number in numbers:
        kind = kind_of(number)
        if not found or found[-1][0] != kind or len(found[-1][1]) == GROUPS[kind][1]:
            found.append((kind, []))
        found[-1][1].append(number)
    return found


async def _try(world: World, kind: str, numbers: list[int], say: Callable[[str], None]) -> None:
    world.tally.inputs[kind] += len(numbers)
    told = await _problem(world, kind, numbers)
    if told:
        numbers, told = await _blame(world, kind, numbers, told)
        finding = Finding(numbers, kind, told)
        world.tally.findings.append(finding)
        for line in finding.lines(world.seed):
            say(line)


async def _problem(world: World, kind: str, numbers: Sequence[int]) -> str:
    """What a group of inputs breaks; empty for nothing."""
    try:
        await GROUPS[kind][0](world, numbers)
    except Broken as broken:
        return str(broken)
    return ""


async def _blame(world: World, kind: str, numbers: list[int], told: str) -> tuple[list[int], str]:
    """As few of a group as break a promise all the same: half of them, and half of that, as long as it does."""
    tally, world.tally = world.tally, Tally(world.seed)  # what is tried again is not counted again
    try:
        return await _fewest(world, kind, numbers, told)
    finally:
        world.tally = tally


async def _fewest(world: World, kind: str, numbers: list[int], told: str) -> tuple[list[int], str]:
    deadline = time.monotonic() + BLAME_SECONDS
    while len(numbers) > 1 and time.monotonic() < deadline:
        middle = len(numbers) // 2
        for half in (numbers[:middle], numbers[middle:]):
            problem = await _problem(world, kind, half)
            if problem:
                numbers, told = half, problem
                break
        else:
            break
    return numbers, told
