"""Audits of limits: slots of tasks that don't run, lists that nobody would let go on, and what is noted of them."""

from __future__ import annotations

import pytest

from taskproc import TaskProcessor
from tests import limited
from tests.direct import Direct
from tests.harness import Instance, until
from tests.limiting import H, allow, crowd, slots, waiting

LOOK = b"[]"


def told(direct: Direct, *limits: str) -> list[bytes]:
    """What an audit finds, by kind; twice, since the first must change nothing."""
    with direct.unchanged():
        found = direct.call("audit_limits", LOOK, *(limits or (H,)))[1:]
    return [entry[0] for entry in found]


def mended(direct: Direct) -> list[bytes]:
    """What an audit mends; then nothing is wrong."""
    found = direct.once("audit_limits", H)[1:]
    assert all(entry[5] == 1 for entry in found)
    assert told(direct) == []
    return [entry[0] for entry in found]


def test_a_slot_of_a_task_that_does_not_run_is_freed_and_another_goes_on(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H] * 2)
    direct.client.sadd(direct.key("lim", H), "x" * 32)
    assert direct.claim(5) == []
    assert told(direct) == [b"slot"]
    assert mended(direct) == [b"slot"]
    assert len(direct.claim(5)) == 1


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_lists_that_nobody_would_let_go_on_do(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, m=1)
    crowd(direct, [H] * 2)
    direct.claim(5)
    assert told(direct) == []
    direct.client.hset(direct.key("limits"), H, '{"m":2}')  # as if the call that set it had been lost half-way
    assert told(direct) == [b"forgotten"]
    assert mended(direct) == [b"forgotten"]
    assert len(direct.claim(5)) == 1


def test_what_waits_for_a_time_that_nobody_knows_goes_on(direct: Direct) -> None:
    allow(direct, i=100_000, b=1)
    crowd(direct, [H] * 3)
    direct.claim(5)
    direct.client.zrem(direct.key("delayed"), f"!{H}")
    assert mended(direct) == [b"forgotten"]
    direct.wait(100)
    direct.promote()
    assert len(direct.claim(5)) == 1


def test_a_list_in_line_among_others_is_enough(direct: Direct) -> None:
    allow(direct, m=1)
    first = crowd(direct, [H])
    [lease] = direct.claim(5)
    crowd(direct, [H], "beta")
    crowd(direct, [H], "core")
    direct.claim(5)
    direct.create(3, "other")
    direct.settle([lease], "done")
    assert first not in waiting(direct)
    assert told(direct) == []


def test_lists_that_are_gone_and_not_noted(direct: Direct) -> None:
    allow(direct, m=0)
    batch = crowd(direct, [H])
    crowd(direct, [H], "beta")
    direct.claim(5)
    direct.client.zadd(direct.key("park", H, "q"), {batch[:-1] + "x!" + H: 1})
    direct.client.delete(direct.key("held", "q"))
    assert told(direct) == [b"gone", b"unheld"]
    assert mended(direct) == [b"gone", b"unheld"]
    assert direct.client.smembers(direct.key("held", "q")) == {H.encode()}


@pytest.mark.parametrize("mode", ["fair", "fifo"])
def test_a_limit_that_has_forgotten_a_queue_knows_of_it_again(direct: Direct, mode: str) -> None:
    direct.call("queue_mode", "q", mode)
    allow(direct, m=1)
    crowd(direct, [H] * 2)
    crowd(direct, [H], "beta")
    [lease] = direct.claim(5)
    direct.client.delete(direct.key("park", H))
    assert told(direct) == []
    assert told(direct, f"{H}:q") == [b"unheld"]
    assert [entry[0] for entry in direct.once("audit_limits", f"{H}:q")[1:]] == [b"unheld"]
    assert told(direct, f"{H}:q", H) == []
    direct.settle([lease], "done")
    assert len(direct.claim(5)) == 1


async def test_the_audit_of_an_instance_finds_such_a_queue(instance: Instance) -> None:
    async with instance.worker(max_workers=4, poll_interval=60) as proc:
        await proc.set_limit(limited.two, max_concurrency=0)
        for _ in range(3):
            await proc.enqueue_task("default", "acme", limited.two, 0.0)
        await until(lambda: waits(proc))
        [name] = [name for name in instance.names(":park:") if name.count(":") == 2]
        instance.client.delete(name)
        assert [d.kind for d in (await proc.audit()).differences] == ["unheld"]
        assert [d.repaired for d in (await proc.audit(repair=True)).differences] == [True]
        await proc.set_limit(limited.two, max_concurrency=2)
        await instance.wait_records(3, "end")
        assert (await proc.audit()).differences == ()


def test_too_much_to_look_through_is_told(direct: Direct) -> None:
    allow(direct, m=1)
    crowd(direct, [H])
    direct.client.sadd(direct.key("lim", H), *range(20_001))
    assert direct.call("audit_limits", LOOK, H)[1:] == [[b"unsure", b"slots", H.encode()]]
    direct.client.delete(direct.key("lim", H))
    assert slots(direct) == 0


async def test_the_audit_of_an_instance_frees_what_is_stuck(instance: Instance) -> None:
    async with instance.worker(max_workers=4, poll_interval=60) as proc:
        await proc.set_limit(limited.two, max_concurrency=1)
        name = next(n for n in map(bytes.decode, instance.client.hkeys(f"{{{instance.name}}}:limits")) if n.endswith("!"))
        instance.client.sadd(f"{{{instance.name}}}:lim:{name[:-1]}", "x" * 32)
        for _ in range(3):
            await proc.enqueue_task("default", "acme", limited.two, 0.0)
        await until(lambda: waits(proc))
        assert [d.kind for d in (await proc.audit()).differences] == ["slot"]
        assert [d.repaired for d in (await proc.audit(repair=True)).differences] == [True]
        await instance.wait_records(3, "end")
        assert (await proc.audit()).differences == ()


async def waits(proc: TaskProcessor) -> bool:
    """Whether something waits for a limit."""
    return any(info.waiting == 3 for info in await proc.get_limits())


def test_a_line_too_long_is_told(direct: Direct) -> None:
    allow(direct, m=0)
    crowd(direct, [H])
    direct.claim(5)
    direct.client.hset(direct.key("limits"), H, '{"m":2}')
    direct.client.zadd(direct.key("ring", "q"), {f"t{n}": n for n in range(1_001)})
    assert direct.call("audit_limits", LOOK, H)[1:] == [[b"unsure", b"line", b"q"]]
    direct.client.delete(direct.key("ring", "q"))
