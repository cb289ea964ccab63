"""What the store's keys say in plain words, for the model to be compared with. Each part is worked out when asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.model_schedules import WORDS
from tests.parts import QUEUES, STATES, TENANTS
from tests.summing import ENDS, Told, sum_of, told

COUNTERS = b"pushed", b"claimed", b"settled", b"delayed", b"dead"
KINDS = {"r": "ready", "d": "delayed", "x": "dead"}


@dataclass
class Line:
    """Who is in line for a queue, and who isn't. Lists are those of ready tasks, by their segment."""

    lists: dict[str, int]
    """Every list with its tasks: none where only the places of cancelled ones are left."""
    entries: dict[str, int]
    """The same with those places."""
    held: set[str]
    """Lists that wait for limits."""
    out: set[str]
    """Tenants that stand out of line."""
    ring: list[str]
    lanes: dict[str, list[str]]
    """Lists by tenant."""
    fifo: list[str]
    aside: list[str]
    """Tickets in line and set aside."""
    wakes: int

    @cached_property
    def full(self) -> set[str]:
        """Lists that have tasks."""
        return {seg for seg, n in self.lists.items() if n}

    @cached_property
    def tickets(self) -> Counter[str]:
        """For how many tasks of a list there are tickets."""
        found = Counter[str]()
        for ticket in self.fifo + self.aside:
            seg, _, n = ticket.partition(":")
            found[seg] += int(n)
        return found

    @cached_property
    def turns(self) -> list[str]:
        """Lists whose turn will come."""
        line = [seg for tenant in self.ring for seg in self.lanes[tenant]]
        line += [ticket.partition(":")[0] for ticket in self.fifo]
        return [seg for seg in line if seg in self.lists]


class View:
    """All keys of a moment, by their name without the prefix; hashes and sorted sets as dicts."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys
        self.kinds: dict[str, dict[str, Any]] = defaultdict(dict)
        """Keys by their first part, then by the others."""
        self.parts: dict[str, dict[str, Any]] = defaultdict(dict)
        """What a batch or a segment has, by the name of the part; under "" its record."""
        self.lists: dict[tuple[str, str, str], Any] = {}
        """Lists of tasks by segment, kind and queue."""
        for name, value in keys.items():
            kind, _, rest = name.partition(":")
            self.kinds[kind][rest] = value
        for rest, value in self.kinds["b"].items():
            seg, _, part = rest.partition(":")
            kind, _, queue = part.partition(":")
            if queue:
                self.lists[seg, kind, queue] = value
            else:
                self.parts[part][seg] = value

    def names(self, key: str) -> set[str]:
        """The members or fields of a key."""
        return {name.decode() for name in self.keys.get(key, ())}

    # tasks

    @cached_property
    def places(self) -> list[tuple[str, str, str]]:
        """Tasks with their state and queue, as often as they are found."""
        found = []
        for (seg, kind, queue), value in self.lists.items():
            ids = [body[:10] for body in value if body] if kind == "r" else value
            found += [(seg[:22] + local.decode(), KINDS[kind], queue) for local in ids]
        for task, entry in self.keys.get("run", {}).items():
            found.append((task.decode(), "running", entry.partition(b"\n")[0].decode()))
        return sorted(found)

    @cached_property
    def leases(self) -> dict[str, int]:
        """When leases end."""
        return {member.decode(): int(float(end)) for member, end in self.keys.get("leases", {}).items()}

    @cached_property
    def recorded(self) -> set[str]:
        """Tasks that have a record."""
        return {
            seg[:22] + field.decode() for seg, fields in self.parts["rec"].items() for field in fields if len(field) == 10
        }

    @cached_property
    def ends(self) -> dict[str, tuple[str, str, str]]:
        """How tasks with a record ended, in which attempt, and when."""
        found = {}
        for seg, fields in self.parts["rec"].items():
            for field, value in fields.items() if "+" not in seg else ():
                if field[10:] == b"o":
                    how, attempt, _, ended = value.partition(b"\n")[0].decode().split(" ")
                    found[seg[:22] + field[:10].decode()] = how, attempt, ended
        return found

    @cached_property
    def aged(self) -> dict[str, float]:
        """When tasks of open batches ended whose records are kept."""
        return {seg[:22] + i.decode(): float(t) for seg, kept in self.parts["kept"].items() for i, t in kept.items()}

    @cached_property
    def heads(self) -> dict[str, tuple[float, float]]:
        """When open batches are to be looked at, and when the oldest of those tasks ended."""
        heads = {n.decode()[:22]: float(t) for n, t in self.keys.get("settled", {}).items() if n.endswith(b":+")}
        return {home: (head, min(t for i, t in self.aged.items() if i[:22] == home)) for home, head in heads.items()}

    # batches, queues and tenants

    @cached_property
    def batches(self) -> dict[str, tuple[list[int], str, list[str]]]:
        """Total, remaining, failed, cancelled and zombies of batches, their state, and what continuations wait for."""
        found = {}
        for batch, record in self.parts[""].items():
            numbers = [int(record.get(f, 0)) for f in (b"total", b"remaining", b"failed", b"cancelled", b"zombies")]
            waiting = [entry.split(b" ")[0].decode() for entry in self.parts["c"].get(batch, [])]
            found[batch] = numbers, record[b"state"].decode(), waiting
        return found

    @cached_property
    def settled(self) -> set[str]:
        """Batches that have ended."""
        return {name for name in self.names("settled") if ":" not in name}

    @cached_property
    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Tasks by state, in queues and of tenants in queues."""
        found = {(queue, ""): counts(self.kinds["q"].get(queue, {})) for queue in QUEUES}
        accounts = self.kinds["tq"]
        return found | {(queue, name): counts(accounts.get(f"{queue}:{name}", {})) for queue in QUEUES for name in TENANTS}

    @cached_property
    def tenants(self) -> dict[str, list[int]]:
        """Batches, total, remaining, failed and cancelled of tenants."""
        fields = b"batches", b"total", b"remaining", b"failed", b"cancelled"
        return {name: [int(record.get(field, 0)) for field in fields] for name, record in self.kinds["t"].items()}

    @cached_property
    def sums(self) -> list[Told]:
        """What is summed up in minutes and in hours."""
        return [sum_of(self.keys, span) for span in "mh"]

    @cached_property
    def balance(self) -> list[str]:
        """Queues whose sums are not those of their tenants."""
        return [q for sums in self.sums for q in QUEUES if sums[q, ""] != sum((sums[q, t] for t in TENANTS), Counter())]

    @cached_property
    def history(self) -> list[dict[tuple[str, str, str], int]]:
        """How often tasks of queues and tenants ended in which way: by minutes, and by hours."""
        found, rest = [], told(self.keys.get("stats", []))
        for sums in self.sums:
            ends = Counter[tuple[str, str, str]]()
            for part in (sums, rest):
                for (queue, tenant), counts in part.items():
                    ends.update({(queue, tenant, how): counts[how] for how in ENDS if tenant})
            found.append(dict(+ends))
        return found

    # locks, limits and lines

    @cached_property
    def watched(self) -> set[str]:
        """Unique locks that upkeep will look at."""
        lists = (self.names(f"b:{seg}:u") for seg in self.names("unlock"))
        return self.names("uniqends").union(*lists)

    @cached_property
    def parked(self) -> dict[tuple[str, str], set[str]]:
        """Lists that wait for a limit in a queue."""
        places = ((*rest.split(":"), found) for rest, found in self.kinds["park"].items() if ":" in rest)
        return {(limit, queue): {seg.decode() for seg in found} for limit, queue, found in places}

    @cached_property
    def waits(self) -> list[set[tuple[str, str]]]:
        """Limits and queues in which something waits for them: by what either knows."""
        limits = {(limit, q.decode()) for limit, found in self.kinds["park"].items() if ":" not in limit for q in found}
        return [limits, {(limit.decode(), queue) for queue, found in self.kinds["held"].items() for limit in found}]

    @cached_property
    def lines(self) -> dict[str, Line]:
        """The lines of all queues."""
        return {queue: self._line(queue) for queue in QUEUES}

    def _line(self, queue: str) -> Line:
        out = {tenant for tenant in TENANTS if queue.encode() in self.keys.get(f"out:{tenant}", [])}
        lists = {seg: value for (seg, kind, of), value in self.lists.items() if (kind, of) == ("r", queue)}
        return Line(
            {seg: sum(map(bool, value)) for seg, value in lists.items()},
            {seg: len(value) for seg, value in lists.items()},
            set().union(*(found for (_, of), found in self.parked.items() if of == queue)),
            out,
            [tenant.decode() for tenant in self.keys.get(f"ring:{queue}", {})],
            {name: [seg.decode() for seg in self.keys.get(f"lane:{queue}:{name}", [])] for name in TENANTS},
            [ticket.decode() for ticket in self.keys.get(f"fifo:{queue}", [])],
            [ticket.decode() for tenant in out for ticket in self.keys.get(f"aside:{queue}:{tenant}", [])],
            len(self.keys.get(f"wake:{queue}", [])),
        )

    @cached_property
    def due(self) -> dict[str, float]:
        """When the first task of each list of delayed ones is due."""
        lists = ((f"{seg}:{queue}", found) for (seg, kind, queue), found in self.lists.items() if kind == "d")
        return {name: min(map(float, found.values())) for name, found in lists}

    @cached_property
    def delayed(self) -> dict[str, float]:
        """When lists of delayed tasks will be looked at."""
        return {m.decode(): float(score) for m, score in self.keys.get("delayed", {}).items() if m[:1] not in b"!@"}

    # schedules

    @cached_property
    def schedules(self) -> dict[str, list[str]]:
        """The words of schedules, by their key."""
        return {key: [record.get(name, b"").decode() for name in WORDS] for key, record in self.kinds["s"].items()}

    def scores(self, key: str) -> dict[str, float]:
        """A sorted set."""
        return {name.decode(): float(score) for name, score in self.keys.get(key, {}).items()}


def counts(record: dict[bytes, bytes]) -> dict[str, int]:
    """Tasks by state: ready and running from the three counters that only rise."""
    pushed, claimed, settled, *others = (int(record.get(field, 0)) for field in COUNTERS)
    return dict(zip(STATES, (pushed - claimed, claimed - settled, *others), strict=True))
