"""The processor of the tests' worker processes: everything comes from the environment."""

import json
import os

from taskproc import TaskProcessor
from tests import handlers

proc = TaskProcessor(
    os.environ["TASKPROC_TEST_URL"],
    prefix=os.environ["TASKPROC_TEST_PREFIX"],
    include=[handlers],
    **json.loads(os.environ.get("TASKPROC_TEST_OPTIONS", "{}")),
)
