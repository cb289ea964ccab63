"""What docs/security.md says, row by row, where no other test has it."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproc import NotFound
from taskproc.keys import key, prefix_of
from tests import handlers
from tests.building import noops
from tests.harness import SOME, Instance
from tests.test_names import GOOD_QUEUES, GOOD_TENANTS

HERE = Path(__file__).resolve().parent


class Bomb:
    """What leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


async def test_pickled_bytes_are_never_loaded(instance: Instance, tmp_path: Path) -> None:
    pickled = [pickle.dumps(Bomb(tmp_path / f"loaded {protocol}"), protocol) for protocol in range(6)]
    async with instance.open(max_attempts=1, unknown_grace=0) as proc:
        for data in pickled:
            await proc.enqueue_raw("default", "acme", "tests.handlers.mark", data)
        await proc.enqueue_batch("default", "acme", noops(len(pickled)))
        [name] = [n for n in instance.names(":r:default") if instance.client.llen(n) == len(pickled)][-1:]
        for at, data in enumerate(pickled):
            body = instance.client.lindex(name, at)
            instance.client.lset(name, at, body[:11] + data)
        await proc.run_until_idle()
        assert os.listdir(tmp_path) == []
        assert all(letter.errors[0].type for letter in await proc.get_dead_tasks(take=100))
    imports = [path for path in (HERE.parent / "taskproc").rglob("*.py") if "import pickle" in path.read_text()]
    assert [path.name for path in imports] == ["processes.py"]  # to a child of its own, never from Redis


async def test_a_payload_that_names_a_function_of_the_system_is_dead(instance: Instance) -> None:
    before = set(sys.modules)
    async with instance.open(unknown_grace=0) as proc:
        for name in ("os:system", "os.system", "antigravity.fly", "builtins.eval", "subprocess.run"):
            await proc.enqueue_raw("default", "acme", name, b"true")
        await proc.run_until_idle()
        assert {letter.errors[-1].type for letter in await proc.get_dead_tasks()} == {"taskproc.errors.UnknownHandler"}
        await proc.discard_dead_tasks()
    assert "antigravity" in before or "antigravity" not in sys.modules


def names_of(queue: str, tenant: str) -> Iterator[str]:
    """The keys that a queue and a tenant have."""
    prefix = prefix_of("taskproc")
    yield from (key(prefix, kind, queue) for kind in ("q", "ring", "fifo", "wake"))
    yield from (key(prefix, kind, tenant) for kind in ("t", "tb", "tqs"))
    yield from (key(prefix, kind, queue, tenant) for kind in ("tq", "lane"))


@SOME
@given(st.lists(st.tuples(GOOD_QUEUES, GOOD_TENANTS), min_size=2, max_size=4, unique=True))
def test_no_two_names_lead_to_one_key(pairs: list[tuple[str, str]]) -> None:
    nasty = [("a", "b:c"), ("a", "b"), ("a", "a:b"), ("b", "a"), ("q", "}"), ("q", "{taskproc}:q")]
    owners: dict[str, tuple[str, ...]] = {}
    for queue, tenant in [*pairs, *nasty]:
        for at, name in enumerate(names_of(queue, tenant)):
            owner = (queue,) if at < 4 else (tenant,) if at < 7 else (queue, tenant)
            assert owners.setdefault(name, owner) == owner


async def test_the_servers_cache_of_scripts_does_not_grow(instance: Instance) -> None:
    def cached() -> int:
        return int(instance.client.info("memory")["number_of_cached_scripts"])

    async def everything(turn: int) -> None:
        async with instance.open(queues=["default", f"queue-{turn}"]) as proc:
            batch_id = await proc.enqueue_batch(f"queue-{turn}", f"tenant {turn}", noops(3), label=f"label {turn}")
            await proc.append_batch("default", f"tenant {turn}", batch_id, noops(2))
            await proc.enqueue_task("default", f"tenant {turn}", handlers.noop, turn)
            await proc.run_until_idle()
            await proc.get_queues()
            await proc.get_batches(f"tenant {turn}")
            await proc.cancel_batch(batch_id)

    await everything(0)
    before = cached()
    for turn in range(1, 20):
        await everything(turn)
    assert cached() == before


async def test_one_tenant_reaches_nothing_of_another(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        theirs = await proc.enqueue_batch(
            "default", "globex", lambda b: [b.enqueue(handlers.fail), b.enqueue(handlers.noop)]
        )
        single = await proc.options(delay=60).enqueue_task("default", "globex", handlers.noop)
        await proc.run_until_idle()
        acme = proc.tenant("acme")
        assert await acme.get_batch(theirs) is None
        assert await acme.get_task(single) is None
        assert await acme.get_batches() == []
        assert await acme.get_dead_tasks() == []
        for refused in (
            acme.cancel_batch(theirs), acme.cancel_task(single), acme.append_batch(theirs, noops(1)),
            acme.retry_dead_tasks(), acme.discard_dead_tasks(batch_id=theirs),
        ):  # fmt: skip
            assert not await refused
        info = await proc.get_batch(theirs)
        assert info is not None
        assert (info.total, info.failed, info.done) == (2, 1, 1)
        assert await proc.cancel_task(single)
        await proc.discard_dead_tasks()


async def test_waiting_through_another_tenants_handle_notes_nothing(instance: Instance) -> None:
    kept: list[str] = []
    async with instance.open() as proc:
        theirs = await proc.enqueue_batch(
            "default", "globex", lambda b: kept.append(b.options(keep="all").enqueue(handlers.noop))
        )
        single = await proc.options(keep="all").enqueue_task("default", "globex", handlers.noop)
        before = {name: instance.client.dump(name) for name in instance.names()}
        acme = proc.tenant("acme")
        with pytest.raises(NotFound):
            await acme.wait_batch(theirs, 1)
        for task in (*kept, single):
            with pytest.raises(NotFound):
                await acme.wait_result(task, 1)
        for id in (theirs, *kept, single):
            with pytest.raises(NotFound):
                await anext(acme.watch(id))
        assert {name: instance.client.dump(name) for name in instance.names()} == before
        await proc.run_until_idle()
        globex = proc.tenant("globex")
        assert (await globex.wait_batch(theirs, 5)).done == 1
        assert await globex.wait_result(single, 5) is None
        assert [event.ended async for event in globex.watch(kept[0])] == [True]
