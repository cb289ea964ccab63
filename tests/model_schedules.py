"""The schedules of the model: when each is looked at, what it makes of an occurrence, and what is known of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.parts import Lock, Task

if TYPE_CHECKING:
    from tests.model import Model


WORDS = [b"rule", b"anchor", b"rev", b"next", b"coded", b"paused", b"queue", b"runs", b"skipped", b"why", b"last", b"task"]
WORDS += [b"history"]
"""The fields in which it is stored what a schedule is and what it has done."""


@dataclass
class Scheduled:
    """One schedule. ``at``: when it is looked at, None for never; ``over``: since when nothing comes any more; ``turn``: how
    often somebody has told it when to go on."""

    key: str
    tenant: str
    id: str
    rev: int
    rule: str = ""
    anchor: str = ""
    next: int | None = None
    coded: str = ""
    queue: str = ""
    unique: bool = False
    kept: bool = False
    lock: Lock | None = None
    limit: str = ""
    most: int = 0
    runs: int = 0
    skipped: int = 0
    why: str = ""
    last: int | None = None
    task: str = ""
    paused: bool = False
    at: int | None = None
    over: int | None = None
    turn: int = 0
    history: list[tuple[str, int, int, int, str]] = field(default_factory=list)

    @property
    def period(self) -> int:
        """How long it is from one occurrence to the next."""
        return int(self.rule)

    def words(self) -> list[str]:
        """What is to be stored of it."""
        runs = "\n".join(" ".join(map(str, run)) for run in self.history)
        what = [self.rule, self.anchor, str(self.rev), text(self.next), self.coded, "1" if self.paused else "", self.queue]
        return [*what, str(self.runs or ""), str(self.skipped or ""), self.why, text(self.last), self.task, runs]


@dataclass
class Planned:
    """What is to be done about an occurrence, as a worker tells it."""

    key: str
    rev: int
    next: int | None
    after: int | None
    most: int
    skipped: int
    why: str
    tasks: list[tuple[int, str]]

    def told(self, seed: str) -> list[Any]:
        """The same for the script."""
        tasks = [[str(due), local] for due, local in self.tasks]
        return [self.key, self.rev, text(self.next), text(self.after), self.most, self.skipped, self.why, seed, *tasks]


class Schedules:
    """All schedules."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.known: dict[str, Scheduled] = {}
        self.most: dict[str, int] = {}
        self.fired: set[tuple[str, int, int, int]] = set()
        """Occurrences that have made a task: schedule, revision, turn, time."""

    def put(self, given: Scheduled, first_rev: int) -> list[object]:
        """Store or change one; the answer."""
        old = self.known.get(given.key)
        if old and given.coded and old.coded == given.coded:
            return ["ok"]
        if old and old.rule == given.rule and old.anchor != given.anchor:
            return ["again", old.anchor]
        if not old:
            limit = self.most.get(f"t{given.tenant}", self.most.get("all", 10**9))
            count = sum(1 for one in self.known.values() if one.tenant == given.tenant)
            if count >= limit:
                return ["full", limit, count]
        found = old or Scheduled(given.key, given.tenant, given.id, first_rev)
        if found.rule != given.rule:
            found.rev, found.next, found.runs = found.rev + 1, given.next, 0
        elif found.next is None and given.next != found.last:
            found.next, found.turn = given.next, found.turn + 1
        found.coded = given.coded or found.coded
        for name in ("rule", "anchor", "queue", "unique", "kept", "lock", "limit", "most"):
            setattr(found, name, getattr(given, name))
        self.known[given.key] = found
        self.stand(found, found.next)
        return ["ok"]

    def stand(self, one: Scheduled, at: int | None) -> None:
        """When it is looked at next."""
        rests = at is None or one.paused
        one.at = None if rests else at
        one.over = self.model.now if rests and one.next is None and not one.coded else None

    def pause(self, key: str) -> str:
        """Pause one; the status."""
        one = self.known.get(key)
        if one is None:
            return "unknown"
        if not one.paused:
            one.paused = True
            self.stand(one, None)
        return "ok"

    def resume(self, key: str, rev: int, next: int | None) -> str:
        """Let one go on; the status."""
        one = self.known.get(key)
        if one is None:
            return "unknown"
        if one.paused and one.rev != rev:
            return "again"
        if one.paused:
            one.paused, one.next, one.turn = False, next, one.turn + 1
            self.stand(one, next)
        return "ok"

    def cancel(self, key: str) -> str:
        """Delete one; the status."""
        return "ok" if self.known.pop(key, None) else "unknown"

    # firing

    def due(self, skip: int, take: int, coded: list[str]) -> list[Scheduled]:
        """Those that are due, in the script's order."""
        found = [one for one in self.known.values() if one.at is not None and one.at <= self.model.now]
        plain = sorted((one for one in found if not one.coded), key=lambda one: (one.at, one.key))
        page = plain[skip : skip + take] or plain[:take]
        mine = [self.known[key] for key in coded if key in self.known and self.known[key] in found and self.known[key].coded]
        return page + mine[: max(0, 2 * take - len(page))]

    def fire(self, planned: Planned, seed: str, holds: bool) -> int:
        """Fire one; how many tasks there are, or -1."""
        one = self.known.get(planned.key)
        if one is None or (one.rev, one.next) != (planned.rev, planned.next) or one.paused:
            return -1
        if one.next is None or one.next > self.model.now:
            return -1
        if one.tenant in self.model.rules.states:
            if one.at is not None and one.at <= self.model.now:
                self.stand(one, self.model.now + 60_000)
            return -1
        fired, skipped, why, later = 0, planned.skipped, planned.why, None
        for due, local in planned.tasks:
            if planned.most and one.runs >= planned.most:
                break
            refusal = self.make(one, due, seed, local, holds)
            if refusal in ("full", "room"):
                later, one.next, why = self.model.now + 1_000, due, refusal
                break
            if refusal:
                skipped, why = skipped + 1, refusal
                continue
            occurrence = one.key, one.rev, one.turn, due
            assert occurrence not in self.fired
            self.fired.add(occurrence)
            fired, one.runs, one.last = fired + 1, one.runs + 1, due
        if later is None:
            one.next = None if planned.most and one.runs >= planned.most else planned.after
        one.skipped += skipped
        lasting = one.why in ("", "unique", "held", "missed", "expired")
        one.why = why or ("" if fired and not lasting else one.why)
        self.stand(one, later if later is not None else one.next)
        return fired

    def make(self, one: Scheduled, due: int, seed: str, local: str, holds: bool) -> str:
        """Make a task of a schedule; why not, if not."""
        model = self.model
        last = model.tasks.get(one.task[:32])
        if holds and one.unique and last is not None and last.state == "dead":
            return "held"
        lock = (one.key, 0) if one.unique and one.lock is None else one.lock
        if lock is not None and model.holder(lock[0]):
            return "unique"
        made = local, one.queue, 0, one.kept, lock
        if refusal := model.refusal(one.tenant, [made]):
            return "room" if refusal == "full" and not model.full([made]) else refusal
        home = model.home(one.tenant, model.seed(seed))
        assert model.take(lock, home.id + local)
        model.add(home, [made])
        task = model.tasks[home.id + local]
        task.schedule, task.occurrence, one.task = one.key, due, task.id + one.queue
        return ""

    def look_again(self, tenant: str) -> None:
        """The tenant goes on: what was put off is looked at when it is due."""
        for one in self.known.values():
            if one.tenant == tenant and one.at is not None and one.next is not None and one.at > one.next:
                self.stand(one, one.next)

    def put_off(self, key: str, rev: int, next: int | None, told: str, wait: int) -> None:
        """Somebody can't fire one."""
        one = self.known.get(key)
        if one is None or (one.rev, one.next) != (rev, next) or one.paused or next is None or next > self.model.now:
            return
        one.why = told
        self.stand(one, self.model.now + wait)

    def trigger(self, key: str, seed: str, local: str, holds: bool) -> str:
        """Enqueue a task now; the status."""
        one = self.known.get(key)
        return "unknown" if one is None else self.make(one, self.model.now, seed, local, holds) or "ok"

    # ends

    def ended(self, task: Task, how: str) -> None:
        """A task of a schedule has ended."""
        one = self.known.get(task.schedule)
        if one is not None:
            one.history = [(how, task.occurrence, task.claimed_at, self.model.now, task.id), *one.history][:10]

    def prune(self, retention: int) -> None:
        """Those that have been over for so long are gone."""
        before = self.model.now - retention
        self.known = {key: one for key, one in self.known.items() if one.over is None or one.over > before}


def text(at: int | None) -> str:
    """A time as it is stored."""
    return "" if at is None else str(at)
