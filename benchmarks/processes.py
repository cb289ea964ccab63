"""Processes of the suite: each leads a session of its own, has a time limit, and is stopped with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

GRACE_SECONDS = 5.0
PAUSE = 0.02
LONGEST = 300


class Failed(Exception):
    """A peer can't be measured; the text says why."""


def last_line(text: str) -> str:
    """The last line that says something, not too long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST] if lines else "no message"


class Process:
    """A running command."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]) -> None:
        self._output, self._errors = output, errors
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._errors,
            env={**inherited, **environment},
            cwd=tempfile.gettempdir(),
            start_new_session=True,
        )
        self.pid = self._started.pid

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        return self._started.poll() is None

    def check(self) -> None:
        """Raise Failed if it has ended."""
        if not self.is_running:
            raise Failed(f"a worker ended with {self._started.returncode}: {self.last_error()}")

    def last_error(self) -> str:
        """The last line of what it wrote to stderr."""
        return last_line(_all_of(self._errors))

    def result(self, seconds: float) -> Any:
        """Wait for it; the JSON of its last line of output, None without output. Raises Failed."""
        try:
            code = self._started.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done within {seconds:g} s: {self.last_error()}") from None
        if code:
            raise Failed(f"ended with {code}: {self.last_error()}")
        output = _all_of(self._output).strip()
        return json.loads(output.splitlines()[-1]) if output else None

    def peak_memory(self) -> int:
        """The most bytes that its processes have had in memory, each one's peak added up."""
        return sum(_peak(pid) for pid in _session(self.pid))

    def cpu(self) -> float:
        """Seconds of processor time that its processes have taken so far."""
        return sum(_cpu(pid) for pid in _session(self.pid))

    def stop(self) -> None:
        """SIGTERM to it; what of its session is left after a grace is killed."""
        if self.is_running:
            self._started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._started.wait(GRACE_SECONDS)
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._started.wait()


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """A process that is stopped at the end."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = Process(command, environment or {}, output, errors)
        try:
            yield process
        finally:
            process.stop()


def run(command: Sequence[str], seconds: float) -> Any:
    """Run a command to its end; its JSON. Raises Failed."""
    with running(command) as process:
        return process.result(seconds)


def wait_until(condition: Any, seconds: float, what: str) -> None:
    """Look until it holds. Raises Failed that names what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE)


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _session(leader: int) -> list[int]:
    """The processes of a session, by its leader."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(folder.name))
    return found


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
