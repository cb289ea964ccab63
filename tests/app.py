"""The processor of the tests' worker processes: everything comes from the environment."""

import json
import os
import time

from taskproc import TaskProcessor, firing
from tests import breaking, forms, handlers, limited, ticking

shift = float(os.environ.get("TASKPROC_TEST_SHIFT", 0))
"""How many seconds this process's wall clock is off."""
if shift:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + shift
    time.time_ns = lambda: right_ns() + int(shift * 1e9)
firing.LATE_MS = int(os.environ.get("TASKPROC_TEST_LATE_MS", firing.LATE_MS))

proc = TaskProcessor(
    os.environ["TASKPROC_TEST_URL"],
    prefix=os.environ["TASKPROC_TEST_PREFIX"],
    include=[handlers, breaking, forms, limited, ticking],
    **json.loads(os.environ.get("TASKPROC_TEST_OPTIONS", "{}")),
)
