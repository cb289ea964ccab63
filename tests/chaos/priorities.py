"""An ordeal of priorities: workers that serve queues by shares, with slots that are a queue's own, are killed."""

from __future__ import annotations

from collections import Counter

from tests import handlers
from tests.chaos.field import Field, Result, Trial, trying
from tests.chaos.workers import HARDY, crew, lose_one
from tests.nursery import Nursery
from tests.servers import Server

OWN = 2
SERVING = {"queues": ["high:3", "default:1"], "reserve": {"high": OWN}}


async def killed(server: Server, trial: Trial) -> Result:
    """In no worker do others use a queue's own slots; nobody's work is left, and both queues have their turns."""
    result = Result()
    async with trying(server, trial, result) as field:
        field.handlers = [handlers.step, handlers.step, handlers.step_high]
        with Nursery(field.instance, **{**HARDY, **SERVING, "shutdown_grace": 0.05}) as nursery:
            async with field.busy(least=60, tasks=30, longest=0.04):
                for _ in range(trial.times(300, 12)):
                    await lose_one(field, nursery, 0.3, told=0.2)
            crew(nursery)
            await field.settle()
            judge(field, result)
        result.recoveries = field.rerun()
    return result


def judge(field: Field, result: Result) -> None:
    """Hold what each worker ran at once against its slots."""
    running, most, started = Counter[tuple[int, str]](), Counter[str](), Counter[str]()
    for record in field.book.recorded("start", "end"):
        place = record["pid"], record["queue"]
        running[place] += 1 if record["event"] == "start" else -1
        started[record["queue"]] += record["event"] == "start"
        most[record["queue"]] = max(most[record["queue"]], running[place])
    slots = HARDY["max_workers"]
    assert isinstance(slots, int)
    result.notes["of a queue with own slots, most at once in a worker"] = most["high"]
    result.notes["of the other, most at once in a worker"] = most["default"]
    if most["default"] > slots - OWN or most["high"] > slots:
        result.failure = f"{dict(most)} ran at once in a worker of {slots} slots, {OWN} of them the first's own"
    if not (started["high"] and started["default"]):
        result.failure = f"only {dict(started)} have started"
