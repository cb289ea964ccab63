"""Renewing leases from a thread, on a connection of its own, so that a blocked event loop doesn't lose them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from taskproc.store.faults import Fault, classify
from taskproc.store.scripts import SCRIPTS
from taskproc.store.target import CONNECT_SECONDS, Target

AT_ONCE = 250
REPLY_SECONDS = 5.0


class Leases:
    """The one script that a thread calls. Not for two threads at once."""

    def __init__(self, target: Target, prefix: str) -> None:
        self._target = target
        self._prefix = prefix
        self._connection: AbstractConnection | None = None

    def renew(self, worker: str, info: str, lease_ms: int, members: Sequence[str]) -> tuple[list[str], list[str]]:
        """Prolong leases; the members that are lost and the ids of tasks that are cancelled. Raises redis errors."""
        lost: list[str] = []
        cancelled: list[str] = []
        for at in range(0, max(1, len(members)), AT_ONCE):
            _, gone, stopped = self._call("lease_renew", worker, info, lease_ms, *members[at : at + AT_ONCE])
            lost += [member.decode() for member in gone]
            cancelled += [task.decode() for task in stopped]
        return lost, cancelled

    def _call(self, name: str, *args: Any) -> Any:
        script, key = SCRIPTS[name], self._prefix + "~"
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._send(b"EVALSHA", script.sha, key, args)
        except redis.ResponseError as error:
            fault = classify(error, sent=True)
            if fault is Fault.SCRIPT:
                return self._send(b"EVAL", script.text, key, args)
            if fault is Fault.ELSEWHERE:
                self.close()
            raise
        except (redis.RedisError, OSError):
            self.close()
            raise

    def _send(self, command: bytes, text: bytes, key: str, args: Sequence[Any]) -> Any:
        assert self._connection is not None
        self._connection.send_command(  # type: ignore[no-untyped-call]
            command, text, 1, key, self._prefix, *args
        )
        return self._connection.read_response()

    def _connect(self) -> AbstractConnection:
        settings: dict[str, Any] = {
            **self._target.settings,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": REPLY_SECONDS,
        }
        settings["socket_connect_timeout"] = CONNECT_SECONDS
        if self._target.kind == "unix":
            connection: AbstractConnection = UnixDomainSocketConnection(  # type: ignore[no-untyped-call, abstract]
                path=self._target.path, **settings
            )
        else:
            host, port = self._target.locate(self._prefix + "~")
            kind = SSLConnection if self._target.kind == "tls" else Connection
            connection = kind(host=host, port=port, **settings)
        connection.connect()  # type: ignore[no-untyped-call]
        return connection

    def close(self) -> None:
        """Close the connection; the next renewal opens another."""
        if self._connection is not None:
            self._connection.disconnect()  # type: ignore[no-untyped-call]
            self._connection = None
