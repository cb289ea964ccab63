"""Stored calls that can't be read: they fail alone, and with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from taskproc import TaskProcessor, TaskState
from taskproc.store import WorkerStore
from tests import handlers, typed
from tests.harness import Instance, until

CALL = b'["tests.typed.needs",[1,"a"]]'
BAD: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[: -len(CALL)] + CALL[:-4],
    "not JSON": lambda body: body[: -len(CALL)] + b"\xff\xfe\x00",
    "empty": lambda body: body[: -len(CALL)],
    "nothing but an id": lambda body: body[:10],
    "half an id": lambda body: body[:5],
    "an id of other bytes": lambda body: b"\xff\n" + body[2:10] + b"?",
    "not a call": lambda body: body[: -len(CALL)] + b'{"a":1}',
    "no name": lambda body: body[: -len(CALL)] + b'[null,[1,"a"]]',
    "wrong type": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",["1","a"]]',
    "null where a value is needed": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[null,"a"]]',
    "an argument too few": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[1]]',
    "an unknown argument": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",[1,"a"],{"new":1}]',
    "too deep": lambda body: body[: -len(CALL)] + b'["tests.typed.needs",' + b"[" * 100_000,
    "a decimal that is none": lambda body: body[: -len(CALL)] + b'["tests.typed.typed",[],{"decimal":"x"}]',
    "raw work for a handler of arguments": lambda body: body[: -len(CALL)] + b"!tests.typed.needs\nabc",
    "raw work for typed arguments": lambda body: body[: -len(CALL)] + b"!tests.typed.positional\nabc",
    "arguments that can't be stored": lambda body: body[: -len(CALL)] + b'["tests.typed.opaque",[1]]',
    "unknown kind": lambda body: body[:10] + b"?" + body[11:],
    "extension not JSON": lambda body: body[:10] + b"+{\n" + CALL,
    "extension not an object": lambda body: body[:10] + b"+[1]\n" + CALL,
    "extension without end": lambda body: body[:10] + b"+{}",
    "creation beyond all years": lambda body: body[:10] + b'+{"c":1e300}\n[',
    "attempts beyond all numbers": lambda body: body[:10] + b'+{"a":1e400}\n' + CALL,
    "attempts that are a text": lambda body: body[:10] + b'+{"a":"1e999","d":"x","n":[],"c":"1e999"}\n[',
    "a number beyond all in a list": lambda body: body[:10] + b'+{"a":[1e400]}\n' + CALL,
    "a segment that is no text": lambda body: body[:10] + b'*{"g":{"a":1},"z":1}\n',
    "attempts beyond 64 bits": lambda body: body[:10] + b'+{"a":18446744073709551615}\n[',
    "attempts that are used up": lambda body: body[:10] + b'+{"a":3,"d":1.5}\n' + CALL,
    "raw work of no name": lambda body: body[:10] + b".!" + CALL,
    "empty as well": lambda body: b"",
    "empty once more": lambda body: b"",
    "payload that is missing": lambda body: body[:10] + b'*{"z":1}\n',
    "payload of another segment": lambda body: body[:10] + b'*{"g":"x","z":1}\n',
}


@pytest.mark.row("PJ-28")
@pytest.mark.parametrize("many", [True, False], ids=["batch", "single"])
async def test_bad_stored_calls_fail_alone_and_with_the_reason(instance: Instance, many: bool) -> None:
    async with instance.open(max_workers=4) as proc:
        if many:
            await proc.enqueue_batch(
                "default", "acme", lambda batch: [batch.enqueue(typed.needs, 1, "a") for _ in range(len(BAD) + 5)]
            )
        else:
            for _ in range(len(BAD) + 5):
                await proc.enqueue_task("default", "acme", typed.needs, 1, "a")
        spoil(instance, list(BAD.values()))
        before = instance.now()
        async with serving(instance, proc):
            await instance.wait_records(5, "ran")
            dead = await until(lambda: all_dead(proc, len(BAD)))
            assert all(len(d.errors) == 1 and d.errors[0].message and d.state is TaskState.FAILED for d in dead)
            assert {d.errors[0].type for d in dead} <= {
                "taskproc.errors.CorruptTask",
                "taskproc.errors.ArgumentError",
                "taskproc.errors.AttemptsExhausted",
            }
            await proc.enqueue_task("default", "acme", typed.needs, 2, "b")
            await instance.wait_records(1, "ran", tag=2)
        assert len(instance.recorded("ran")) == 6
        assert instance.recorded("ran")[4]["at"] - before < 5
        totals = await proc.get_tenant("acme")
        assert totals is not None
        assert (totals.done, totals.failed, totals.remaining) == (6, len(BAD), 0)


def spoil(instance: Instance, bad: list[Callable[[bytes], bytes]]) -> None:
    """Change the last tasks of the only ready list."""
    name = next(filter(lambda name: name.endswith(b":r:default"), instance.keys()))
    for place, change in enumerate(bad, 1):
        body = instance.client.lindex(name, -place)
        assert isinstance(body, bytes)
        instance.client.lset(name, -place, change(body))


async def all_dead(proc: TaskProcessor, count: int) -> Any:
    """The dead letters, once there are so many."""
    found = await proc.get_dead_tasks(take=1_000)
    return found if len(found) == count else None


@asynccontextmanager
async def serving(instance: Instance, proc: TaskProcessor) -> AsyncIterator[None]:
    """A worker beside a processor."""
    async with instance.worker(max_workers=proc._options.max_workers):
        yield


async def test_a_validator_that_breaks_when_a_worker_reads(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance.open(max_workers=2) as proc:
        for _ in range(3):
            await proc.enqueue_task("default", "acme", typed.typed, moody=typed.Moody(number=1))
        monkeypatch.setattr(typed.Moody, "mood", True)
        await proc.enqueue_task("default", "acme", handlers.mark, "next")
        assert await proc.run_until_idle() == 4
        assert len(instance.recorded("ran", tag="next")) == 1
        dead = await proc.get_dead_tasks()
        assert [d.errors[0].message for d in dead] == ["tests.typed.typed: argument 'moody' can't be read: 1"] * 3


async def test_errors_of_stored_arguments_do_not_repeat_them(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.open() as proc:
        await proc.enqueue_raw("default", "acme", "tests.typed.positional", b"very secret")
        for _ in range(2):
            await proc.enqueue_task("default", "acme", typed.needs, 1, "a")
        for _ in range(2):
            await proc.enqueue_task("default", "acme", typed.typed, prices={"a": Decimal(1)})
        spoil(
            instance,
            [
                lambda body: body.replace(b'"a":"1"', b'"very secret":"x"'),
                lambda body: body.replace(b'"prices":{"a":"1"}', b'"tagged_kind":{"kind":"very secret"}'),
                lambda body: body.replace(b'"a"', b'{"a":"very secret"}'),
                lambda body: body[:10] + b'.!["very secret"]',
            ],
        )
        assert await proc.run_until_idle() == 5
        dead = await proc.get_dead_tasks()
        assert len(dead) == 5
        assert not any("secret" in e.message + e.traceback for d in dead for e in d.errors)
        assert "secret" not in caplog.text


async def test_numbers_that_are_none_stop_no_rescue(instance: Instance) -> None:
    async with instance.open() as proc:
        for n in range(3):
            await proc.enqueue_task("default", "acme", typed.needs, n, "a")
        odd = b'+{"a":"1e999","d":"x","n":[],"c":"1e999"}\n'
        spoil(instance, [lambda body: body[:10] + odd + CALL.replace(b"1", b"7")])
        store = WorkerStore(proc._store.target, instance.name, ["default"], 50)
        assert len((await store.work.step(3, [])).claims[0].bodies) == 3
        await store.close()
        async with serving(instance, proc):
            ran = await instance.wait_records(3, "ran")
        assert sorted(r["tag"] for r in ran) == [0, 1, 7]
