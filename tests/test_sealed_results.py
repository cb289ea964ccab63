"""Results under keys: signed and encrypted as payloads are, and bound to their task."""

from __future__ import annotations

from typing import Any

import pytest

from taskproc import ResultNotKept
from tests import keeping
from tests.harness import Instance
from tests.watching import record_of

AES, SIGNING = b"e" * 32, b"s" * 32
CANARY = "a value that nobody may see"


pytestmark = pytest.mark.usefixtures("fresh_gates")


@pytest.mark.parametrize("size", [10, 5_000])
@pytest.mark.parametrize("kinds", [("signing_key",), ("encryption_key",), ("signing_key", "encryption_key")])
async def test_results_are_sealed(instance: Instance, kinds: tuple[str, ...], size: int) -> None:
    options: dict[str, Any] = {kind: {"signing_key": SIGNING, "encryption_key": AES}[kind] for kind in kinds}
    async with instance.worker(**options) as proc:
        keeping.made.append(CANARY * size)
        one = await proc.enqueue_task("default", "acme", keeping.whatever)
        assert await proc.wait_result(one, 10) == CANARY * size
        keeping.made.append("another")
        two = await proc.enqueue_task("default", "acme", keeping.whatever)
        assert await proc.wait_result(two, 10) == "another"
        [records] = instance.names(":rec")
        fields = instance.client.hgetall(records)
        assert (CANARY.encode() in b"".join(fields.values())) is (kinds == ("signing_key",) and size > 10)
        for part in "or":
            moved = fields.get((one[22:] + part).encode())
            if moved is not None:
                instance.client.hset(records, two[22:] + part, moved)
        with pytest.raises(Exception, match="made by somebody else"):
            await proc.wait_result(two, 10)
        info = await record_of(proc, two)
        assert info.result is None
        assert "made by somebody else" in str(info.result_problem)
    if "encryption_key" in kinds:
        async with instance.open() as proc:
            assert "encrypted" in str((await record_of(proc, one)).result_problem)


async def test_a_result_that_is_not_sealed_is_not_taken(instance: Instance) -> None:
    async with instance.worker(signing_key=SIGNING) as proc:
        task_id = await proc.enqueue_task("default", "acme", keeping.double, 1)
        assert await proc.wait_result(task_id, 10) == 2
        [records] = instance.names(":rec")
        field = task_id[22:] + "o"
        head = instance.client.hget(records, field).partition(b"\n")[0]
        instance.client.hset(records, field, head + b"\nj3")
        with pytest.raises(Exception, match="not signed"):
            await proc.wait_result(task_id, 10)
        instance.client.hset(records, field, head + b"\nr")
        with pytest.raises(ResultNotKept, match="it is missing"):
            await proc.wait_result(task_id, 10)
