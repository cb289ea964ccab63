"""Logs of a worker process: readable on a terminal, a JSON object a line otherwise."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""The fields of every record; others are a logger's ``extra``."""


class JsonLines(logging.Formatter):
    """A record as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's time, level, logger, process and message, its extra fields, and a traceback if there is one."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in STANDARD}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def set_up(level: str) -> None:
    """Send all logs to stderr."""
    handler = logging.StreamHandler()
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
