"""Keys that are spoiled, and what scripts tell of them."""

from __future__ import annotations

import re

from tests.direct import Answer, Direct


def spoil(direct: Direct, *parts: str) -> None:
    """Make a key of a type that no script expects."""
    name = direct.key(*parts)
    direct.client.delete(name)
    direct.client.set(name, "of no use")


def left_out(answer: Answer) -> list[str]:
    """What a script left out, by kind and name."""
    return [re.sub(": .*", "", told.decode()) for told in answer[-1]]
