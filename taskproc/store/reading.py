"""What is stored is read here and there; what can't be read is told by an error of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from taskproc.errors import CorruptRecord, TaskprocError

T = TypeVar("T")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A block that makes values of what is stored. Raises CorruptRecord that names it where that can't be done."""
    try:
        yield
    except TaskprocError:
        raise
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise CorruptRecord(f"{what}: what is stored of it can't be read ({type(error).__name__})") from None


def whole(stored: bytes) -> int:
    """A whole number; 0 for what is none."""
    try:
        return int(stored)
    except ValueError:
        return 0


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Some values at a time."""
    left = iter(values)
    while some := list(islice(left, size)):
        yield some
