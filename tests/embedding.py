"""What tests of embedded servers have in common: users in processes of their own, and a look at what runs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import redis

from taskproc.store import embedded, keeper

PATIENCE = 30.0

PACKAGE = str(Path(embedded.__file__).parent.parent)

ALONE = """
import sys, types
for name, path in (("taskproc", ""), ("taskproc.store", "/store")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + path]
"""
"""Leaves out the rest of the package, which takes many times as long to import."""

USER = f"""{ALONE}
import os
from taskproc.store.embedded import open_embedded
server = open_embedded(sys.argv[2])
if sys.argv[3:] != ["fork"] or os.fork():
    print(server.path, flush=True)
sys.stdin.read()
server.close()
"""


class User:
    """A process that has a server open until it is told to close it, or killed."""

    def __init__(self, url: str, *options: str) -> None:
        command = [sys.executable, "-W", "ignore", "-c", USER, PACKAGE, url, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def path(self) -> str:
        """The server's socket; waits until it is open. To be asked for once."""
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def close(self) -> None:
        """Let it close the server, and wait for its end."""
        self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def processes(base: Path, program: str = "") -> list[int]:
    """The processes of a program whose command line names a path below base."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended in between
                continue
            if os.fsencode(base) in command and program.encode() in command:
                found.append(int(entry.name))
    return found


def servers(base: Path) -> list[int]:
    """The servers below base."""
    return processes(base, "valkey-server\0--port")


def keepers(base: Path) -> list[int]:
    """The keepers below base."""
    return processes(base, "keeper.py")


def kill_keeper(base: Path) -> int:
    """Kill the one keeper there is, and wait for its end."""
    [killed] = keepers(base)
    handle = os.pidfd_open(killed)
    os.kill(killed, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)
    return killed


def client(path: str) -> redis.Redis:
    """A client of the server behind a socket."""
    return redis.Redis(unix_socket_path=path, decode_responses=True)


def pid(path: str) -> int:
    """The process id of the server behind a socket."""
    with closing(client(path)) as connection:
        return int(connection.info("server")["process_id"])


def answers(path: str) -> bool:
    """Whether the server behind a socket answers."""
    return keeper.ask(path, b"PING\r\n").startswith(b"+PONG")


def put(path: str, value: str) -> None:
    """Store a value."""
    with closing(client(path)) as connection:
        connection.set("key", value)


def got(path: str) -> str | None:
    """The value that was stored."""
    with closing(client(path)) as connection:
        value = connection.get("key")
        return None if value is None else str(value)
