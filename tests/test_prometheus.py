"""What Prometheus gets: a value for each queue, of bounded number, and for no tenant that nobody asked for."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from taskproc import InvalidValue, TaskprocError
from taskproc.history import QueueSignals
from taskproc.integrations import prometheus
from tests.building import noops
from tests.harness import Instance


def values(text: str, name: str) -> dict[str, float]:
    """A metric's values by label."""
    return {label: float(value) for label, value in re.findall(rf'^{name}{{\w+="(.*?)"}} (\S+)$', text, re.MULTILINE)}


async def test_metrics_are_served(instance: Instance) -> None:
    async with instance.open(queues=["default", "mail"]) as proc:
        await proc.enqueue_batch("default", "acme", noops(5))
        await proc.run_until_idle()
        await proc.enqueue_batch("mail", "acme", noops(3))
        await proc.enqueue_batch("mail", "beta", noops(2))
        with prometheus.serve(proc, "127.0.0.1", 0, tenants=["beta", "nobody"]) as port:

            def scrape() -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    return str(answer.read().decode())

            text = await asyncio.to_thread(scrape)
        assert values(text, "taskproc_ready") == {"default": 0, "mail": 5}
        assert values(text, "taskproc_slots_needed")["mail"] == 1
        assert values(text, "taskproc_executions_per_second")["default"] > 0
        assert values(text, "taskproc_oldest_wait_seconds")["mail"] >= 0
        assert values(text, "taskproc_mean_run_seconds").keys() == {"default"}
        assert values(text, "taskproc_tenant_ready") == {"beta": 2, "nobody": 0}
        assert "acme" not in text


async def test_registering_asks_nothing(instance: Instance) -> None:
    registry = CollectorRegistry(auto_describe=True)
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", noops(1))
        registry.register(prometheus.collector(proc))
        text = (await asyncio.to_thread(generate_latest, registry)).decode()
        assert values(text, "taskproc_ready") == {"default": 1}


def signal(name: str, ready: int, oldest: float) -> QueueSignals:
    """A queue."""
    return QueueSignals(name, ready, 0, 0, 0, oldest, 0.5, None, None, None, 1)


def test_queues_beyond_a_hundred_are_summed_up() -> None:
    queues = [signal(f"q{n:03}", n, float(n)) for n in range(103)]
    found = {family.name: {s.labels["queue"]: s.value for s in family.samples if "queue" in s.labels}
             for family in prometheus._families(queues, [])}  # fmt: skip
    ready = found["taskproc_ready"]
    assert (len(ready), ready["q099"], ready["other"]) == (101, 99, 303)
    assert found["taskproc_slots_needed"]["other"] == 3
    assert found["taskproc_oldest_wait_seconds"]["other"] == 102
    assert found["taskproc_mean_run_seconds"] == {}


async def test_the_loop_that_would_wait_for_itself_is_told_so_at_once(instance: Instance) -> None:
    registry = CollectorRegistry()
    async with instance.open() as proc:
        registry.register(prometheus.collector(proc))
        with pytest.raises(TaskprocError, match="serve them from a thread"):
            generate_latest(registry)


@pytest.mark.parametrize(("options", "told"), [
    ({"target_wait": 0}, "target_wait"),
    ({"target_wait": "1"}, "target_wait"),
    ({"tenants": "acme"}, "give a list of names"),
    ({"tenants": ["acme", ""]}, "tenant of 0 bytes"),
])  # fmt: skip
async def test_what_makes_no_sense_is_refused_before_anybody_asks(instance: Instance, options: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        prometheus.collector(instance.processor(), **options)
