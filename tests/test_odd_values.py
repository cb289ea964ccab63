"""Values that can't be compared, written down or counted: refused like all others, by name and in few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskproc import ArgumentError, Batch, InvalidValue, TaskProcessor
from tests import handlers
from tests.harness import Instance, refused

HUGE = 10**5_000
"""Python writes no number of so many digits down."""


class Mute:
    """Says nothing of itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Items:
    """Answers a comparison for each of its items, as arrays do."""

    def __eq__(self, other: object) -> Any:
        raise ValueError("the truth of an array is ambiguous")

    __hash__ = object.__hash__


@pytest.mark.parametrize("name", ["max_attempts", "keep", "queue", "delay", "delay_until", "idempotency_key", "on"])
async def test_odd_options_of_a_call(instance: Instance, name: str) -> None:
    async with instance.open() as proc:
        for value in (HUGE, -HUGE, 10**400, Mute(), Items(), "x" * 100_000, [["x" * 1_000] * 1_000]):

            def build(batch: Batch, value: Any = value) -> None:
                batch.options(**{name: value}).enqueue(handlers.noop)

            async def single(value: Any = value) -> None:
                await proc.options(**{name: value}).enqueue_task("default", "acme", handlers.noop)

            before = instance.keys()
            with pytest.raises(InvalidValue, match=name) as told:
                await (single() if name == "idempotency_key" else proc.enqueue_batch("default", "acme", build))
            assert len(str(told.value)) < 500
            assert instance.keys() == before


@pytest.mark.parametrize("value", [HUGE, Mute(), Items(), "x" * 100_000], ids=range(4))
@pytest.mark.parametrize("name", ["max_workers", "prefix", "queues", "include", "invisibility", "renew", "max_payload"])
def test_odd_options_of_the_processor(name: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=name.removesuffix("s")) as told:
        TaskProcessor("redis://localhost", **{name: value})
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("value", [5, b"a" * 22, ["a"], Mute()])
async def test_ids_that_are_no_text(instance: Instance, value: Any) -> None:
    async with instance.open() as proc:
        acme = proc.tenant("acme")
        build: Callable[[Batch], Any] = lambda batch: batch.enqueue(handlers.noop)  # noqa: E731
        for call in (
            lambda: proc.get_batch(value),
            lambda: proc.get_task(value),
            lambda: proc.cancel_batch(value),
            lambda: proc.cancel_task(value),
            lambda: proc.wait_batch(value, 1),
            lambda: proc.append_batch("default", "acme", value, build),
            lambda: proc.get_batches("acme", before=value),
            lambda: proc.get_dead_tasks(batch_id=value),
            lambda: acme.get_dead_tasks(batch_id=value),
            lambda: acme.cancel_task(value),
        ):
            with refused(instance, InvalidValue, "(batch|task) id "):
                await call()


async def test_what_is_no_function_and_what_are_no_rows(instance: Instance) -> None:
    async with instance.open() as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda batch: batch.enqueue(handlers.noop))
        odd: Any
        for odd in (5, None, "build", [handlers.noop]):
            with refused(instance, ArgumentError, "build is a .* not callable"):
                await proc.enqueue_batch("default", "acme", odd)
            with refused(instance, ArgumentError, "build is a .* not callable"):
                await proc.append_batch("default", "acme", batch_id, odd)
        for odd in (5, None, handlers.noop):
            with refused(instance, ArgumentError, r"tests\.handlers\.noop: rows of arguments must be iterable"):
                await proc.enqueue_batch("default", "acme", lambda batch, odd=odd: batch.enqueue_many(handlers.noop, odd))


@pytest.mark.parametrize("url", ["x" * 100_000, "x" * 100_000 + "://a", "redis://a/" + "x" * 100_000])
def test_an_url_that_is_too_long_to_be_told(url: str) -> None:
    with pytest.raises(InvalidValue, match="Redis URL: ") as told:
        TaskProcessor(url)
    assert len(str(told.value)) < 500


def test_a_port_of_digits_that_are_no_number() -> None:
    with pytest.raises(InvalidValue, match="'a:²' is not host:port"):
        TaskProcessor("redis+cluster://a:²")
