"""The project's own tools: the Lua linter finds what it is there for, and the docs follow the code."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from taskproc.store import lua

ROOT = Path(__file__).resolve().parent.parent


def tool(name: str) -> ModuleType:
    """A tool as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def forget() -> None:
    """Let the Lua files be read again."""
    for known in (lua.names, lua.includes):
        known.cache_clear()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the scripts that the tools take for the real ones."""
    copy = tmp_path / "lua"
    shutil.copytree(ROOT / "lua", copy)
    monkeypatch.setattr(lua, "folder", lambda: copy)
    forget()
    yield copy
    forget()


def swap(old: str, new: str) -> Callable[[str], str]:
    """A change of a text that must be there."""

    def change(source: str) -> str:
        assert old in source
        return source.replace(old, new, 1)

    return change


def put(line: str) -> Callable[[str], str]:
    """One more line at the beginning of a script's work."""
    return swap("guard(slot)\n", f"guard(slot)\n{line}\n")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("step", swap("local slot = KEYS[1]", "local slot = ARGV[1]"), "the first line must be"),
        ("step", swap("guard(slot)", "-- nothing"), "it must call guard"),
        ("step", put("retrun 1"), "syntax"),
        ("step", put("local unneeded = 1"), "local unneeded is never used"),
        ("step", put("leaked = 1"), "global leaked is assigned"),
        ("step", put("redis.call('GET', kye)"), "kye is not declared"),
        ("step", put("redis.call('GET', key(P, 'other'))"), "key('other') is not in keys.py"),
        ("step", put("redis.call('PUBLISH', P .. 'news', '')"), "P .. 'news' is neither"),
        ("step", put("redis.call('DECRBY', KEYS[1], -#ARGV)"), "a minus sign before a number that may be 0"),
        ("step", put("redis.call('PING')\n" * 80), "lines of code; at most"),
        ("batch_get", swap("-- Includes: guard", "-- Includes: guard, wake"), "its header includes"),
        ("include/wake", swap("-- ", ""), "it must begin with a comment"),
        ("include/wake", swap("local function wake(", "local function awake("), "must be one local function named wake"),
    ],
)
def test_the_linter_finds(scripts: Path, name: str, change: Callable[[str], str], told: str) -> None:
    lint, path = tool("lua_lint"), scripts / f"{name}.lua"
    check = lint.check_include if name.startswith("include/") else lint.check_script
    assert list(check(path.stem, path)) == []
    path.write_text(change(path.read_text()))
    assert any(told in finding for finding in check(path.stem, path))


def test_the_linter_names_the_file_and_an_include_that_nobody_uses(
    scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool("lua_lint").main() == 0
    (scripts / "include" / "lonely.lua").write_text("-- Does nothing.\nlocal function lonely()\nend\n")
    forget()
    assert tool("lua_lint").main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "lua/include/lonely.lua: no script uses it"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (swap("-- Cost:", "-- Price:"), "batch_get"),
        (swap("-- Moves:", "-- Motion:"), "batch_get"),
        (swap("--   1 prefix str", "--   2 prefix str"), "batch_get"),
    ],
)
def test_a_header_that_is_out_of_order_is_named(scripts: Path, change: Callable[[str], str], told: str) -> None:
    path = scripts / "batch_get.lua"
    with pytest.raises(ValueError, match=told):
        lua.parse_header("batch_get", change(path.read_text()))


def test_the_docs_follow_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tool("make_docs")
    monkeypatch.setattr(docs, "DOCS", tmp_path / "docs")
    monkeypatch.setattr("sys.argv", ["make_docs.py"])
    assert docs.main() == 0
    monkeypatch.setattr("sys.argv", ["make_docs.py", "--check"])
    assert docs.main() == 0
    page = tmp_path / "docs" / "keys.md"
    page.write_text(page.read_text().replace("hash", "hsah", 1))
    assert docs.main() == 1
    assert "keys.md" in capsys.readouterr().out
