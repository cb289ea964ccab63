"""Worker processes that start in no time, for tests that kill many: each is a fork of one that has imported everything.

The mother reaps her children only when she is told to, so that no other process can get the id of one to be killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from tests.harness import FAST, Instance
from tests.servers import Server


class Nursery:
    """``with Nursery(instance) as nursery``: workers of an instance, all ended with the block."""

    def __init__(
        self, instance: Instance, *, book: Server | None = None, env: dict[str, str] | None = None, **options: Any
    ) -> None:
        """``book``: where tasks record themselves, if not on the instance's own server."""
        told = {"TASKPROC_TEST_URL": instance.server.app_url, "TASKPROC_TEST_RECORD": (book or instance.server).url,
                "TASKPROC_TEST_PREFIX": instance.name, "TASKPROC_TEST_OPTIONS": json.dumps({**FAST, **options})}  # fmt: skip
        root = Path(__file__).resolve().parent.parent
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"],
            cwd=root,
            env={**os.environ, **told, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._instance = instance
        self.living: set[int] = set()
        self.killed: set[int] = set()

    def start(self) -> int:
        """Start a worker; its process id."""
        [pid] = self._ask("start")
        self.living.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        self._ask("kill", pid)
        self.living.discard(pid)
        self.killed.add(pid)

    def ended(self) -> list[int]:
        """Workers that have ended by themselves since this was called last."""
        found = self._ask("ended")
        self.living.difference_update(found)
        self.killed.update(found)
        return found

    def _ask(self, *command: object) -> list[int]:
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        self._mother.stdin.write(json.dumps(command).encode() + b"\n")
        self._mother.stdin.flush()
        found: list[int] = json.loads(self._mother.stdout.readline())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._mother.communicate(timeout=20)
        self._instance.forget_workers()


def main() -> None:
    """The mother: takes commands until her input ends, then kills all children."""
    import tests.app  # noqa: F401  # what the children will need

    children: set[int] = set()
    for line in sys.stdin.buffer:
        command, *args = json.loads(line)
        answer = []
        if command == "start":
            children.add(child := born())
            answer = [child]
        elif command == "kill":
            end(args[0])
            children.discard(args[0])
        else:
            answer = [child for child in children if os.waitpid(child, os.WNOHANG)[0]]
            children.difference_update(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for child in children:
        end(child)


def born() -> int:
    """Fork a child; its process id, once it is one that signals reach: those of before Python drops."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        live(tell)
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    return child


def end(child: int) -> None:
    """Kill a child and reap it."""
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def live(tell: int) -> NoReturn:
    """A child's life."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a KeyboardInterrupt in the middle of an import may get lost
        os.close(tell)
        from taskproc.cli.work import _run, serve
        from tests.app import proc

        random.seed()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        _run(serve(proc))
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
