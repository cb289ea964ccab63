"""Tasks on their way to Redis: chunks that fit in one call, and the segment that they make together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import orjson

from taskproc.codec import LARGE, write_body, write_segment, write_stub
from taskproc.errors import StagingLost, TaskprocError
from taskproc.store.locks import past_staging
from taskproc.store.scripts import Json, Scripts, to_json

CHUNK_WEIGHT = 1_000
CHUNK_BYTES = 512 * 1024
DELAYED_WEIGHT = 4
"""A delayed task costs Redis about four times a ready one."""

UNIQUE_WEIGHT = 3
"""What a unique one costs besides."""

Place = tuple[str, int | None, int | None]
"""Queue, delay in ms, due time in ms."""

Where = tuple[str, int | None, int | None, str]
"""A place, and the limit whose ready tasks have a list of their own; empty for none."""

MOST_KEYS = 64
"""So many keys of limits have a list of their own in a new batch. Tasks of others are sorted when they are claimed."""


class Chunk:
    """Tasks that one call takes, by where they go."""

    __slots__ = ("first", "kept", "large", "places", "size", "unique", "weight")

    def __init__(self) -> None:
        self.places: dict[Place | Where, list[bytes]] = {}
        self.large: list[bytes] = []
        self.kept: dict[Place | Where, int] = {}
        self.first = ""
        self.unique: set[Place | Where] = set()
        self.weight = 0
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether the next task belongs into another chunk."""
        return self.weight >= CHUNK_WEIGHT or self.size >= CHUNK_BYTES

    def add(self, place: Place | Where, body: bytes) -> None:
        """Add a task's body."""
        bodies = self.places.get(place)
        if bodies is None:
            bodies = self.places[place] = []
        bodies.append(body)
        self.weight += 1 if place[1] is None and place[2] is None else DELAYED_WEIGHT
        self.size += len(body)

    def keep(self, place: Place | Where, body: bytes) -> None:
        """The task that was added last has a record, which is its body once more."""
        self.kept[place] = self.kept.get(place, 0) + 1
        self.first = self.first or body[:10].decode()
        self.weight += 1
        self.size += len(body)

    def add_unique(self, place: Place | Where) -> None:
        """Note that the task that was added is unique."""
        self.unique.add(place)
        self.weight += UNIQUE_WEIGHT

    def add_large(self, local: bytes, payload: bytes) -> None:
        """Add the payload of a task whose body is a stub."""
        self.large += (local, payload)
        self.size += len(payload)

    def lists(self) -> Json:
        """What ``include/stage_put.lua`` needs to know of the bodies."""
        entries: list[list[object]] = []
        for place, bodies in self.places.items():
            queue, delay, due, *limit = place
            kind = "r" if delay is None and due is None else "d"
            entries.append([kind, queue, len(bodies), delay or 0, *([] if due is None else [due])])
            if limit or place in self.kept or place in self.unique:
                entries[-1][4:] = [False if due is None else due, self.kept.get(place, 0), int(place in self.unique), *limit]
        if self.large:
            entries.append(["big", "", len(self.large) // 2, 0])
        return to_json(entries)

    def bodies(self, segment: str = "") -> list[bytes]:
        """The bodies in the order of ``lists``; ``segment``: where large payloads lie, if not with the batch."""
        found = [body for bodies in self.places.values() for body in bodies]
        if segment and self.large:
            found = [write_segment(body, segment) for body in found]
        return found + self.large

    def sizes(self) -> dict[tuple[str, ...], int]:
        """How many tasks there are of each kind, queue and limit."""
        found: dict[tuple[str, ...], int] = {}
        for (queue, delay, due, *limit), bodies in self.places.items():
            where = ("r" if delay is None and due is None else "d", queue, *limit)
            found[where] = found.get(where, 0) + len(bodies)
        if self.large:
            found["big", ""] = len(self.large) // 2
        if self.kept:
            found["rec", ""] = sum(self.kept.values())
        return found


class Segment:
    """Tasks that become visible together. What doesn't fit in one call is staged chunk by chunk."""

    def __init__(self, scripts: Scripts, seg: str, *, append: bool, patience: float = 0.0) -> None:
        self._scripts = scripts
        self.seg = seg
        self.append = append
        self.chunk = Chunk()
        self.total = 0
        self._full: list[Chunk] = []
        self.seal: Callable[[str, bytes, bytes], bytes] | None = None
        """Seals a payload: queue, local id, payload."""
        self._flushing = asyncio.Lock()
        self._staged = 0
        self._sizes: dict[tuple[str, ...], int] = {}
        self._first = ""  # the first local id that has a record
        self._unique: set[tuple[str, ...]] = set()
        self._keys: set[str] = set()
        self._patience = patience

    def add(self, place: Place, local: bytes, extension: dict[str, object], payload: bytes) -> None:
        """Add a task; nothing is sent."""
        if self.seal is not None:
            payload = self.seal(place[0], local, payload)
        where = self._where(place, extension) if extension else place
        if len(payload) > LARGE:
            self.chunk.add_large(local, payload)
            self.chunk.add(where, write_stub(local, extension, payload))
        else:
            self.chunk.add(where, write_body(local, extension, payload))
        if extension and extension.get("k") == "a":
            self.chunk.keep(where, self.chunk.places[where][-1])
        if extension and "u" in extension:
            self.chunk.add_unique(where)
        self.total += 1
        if self.chunk.full:
            self.turn()

    def _where(self, place: Place, extension: dict[str, object]) -> Place | Where:
        limit = extension.get("l")
        if not isinstance(limit, str) or place[1] is not None or place[2] is not None:
            return place
        if "." in limit and limit not in self._keys:
            if self.append or len(self._keys) >= MOST_KEYS:
                limit = limit[: limit.index(".") + 1]
            else:
                self._keys.add(limit)
        return (*place, limit)

    def turn(self) -> None:
        """Close the chunk at hand and begin another."""
        self._full.append(self.chunk)
        self.chunk = Chunk()

    @property
    def waiting(self) -> bool:
        """Whether full chunks wait to be sent."""
        return bool(self._full)

    @property
    def small(self) -> bool:
        """Whether it all fits in one call, and nothing was staged."""
        return self._staged == 0 and not self._full

    @property
    def queues(self) -> set[str]:
        """The queues of all its tasks so far."""
        chunks = [*self._full, self.chunk]
        return {queue for _, queue, *_ in self._sizes if queue} | {place[0] for c in chunks for place in c.places}

    async def flush(self, *, everything: bool = False) -> None:
        """Stage the full chunks, or also the one at hand.

        Raises StagingLost when Redis has lost a chunk that it acknowledged, as after a failover.
        """
        if everything and self.chunk.weight:
            self.turn()
        async with self._flushing:  # a build may add rows from several coroutines
            while self._full:
                await self._stage(self._full[0])
                self._full.pop(0)

    async def _stage(self, chunk: Chunk) -> None:
        bodies = chunk.bodies(self.seg if self.append else "")
        send = partial(self._scripts.batch_stage, self.seg, self._staged, int(self.append), chunk.lists(), *bodies)
        reply = await past_staging(send, self._patience)
        if reply[0] == b"crossed":
            raise StagingLost(
                "another batch that is being stored waits for unique tasks of this one, as this one does for the other's:"
                " one has to give way; nothing was stored, send the batch again"
            )
        if reply[0] != b"ok":
            raise StagingLost(
                f"staged tasks are missing in Redis ({reply[0].decode()}); nothing was stored, send the batch again"
            )
        self._staged += 1
        self._first = self._first or chunk.first
        for where, n in chunk.sizes().items():
            self._sizes[where] = self._sizes.get(where, 0) + n
        for queue, delay, due, *limit in chunk.unique:
            self._unique.add(("r" if delay is None and due is None else "d", queue, *limit))
        for kind, queue, n, *limit in orjson.loads(reply[1]) if len(reply) > 1 else ():  # their equals are there
            self._sizes[kind, queue, *limit] -= n

    def sizes(self) -> Json:
        """What must have been staged, for the commit."""
        found: list[list[object]] = []
        for where, n in self._sizes.items():
            limit: object = where[2] if len(where) > 2 else False
            marks = [limit, int(where in self._unique), *([self._first] if where[0] == "rec" else [])]
            if n:
                found.append([*where[:2], n, *marks])
        return to_json(found)

    async def drop(self) -> None:
        """Give up what was staged; where Redis doesn't do it now, pruning does it later."""
        self._full.clear()
        if self._staged:
            with suppress(TaskprocError):
                await self._scripts.stage_drop(self.seg)
