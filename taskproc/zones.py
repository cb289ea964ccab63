"""Time zones as plain arithmetic: what the clock of a place shows at an instant, and when it first shows a time.

Instants are milliseconds since 1970 in UTC; wall times are milliseconds since 1970 as the place's clock reads. pytz has the
names and the data, so that all workers with one pytz agree whatever their system has; zoneinfo reads its files, because
pytz's own zones know no changes after 2037.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytz

from taskproc.errors import InvalidValue
from taskproc.values import shown

SECOND = 1000
DAY = 24 * 3600 * SECOND
EPOCH_DAY = date(1970, 1, 1).toordinal()
LAST_YEAR = 9990
"""No occurrence is looked for after it: what lies near the end of all years can't be converted."""
LAST = (date(LAST_YEAR + 1, 1, 1).toordinal() - EPOCH_DAY) * DAY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the clock runs evenly: from ``start`` up to, but without, ``end``."""

    start: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """The clock of a place."""

    name: str
    info: ZoneInfo = field(repr=False)
    _years: dict[int, tuple[list[int], list[Segment]]] = field(default_factory=dict, repr=False)

    def segment(self, moment: int) -> Segment:
        """The even stretch around an instant. It ends with the year, too: longer ones come in several."""
        year = date.fromordinal(EPOCH_DAY + moment // DAY).year
        starts, segments = self._years.get(year) or self._changes(year)
        return segments[bisect_right(starts, moment) - 1]

    def furthest(self, moment: int) -> int:
        """The latest wall time that the clock has shown up to an instant: after it was put back, not what it shows now."""
        segment = self.segment(moment)
        wall = moment + segment.offset
        while segment.start > moment - 2 * DAY:
            before = segment.start - 1
            segment = self.segment(before)
            wall = max(wall, before + segment.offset)
        return wall

    def reaches(self, wall: int) -> int:
        """The instant at which the clock first shows a wall time, or leaps over it."""
        segment = self.segment(wall - DAY)
        while True:
            moment = max(segment.start, wall - segment.offset)
            if moment < segment.end:
                return moment
            segment = self.segment(segment.end)

    def _offset(self, moment: int) -> int:
        shown_there = (_EPOCH + timedelta(milliseconds=moment)).astimezone(self.info).utcoffset()
        assert shown_there is not None
        return round(shown_there / timedelta(milliseconds=1))

    def _changes(self, year: int) -> tuple[list[int], list[Segment]]:
        """The segments of a year. It is enough to look once a day: no clock was ever changed twice within two."""
        first, end = ((date(at, 1, 1).toordinal() - EPOCH_DAY) * DAY for at in (year, year + 1))
        starts, offsets = [first], [self._offset(first)]
        for moment in range(first + DAY, end + DAY, DAY):
            offset = self._offset(min(moment, end - 1))
            if offset != offsets[-1]:
                starts.append(self._change(moment - DAY, min(moment, end - 1), offsets[-1]))
                offsets.append(offset)
        ends = [*starts[1:], end]
        segments = [Segment(*of) for of in zip(starts, ends, offsets, strict=True)]
        self._years[year] = starts, segments
        return starts, segments

    def _change(self, before: int, after: int, offset: int) -> int:
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                before = middle
            else:
                after = middle
        return after


def zone(name: object) -> Zone:
    """The zone of an IANA name. Raises InvalidValue for anything else."""
    if not isinstance(name, str) or name not in pytz.all_timezones_set:
        alike = [known for known in pytz.all_timezones if isinstance(name, str) and known.lower() == name.lower()]
        hint = f"; did you mean {alike[0]!r}?" if alike else ", such as 'Europe/Berlin'"
        raise InvalidValue(f"timezone={shown(name)}: use a name of the tz database{hint}")
    return _load(name)


@lru_cache(maxsize=1024)
def _load(name: str) -> Zone:
    with pytz.open_resource(name) as file:  # type: ignore[attr-defined]
        return Zone(name, ZoneInfo.from_file(file, key=name))
