"""What ordeals have found, as lines and as a page of the docs."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.servers import CHOSEN, binary

ROOT = Path(__file__).resolve().parent.parent.parent

HEAD = """# Reliability

What taskproc promises: **execution at least once; counting exactly once; every continuation enqueued exactly once. Work that
Redis acknowledged survives the crash of any process (with AOF), and a failover as far as replication has got
(`durable=True` waits for it).**

This page is what `make chaos` printed. Tasks record their start and end on a server that doesn't fail; *lost* are tasks that
Redis acknowledged and that no worker ended or no counter counted, *doubled* are batches whose counters are too high and
continuations that fired twice, *again* are executions beyond the first, which at-least-once allows, *leaked* are keys left
once everything had settled and its retention was over. Of schedules *tasks* are occurrences, *lost* those for which nothing
was fired though no rule leaves them out, *doubled* those with two tasks, or tasks of a unique one beside each other. Behind
each zero stands the rate that its number of trials can't rule out, with 95 % confidence (three over the number).
"""


def about(ordeal: Callable[..., Any]) -> str:
    """What an ordeal does."""
    function = ordeal.func if isinstance(ordeal, partial) else ordeal
    return (function.__doc__ or "").strip().splitlines()[0]


def about_run(seed: int, long: bool, seconds: float) -> dict[str, Any]:
    """On what it ran."""
    found = binary(CHOSEN)
    assert found is not None
    server = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "seed": seed, "form": "long" if long else "short", "seconds": seconds, "server": server, "cores": os.cpu_count(),
        "python": platform.python_version(), "redis-py": version("redis"), "hiredis": version("hiredis"),
        "os": f"{platform.system()} {platform.release()}",
    }  # fmt: skip


def line(result: dict[str, Any]) -> str:
    """An ordeal in a line."""
    verdict = "fine" if result["fine"] else f"NOT KEPT {result['failure']}"
    return (
        f"{result['name']:<36} {result['faults']:>6,} faults {result['tasks']:>9,} tasks  lost {result['lost']}  doubled"
        f" {result['doubled']}  again {result['extra']}  leaked {result['leaked']}  {recovery(result['recoveries'])}"
        f"  {result['seconds']:.0f} s  {verdict}"
    )


def recovery(values: Sequence[float]) -> str:
    """The median and the 99th percentile of times, in seconds."""
    if not values:
        return "–"
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} / {ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]:.2f} s"


def bound(count: int, of: int) -> str:
    """A count, and the rate that a zero can't rule out."""
    return f"{count:,}" if count or not of else f"0 (< {3 / of:.1g})"


def page(run: dict[str, Any]) -> str:
    """The page."""
    told, ordeals = run["about"], run["ordeals"]
    lines = [HEAD, (
        f"{told['form'].capitalize()} form, seed {told['seed']}, {told['seconds']:.0f} s, three ordeals at a time and those"
        " that mostly wait beside them, on"
        f" {told['cores']} cores; {told['server'].split(' sha')[0]}, redis-py {told['redis-py']}, hiredis {told['hiredis']},"
        f" Python {told['python']}, {told['os']}. The same choices again:"
        f" `python -m tests.chaos --seed {told['seed']}`, with `--only NAME` for one of them.\n"
    )]  # fmt: skip
    lines += [
        "| ordeal | faults | tasks | lost | doubled | again | leaked | recovery p50 / p99 | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for found in ordeals:
        lines.append(
            f"| {found['name']} | {found['faults']:,} | {found['tasks']:,} | {bound(found['lost'], found['tasks'])} |"
            f" {bound(found['doubled'], found['faults'])} | {found['extra']:,} | {found['leaked']} |"
            f" {recovery(found['recoveries'])} | {found['seconds']:.0f} |"
        )
    lines.append("")
    lines += [f"* **{found['name']}**: {_told(found)}" for found in ordeals]
    failed = [found for found in ordeals if not found["fine"]]
    lines.append(f"\nNot kept: {', '.join(found['name'] for found in failed) if failed else 'none'}.")
    return "\n".join(lines + beside()) + "\n"


def beside() -> list[str]:
    """What other long runs have left: bad input, mutants of the guards, and all tests in all ways."""
    lines: list[str] = []
    if found := _left_by("fuzz"):
        counts = ", ".join(f"{count:,} {kind}" for kind, count in found["inputs"].items())
        lines.append(
            f"\n`make fuzz`, seed {found['seed']}: {sum(found['inputs'].values()):,} bad inputs ({counts}) in"
            f" {found['seconds']:.0f} s; {len(found['findings'])} findings."
        )
    if found := _left_by("mutants"):
        verdicts = Counter(mutant["verdict"] for mutant in found["mutants"])
        counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        lines.append(
            f"\n`make mutants`: {len(found['mutants'])} guards of the Lua scripts taken out one at a time, in"
            f" {found['seconds']:.0f} s: {counts}."
        )
    if found := _left_by("matrix"):
        lines += ["\n`make matrix`, all tests:\n", "| way | tests | result | seconds |", "|---|---|---|---|"]
        lines += [f"| {way['name']} | {_tests(way):,} | {_ended(way)} | {way['seconds']:.0f} |" for way in found]
    return lines


def _tests(way: dict[str, Any]) -> int:
    """How many tests ran in one way."""
    return sum(int(n) for n in re.findall(r"(\d+) (?:passed|failed|error)", way["last"]))


def _ended(way: dict[str, Any]) -> str:
    """How all tests ended in one way, with those that passed only by themselves."""
    if not way["passed"]:
        return "failed: " + ", ".join(way["failed"])
    once = ", ".join(f"`{test.split('::')[-1]}`" for test in way.get("once", ()))
    return f"passed; only by itself {once}" if once else "passed"


def _left_by(name: str) -> Any:
    path = ROOT / f".{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _told(found: dict[str, Any]) -> str:
    notes = "; ".join(f"{name} {value:,.6g}" for name, value in found["notes"].items())
    text = found["what"] + (f" ({notes})" if notes else "")
    return text if found["fine"] else f"{text} **Not kept: {found['failure'] or 'see the table'}.**"
