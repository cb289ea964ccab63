"""Commands of the command line: in a process of their own, in this one, on a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from taskproc.cli import main
from tests.harness import Instance

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """Its output, which is one JSON document."""
        return json.loads(self.out)


def environment(**told: str) -> dict[str, str]:
    """The environment of a command, without what is set in that of the tests."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("TASKPROC_")}
    return {**known, "COLUMNS": "160", "TERM": "xterm-256color", **told}


async def run(*arguments: str, **told: str) -> Done:
    """Run a command in a process of its own, as a script would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "taskproc", *arguments),
        cwd=ROOT,
        env=environment(**told),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def quick(*arguments: str, **told: str) -> Done:
    """Run a command in this process, from the same entry to its exit code, which takes a tenth of the time."""
    return await asyncio.to_thread(quick_here, arguments, told)


def quick_here(arguments: Sequence[str], told: Mapping[str, str]) -> Done:
    """Run a command in this thread."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["taskproc", *arguments])
        patch.setenv("COLUMNS", "160")
        for name, value in told.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return Done(ended.value.code, out.getvalue(), err.getvalue())


def on_terminal(*arguments: str, **told: str) -> Done:
    """Run a command on a terminal of its own; ``out`` is all that it shows there."""
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "taskproc", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(**told), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while found := os.read(mine, 65536):
            shown += found
    except OSError:  # how a terminal ends
        pass
    os.close(mine)
    return Done(process.wait(20), shown.decode())


def of(instance: Instance, **told: str) -> dict[str, str]:
    """The environment that names an instance."""
    return {"TASKPROC_REDIS_URL": instance.server.app_url, "TASKPROC_PREFIX": instance.name, **told}


def app_of(instance: Instance, **options: object) -> dict[str, str]:
    """The environment that makes ``tests.app:proc`` one of an instance."""
    return {
        "TASKPROC_TEST_URL": instance.server.app_url,
        "TASKPROC_TEST_RECORD": instance.server.url,
        "TASKPROC_TEST_PREFIX": instance.name,
        "TASKPROC_TEST_OPTIONS": json.dumps(options),
    }
