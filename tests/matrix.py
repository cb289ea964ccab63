"""Runs all tests on every server that is there, with both protocols, alone and in a cluster, and with few rights.

usage: python -m tests.matrix [--only valkey,cluster] [--json FILE] [pytest's own arguments]
Ends with 1 where a test failed; what pytest has told of that way lies in ``.matrix``. ``--only`` takes the ways whose names
have all of these words.
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
    """All tests in one way; how it ended."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    told = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-200:]
    for line in told:
        print(f"  {line}", flush=True)
    if done.returncode != 0:
        TOLD.mkdir(exist_ok=True)
        (TOLD / f"{name}.txt").write_text(done.stdout + done.stderr)
    print(
        f"{name:<32} {'passed' if done.returncode == 0 else 'FAILED'}  {time.monotonic() - began:.0f} s  {last}", flush=True
    )
    return {"name": name, "passed": done.returncode == 0, "failed": told, "seconds": time.monotonic() - began, "last": last}


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    given, rest = parser.parse_known_args()
    words = [word for word in given.only.split(",") if word]
    chosen = {name: way for name, way in ways().items() if all(word in name for word in words)}
    found = [run(name, way, rest) for name, way in chosen.items()]
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(0 if found and all(result["passed"] for result in found) else 1)


if __name__ == "__main__":
    main()
