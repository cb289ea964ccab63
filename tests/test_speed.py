"""The worker beside the yardstick, in one run: what it must reach whatever the machine."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.measure import in_time
from tests.servers import Server

ROOT = Path(__file__).resolve().parent.parent

SLOWEST = {"enqueue": 0.35, "drain": 0.25}
"""The shares of the yardstick's rates below which something is wrong; the figures are in the README."""


def compare(server: Server) -> dict[str, list[float]]:
    """All rates of a short run."""
    command = [sys.executable, "-m", "benchmarks.first", "--tasks", "10000", "--rounds", "3", "--json"]
    done = subprocess.run([*command, "--redis", server.url], cwd=ROOT, capture_output=True, check=True, timeout=50)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("what", ["enqueue", "drain"])
async def test_a_worker_reaches_its_share_of_the_yardstick(server: Server, anyio_backend: str, what: str) -> None:
    async def times_slower() -> float:
        found = await asyncio.to_thread(compare, server)
        return 1 / statistics.median(found[f"{what}, share"])

    await in_time(times_slower, 1 / SLOWEST[what])
