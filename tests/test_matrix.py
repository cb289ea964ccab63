"""The tests themselves pass in other ways than the usual one; ``make matrix`` runs all of them in all ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from redis.crc import key_slot

from taskproc import InvalidValue, TaskProcessor
from tests.building import noops
from tests.harness import Instance
from tests.matrix import ways

ROOT = Path(__file__).resolve().parent.parent
SOME = [f"tests/test_{name}.py" for name in ("batches", "continuations", "dead_letters", "wakeups")]


@pytest.mark.row("CT-71")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["valkey,RESP3,cluster", "valkey,few rights"])
def test_some_tests_pass_in_other_ways(way: str) -> None:
    command = [sys.executable, "-m", "tests.matrix", "--only", way, *SOME, "-n", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_all_ways_are_there() -> None:
    assert len(ways()) % 5 == 0
    assert {"valkey RESP2 alone", "valkey RESP3 cluster", "valkey RESP2 alone few rights"} <= ways().keys()


@pytest.mark.row("CT-71")
async def test_all_keys_lie_in_one_slot(instance: Instance) -> None:
    async with instance.open() as proc:
        await proc.enqueue_batch("default", "acme", noops(2_500))
        assert await proc.run_until_idle() == 2_500
        assert len({key_slot(name.encode()) for name in instance.names()}) == 1
        assert len(instance.names()) > 5
    for prefix in ("{a", "a}", "{a}b", "{}"):
        with pytest.raises(InvalidValue, match="prefix"):
            TaskProcessor("redis://127.0.0.1:1", prefix=prefix)
