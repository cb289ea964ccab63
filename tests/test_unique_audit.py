"""Audits of unique locks: those whose task is nowhere, and nothing else."""

from __future__ import annotations

from taskproc.store.scripts import to_json
from tests import handlers
from tests.direct import ERROR, Direct
from tests.harness import Instance
from tests.locking import KEY, batch_of, stored, task


def test_a_lock_that_was_let_go_meanwhile_is_not_wrong(direct: Direct) -> None:
    batch = batch_of(direct, task(0), task(1, ""))
    asked = to_json([[KEY, f"{batch}{0:010}", "", ""]])
    assert direct.call("audit_holders", "[]", asked) == [b"ok"]
    lease = next(one for one in direct.claim(2) if one.startswith(f"{batch}{0:010}"))
    assert direct.call("audit_holders", "[]", asked) == [b"ok"]
    assert direct.settle([lease], "done") == []
    assert direct.call("audit_holders", "[]", asked) == [b"ok"]


def test_a_dead_letter_holds_nothing(direct: Direct) -> None:
    batch = batch_of(direct, task(0, ""), task(1, ""))
    dead = next(one for one in direct.claim(2) if one.startswith(f"{batch}{0:010}"))
    assert direct.settle([dead], "dead", 0, ERROR) == []
    direct.client.hset(direct.key("uniq"), KEY, dead[:32])
    [_, told] = direct.call("audit_holders", "[]", to_json([[KEY, dead[:32], "", ""]]))
    assert told[0] == b"unlocked"
    assert direct.once("audit_holders", to_json([[KEY, dead[:32], "", ""]]))[1][0] == b"unlocked"
    assert stored(direct) == {}


def test_a_search_in_parts_is_sure_only_where_nothing_was_claimed_meanwhile(direct: Direct) -> None:
    batch = direct.create(1_500)
    gone = f"{batch}zzzzzzzzzz"
    direct.client.hset(direct.key("uniq"), KEY, gone)

    def look(cursor: str = "", version: str = "") -> list[bytes]:
        answer = direct.call("audit_holders", "[]", to_json([[KEY, gone, cursor, version]]))
        return list(answer[1])

    for claims in (False, True):
        told = look()
        while told[0] == b"more":
            if claims:
                direct.claim()
            told = look(told[3].decode(), told[4].decode())
        assert told[0] == (b"unsure" if claims else b"unlocked")
    direct.client.delete(direct.key("uniq"))
    assert stored(direct) == {}


async def test_locks_of_many_waiting_tasks_are_all_right_and_one_of_nobody_is_mended(instance: Instance) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        await acme.enqueue_batch(lambda batch: [batch.enqueue(handlers.once, n) for n in range(300)])
        singles = [await acme.options(delay=600 * (n % 2)).enqueue(handlers.once, n) for n in range(300, 360)]
        report = await proc.audit()
        assert (report.differences, report.unsure) == ((), ())
        lost = f"{singles[0][:22]}zzzzzzzzzz"
        instance.client.hset(f"{{{instance.name}}}:uniq", "x" * 22, lost)
        [one] = (await proc.audit()).differences
        assert (one.kind, one.repairable, one.repaired) == ("unlocked", True, False)
        assert lost in one.found
        [one] = (await proc.audit(repair=True)).differences
        assert one.repaired
        assert (await proc.audit()).differences == ()
        assert await acme.enqueue(handlers.once, 5) != await acme.enqueue(handlers.once, 305)
        assert await acme.find_unique(handlers.once, 305) == singles[5]
