"""The processor of the worker processes of ``benchmarks.workers``."""

from __future__ import annotations

from benchmarks import handlers
from taskproc import TaskProcessor

__all__ = ["handlers", "proc"]

proc = TaskProcessor(max_workers=100)
