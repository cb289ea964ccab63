"""The server's clock as scripts of this process read it: put ahead, or standing, so that days pass in no time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from taskproc.keys import prefix_of
from taskproc.store.lua import load, names
from taskproc.store.scripts import SCRIPTS

NOW = """
local function now()
  local told, t = redis.call('GET', KEYS[1] .. 'clock'), redis.call('TIME')
  local us = t[1] * 1000000 + t[2]
  if told and string.sub(told, 1, 1) == '+' then us = us + tonumber(told) elseif told then us = tonumber(told) end
  return math.floor(us / 1000), us
end
"""
READ_ANEW = {name: load(name, {"now": NOW}) for name in names()}


class Clock:
    """A clock that a test sets, for one instance and for processors that are opened from now on."""

    def __init__(self, patch: pytest.MonkeyPatch, instance: str, store: Callable[[str, str], object]) -> None:
        for name, script in READ_ANEW.items():
            patch.setitem(SCRIPTS, name, script)
        self.key = prefix_of(instance) + "~clock"
        self._store = store

    def ahead(self, by: timedelta | float) -> None:
        """It runs, and is so much ahead of the server's; a number is of seconds."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        self._store(self.key, f"+{round(seconds * 1e6)}")

    def stand(self, at: datetime) -> datetime:
        """It stands at a time."""
        self._store(self.key, str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)))
        return at
