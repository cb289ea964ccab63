"""The server of a measurement: Valkey as it comes with the project, or another, in memory on a free port of loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.processes import Failed, running, wait_until
from taskproc.store.embedded import find_binary

START_SECONDS = 20


@dataclass(frozen=True)
class Reading:
    """What a server has used since its start."""

    memory: int
    """Bytes in use now."""
    cpu: float
    """Seconds of processor time, of the thread that runs commands where the server tells."""
    commands: int
    """Commands run, those that scripts call included."""


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._client: Any = redis.Redis(port=port)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self._client.ping())
        except redis.exceptions.ConnectionError:
            return False

    def flush(self) -> None:
        """Empty it."""
        self._client.flushall(asynchronous=False)

    def read(self) -> Reading:
        """What it has used until now."""
        cpu, commands = self._client.info("cpu"), self._client.info("commandstats")
        thread = "_main_thread" if "used_cpu_user_main_thread" in cpu else ""
        return Reading(
            memory=self._client.info("memory")["used_memory"],
            cpu=cpu[f"used_cpu_user{thread}"] + cpu[f"used_cpu_sys{thread}"],
            commands=sum(row["calls"] for row in commands.values()),
        )

    def close(self) -> None:
        """Give the connection up."""
        self._client.close()


@contextlib.contextmanager
def serving(binary: str | None = None) -> Iterator[Server]:
    """A server of its own, stopped at the end. Raises Failed."""
    port = _free_port()
    settings = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning")
    with tempfile.TemporaryDirectory() as folder, running([binary or find_binary(), *settings, "--dir", folder]) as process:
        server = Server(port)
        try:
            wait_until(lambda: server.answers() or process.check(), START_SECONDS, "the server's start")
            yield server
        finally:
            server.close()


def version_of(binary: str | None = None) -> str:
    """What the server says it is."""
    path = binary or find_binary()
    if not os.access(path, os.X_OK):
        raise Failed(f"{path} is no server that can be run")
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
