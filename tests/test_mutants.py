"""The proof by mutation: its tables fit the scripts, and taking away a guard is noticed; ``make mutants`` tries them all."""

from __future__ import annotations

import ast
import dataclasses
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tools import mutants

ROOT = mutants.ROOT
ALL = mutants.load()
IDS = {mutant.id for mutant in ALL}
SOME = random.Random(20).sample(sorted(ALL, key=lambda mutant: mutant.id), 4)
TRUE_TEST = "tests/test_fences.py::test_what_was_settled_is_not_settled_again"


@cache
def functions(path: str) -> set[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def misfit(mutant: mutants.Mutant) -> str:
    """What is wrong with a mutant, if anything is."""
    try:
        mutant.change((ROOT / mutant.file).read_text())
    except (mutants.Misfit, OSError) as error:
        return str(error)
    if not mutant.why or bool(mutant.tests) != (mutant.id in IDS):
        return f"{mutant.id}: it must tell why, and which tests notice if it is not equivalent"
    for test in mutant.tests:
        path, _, name = test.partition("::")
        if not (ROOT / path).exists() or (name and name.partition("[")[0] not in functions(path)):
            return f"{mutant.id}: there is no {test}"
    return ""


def test_each_mutant_fits_its_script_and_its_tests_are_there() -> None:
    assert len(ALL) > 400
    assert [found for mutant in [*ALL, *mutants.load("equivalent")] if (found := misfit(mutant))] == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"old": "if not held[ at] then"}, "has its old text 0 times, not 1"),
        ({"old": "at"}, r"has its old text \d+ times, not 1"),
        ({"new": "if not held[at] then"}, "changes nothing"),
        ({"file": "lua/none.lua"}, "No such file"),
        ({"tests": ("tests/test_fences.py::test_none",)}, "there is no tests/test_fences.py::test_none"),
        ({"tests": ("tests/test_none.py",)}, "there is no tests/test_none.py"),
        ({"tests": ()}, "which tests notice"),
        ({"why": ""}, "it must tell why"),
    ],
)
def test_a_mutant_that_does_not_fit_is_told(changed: dict[str, Any], told: str) -> None:
    [mutant] = [mutant for mutant in ALL if mutant.id == "settle-lease-membership"]
    assert misfit(mutant) == ""
    assert re.search(told, misfit(dataclasses.replace(mutant, **changed)))


def test_every_script_has_its_mutants_unless_it_has_no_guard() -> None:
    ids = [mutant.id for mutant in [*ALL, *mutants.load("equivalent")]]
    assert len(ids) == len(set(ids))
    guarded, bare = {mutant.file for mutant in ALL}, set(mutants.unguarded())
    assert not guarded & bare
    assert guarded | bare == {path.relative_to(ROOT).as_posix() for path in (ROOT / "lua").rglob("*.lua")}


@pytest.mark.timeout(300)
def test_some_mutants_are_noticed_and_one_that_changes_nothing_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    harmless = mutants.Mutant("harmless", "lua/step.lua", "local more = 0", "local more = 0 -- not", "none", (TRUE_TEST,))
    broken = mutants.Mutant("broken", "lua/step.lua", "local more = 0", "local local", "no Lua", (TRUE_TEST,))
    found = {one.id: one.verdict for one in mutants.judge_all([*SOME, harmless, broken], 2, whole=False)}
    assert found == {"harmless": "survived", "broken": "broken", **{mutant.id: "killed" for mutant in SOME}}


def test_a_guard_is_there_again_after_its_mutant(tmp_path: Path) -> None:
    path = tmp_path / "a.lua"
    path.write_text("if true then")
    with mutants.Mutant("id", "a.lua", "true", "false", "why").applied(tmp_path):
        assert path.read_text() == "if false then"
    assert path.read_text() == "if true then"
