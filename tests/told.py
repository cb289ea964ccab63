"""Messages of an instance whose scripts a test calls itself."""

from __future__ import annotations

from tests.direct import Direct


class Told:
    """The messages of an instance."""

    def __init__(self, direct: Direct) -> None:
        self._pubsub = direct.client.pubsub()
        self._pubsub.subscribe(direct.prefix + "changed", direct.prefix + "settled")
        self._direct = direct
        self.ids()

    def ids(self) -> list[str]:
        """What was told since the last look."""
        self._direct.client.publish(self._direct.prefix + "changed", "end")
        found: list[str] = []
        while True:
            message = self._pubsub.get_message(timeout=5)
            assert message is not None
            if message["type"] == "message" and message["data"] == b"end":
                return found
            if message["type"] == "message":
                found.append(message["data"].decode())
