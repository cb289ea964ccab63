"""The public interface as type checkers see it: right calls pass, wrong calls are flagged where they stand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "typing"


def by_mypy(path: Path) -> set[int]:
    """The lines that mypy --strict flags."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent.parent, check=False)
    return {int(line) for line in re.findall(rf"{path.name}:(\d+): error", done.stdout)}


def by_pyright(path: Path) -> set[int]:
    """The lines that pyright flags."""
    done = subprocess.run([sys.executable, "-m", "pyright", "--outputjson", str(path)], capture_output=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {entry["range"]["start"]["line"] + 1 for entry in found if entry["severity"] == "error"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [by_mypy, by_pyright])
def test_right_calls_pass(checker: Callable[[Path], set[int]]) -> None:
    assert checker(HERE / "right.py") == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [by_mypy, by_pyright])
def test_wrong_calls_are_flagged(checker: Callable[[Path], set[int]]) -> None:
    lines = (HERE / "wrong.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# E")}
    assert len(marked) >= 30
    flagged = checker(HERE / "wrong.py")
    assert marked - flagged == set(), "wrong calls that pass"
    assert flagged - marked == set(), "right lines that are flagged"
