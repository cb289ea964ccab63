"""How handlers of the tests record themselves: under a prefix of their own, by the server's clock."""

from __future__ import annotations

import json
import os
from typing import Any

import redis

from taskproc import current_task

RECORD = """
local t = redis.call('TIME')
redis.call('RPUSH', KEYS[1], cjson.encode({at = t[1] * 1000 + t[2] / 1000, entry = ARGV[1]}))
"""


def record_key(name: str) -> str:
    """Where the tasks of an instance record themselves: in its slot, and not among its keys."""
    return f"record:{{{name}}}"


class Recorder:
    """Where handlers of this process record themselves."""

    def __init__(self) -> None:
        self.clients: dict[str, redis.Redis] = {}

    def note(self, event: str, **more: Any) -> None:
        """Record an event of the running task."""
        info = current_task()
        url = os.environ["TASKPROC_TEST_RECORD"]
        if url not in self.clients:
            self.clients[url] = redis.Redis.from_url(url, protocol=2)
        entry = {
            "event": event, "id": info.id, "name": info.name, "attempt": info.attempt, "delivery": info.delivery,
            "tenant": info.tenant, "queue": info.queue, "batch": info.batch_id, "pid": os.getpid(), **more,
        }  # fmt: skip
        self.clients[url].eval(
            RECORD,
            1,
            record_key(info.processor._options.prefix if info.processor else os.environ["TASKPROC_TEST_PREFIX"]),
            json.dumps(entry),
        )


recorder = Recorder()
note = recorder.note

received: dict[str, Any] = {}
"""What handlers of this process were given, by the id of their task."""
