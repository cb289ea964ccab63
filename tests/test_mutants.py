"""The proof by mutation: its tables fit the scripts, and taking away a guard is noticed; ``make mutants`` tries them all."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tools import mutants

ROOT = mutants.ROOT
ALL = mutants.load()
SOME = random.Random(20).sample(sorted(ALL, key=lambda mutant: mutant.id), 4)
TRUE_TEST = "tests/test_fences.py::test_what_was_settled_is_not_settled_again"


@cache
def functions(path: str) -> set[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("mutant", [*ALL, *mutants.load("equivalent")], ids=lambda mutant: mutant.id)
def test_a_mutant_fits_its_script_and_its_tests_are_there(mutant: mutants.Mutant) -> None:
    assert mutant.change((ROOT / mutant.file).read_text()) != ""
    assert mutant.why
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert not name or name.partition("[")[0] in functions(path), test
    assert bool(mutant.tests) == (mutant in ALL)


def test_every_script_has_its_mutants_unless_it_has_no_guard() -> None:
    ids = [mutant.id for mutant in [*ALL, *mutants.load("equivalent")]]
    assert len(ids) == len(set(ids))
    guarded, bare = {mutant.file for mutant in ALL}, set(mutants.unguarded())
    assert not guarded & bare
    assert guarded | bare == {path.relative_to(ROOT).as_posix() for path in (ROOT / "lua").rglob("*.lua")}


@pytest.mark.timeout(120)
def test_some_mutants_are_noticed_and_one_that_changes_nothing_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    harmless = mutants.Mutant("harmless", "lua/step.lua", "local more = 0", "local more = 0 -- not", "none", (TRUE_TEST,))
    broken = mutants.Mutant("broken", "lua/step.lua", "local more = 0", "local local", "no Lua", (TRUE_TEST,))
    found = {one.id: one.verdict for one in mutants.judge_all([*SOME, harmless, broken], 2, whole=False)}
    assert found == {"harmless": "survived", "broken": "broken", **{mutant.id: "killed" for mutant in SOME}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda source: source.replace("not held[at]", "not held[ at]"), "has its old text 0 times, not 1"),
        (lambda source: source + "-- if not held[at] then", "has its old text 2 times, not 1"),
    ],
)
def test_a_mutant_that_does_not_fit_is_told(change: Callable[[str], str], told: str) -> None:
    [mutant] = [mutant for mutant in ALL if mutant.id == "settle-lease-membership"]
    with pytest.raises(mutants.Misfit, match=told):
        mutant.change(change((ROOT / mutant.file).read_text()))


def test_a_guard_is_there_again_after_its_mutant(tmp_path: Path) -> None:
    path = tmp_path / "a.lua"
    path.write_text("if true then")
    with mutants.Mutant("id", "a.lua", "true", "false", "why").applied(tmp_path):
        assert path.read_text() == "if false then"
    assert path.read_text() == "if true then"
