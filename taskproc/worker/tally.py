"""What ``run_until_idle`` tells: how many tasks have run, and why some died."""

from __future__ import annotations

from taskproc.outcome import Dead, Limited, Outcome, Released

HANDED_BACK = (Released, Limited)
"""Outcomes of tasks that did not run to an end of theirs, and aren't counted."""


class Tally:
    """The count, and the errors of those that died."""

    def __init__(self) -> None:
        self.ran = 0
        self.errors: list[Exception] = []

    def count(self, outcome: Outcome) -> None:
        """Count a task that has ended so, unless it was handed back."""
        if type(outcome) not in HANDED_BACK:
            self.ran += 1
        if isinstance(outcome, Dead) and isinstance(outcome.error, Exception):
            self.errors.append(outcome.error)
