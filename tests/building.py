"""What tests fill batches with."""

from __future__ import annotations

from taskproc.batch import Build
from tests import handlers


def marks(count: int) -> Build:
    """Fills a batch with tasks that record themselves."""
    return lambda batch: [batch.enqueue(handlers.mark, n) for n in range(count)]


def noops(count: int) -> Build:
    """Fills a batch with tasks that do nothing."""
    return lambda batch: [batch.enqueue(handlers.noop, n) for n in range(count)]


def naps(count: int, tag: object = None) -> Build:
    """Fills a batch with tasks that would run for long."""
    return lambda batch: [batch.enqueue(handlers.nap, 30, tag) for _ in range(count)]
