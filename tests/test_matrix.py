"""The tests themselves pass in other ways than the usual one; ``make matrix`` runs all of them in all ways."""

from __future__ import annotations

import json
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


def test_what_fails_is_run_again_by_itself_and_told(tmp_path: Path) -> None:
    test, told = tmp_path / "test_twice.py", tmp_path / "told.json"
    test.write_text(
        f"from pathlib import Path\nmark = Path({str(tmp_path / 'mark')!r})\n"
        "def test_seldom():\n    there = mark.exists()\n    mark.touch()\n    assert there\n"
        "def test_never():\n    assert False\n"
    )
    command = [sys.executable, "-m", "tests.matrix", "--only", "valkey,RESP3,alone"]
    done = subprocess.run([*command, "--json", told, test], cwd=ROOT, capture_output=True, text=True, timeout=60)
    (found,) = json.loads(told.read_text())
    assert done.returncode == 1, done.stdout + done.stderr
    assert [name.split("::")[-1] for name in found["once"] + found["failed"]] == ["test_seldom", "test_never"]
    test.write_text(test.read_text().replace("assert False", "pass"))
    done = subprocess.run([*command, "--again", told], cwd=ROOT, capture_output=True, text=True, timeout=60)
    (found,) = json.loads(told.read_text())
    assert (done.returncode, found["passed"], found["failed"], len(found["once"])) == (0, True, [], 2), done.stderr


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
