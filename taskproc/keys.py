"""Every key in Redis: its name, type, content and end. docs/keys.md is made from this table.

Nobody else builds a key. The Lua scripts do it through ``lua/include/key.lua`` with the parts that
stand here, which ``make check`` verifies.

All keys of an instance carry one hash tag, so that they lie in one slot of a cluster and every script
is legal there. Where a tenant's name is part of a key it stands last, so that no name reaches another
tenant's keys. ``seg`` is a batch's id, or for a large append that id, ``+`` and a nonce; for tasks
of a limit ``!`` and the limit follow.
"""

from typing import NamedTuple

SCHEMA = 1
"""Version of this layout; a worker that meets another refuses to run."""


class Key(NamedTuple):
    """One kind of key: the parts after the prefix, joined by colons; parts in <> vary."""

    parts: str
    type: str
    content: str
    ends: str


KEYS = (
    Key("m", "hash", "schema, paused, rules (there are rules of tenants), quiet (no statistics)", "stays"),
    Key("stats", "list", "what steps have done and is not summed up yet, as JSON; 50,000 records at most", "summed up"),
    Key("sums", "hash", "summing up: turn, part, taken, at (ms), entries, dropped", "pruned with the last period"),
    Key("periods:<span>", "zset", "minutes (m) or hours (h) that have sums → start (s)", "pruned"),
    Key("sum:<span>:<start>", "hash", "sums of a minute or an hour: queue, NUL and tenant → JSON", "pruned"),
    Key("summed", "zset", "queues that have sums → start (s) of the last hour", "pruned"),
    Key("queues", "set", "names of queues in use", "pruned with the last tenant"),
    Key(
        "q:<queue>",
        "hash",
        "pushed, claimed, settled, delayed, dead, tenants; virtual time; mode, limit",
        "pruned with the last tenant",
    ),
    Key("ring:<queue>", "zset", "tenants with ready work by virtual time (µs)", "empty"),
    Key("lane:<queue>:<tenant>", "list", "the tenant's segments with ready tasks, in turn", "empty"),
    Key("fifo:<queue>", "list", "tickets segment:count of a strict queue", "empty"),
    Key("wake:<queue>", "list", "at most one marker that wakes an idle worker", "step on an empty queue"),
    Key(
        "tq:<queue>:<tenant>",
        "hash",
        "pushed, claimed, settled, delayed, dead, handler µs, offset of its virtual time, weight that it goes by, "
        "probe (the segment whose ticket was set aside and is back in line)",
        "pruned with the tenant",
    ),
    Key("out", "set", "tenants whose rules leave them no room, out of the lines of queues", "room again, pruned"),
    Key("out:<tenant>", "set", "queues out of whose lines a tenant stands", "room again, pruned with the tenant"),
    Key("aside:<queue>:<tenant>", "list", "tickets of a strict queue that were set aside for that", "room again"),
    Key(
        "tr:<queue>:<tenant>", "hash", "when a tenant's next task may start by its rate (µs); without a queue: in all", "PX"
    ),
    Key("rules", "hash", "rules of tenants: all → for all; t: and the tenant → its own, with tier and state", "stays"),
    Key("tiers", "hash", "rules of tiers by name", "stays"),
    Key("tqs:<tenant>", "set", "queues that the tenant uses", "pruned with the tenant"),
    Key("tenants", "zset", "tenants by name", "pruned with the tenant"),
    Key("idle", "zset", "tenants with nothing to run → since when (ms)", "pruned with the tenant"),
    Key(
        "t:<tenant>",
        "hash",
        "batches, total, remaining, failed, cancelled, retried, hidden (id of the open batch)",
        "pruned",
    ),
    Key("tb:<tenant>", "zset", "the tenant's batches → creation (µs)", "pruned with the batch"),
    Key(
        "b:<seg>",
        "hash",
        "tenant, label, state, total, remaining, failed, cancelled, handler µs, created, since, started, base, ended, "
        "queues, continuations, idem, watched, zombies, fail_after, unique (it has locks), tombstones, tickets and limits "
        "by list",
        "pruned",
    ),
    Key("b:<seg>:r:<queue>", "list", "bodies of ready tasks", "empty, cancel"),
    Key("b:<seg>:d:<queue>", "zset", "delayed tasks: local id → due (ms)", "empty, cancel"),
    Key("b:<seg>:x:<queue>", "zset", "dead letters: local id → died (ms)", "empty, cancel, pruned"),
    Key("b:<seg>:w", "hash", "bodies of delayed and dead tasks", "empty, cancel, pruned"),
    Key("b:<seg>:e", "hash", "errors of each attempt of tasks that go on or are dead", "empty, cancel, pruned"),
    Key("b:<seg>:big", "hash", "payloads above 8 kB", "empty, cancel, pruned"),
    Key("b:<seg>:c", "list", "continuations that have not fired", "fired, pruned"),
    Key("b:<seg>:segs", "set", "live lists of appended segments", "empty, cancel, pruned"),
    Key("b:<seg>:a", "set", "idempotency keys of appends", "pruned"),
    Key("b:<seg>:u", "set", "digests of the unique locks that its tasks have", "released, drained"),
    Key("b:<seg>:staged", "hash", "chunks and lists of a segment that is not committed", "commit, pruned"),
    Key(
        "b:<seg>:rec",
        "hash",
        'records of keep="all": local id → queue and body; id and o: how it ended, r: a large result, w: watched',
        "pruned",
    ),
    Key("b:<seg>:recs", "zset", "appended segments with records: first local id and nonce", "pruned"),
    Key("b:<seg>:kept", "zset", "records of an open batch: local id → ended (ms)", "pruned"),
    Key("run", "hash", "running tasks: id → queue, time of claim and progress, body", "settle, rescue"),
    Key("leases", "zset", "task id and token → deadline (ms)", "settle, rescue"),
    Key("cx", "zset", "running tasks that are being cancelled → since (ms)", "settle, rescue"),
    Key(
        "delayed",
        "zset",
        "segment and queue → its earliest due task (ms); ! and a limit, @ and a tenant → when it goes on",
        "empty",
    ),
    Key("dead:<queue>", "zset", "batch → its earliest dead letter (ms)", "empty"),
    Key("settled", "zset", "settled batches, and dead letters and records of open batches → since (ms)", "pruned"),
    Key("staging", "zset", "segments being staged → last chunk (ms)", "commit, pruned"),
    Key("uniq", "hash", "unique locks: digest → task, segment, end (ms)", "released, drained"),
    Key("uniqends", "zset", "unique locks with a time → its end (ms)", "released, drained"),
    Key("unlock", "zset", "segments that were dropped or cancelled with unique locks → since (ms)", "drained"),
    Key("limits", "hash", "limits: digest of a handler's name → the code's word; with ! behind it → an operator's", "stays"),
    Key("lim:<limit>", "set", "running tasks of a limit", "settle, rescue"),
    Key("lims:<handler>", "set", "limits of a handler's keys that have running tasks", "empty"),
    Key("rate:<limit>", "hash", "when the next may start (µs); until when a handler has it held", "PX of both"),
    Key("waits:<handler>", "set", "limits of a handler that have lists waiting", "empty"),
    Key("park:<limit>", "set", "queues in which lists wait for a limit", "empty"),
    Key("held:<queue>", "set", "limits for which lists of a queue wait", "empty"),
    Key("park:<limit>:<queue>", "zset", "segments whose tasks wait → their turn", "goes on, cancel"),
    Key(
        "s:<schedule>",
        "hash",
        "tenant, id, spec, handler, queue, body of its tasks, rule, rev, next (ms), anchor (ms), paused, coded, unique, "
        "runs, last (ms), task, skipped, why, history, created, changed",
        "cancel, pruned when over",
    ),
    Key("ts:<tenant>", "zset", "the tenant's schedules: id, NUL and digest", "empty"),
    Key("schedules", "zset", "schedules → when they are to be looked at (ms)", "cancel, paused, over"),
    Key("coded", "zset", "the same of schedules that code declares", "cancel, paused, over"),
    Key("over", "zset", "schedules that never fire again → since (ms)", "pruned"),
    Key("slimits", "hash", "how many schedules tenants may have: t and the tenant, or all", "stays"),
    Key("journal", "list", "who has changed what, JSON, 10,000 entries at most", "stays"),
    Key("idem:<digest>", "string", "batch or task that an idempotency key made", "with its batch; PX for tasks"),
    Key("w:<worker>", "hash", "answer of the worker's last step", "PX 2 × lease"),
    Key("worker:<worker>", "string", "what a live worker says of itself", "PX 2 × lease"),
    Key("workers", "zset", "live workers → until (ms)", "stop, pruned"),
    Key("p:<producer>", "hash", "answers of a producer's calls that it has not acknowledged", "close, PX 1 h"),
)

CHANNELS = {
    "settled": "ids of batches that settled and of tasks that ended, when somebody waits for them",
    "changed": "ids of batches and tasks that have changed, when somebody watches them",
    "cancel": "ids of batches and tasks that were cancelled",
    "control": "pause, resume; schedule: there is one that is due before all others",
}
"""Pub/sub channels, after the prefix. A message is a hint: what it tells is stored as well."""


def prefix_of(instance: str) -> str:
    """The prefix of an instance's keys and channels: its name as the hash tag."""
    return "{" + instance + "}:"


def key(prefix: str, *parts: str) -> str:
    """A key's name from its parts, as ``lua/include/key.lua`` makes it."""
    return prefix + ":".join(parts)
