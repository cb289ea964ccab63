"""A real cluster, and a real Sentinel set, of the tests' own servers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.servers import Server, binary, free_port, running

SLOTS = 16384


@contextmanager
def cluster(
    kind: str, primaries: int = 3, replicas: int = 1, options: tuple[str, ...] = (), patience_ms: int = 1000
) -> Iterator[list[Server]]:
    """Primaries, then their replicas, joined and serving all slots; a replica takes over from one that is long gone."""
    with ExitStack() as stack:
        options += ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
        options += ("--cluster-node-timeout", str(patience_ms))
        nodes = [stack.enter_context(running(kind, *options)) for _ in range(primaries * (1 + replicas))]
        clients = [stack.enter_context(node.client()) for node in nodes]
        share = SLOTS // primaries
        for at, client in enumerate(clients[:primaries]):
            last = SLOTS - 1 if at == primaries - 1 else (at + 1) * share - 1
            client.execute_command("CLUSTER", "ADDSLOTS", *range(at * share, last + 1))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for client in clients[1:]:
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        wait(lambda: all(known(client) == len(nodes) for client in clients))
        ids = [text(client.execute_command("CLUSTER", "MYID")) for client in clients]
        for at, client in enumerate(clients[primaries:]):
            client.execute_command("CLUSTER", "REPLICATE", ids[at % primaries])
        wait(lambda: all(b"cluster_state:ok" in raw(client, "CLUSTER", "INFO") for client in clients))
        wait(lambda: all(b"connected" in raw(c, "CLUSTER", "NODES") for c in clients))
        yield nodes


@contextmanager
def one_of_six(kind: str) -> Iterator[Server]:
    """The first primary of a cluster, through all of whose nodes processors find their way."""
    with cluster(kind, patience_ms=30_000) as nodes:  # a busy machine must not make a replica take over
        nodes[0].nodes = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        yield nodes[0]


@contextmanager
def sentinel(kind: str) -> Iterator[tuple[Server, Server, int]]:
    """A primary, its replica, and the port of a Sentinel that watches them as ``main``."""
    found = binary(kind)
    assert found is not None
    with running(kind) as primary, running(kind, "--replicaof", "127.0.0.1", str(primary.port)) as replica:
        folder, port = Path(tempfile.mkdtemp(prefix="taskproc-test-")), free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds main 5000\nsentinel failover-timeout main 3000\n"
        )
        process = subprocess.Popen([found, str(config), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            with redis.Redis(port=port, protocol=2) as client:
                wait(lambda: raw(client, "SENTINEL", "REPLICAS", "main"))
            yield primary, replica, port
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def raw(client: redis.Redis, *command: str) -> bytes:
    """A command's answer as it came, or nothing while the server isn't up."""
    try:
        connection = client.connection_pool.get_connection()
        try:
            connection.send_command(*command)
            found = connection.read_response(disable_decoding=True)
        finally:
            client.connection_pool.release(connection)
    except redis.ConnectionError:
        return b""
    return found if isinstance(found, bytes) else repr(found).encode() if found else b""


def known(client: redis.Redis) -> int:
    """How many nodes a node knows and has a link to."""
    return sum(1 for line in raw(client, "CLUSTER", "NODES").splitlines() if b" connected" in line)


def wait(check: object, seconds: float = 20.0) -> None:
    """Wait until a check holds."""
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the cluster is not up"
        time.sleep(0.02)
