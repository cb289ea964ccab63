"""What calls that steer a whole tenant tell of what they did."""

from __future__ import annotations


class Moved(int):
    """How many tasks were moved, which also tells the ids of those that could not be, 1,000 at most: ``stayed``.

    A task stays whose body can't be read, or whose payload's seal doesn't verify, or is under keys that this process lacks.
    """

    stayed: tuple[str, ...] = ()

    @classmethod
    def of(cls, count: int, stayed: tuple[str, ...]) -> Moved:
        """So many, and those that stayed."""
        made = cls(count)
        made.stayed = stayed
        return made
