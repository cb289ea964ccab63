"""The demo's processor: ``taskproc worker taskproc.demo.app:proc`` runs its tasks."""

from taskproc.demo import handlers
from taskproc.processor import TaskProcessor

proc = TaskProcessor(
    prefix="taskproc-demo",
    include=[handlers],
    max_workers=4,
    invisibility=2,
    poll_interval=1,
    shutdown_grace=5,
    retention=600,
)
