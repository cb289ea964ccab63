"""The journal: who has changed what, in one step with the change, once however often a call is sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from taskproc import Batch, InvalidValue, JournalEntry, Schedule, TaskProcessor
from taskproc.store.scripts import to_json
from tests import handlers, limited
from tests.building import noops
from tests.commands import of, quick
from tests.direct import Direct
from tests.harness import Instance

ENTRY = '{"actor":"ann","what":"test"}'


def told(entry: JournalEntry) -> tuple[Any, ...]:
    """An entry less its time."""
    return entry.actor, entry.what, entry.tenant, entry.subject, entry.count, dict(entry.detail)


async def newest(proc: TaskProcessor, tenant: str | None = None) -> tuple[Any, ...]:
    """The newest entry."""
    return told((await proc.get_journal(tenant, take=1))[0])


def stored(direct: Direct) -> list[Any]:
    """All entries, oldest first."""
    return [orjson.loads(entry) for entry in direct.client.lrange(direct.key("journal"), 0, -1)]


async def test_each_control_call_notes_who_did_it(instance: Instance) -> None:
    async with instance.open(max_attempts=1) as proc:
        await proc.pause(actor="ann")
        assert await newest(proc) == ("ann", "pause", "", "", None, {})
        await proc.resume(actor="bob")
        assert await newest(proc) == ("bob", "resume", "", "", None, {})
        await proc.set_queue_mode("strict", "fifo", actor="ann")
        assert await newest(proc) == ("ann", "set_queue_mode", "", "strict", None, {"mode": "fifo"})
        await proc.set_queue_limit("strict", 10, actor="ann")
        assert await newest(proc) == ("ann", "set_queue_limit", "", "strict", None, {"max_waiting": 10})
        await proc.set_schedule_limit("acme", 3, actor="ann")
        assert await newest(proc) == ("ann", "set_schedule_limit", "acme", "", None, {"most": 3})

        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        await proc.cancel_batch(batch_id, tenant="acme", actor="ann")
        assert await newest(proc) == ("ann", "cancel_batch", "acme", batch_id, 3, {})
        task_id = await proc.enqueue_task("default", "acme", handlers.noop)
        await proc.tenant("acme").cancel_task(task_id, actor="ann")
        assert await newest(proc) == ("ann", "cancel_task", "acme", task_id, None, {})
        assert {entry.tenant for entry in await proc.get_journal("acme")} == {"acme"}
        assert len(await proc.get_journal("acme")) == 3
        assert [told(entry) for entry in await proc.get_journal(skip=1, take=2)] == [
            told(entry) for entry in (await proc.get_journal())[1:3]
        ]
        times = [entry.at for entry in await proc.get_journal()]
        assert times == sorted(times, reverse=True)


async def test_calls_on_schedules_are_noted(instance: Instance) -> None:
    async with instance.open() as proc:
        made = Schedule(id="s", tenant="acme", cron="0 0 1 1 *")
        acme = proc.tenant("acme")
        await proc.upsert_schedule(made, handlers.noop)
        assert await proc.get_journal() == []
        await proc.acting("ann").upsert_schedule(made, handlers.noop)
        assert await newest(proc) == ("ann", "upsert_schedule", "acme", "s", None, {})
        for what in ("trigger", "pause", "resume", "cancel"):
            assert await getattr(acme, f"{what}_schedule")("s", actor="ann")
            assert await newest(proc, "acme") == ("ann", f"{what}_schedule", "acme", "s", None, {})
        assert not await acme.pause_schedule("s", actor="ann")
        assert len(await proc.get_journal()) == 5


async def test_limits_of_handlers_are_noted(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.set_limit(limited.one_thread, max_concurrency=2, rate_limit=None, actor="ann")
        name = (await proc.get_limits())[0].name
        assert await newest(proc) == ("ann", "set_limit", "", name, None, {"max_concurrency": 2, "rate_limit": "none"})
        await proc.clear_limit(limited.one_thread, actor="bob")
        assert await newest(proc) == ("bob", "clear_limit", "", name, None, {})


async def test_a_call_of_many_steps_has_one_entry(instance: Instance) -> None:
    def build(batch: Batch) -> None:
        for _ in range(230):
            batch.enqueue(handlers.fail)

    async with instance.open(max_attempts=1) as proc:
        await proc.enqueue_batch("default", "acme", build)
        await proc.run_until_idle()
        assert await proc.retry_dead_tasks(tenant="acme", count=None, actor="ann") == 230
        await proc.run_until_idle()
        assert await proc.discard_dead_tasks("default", count=130) == 130
        assert await proc.discard_dead_tasks("default", count=None) == 100
        assert await proc.discard_dead_tasks("default", count=None) == 0
        assert [told(entry) for entry in await proc.get_journal()] == [
            ("", "discard_dead_tasks", "", "", 100, {"queue": "default"}),
            ("", "discard_dead_tasks", "", "", 130, {"queue": "default"}),
            ("ann", "retry_dead_tasks", "acme", "", 230, {}),
        ]


async def test_what_programs_do_all_the_time_is_noted_for_actors_alone(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", noops(3))
        await proc.cancel_batch(batch_id)
        await proc.cancel_task(await proc.enqueue_task("default", "acme", handlers.noop))
        assert await proc.get_journal() == []
        assert instance.client.exists(f"{{{instance.name}}}:journal") == 0


@pytest.mark.parametrize("actor", [None, 7, "x" * 201, "\ud800", b"ann"])
async def test_actors_that_make_no_sense(instance: Instance, actor: Any) -> None:
    async with instance.open() as proc:
        for call in (
            lambda: proc.pause(actor=actor),
            lambda: proc.cancel_batch("0" * 22, actor=actor),
            lambda: proc.retry_dead_tasks(actor=actor),
        ):
            with pytest.raises(InvalidValue, match="actor"):
                await call()
        with pytest.raises(InvalidValue, match="actor"):
            proc.acting(actor)
        assert not await proc.is_paused()


async def test_the_command_line_names_the_user(instance: Instance) -> None:
    told_ = of(instance)
    assert (await quick("pause", **told_)).code == 0
    assert (await quick("resume", "--actor", "ann", **told_)).code == 0
    entries = (await quick("journal", "--json", **told_)).json
    assert [entry["what"] for entry in entries] == ["resume", "pause"]
    assert entries[0]["actor"] == "ann"
    assert entries[1]["actor"] not in ("", "ann")
    assert "resume" in (await quick("journal", **told_)).out
    assert (await quick("journal", "--tenant", "acme", "--json", **told_)).json == []


# the scripts


def test_a_call_that_comes_again_is_noted_once(direct: Direct) -> None:
    batch, call = direct.create(2), direct.number()
    for _ in range(2):
        assert direct.call("batch_cancel", call, batch, "", ENTRY) == [b"ok"]
    for _ in range(2):
        direct.call("queue_limit", "q", "5", ENTRY)
    assert stored(direct) == [
        {"at": direct.now, "count": 2, "actor": "ann", "what": "test"},
        {"at": direct.now, "actor": "ann", "what": "test"},
    ]


def test_the_journal_keeps_10_000_entries(direct: Direct) -> None:
    direct.client.rpush(direct.key("journal"), *(b'{"at":1}' for _ in range(10_000)))
    direct.once("instance_pause", 1, ENTRY)
    entries = stored(direct)
    assert (len(entries), entries[-1]["actor"]) == (10_000, "ann")
    direct.client.delete(direct.key("journal"))


def test_a_broken_or_full_journal_stops_nothing(direct: Direct) -> None:
    batch = direct.create(2)
    direct.client.set(direct.key("journal"), "x")
    assert direct.once("batch_cancel", batch, "", ENTRY) == [b"ok"]
    direct.client.delete(direct.key("journal"))
    with direct.full():
        assert direct.once("instance_pause", 1, ENTRY) == [b"ok", 0]
    assert direct.record("m")["paused"] == "1"


def test_steps_of_one_call_add_to_its_entry_and_to_no_other(direct: Direct) -> None:
    letters = []
    for _ in range(3):
        letters.append([direct.create(1), "q"])
        letters[-1].append(direct.kill()[0][22:])
    for letter, entry in zip(letters, ['{"id":"a"}', '{"id":"b"}', '{"id":"a"}'], strict=True):
        direct.once("dead_discard", to_json([letter]), entry)
    direct.once("dead_discard", to_json(letters), '{"id":"a"}')
    assert [(entry["id"], entry["count"]) for entry in stored(direct)] == [("a", 2), ("b", 1)]
