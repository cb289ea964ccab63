"""Signed and encrypted payloads: what no producer has sealed isn't run, and nobody without a key reads arguments."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from taskproc import Batch, InvalidValue, TaskProcessor
from tests import handlers
from tests.harness import Instance, until

SIGNING, OLD = b"s" * 32, b"o" * 32
AES, AES_OLD = b"e" * 32, b"f" * 16
CANARY = "an argument that nobody may see"
LARGE = CANARY * 500


def list_of(instance: Instance, queue: str = "default") -> str:
    """The key of the only list of ready tasks."""
    [name] = instance.names(f":r:{queue}")
    return name


def stored(instance: Instance) -> bytes:
    """All that lies in the instance's keys, as Redis dumps it or as commands tell it."""
    found = b""
    for name in instance.names():
        kind = instance.client.type(name)
        if kind == b"list":
            found += b"".join(instance.client.lrange(name, 0, -1))
        elif kind == b"hash":
            found += b"".join(part for pair in instance.client.hgetall(name).items() for part in pair)
        elif kind == b"zset":
            found += b"".join(instance.client.zrange(name, 0, -1))
        elif kind == b"set":
            found += b"".join(instance.client.smembers(name))
        else:
            found += instance.client.get(name)
    return found


async def ran(instance: Instance, **options: Any) -> list[Any]:
    """What ran of all that is ready, by its tag."""
    async with instance.open(unknown_grace=0, max_attempts=1, **options) as proc:
        await proc.run_until_idle()
    return sorted(record["tag"] for record in instance.recorded("ran"))


@pytest.mark.parametrize("kinds", [("signing_key",), ("encryption_key",), ("signing_key", "encryption_key")])
async def test_a_flipped_byte_is_not_run(instance: Instance, kinds: tuple[str, ...]) -> None:
    options: dict[str, Any] = {kind: {"signing_key": SIGNING, "encryption_key": AES}[kind] for kind in kinds}

    def build(count: int) -> Any:
        def fill(batch: Batch) -> None:
            for number in range(count):
                batch.enqueue(handlers.mark, 1000 + number)

        return fill

    async with instance.open(**options) as proc:
        probe = await proc.enqueue_batch("default", "acme", build(1))
        size = instance.client.lrange(list_of(instance), 0, 0)[0]
        await proc.cancel_batch(probe)
        await proc.enqueue_batch("default", "acme", build(len(size) + 1))
    name = list_of(instance)
    for at in range(len(size)):
        body = bytearray(instance.client.lindex(name, at))
        body[at] ^= 0x20 if at == 9 else 0x40  # not to another task's id
        instance.client.lset(name, at, bytes(body))
    assert await ran(instance, **options) == [1000 + len(size)]
    async with instance.open() as proc:
        dead = await proc.get_dead_tasks(take=1000)
        assert len(dead) == len(size)
        assert all(letter.errors[0].message for letter in dead)
        assert await proc.discard_dead_tasks(count=None) == len(size)


async def test_a_task_that_was_moved_is_not_run(instance: Instance) -> None:
    options: dict[str, Any] = {"signing_key": SIGNING, "queues": ["default", "other"]}
    async with instance.open(**options) as proc:
        for tenant, queue in (("acme", "default"), ("globex", "default"), ("acme", "other"), ("acme", "default")):
            await proc.enqueue_batch(queue, tenant, lambda batch: batch.enqueue(handlers.mark, "moved"))
        await proc.enqueue_task("default", "acme", handlers.mark, "moved")
        single = next(name for name in instance.names(":r:") if instance.client.lindex(name, 0)[10:11] == b"+")
        lists = [name for name in instance.names(":r:") if name != single]
        bodies = [instance.client.lindex(name, 0) for name in lists]
        for name, body in zip(lists, [*bodies[1:], bodies[0]], strict=True):
            instance.client.lset(name, 0, body)
        instance.client.lset(single, 0, bodies[0])
        assert await ran(instance, **options) == []
        assert len(await proc.get_dead_tasks()) == 5
        await proc.discard_dead_tasks(count=None)


async def test_a_single_task_does_not_fit_a_batch(instance: Instance) -> None:
    async with instance.open(signing_key=SIGNING) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "single")
        single = instance.client.lindex(list_of(instance), 0)
        await proc.run_until_idle()
        await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.mark, "of a batch"))
        instance.client.lset(list_of(instance), 0, single)
        assert await ran(instance, signing_key=SIGNING) == ["single"]
        await proc.discard_dead_tasks()


@pytest.mark.parametrize("kinds", [("signing_key",), ("encryption_key",), ("signing_key", "encryption_key")])
async def test_every_kind_of_task_is_sealed_and_opened(instance: Instance, kinds: tuple[str, ...]) -> None:
    options: dict[str, Any] = {kind: {"signing_key": SIGNING, "encryption_key": AES}[kind] for kind in kinds}

    async def build(batch: Batch) -> None:
        batch.enqueue(handlers.mark, CANARY + " 1")
        batch.enqueue(handlers.mark, LARGE)
        batch.options(delay=0.2).enqueue(handlers.mark, CANARY + " 2")
        await batch.enqueue_many(handlers.mark, [(CANARY + f" {n}",) for n in (3, 4)])
        batch.continue_with(handlers.mark, CANARY + " 5")
        batch.options(queue="other").continue_with(handlers.mark, LARGE)

    async with instance.open(**options, queues=["default", "other"]) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", build)
        await proc.append_batch("default", "acme", batch_id, lambda batch: batch.enqueue(handlers.mark, CANARY + " 6"))
        await proc.enqueue_task("default", "acme", handlers.mark, CANARY + " 7")
        await proc.options(delay=0.2).enqueue_task("other", "acme", handlers.mark, LARGE)
        if "encryption_key" in kinds:
            assert CANARY.encode() not in stored(instance)
            assert b"tests.handlers.mark" in stored(instance)
        async with instance.worker(**options, queues=["default", "other"]):
            await instance.wait_records(10, "ran")
        assert sorted(record["tag"] for record in instance.recorded()) == sorted(
            [f"{CANARY} {n}" for n in range(1, 8)] + [LARGE] * 3
        )


async def test_a_dead_letter_is_shown_to_who_has_the_key(instance: Instance) -> None:
    async with instance.open(encryption_key=AES, signing_key=SIGNING, max_attempts=1) as proc:
        for text in (CANARY, LARGE):
            await proc.enqueue_task("default", "acme", handlers.tell, text)
        [first, second] = [task async for task in ready(proc)]
        assert CANARY.encode() in first.data
        assert second.name == "tests.handlers.tell"
        await proc.run_until_idle()
        letters = await proc.get_dead_tasks()
        assert [CANARY in letter.data.decode() for letter in letters] == [True, True]
        assert CANARY.encode() not in stored(instance)
        task = await proc.get_task(letters[0].id)
        assert task is not None
        assert task.data == letters[0].data
        async with instance.open() as other:
            for letter in await other.get_dead_tasks():
                assert letter.name == "tests.handlers.tell"
                assert CANARY.encode() not in letter.data
        assert await proc.retry_dead_tasks() == 2
        assert await proc.run_until_idle() == 2
        await proc.discard_dead_tasks()


async def ready(proc: TaskProcessor) -> Any:
    """What is ready, as operators see it."""
    for task in await proc.get_tasks_in_queue("default"):
        yield task


async def test_keys_rotate(instance: Instance) -> None:
    async with instance.open(signing_key=OLD, encryption_key=AES_OLD) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "old")
    new: dict[str, Any] = {"signing_key": [SIGNING, OLD], "encryption_key": [AES, AES_OLD]}
    async with instance.open(**new) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "new")
    async with instance.open(signing_key=SIGNING, encryption_key=AES) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "newest")
    assert await ran(instance, **new) == ["new", "newest", "old"]


async def test_keys_are_introduced_while_work_waits(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "plain")
    both: dict[str, Any] = {"signing_key": [SIGNING, None], "encryption_key": [AES, None]}
    async with instance.open(**both) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "sealed")
    assert await ran(instance, **both) == ["plain", "sealed"]
    async with instance.open(signing_key=SIGNING) as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "signed")
    assert await ran(instance) == ["plain", "sealed", "signed"]


@pytest.mark.parametrize("kind", ["signing_key", "encryption_key"])
async def test_what_is_not_sealed_is_refused(instance: Instance, kind: str) -> None:
    async with instance.open() as proc:
        await proc.enqueue_task("default", "acme", handlers.mark, "forged")
        await proc.enqueue_raw("default", "acme", "tests.handlers.mark", b'["forged"]')
        assert await ran(instance, **{kind: AES}) == []
        assert {letter.errors[0].type for letter in await proc.get_dead_tasks()} == {"taskproc.errors.UntrustedTask"}
        await proc.discard_dead_tasks()


async def test_a_worker_without_the_key_leaves_a_task_to_one_that_has_it(instance: Instance) -> None:
    async with instance.open(encryption_key=AES) as producer, instance.worker(max_workers=1):
        await producer.enqueue_task("default", "acme", handlers.mark, "sealed")
        await until(lambda: handed_back(producer))
        async with instance.worker(encryption_key=AES):
            await instance.wait_records(1, "ran")


async def handed_back(proc: TaskProcessor) -> bool:
    """Whether the task waits to be offered again."""
    return (await proc.get_queue("default")).delayed == 1


async def test_tenants_have_keys_of_their_own(instance: Instance) -> None:
    keys = {"acme": [b"a" * 32], "globex": [b"g" * 32, b"h" * 32]}
    asked: list[str] = []

    def key_of(tenant: str) -> Any:
        asked.append(tenant)
        return keys[tenant]

    async with instance.open(encryption_key=key_of) as proc:
        for tenant in keys:
            for _ in range(3):
                await proc.enqueue_task("default", tenant, handlers.mark, tenant)
    assert sorted(asked) == ["acme", "globex"]
    keys["globex"].reverse()
    assert await ran(instance, encryption_key=key_of) == ["acme"] * 3 + ["globex"] * 3
    keys["acme"] = [b"x" * 32]
    async with instance.open(encryption_key=key_of) as proc:
        await proc.enqueue_task("default", "globex", handlers.mark, "mine")
    keys["globex"] = keys["acme"]
    assert "mine" not in await ran(instance, encryption_key=key_of)
    async with instance.open() as proc:
        assert await proc.discard_dead_tasks() == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"signing_key": b"short"}, "signing_key: a key must be"),
        ({"signing_key": []}, "signing_key: give at least one key"),
        ({"signing_key": [None]}, "signing_key: give at least one key"),
        ({"signing_key": 5}, "signing_key of type int: give a key as bytes or a text"),
        ({"signing_key": [b"s" * 32, 7]}, "signing_key: a key must be"),
        ({"encryption_key": b"x" * 31}, "16, 24 or 32 bytes"),
        ({"encryption_key": "no base64!"}, "16, 24 or 32 bytes"),
        ({"encryption_key": [base64.b64encode(b"y" * 20).decode()]}, "16, 24 or 32 bytes"),
    ],
)
def test_a_bad_key_is_refused_and_not_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told) as caught:
        TaskProcessor("redis://127.0.0.1:1", **options)
    assert "short" not in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_keys_may_be_texts_and_are_in_no_repr() -> None:
    proc = TaskProcessor(
        "redis://127.0.0.1:1", signing_key="signing" * 5, encryption_key=base64.urlsafe_b64encode(b"\xff" * 32).decode()
    )
    assert "signingsigning" not in f"{proc!r} {proc._options!r} {proc._maker!r} {vars(proc)}"


async def test_a_key_function_that_raises_stores_nothing(instance: Instance) -> None:
    def key_of(tenant: str) -> bytes:
        raise LookupError("no such tenant")

    async with instance.open(encryption_key=key_of) as proc:
        before = instance.keys()
        with pytest.raises(LookupError):
            await proc.enqueue_task("default", "acme", handlers.mark, 1)
        assert instance.keys() == before
