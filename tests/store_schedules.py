"""What the model-based test does to schedules: what users and workers do, by what they know and by what is out of date."""

from __future__ import annotations

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from taskproc.codec import write_continuation
from taskproc.ids import schedule_key
from tests.model_limits import KINDS, limit_of
from tests.model_schedules import Planned, Scheduled, text
from tests.parts import QUEUES, Lock
from tests.store_calls import BODY, StoreCalls, kept, locks, queues
from tests.store_view import View

NAMES = [("acme", "a"), ("acme", "a:ü"), ("b:ö", "a")]
RULES = ["700", "2000"]
"""How long it is from one occurrence to the next, in milliseconds."""

whose = st.sampled_from([NAMES[0], *NAMES])
steering = st.sampled_from(["turn", "turn", "turn", "pause", "resume", "trigger", "trigger", "cancel"])
rules = st.sampled_from(RULES)
firsts = st.sampled_from([0, 0, 0, -2_500, 400, 2_500, None])
codes = st.sampled_from(["", "", "x", "y"])
misfires = st.sampled_from(["once", "once", "all", "skip", "last"])


class StoreSchedules(StoreCalls):
    """Does what users and workers do with schedules."""

    @initialize(data=st.data())
    def schedule(self, data: st.DataObject) -> None:
        """Some are there."""
        for name, unique in data.draw(st.lists(st.tuples(whose, st.booleans()), min_size=1, max_size=3), label="schedules"):
            self.upsert(name, RULES[0], "", 0, "", QUEUES[0], False, unique, None, "", 0)

    @rule(name=whose, every=rules, anchor=st.sampled_from(["", "", "5"]), first=firsts, coded=codes, queue=queues, keep=kept,
          unique=st.booleans(), lock=locks, limit=st.sampled_from(KINDS), most=st.sampled_from([0, 0, 0, 2]))  # fmt: skip
    def upsert(
        self, name: tuple[str, str], every: str, anchor: str, first: int | None, coded: str, queue: str, keep: bool,
        unique: bool, lock: Lock | None, limit: str, most: int,
    ) -> None:  # fmt: skip
        """A schedule is made, or changed: with the anchor that is stored, or with another."""
        tenant, id = name
        key, old = schedule_key(tenant, id), self.model.schedules.known.get(schedule_key(tenant, id))
        anchor = anchor or (old.anchor if old else str(self.model.now))
        next = None if first is None else self.model.now + first
        lock = None if lock is None else (f"{lock[0]}{tenant}", lock[1])
        given = Scheduled(key, tenant, id, 0, every, anchor, next, coded, queue, unique, keep, lock, limit, most)
        fields = ["spec", "{}", "handler", "noop", "queue", queue, "unique", "1" if unique else ""]
        body = body_of(given)
        answer = self.once(
            "schedule_put", self.ledger(), key, tenant, id, every, anchor, text(next), coded, orjson.dumps(fields), body
        )
        expected = self.model.schedules.put(given, self.us)
        assert [part.decode() if isinstance(part, bytes) else part for part in answer] == expected

    @rule(name=whose, most=st.sampled_from([None, None, 0, 1, 2]), everybody=st.booleans())
    def limit_schedules(self, name: tuple[str, str], most: int | None, everybody: bool) -> None:
        """A tenant may have so many, or all may."""
        of = "all" if everybody else f"t{name[0]}"
        assert self.call("schedule_limit", of, "" if most is None else most) == [b"ok"]
        self.model.schedules.most.pop(of, None)
        if most is not None:
            self.model.schedules.most[of] = most

    @rule(name=whose, how=steering, first=firsts, flag=st.booleans())
    def steer(self, name: tuple[str, str], how: str, first: int | None, flag: bool) -> None:
        """Somebody pauses, resumes, triggers or cancels a schedule."""
        key, one = schedule_key(*name), self.model.schedules.known.get(schedule_key(*name))
        if how == "turn":  # whatever it was
            how = "resume" if one and one.paused else "pause"
        if how == "resume":
            self.resume(key, None if first is None else self.model.now + first, stale=flag)
        elif how == "trigger":
            self.trigger(key, holds=flag)
        else:
            args = (key, 1, 0, "") if how == "pause" else (key,)
            status = self.model.schedules.pause(key) if how == "pause" else self.model.schedules.cancel(key)
            assert self.once(f"schedule_{how}", self.ledger(), *args) == [status.encode()]

    def resume(self, key: str, next: int | None, *, stale: bool) -> None:
        """One goes on, by what is known of it or was."""
        one = self.model.schedules.known.get(key)
        rev = (one.rev if one else 1) - stale
        answer = self.once("schedule_pause", self.ledger(), key, 0, rev, text(next))
        assert answer == [self.model.schedules.resume(key, rev, next).encode()]

    def trigger(self, key: str, *, holds: bool) -> None:
        """A task of one is enqueued by hand."""
        one, seed = self.model.schedules.known.get(key), self.name(22)
        local = self.local(one.limit if one else "")
        answer = self.once("schedule_trigger", self.ledger(), key, seed, local, int(holds))
        status = self.model.schedules.trigger(key, seed, local, holds)
        assert answer[0].decode() == status
        if status == "ok" and one is not None:
            assert answer[1].decode() == one.task[:32]

    def local(self, limit: str) -> str:
        """A task's id that has a limit, by its own words."""
        while limit_of(found := self.name(10)) != limit:
            pass
        return found

    # workers

    @precondition(lambda self: self.model.schedules.known)
    @rule(data=st.data(), worker=st.sampled_from(["w1", "w2"]), holds=st.booleans())
    def go_on(self, data: st.DataObject, worker: str, holds: bool) -> None:
        """Schedules become due, are fired, and their tasks are run."""
        for ms in (0, 700, 2_500):
            self.wait(ms)
            self.fire_schedules(data, 0, 3, holds)
            self.step(data, worker, 4, QUEUES, 2)

    @precondition(lambda self: self.model.schedules.known)
    @rule(data=st.data(), skip=st.integers(0, 2), take=st.integers(1, 3), holds=st.booleans())
    def fire_schedules(self, data: st.DataObject, skip: int, take: int, holds: bool) -> None:
        """A worker fires what is due, now and then by what is out of date, and what isn't due; the call comes twice."""
        schedules = self.model.schedules
        coded = [schedule_key(*name) for name in NAMES[::2]]
        due = self.look_for_due(skip, take, coded)
        others = [one for one in schedules.known.values() if one not in due]
        late = data.draw(st.lists(st.sampled_from(others), max_size=1), label="not due") if others else []
        planned, problems = [], []
        for one in [*due, *late]:
            how = data.draw(st.sampled_from(["", "", "", "", "next", "rev", "problem", "stale problem"]), label="how")
            if "problem" in how:
                problems.append((one.key, one.rev - (how != "problem"), one.next, "not known", 500))
            else:
                planned.append(self.plan(one, data.draw(misfires, label="misfire"), how))
        fires = [(plan, self.name(22)) for plan in planned]
        args = (
            int(holds), orjson.dumps([plan.told(seed) for plan, seed in fires]),
            orjson.dumps([[key, rev, text(next), *rest] for key, rev, next, *rest in problems]),
        )  # fmt: skip
        answer = self.call("schedule_move", *args)
        if self.model.paused:
            assert answer == [b"paused"]
            return
        counts = [schedules.fire(plan, seed, holds) for plan, seed in fires]
        for problem in problems:
            schedules.put_off(*problem)
        assert answer == [b"ok", counts, []]
        before = self.state()
        again = self.call("schedule_move", *args)
        assert again[0] == b"ok"
        assert all(count <= 0 for count in again[1])
        assert self.state() == before
        if (
            not problems and not late and all(one.why not in ("full", "room") for one in due)
        ):  # else it may be done by the same call later
            self.answered.append(("schedule_move", args, [b"unknown"]))

    def look_for_due(self, skip: int, take: int, coded: list[str]) -> list[Scheduled]:
        """What is due, as the script has it and the model."""
        schedules = self.model.schedules
        status, now, first, paused, *rows = self.call("schedule_due", skip, take, *coded)
        due = schedules.due(skip, take, coded)
        assert (status, int(now), paused) == (b"ok", self.model.now, int(self.model.paused))
        assert [row[0].decode() for row in rows] == [one.key for one in due]
        assert [(row[1], row[2].decode(), row[4]) for row in rows] == [(one.rev, text(one.next), one.runs) for one in due]
        seen = [one.at for one in schedules.known.values() if one.at is not None and (not one.coded or one.key in coded)]
        assert first.decode() == text(min(seen, default=None))
        return due

    def plan(self, one: Scheduled, misfire: str, stale: str) -> Planned:
        """What a worker makes of it, which knows it as it is or was."""
        next = one.next if one.next is not None else self.model.now
        passed = [*range(next, self.model.now + 1, one.period)] or [next]
        dues = passed[:3] if misfire == "all" else passed[-1:]
        after: int | None = dues[-1] + one.period
        if misfire == "last":
            after = None
        skipped = 0 if misfire == "all" else int(dues[0] != next)
        why = "missed" if skipped else ""
        if misfire == "skip":
            dues, skipped, why = [], skipped + 1, "expired"
        tasks = [(due, self.local(one.limit)) for due in dues]
        known = one.next if stale != "next" else next - 10**6
        return Planned(one.key, one.rev - (stale == "rev"), known, after, one.most, skipped, why, tasks)

    @rule(retention=st.sampled_from([0, 1_000, 10_000]))
    def prune_schedules(self, retention: int) -> None:
        """What is over goes."""
        due = sum(1 for one in self.model.schedules.known.values() if one.over is not None)
        answer = self.call("schedule_prune", retention, 100)
        self.model.schedules.prune(retention)
        left = sum(1 for one in self.model.schedules.known.values() if one.over is not None)
        assert answer == [b"ok", due - left, []]

    # looking

    def compare_schedules(self, view: View) -> None:
        """Every schedule is what the model has, stands where it belongs, and knows its last runs."""
        known = self.model.schedules.known
        assert view.schedules == {key: one.words() for key, one in known.items()}
        for index, at in (
            ("schedules", {one.key: one.at for one in known.values() if one.at is not None and not one.coded}),
            ("coded", {one.key: one.at for one in known.values() if one.at is not None and one.coded}),
            ("over", {one.key: one.over for one in known.values() if one.over is not None}),
        ):
            assert view.scores(index) == at
        for tenant in {tenant for tenant, _ in NAMES}:
            assert view.names(f"ts:{tenant}") == {f"{one.id}\0{one.key}" for one in known.values() if one.tenant == tenant}
        assert view.scores("slimits") == self.model.schedules.most


def body_of(given: Scheduled) -> bytes:
    """What the tasks of a schedule are made of."""
    extension: dict[str, object] = {"s": given.key + given.id}
    if given.kept:
        extension["k"] = "a"
    if given.limit:
        extension["l"] = given.limit
    if given.lock is not None:
        extension |= {"u": given.lock[0], "v": given.lock[1]}
    elif given.unique:
        extension["u"] = given.key
    return write_continuation(b"", extension, BODY)
