"""All calls of a processor; what is left is to run it."""

from taskproc.processor.batches import BatchesAndTasks
from taskproc.processor.inspection import Inspection
from taskproc.processor.limits import LimitCalls
from taskproc.processor.queues import QueuesAndControl
from taskproc.processor.schedules import ScheduleCalls
from taskproc.processor.statistics import StatisticsCalls


class Calls(BatchesAndTasks, QueuesAndControl, LimitCalls, ScheduleCalls, StatisticsCalls, Inspection):
    """Everything that a processor can be asked, but for running tasks."""
