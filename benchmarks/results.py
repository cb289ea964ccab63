"""What was measured, as it goes into the JSON: the machine, the peers, and each section's raw values."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class PeerResult:
    """A peer."""

    about: dict[str, str] = field(default_factory=dict)
    """Its name, version, settings, and what it lacks; empty where it couldn't run."""
    rounds: list[dict[str, float]] = field(default_factory=list)
    """The contest's values by name, a dict each round."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why a step isn't counted; the step "environment" stands for the whole peer."""

    def values(self, name: str) -> list[float]:
        """A value of all rounds; none where its step failed in one."""
        found = [row[name] for row in self.rounds if name in row]
        return found if len(found) == len(self.rounds) else []

    def median(self, name: str) -> float | None:
        """The median of a value, None where there is none."""
        found = self.values(name)
        return statistics.median(found) if found else None


@dataclass
class Results:
    """All of a run."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    """What the run was asked for."""
    peers: dict[str, PeerResult] = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)
    """What other measurements found, by the name of each."""

    def save(self, path: Path) -> None:
        """Write it down."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """What was written down."""
        content = json.loads(path.read_text())
        peers = {name: PeerResult(**row) for name, row in content.pop("peers").items()}
        return cls(peers=peers, **content)


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that so many percent don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def machine(server: str) -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.release()}",
        "server": server,
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
