"""What the handlers of workers have left in their folder: see ``benchmarks.peers.recorder``."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.recorder import HEADER, WAIT, WAITS


@dataclass(frozen=True)
class Seen:
    """All that ran until now. Times are nanoseconds of the monotonic clock."""

    calls: int = 0
    processes: int = 0
    """How many have begun to run handlers."""
    first: int = 0
    last: int = 0


class Hits:
    """The folder of a measurement."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """How a worker is told where it is."""
        return {"HITS": str(self._folder)}

    def seen(self) -> Seen:
        """What has run until now."""
        rows = [row for row in (_header(path) for path in self._folder.iterdir()) if row[0]]
        if not rows:
            return Seen()
        calls, firsts, lasts = zip(*rows, strict=True)
        return Seen(sum(calls), len(rows), min(firsts), max(lasts))

    def calls(self) -> dict[Path, int]:
        """How many ran in each process."""
        return {path: _header(path)[0] for path in self._folder.iterdir()}

    def waits(self, left_out: dict[Path, int]) -> list[int]:
        """How long the tasks waited, but for so many of each process."""
        found: list[int] = []
        for path in self._folder.iterdir():
            calls, content = min(_header(path)[0], WAITS), path.read_bytes()
            body = content[HEADER.size : HEADER.size + WAIT.size * calls]
            found += [wait for (wait,) in WAIT.iter_unpack(body)][left_out.get(path, 0) :]
        return found


def _header(path: Path) -> tuple[int, int, int]:
    with contextlib.suppress(OSError), path.open("rb") as file:
        content = file.read(HEADER.size)
        if len(content) == HEADER.size:
            calls, first, last = HEADER.unpack(content)
            return calls, first, last
    return 0, 0, 0
