"""Programs that declare schedules, as their text changes from one deploy to the next."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from taskproc.handlers import DECLARED

HEAD = """
from datetime import UTC, datetime, timedelta
from taskproc import schedule, task
from tests.scheduling import record, told
"""
NIGHTLY = """
@schedule("0 3 * * *", tenant="system", args=["first"])
async def nightly(tag):
    record("start", tag)
"""


class Program:
    """A module of a test's own. A new text takes the place of the one before, which no process knows any more."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.name = f"program_{folder.name}".replace("-", "_").replace("[", "_").replace("]", "_")
        self._folder = folder
        self._patch = patch
        self._made = 0

    def write(self, *texts: str) -> Path:
        """Write a version of it, for processes; its folder."""
        self._made += 1
        folder = self._folder / f"version{self._made}"
        folder.mkdir()
        (folder / f"{self.name}.py").write_text(HEAD + "\n".join(texts))
        return folder

    def deploy(self, *texts: str) -> ModuleType:
        """Let this process have a version of it, and only that."""
        self.forget()
        folder = self.write(*texts)
        self._patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return importlib.import_module(self.name)

    def forget(self) -> None:
        """Forget what it declares."""
        sys.modules.pop(self.name, None)
        DECLARED[:] = [function for function in DECLARED if function.__module__ != self.name]

    def environment(self, folder: Path) -> dict[str, str]:
        """That of processes which have a version of it."""
        return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
