"""All calls of a processor; what is left is to run it."""

from taskproc.processor.batches import Batches
from taskproc.processor.control import TenantControl
from taskproc.processor.inspection import Inspection
from taskproc.processor.journal import JournalCalls
from taskproc.processor.limits import LimitCalls
from taskproc.processor.queues import QueuesAndControl
from taskproc.processor.rules import RuleCalls
from taskproc.processor.schedules import ScheduleCalls
from taskproc.processor.statistics import StatisticsCalls
from taskproc.processor.tasks import Tasks


class Calls(
    Batches, Tasks, QueuesAndControl, LimitCalls, RuleCalls, ScheduleCalls, StatisticsCalls, JournalCalls, TenantControl,
    Inspection,
):  # fmt: skip
    """Everything that a processor can be asked, but for running tasks."""
