"""Takes one guard of the Lua scripts away after the other, and sees that a test turns red each time.

usage: python tools/mutants.py [--only ID]... [--family NAME]... [--json FILE] [--jobs N] [--quick] [--with TEST]... [--list]

The tables in tools/mutants/*.toml say what is taken away, why it matters, and which tests must notice. Each mutant runs in
a copy of the tree: its own tests first, then the whole suite where they pass. Exits with 1 if a mutant survives.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "tools" / "mutants"
NEEDED = ("taskproc", "lua", "tests", "tools", "benchmarks", "examples", "docs", "pyproject.toml", "README.md")
OTHER = (
    "tests/test_mutants.py",
    "tests/test_tools.py",
    "tests/test_speed.py",
    "tests/test_typing.py",
    "tests/test_installed.py",
)
"""Tests that don't run scripts, or see that a file was changed at all."""
QUICK_SECONDS, WHOLE_SECONDS = 90.0, 1200.0
PASSED, FAILED = 0, 1  # exit codes of pytest
KILLED, TIMED_OUT, ELSEWHERE, SURVIVED, BROKEN = "killed", "time-out", "elsewhere", "survived", "broken"
NOTICED = (KILLED, TIMED_OUT, ELSEWHERE)


class Misfit(Exception):
    """A mutant that can't be applied."""


@dataclass(frozen=True)
class Mutant:
    """One guard that is taken away or weakened. ``old`` occurs so many ``times``, and all are replaced."""

    id: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...] = ()
    times: int = 1
    family: str = ""

    def change(self, source: str) -> str:
        """The file's text without the guard. Raises Misfit."""
        found = source.count(self.old)
        if found != self.times:
            raise Misfit(f"{self.id}: {self.file} has its old text {found} times, not {self.times}")
        if self.new == self.old:
            raise Misfit(f"{self.id}: it changes nothing")
        return source.replace(self.old, self.new)

    @contextmanager
    def applied(self, root: Path) -> Iterator[None]:
        """The guard is missing in a tree meanwhile."""
        path = root / self.file
        source = path.read_text("utf-8")
        path.write_text(self.change(source), "utf-8")
        try:
            yield
        finally:
            path.write_text(source, "utf-8")


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: how it was noticed, if it was, and by what."""

    id: str
    verdict: str
    seconds: float
    told: str


def load(kind: str = "mutant", root: Path = ROOT) -> list[Mutant]:
    """The mutants of all tables, or what they have under another name."""
    found: list[Mutant] = []
    for path in sorted((root / "tools" / "mutants").glob("*.toml")):
        for entry in tomllib.loads(path.read_text("utf-8")).get(kind, []):
            entry = {**entry, "tests": tuple(entry.get("tests", ())), "family": path.stem}
            found += spread(Mutant(**entry), root)
    return found


def spread(mutant: Mutant, root: Path) -> list[Mutant]:
    """A mutant of each file that its pattern matches; a test may have the file's name as ``{name}``."""
    if "*" not in mutant.file:
        return [mutant]
    return [
        Mutant(**{
            **asdict(mutant),
            "id": f"{mutant.id}-{path.stem}",
            "file": path.relative_to(root).as_posix(),
            "tests": tuple(test.replace("{name}", path.stem) for test in mutant.tests),
        })
        for path in sorted(root.glob(mutant.file))
    ]  # fmt: skip


def unguarded(root: Path = ROOT) -> dict[str, str]:
    """The Lua files without a guard, and why."""
    found: dict[str, str] = {}
    for path in sorted((root / "tools" / "mutants").glob("*.toml")):
        found |= tomllib.loads(path.read_text("utf-8")).get("unguarded", {})
    return found


@contextmanager
def copies(count: int) -> Iterator[list[Path]]:
    """So many copies of the tree, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="tpm-") as folder:
        found = [Path(folder) / str(at) for at in range(count)]
        for copy in found:
            for name in NEEDED:
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    shutil.copy(source, copy / name)
            (copy / "tmp").mkdir()
        yield found


def run_tests(copy: Path, tests: Sequence[str], seconds: float, processes: int = 0) -> tuple[int | None, str]:
    """Run tests in a copy up to the first that fails; the exit code, or None when they took too long, and what was told."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-x", "-n", str(processes), "-p", "no:cacheprovider", "--tb", "short", *tests]
    process = subprocess.Popen(
        command, cwd=copy, env={**env, "TMPDIR": str(copy / "tmp"), "MODEL_SHRINK": "0"}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, f"no end within {seconds:.0f} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with its servers, which are of its session
            process.communicate()
    return process.returncode, out.decode("utf-8", "replace")


def judge(copy: Path, mutant: Mutant, *, whole: bool, tests: Sequence[str] = ()) -> Verdict:
    """Apply a mutant and run its tests, or others; then the whole suite, where that is wanted and it was not noticed."""
    begin = time.monotonic()
    with mutant.applied(copy):
        verdict, told = seen(*run_tests(copy, tests or mutant.tests, QUICK_SECONDS))
        if verdict == SURVIVED and whole:
            left_out = [f"--ignore={name}" for name in OTHER]
            verdict, told = seen(*run_tests(copy, ["tests", *left_out], WHOLE_SECONDS, 2))
            verdict = ELSEWHERE if verdict in (KILLED, TIMED_OUT) else verdict
    return Verdict(mutant.id, verdict, time.monotonic() - begin, told)


def seen(code: int | None, out: str) -> tuple[str, str]:
    """What an exit code means, and the line of the output that tells most."""
    lines = out.splitlines()
    told = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "")
    if "Error compiling script" in out or code not in (None, PASSED, FAILED):
        return BROKEN, told
    if "Timeout (>" in out:  # a test's own limit
        return TIMED_OUT, told
    return {None: TIMED_OUT, PASSED: SURVIVED, FAILED: KILLED}[code], told


def judge_all(mutants: Sequence[Mutant], jobs: int, *, whole: bool, tests: Sequence[str] = ()) -> Iterator[Verdict]:
    """Judge mutants side by side, as they get ready. Raises Misfit where the tests fail without any."""
    with copies(jobs) as trees, ThreadPoolExecutor(jobs) as pool:
        chosen = list(tests) or sorted({test for mutant in mutants for test in mutant.tests})
        code, out = run_tests(trees[0], chosen, WHOLE_SECONDS, jobs)
        if code != PASSED:
            raise Misfit("the tests don't pass without a mutant:\n" + out)
        free: queue.Queue[Path] = queue.Queue()
        for tree in trees:
            free.put(tree)

        def one(mutant: Mutant) -> Verdict:
            tree = free.get()
            try:
                return judge(tree, mutant, whole=whole, tests=tests)
            finally:
                free.put(tree)

        try:
            for done in as_completed([pool.submit(one, mutant) for mutant in mutants]):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # whoever interrupts does not wait for the rest


def chosen(options: argparse.Namespace) -> list[Mutant]:
    """The mutants that were asked for. Raises Misfit where there is none of a name."""
    found = load()
    for name, asked, known in (
        ("mutant", options.only, {mutant.id for mutant in found}),
        ("family", options.family, {mutant.family for mutant in found}),
    ):
        for unknown in sorted(set(asked) - known):
            raise Misfit(f"there is no {name} {unknown}")
    if options.only or options.family:
        found = [mutant for mutant in found if mutant.id in options.only or mutant.family in options.family]
    for mutant in found:
        mutant.change((ROOT / mutant.file).read_text("utf-8"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Take each guard out of the scripts and see that a test notices.")
    parser.add_argument("--only", metavar="ID", action="append", default=[], help="just this mutant; may be repeated")
    parser.add_argument("--family", action="append", default=[], help="just those of this table; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what became of each")
    parser.add_argument("--jobs", type=int, default=2, help="how many side by side")
    parser.add_argument("--quick", action="store_true", help="leave out the whole suite where a mutant's own tests pass")
    parser.add_argument("--with", dest="tests", metavar="TEST", action="append", default=[], help="run these tests instead")
    parser.add_argument("--list", action="store_true", help="tell the mutants and run nothing")
    options = parser.parse_args()
    begin, verdicts = time.monotonic(), []
    try:
        mutants = chosen(options)
        if options.list:
            for mutant in mutants:
                print(f"{mutant.id:36} {mutant.file:34} {mutant.why}")
            return 0
        for verdict in judge_all(mutants, options.jobs, whole=not options.quick, tests=options.tests):
            verdicts.append(verdict)
            print(f"{verdict.verdict:9} {verdict.id:36} {verdict.seconds:6.1f} s  {verdict.told[:120]}", flush=True)
    except Misfit as error:
        print(error)
        return 1
    counts, seconds = Counter(verdict.verdict for verdict in verdicts), time.monotonic() - begin
    told = ", ".join(f"{counts[name]} {name}" for name in (*NOTICED, SURVIVED, BROKEN) if counts[name])
    print(f"{len(verdicts)} mutants: {told}; {len(load('equivalent'))} equivalent ones left out; {seconds:.0f} s")
    if options.json:
        options.json.write_text(
            json.dumps({"seconds": seconds, **counts, "mutants": [asdict(v) for v in verdicts]}, indent=2)
        )
    return 0 if all(verdict.verdict in NOTICED for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
