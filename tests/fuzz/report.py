"""What the fuzzer did, and what it found."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


class Broken(AssertionError):
    """A promise that an input broke."""


@dataclass
class Finding:
    """Inputs that together broke a promise."""

    numbers: Sequence[int]
    kind: str
    told: str

    def lines(self, seed: int) -> list[str]:
        """What to print of it."""
        only = ",".join(map(str, self.numbers))
        return [f"FAILED {self.kind}, seed {seed}, input {only}", f"  {self.told}",
                f"  again: python -m tests.fuzz --seed {seed} --only {only}"]  # fmt: skip


@dataclass
class Tally:
    """Counts by kind, and findings."""

    seed: int
    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def note(self, kind: str, outcome: str, count: int = 1) -> None:
        """Count what became of some inputs."""
        self.outcomes.setdefault(kind, Counter())[outcome] += count

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began

    def lines(self) -> list[str]:
        """What to print at the end."""
        found = [f"{sum(self.inputs.values()):,} inputs in {self.seconds:.0f} s, seed {self.seed}"]
        for kind, count in self.inputs.items():
            told = ", ".join(f"{name} {n:,}" for name, n in sorted(self.outcomes.get(kind, Counter()).items()))
            found.append(f"  {kind:<9} {count:>7,}: {told}")
        return [*found, f"{len(self.findings)} findings"]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({
            "seed": self.seed, "seconds": round(self.seconds, 1), "inputs": dict(self.inputs),
            "outcomes": {kind: dict(counts) for kind, counts in self.outcomes.items()},
            "findings": [{"inputs": list(f.numbers), "kind": f.kind, "told": f.told} for f in self.findings],
        }, indent=1) + "\n")  # fmt: skip
