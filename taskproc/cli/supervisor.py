"""Keeps a number of worker processes running: a crashed one is started again, with backoff.

The processes hold the end of a pipe whose other end only the supervisor has: when it closes, however the supervisor
ended, they stop.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

logger = logging.getLogger("taskproc")

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A child that ran this long starts again without delay when it crashes."""

USAGE = 2
"""The exit code of wrong usage: starting again would not help."""


@dataclass
class Child:
    """One worker process and its crashes."""

    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    delay: float = 0.0
    due: float = field(default_factory=time.monotonic)

    def start(self, command: Sequence[str], lifeline: int) -> None:
        """Start the process, in a group of its own: a terminal's Ctrl-C would reach it besides our signal."""
        self.process = subprocess.Popen([*command, "--lifeline", str(lifeline)], process_group=0, pass_fds=[lifeline])
        self.started = time.monotonic()

    def ended(self, code: int) -> None:
        """Note a crash, and when to start again."""
        ran = time.monotonic() - self.started
        self.delay = FIRST_DELAY if ran > STEADY_SECONDS else min(max(FIRST_DELAY, self.delay * 2), LONGEST_DELAY)
        self.due = time.monotonic() + self.delay
        self.process = None
        logger.error("a worker process ended with code %d; starting another in %.1f s", code, self.delay)


def supervise(command: Sequence[str], count: int) -> int:
    """Run ``count`` processes until a signal asks to stop, which they get too; the exit code."""
    children = [Child() for _ in range(count)]
    lifeline, _held = os.pipe()
    stopping = 0

    def stop(number: int, _frame: object) -> None:
        nonlocal stopping
        stopping += 1
        for child in children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    code = 0
    while True:
        for child in children:
            if child.process is not None and (ended := child.process.poll()) is not None:
                if stopping or ended in (0, USAGE):
                    child.process, child.due = None, float("inf")
                    code = max(code, ended)
                else:
                    child.ended(ended)
            if child.process is None and not stopping and child.due <= time.monotonic():
                child.start(command, lifeline)
                if stopping and child.process is not None:  # the signal came before there was anybody to send it to
                    child.process.send_signal(signal.SIGTERM)
        if all(child.process is None and (stopping or child.due == float("inf")) for child in children):
            return abs(code)
        time.sleep(0.05)
