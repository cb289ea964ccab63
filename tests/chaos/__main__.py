"""Runs the ordeals, three at a time and those that mostly wait beside them, and writes what they found.

usage: python -m tests.chaos [--short] [--only NAME]... [--seed N] [--seconds S] [--json FILE] [--report FILE]
Ends with 1 where a promise was not kept. One ordeal again, as it was: --only NAME --seed N. Those that last as long as they
are told take --seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos import report
from tests.chaos.field import Result, Trial
from tests.chaos.ordeals import ORDEALS
from tests.servers import CHOSEN, running

AT_ONCE = 3
SLOW = ("server away for ", "schedules")
"""Ordeals that mostly wait run beside all others."""
ELECTIONS = ("cluster: primary killed", "cluster: down", "Sentinel: ", "lagging replica ")
"""Ordeals that mostly wait for servers to agree: they take turns beside the others."""
ALONE = "another client's worst wait"
"""One that measures what others would spoil."""
TIME_LIMIT = 540


async def one(name: str, trial: Trial) -> dict[str, Any]:
    """Try one ordeal in this process."""
    began = time.monotonic()
    with running(CHOSEN) as server:
        os.environ["TASKPROC_TEST_RECORD"] = server.url
        try:
            result = await ORDEALS[name](server, trial)
        except Exception as error:  # whatever it is, it is to be told
            result = Result(failure=f"{type(error).__name__}: {str(error)[:300]}")
    found = {**asdict(result), "fine": result.fine, "name": name, "what": report.about(ORDEALS[name])}
    return {**found, "seed": trial.seed, "seconds": time.monotonic() - began}


async def apart(name: str, given: Any, seed: int) -> dict[str, Any]:
    """Try one ordeal in a process of its own."""
    command = [sys.executable, "-m", "tests.chaos", "--one", name, "--seed", str(seed)]
    command += ["--short"] if given.short else []
    command += ["--seconds", str(given.seconds)] if given.seconds else []
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        out, errors = await asyncio.wait_for(process.communicate(), TIME_LIMIT + (given.seconds or 0))
        found: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    except (TimeoutError, IndexError, ValueError):
        if process.returncode is None:
            process.kill()
        told = "it did not end" if process.returncode is None else errors.decode()[-300:]
        found = {**asdict(Result(failure=told)), "fine": False, "name": name, "what": "", "seed": seed, "seconds": 0.0}
    return found


async def every(names: list[str], given: Any) -> list[dict[str, Any]]:
    """Try several, and print a line for each."""
    places, elections, found = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1), list[dict[str, Any]]()

    async def in_turn(name: str) -> None:
        if name.startswith(SLOW):
            found.append(await apart(name, given, given.seed))
        else:
            async with elections if name.startswith(ELECTIONS) else places:
                found.append(await apart(name, given, given.seed))
        print(report.line(found[-1]), flush=True)

    await asyncio.gather(*(in_turn(name) for name in names if name != ALONE))
    if ALONE in names:
        await in_turn(ALONE)
    return sorted(found, key=lambda result: names.index(result["name"]))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", action="append", metavar="NAME", help="all by default")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--seconds", type=float, help="how long ordeals take that last as long as they are told")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(asyncio.run(one(given.one, Trial(given.seed, not given.short, given.seconds)))))
        return
    names = given.only or list(ORDEALS)
    unknown = [name for name in names if name not in ORDEALS]
    if unknown:
        parser.error(f"there is no ordeal {unknown[0]!r}: choose from {', '.join(ORDEALS)}")
    print(f"seed {given.seed}", flush=True)
    began = time.monotonic()
    found = asyncio.run(every(names, given))
    run = {"about": report.about_run(given.seed, not given.short, time.monotonic() - began), "ordeals": found}
    if given.json:
        given.json.write_text(json.dumps(run, indent=1) + "\n")
    if given.report:
        given.report.write_text(report.page(run))
    sys.exit(0 if all(result["fine"] for result in found) else 1)


if __name__ == "__main__":
    main()
