"""All calls of a processor; what is left is to run it."""

from taskproc.processor.batches import BatchesAndTasks
from taskproc.processor.inspection import Inspection
from taskproc.processor.limits import LimitCalls
from taskproc.processor.queues import QueuesAndControl


class Calls(BatchesAndTasks, QueuesAndControl, LimitCalls, Inspection):
    """Everything that a processor can be asked, but for running tasks."""
