"""The processor of the tests' worker processes: everything comes from the environment."""

import json
import os

from taskproc import TaskProcessor
from tests import breaking, forms, handlers

proc = TaskProcessor(
    os.environ["TASKPROC_TEST_URL"],
    prefix=os.environ["TASKPROC_TEST_PREFIX"],
    include=[handlers, breaking, forms],
    **json.loads(os.environ.get("TASKPROC_TEST_OPTIONS", "{}")),
)
