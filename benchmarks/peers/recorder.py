"""What the handlers of a peer leave behind: how many ran, when the first and the last began, how long each had waited.

Every process that runs handlers writes a file of its own into the folder ``$HITS``; the suite reads the files while the
worker runs, so that all peers are measured from outside in one way. A handler calls ``hit()``, or ``hit(sent)`` where
``sent`` is the ``now()`` of just before the task was enqueued. Times are nanoseconds of the machine's monotonic clock,
which is one for all processes. This file imports nothing but the standard library: it runs in every peer's environment.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path

HEADER = struct.Struct("=qqq")
"""How many calls; when the first one began; when the last one began."""
WAIT = struct.Struct("=q")
WAITS = 4096
"""Waits that a file has room for; later ones are only counted."""
SIZE = HEADER.size + WAIT.size * WAITS

now = time.monotonic_ns


class _File:
    """The file of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls = self.first = 0
        path = Path(os.environ["HITS"]) / f"{os.getpid()}"
        path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)

    def write(self, at: int, waited: int | None) -> None:
        with self.lock:
            self.first = self.first or at
            if waited is not None and self.calls < WAITS:
                WAIT.pack_into(self.memory, HEADER.size + WAIT.size * self.calls, waited)
            self.calls += 1
            HEADER.pack_into(self.memory, 0, self.calls, self.first, at)


_file: _File | None = None
_making = threading.Lock()


def hit(sent: int | None = None) -> None:
    """A handler has begun."""
    at = now()
    file = _file or _make()
    file.write(at, None if sent is None else at - sent)


def _make() -> _File:
    global _file
    with _making:
        _file = _file or _File()
        return _file


def _forget() -> None:
    global _file, _making
    _file, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
