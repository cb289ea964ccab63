"""``python -m tests.fuzz [--inputs 100000] [--seed N] [--seconds S] [--only N,N] [--json FILE]``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.fuzz.run import fuzz


def main() -> int:
    """Run it; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Bad input of every kind.")
    parser.add_argument("--inputs", type=int, default=100_000, help="how many")
    parser.add_argument("--seed", type=int, default=None, help="of a run to be repeated")
    parser.add_argument("--seconds", type=float, default=None, help="begin nothing new after so long")
    parser.add_argument("--only", default="", help="numbers of the inputs to try, with commas between")
    parser.add_argument("--json", type=Path, default=None, help="where to write the totals")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    only = [int(number) for number in given.only.split(",") if number]
    tally = asyncio.run(fuzz(seed, given.inputs, given.seconds, only, print))
    print("\n".join(tally.lines()))
    if given.json is not None:
        tally.save(given.json)
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
