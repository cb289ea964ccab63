"""Upkeep leaves out what is broken, names it and puts it off, and does everything beside it."""

from __future__ import annotations

import re

import pytest

from tests.direct import LEASE, PAYLOAD, Direct, body
from tests.spoiling import left_out, spoil

pytestmark = pytest.mark.usefixtures("cleared")


@pytest.mark.parametrize("entry", [b"elsewhere\n5\n0000000001.[]", b"", None])
def test_a_running_task_whose_queue_is_not_known_comes_back_to_one_of_its_batch(direct: Direct, entry: bytes | None) -> None:
    batch, single = direct.create(1, queues=["r"]), direct.single(1, queue="r")
    leases = direct.claim(2, queues=["r"])
    for lease in leases:
        if entry is None:
            direct.client.hdel(direct.key("run"), lease[:32])
        else:
            direct.client.hset(direct.key("run"), lease[:32], entry)
    direct.wait(LEASE)
    assert direct.rescue() == 2
    assert direct.counts("r")[0] == 2
    assert {lease[:32] for lease in direct.claim(2, queues=["r"])} == {f"{batch}{0:010}", single}


def test_a_rescued_task_comes_back_to_its_own_queue(direct: Direct) -> None:
    direct.create(1, queues=["q", "r"])
    direct.claim(2, queues=["q", "r"])
    direct.wait(LEASE)
    assert direct.rescue() == 2
    assert (direct.counts("q")[0], direct.counts("r")[0]) == (1, 1)


@pytest.mark.parametrize("parts", [("b", "{bad}"), ("tqs", "bad")])
def test_a_rescue_goes_on_beside_what_is_broken(direct: Direct, parts: tuple[str, ...]) -> None:
    bad = direct.single(0, "bad")
    good = direct.create(1, "good")
    direct.claim(2)
    spoil(direct, *(part.format(bad=bad[:22]) for part in parts))
    direct.wait(LEASE)
    answer = direct.call("upkeep_rescue", 100)
    assert answer[:2] == [b"ok", 2]
    assert direct.client.llen(direct.key("b", good, "r", "q")) == 1


def test_an_index_of_delayed_tasks_that_is_broken_is_told(direct: Direct) -> None:
    spoil(direct, "delayed")
    answer = direct.call("upkeep_promote", 10)
    assert (answer[:2], left_out(answer)) == ([b"ok", 0], ["the index delayed"])


def test_due_tasks_of_a_batch_that_is_gone_are_put_off(direct: Direct) -> None:
    bad, good = direct.create(1, delay=5), direct.create(1, delay=6)
    direct.client.delete(direct.key("b", bad))
    direct.client.zadd(direct.key("delayed"), {"junk": 0, ":q": 1})
    direct.wait(10)
    answer = direct.call("upkeep_promote", 10)
    assert answer[:2] == [b"ok", 1]
    assert left_out(answer) == ["delayed tasks junk", "delayed tasks :q", f"delayed tasks {bad}:q"]
    left = direct.client.zrange(direct.key("delayed"), 0, -1, withscores=True)
    assert left == [(f"{bad}:q".encode(), direct.now + 60_000)]
    assert direct.client.zcard(direct.key("b", bad, "d", "q")) == 1
    assert direct.client.llen(direct.key("b", good, "r", "q")) == 1


def test_a_time_of_creation_that_is_none_loses_no_due_task(direct: Direct) -> None:
    batch = direct.create(1, delay=5)
    direct.client.hset(direct.key("b", batch), "created", "long ago")
    direct.wait(10)
    assert direct.promote() == 1
    stored = body(0, PAYLOAD).replace(b".", b'+{"r":%d}\n' % (direct.now - 5), 1)
    assert direct.client.lrange(direct.key("b", batch, "r", "q"), 0, -1) == [stored]


def test_an_open_batch_whose_name_can_not_be_read_is_made_again(direct: Direct) -> None:
    for junk in ("x", "x" * 21 + ":"):
        direct.client.hset(direct.key("t", "acme"), "hidden", junk)
        assert re.fullmatch(r"\w{32}", direct.single(keep=0))


def test_pruning_goes_on_beside_broken_batches(direct: Direct) -> None:
    bad, good = direct.create(0), direct.create(0)
    spoil(direct, "b", bad)
    direct.client.zadd(direct.key("settled"), {":x": 0, "": 1})
    direct.wait(10)
    answer = direct.prune()
    assert (answer[1:3], left_out(answer)) == ([4, 4], ["settled batch :x", "settled batch ", f"settled batch {bad}"])
    assert direct.record("b", good) == {}
    left = direct.client.zrange(direct.key("settled"), 0, -1, withscores=True)
    assert left == [(bad.encode(), direct.now + 60_000)]


@pytest.mark.parametrize("parts", [("t", "bad"), ("tqs", "bad")])
def test_pruning_goes_on_beside_broken_tenants(direct: Direct, parts: tuple[str, ...]) -> None:
    for tenant in ("bad", "good"):
        direct.create(0, tenant)
        direct.prune()
    spoil(direct, *parts)
    spoil(direct, "workers")
    direct.wait(10)
    answer = direct.call("tenant_prune", 0, 10)
    assert (answer[1:3], left_out(answer)) == ([2, 2], ["tenant bad"])
    assert direct.named("t:good") == []
    left = direct.client.zrange(direct.key("idle"), 0, -1, withscores=True)
    assert left == [(b"bad", direct.now + 60_000)]
