"""Live progress of the demo: bars on a terminal, a line now and then otherwise."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from taskproc.model import BatchInfo

LINE_SECONDS = 2.0


class Board:
    """One bar for each batch."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description:<38}"), BarColumn(40), MofNCompleteColumn(), TextColumn("{task.fields[state]}"),
            console=self._console, disable=not self._live,
        )  # fmt: skip
        self._bars: dict[str, TaskID] = {}
        self._told = 0.0
        self._lines: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def tell(self, event: str) -> None:
        """Note that something happened."""
        self._console.print(f"→ {event}")

    def show(self, tenant: str, label: str, info: BatchInfo | None) -> None:
        """Bring a batch's bar up to date."""
        if info is None:
            return
        ended, name = info.total - info.remaining, f"{tenant}: {label}"
        state = "" if info.state.value == "running" else info.state.value
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=info.total, state=state)
        self._progress.update(self._bars[name], completed=ended, state=state)
        self._lines[name] = f"{name:<38} {ended:>5} of {info.total} {state}"
        if not self._live and time.monotonic() - self._told > LINE_SECONDS:
            self._told = time.monotonic()
            print("\n".join(self._lines.values()), flush=True)
