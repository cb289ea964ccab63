"""Runs all tests on every server that is there, with both protocols, alone and in a cluster, and with few rights.

usage: python -m tests.matrix [--only valkey,cluster] [--json FILE] [--again FILE] [pytest's own arguments]
Tests that failed are run again by themselves, and told: what passes then was spoilt by others beside it, or is a bug that
shows itself seldom. Ends with 1 where one failed again; what pytest has told of that way lies in ``.matrix``. ``--only``
takes the ways whose names have all of these words, ``--again`` only the tests that failed in an earlier run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

from tests.servers import KINDS

PLACES = {"alone": {}, "cluster": {"TASKPROC_TEST_CLUSTER": "1"}}
PROTOCOLS = {"RESP2": "2", "RESP3": "3"}
FEW_RIGHTS = {"TASKPROC_TEST_RIGHTS": "1"}
TOLD = Path(".matrix")


def ways() -> dict[str, dict[str, str]]:
    """The environment of each way, by its name."""
    found = {
        f"{kind} {protocol} {place}": {"TASKPROC_TEST_SERVER": kind, "TASKPROC_TEST_PROTOCOL": PROTOCOLS[protocol], **more}
        for kind, protocol, (place, more) in product(KINDS, PROTOCOLS, PLACES.items())
    }
    rights = {f"{kind} RESP2 alone few rights": {"TASKPROC_TEST_SERVER": kind, **FEW_RIGHTS} for kind in KINDS}
    return found | rights


def run(name: str, environment: dict[str, str], arguments: list[str]) -> dict[str, object]:
    """All tests in one way, and those that failed again; how it ended."""
    began = time.monotonic()
    done = pytest(environment, arguments)
    failed = named(done.stdout)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-200:]
    if done.returncode != 0:
        TOLD.mkdir(exist_ok=True)
        (TOLD / f"{name}.txt").write_text(done.stdout + done.stderr)
    found = {
        "name": name,
        "passed": done.returncode == 0,
        "failed": failed,
        "seconds": time.monotonic() - began,
        "last": last,
    }
    print(f"{name:<32} {'passed' if found['passed'] else 'FAILED'}  {found['seconds']:.0f} s  {last}", flush=True)
    return again(found, environment) if failed else found


def named(told: str) -> list[str]:
    """The tests that pytest's closing summary names."""
    summary = told.rpartition("= short test summary info =")[2]
    return [line.split(" - ")[0].split(" ", 1)[1] for line in summary.splitlines() if line.startswith(("FAILED ", "ERROR "))]


def again(found: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """How those tests end by themselves that failed in a way."""
    still = [test for test in found["failed"] if pytest(environment, ["-n", "0", test]).returncode != 0]
    for test in found["failed"]:
        print(f"  {'failed again' if test in still else 'passed by itself'}: {test}", flush=True)
    once = [*found.get("once", []), *(test for test in found["failed"] if test not in still)]
    return {**found, "passed": not still, "failed": still, "once": once}


def pytest(environment: dict[str, str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run tests in an environment."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--again", type=Path)
    given, rest = parser.parse_known_args()
    words = [word for word in given.only.split(",") if word]
    chosen = {name: way for name, way in ways().items() if all(word in name for word in words)}
    if given.again:
        earlier = json.loads(given.again.read_text())
        found = [again(one, ways()[one["name"]]) if one["failed"] else one for one in earlier]
    else:
        found = [run(name, way, rest) for name, way in chosen.items()]
    if given.json or given.again:
        (given.json or given.again).write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(0 if found and all(result["passed"] for result in found) else 1)


if __name__ == "__main__":
    main()
