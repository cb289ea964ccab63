"""The proof by mutation: its tables fit the scripts, and taking away a guard is noticed; ``make mutants`` tries them all."""

from __future__ import annotations

import ast
import dataclasses
import json
import random
import re
import subprocess
import sys
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


def test_the_tests_of_mutants_are_there_with_their_parameters() -> None:
    named = {test for mutant in ALL for test in mutant.tests if "[" in test}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    files = sorted({test.partition("::")[0] for test in named})
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=True)
    assert named - {*done.stdout.splitlines()} == set()


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


# how the tool judges


@pytest.mark.parametrize(
    ("codes", "whole", "verdict"),
    [
        ([1], True, "killed"),
        ([None], True, "time-out"),
        ([0, 1], True, "elsewhere"),
        ([0, None], True, "elsewhere"),
        ([0, 0], True, "survived"),
        ([0], False, "survived"),
        ([5], True, "broken"),
        ([0, 2], True, "broken"),
    ],
)
def test_a_verdict_follows_from_how_the_tests_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[int | None], whole: bool, verdict: str
) -> None:
    (tmp_path / "a.lua").write_text("if true then")
    ends = iter(codes)
    monkeypatch.setattr(mutants, "run_tests", lambda *_: (next(ends), ""))
    mutant = mutants.Mutant("id", "a.lua", "true", "false", "why", ("tests/test_fences.py",))
    assert mutants.judge(tmp_path, mutant, whole=whole).verdict == verdict
    assert next(ends, "no more") == "no more"


def test_tests_that_do_not_end_are_given_up() -> None:
    with mutants.copies(1) as [copy]:
        (copy / "tests" / "test_endless.py").write_text("import time\n\ndef test_endless():\n    time.sleep(50)\n")
        assert mutants.run_tests(copy, ["tests/test_endless.py"], 3.0) == (None, "no end within 3 s")
        code, out = mutants.run_tests(copy, ["--timeout=1", "tests/test_endless.py"], 50.0)
        assert mutants.seen(code, out)[0] == "time-out"


@pytest.mark.parametrize(
    ("verdict", "code"), [("killed", 0), ("time-out", 0), ("elsewhere", 0), ("survived", 1), ("broken", 1)]
)
def test_the_tool_fails_where_a_mutant_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdict: str, code: int
) -> None:
    path = tmp_path / "found.json"
    found = mutants.Verdict("step-of-the-past", verdict, 1.0, "FAILED")
    monkeypatch.setattr(mutants, "judge_all", lambda *_, **__: iter([found]))
    monkeypatch.setattr("sys.argv", ["mutants.py", "--only", "step-of-the-past", "--json", str(path)])
    assert mutants.main() == code
    assert json.loads(path.read_text())["mutants"] == [dataclasses.asdict(found)]
    assert f"1 mutants: 1 {verdict}; " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["only", "family"])
def test_the_tool_tells_of_a_mutant_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr("sys.argv", ["mutants.py", f"--{name}", "unheard-of"])
    assert mutants.main() == 1
    assert "unheard-of" in capsys.readouterr().out
