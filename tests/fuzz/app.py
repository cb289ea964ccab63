"""A processor for the command line, which nobody opens."""

from taskproc import TaskProcessor

proc = TaskProcessor("redis://localhost:1", redis_patience=0.1)
