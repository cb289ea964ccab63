"""What to think of a server's set-up: one function for each concern, from what was read to findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median

from taskproc.findings import ServerCheck
from taskproc.store.checkup import NUMBER_OF_SLOTS, Judge, Look, danger, ok, unknown, warning

OLDEST = (6, 2)
FULL, NEARLY_FULL = 0.95, 0.8
SLOW_SECONDS = 0.01
LAG_SECONDS, SKEW_SECONDS = 10, 2.0
ANSWER_BYTES = 16 * 2**20
"""The largest answers: a claim of 128 tasks of 8 kB, or a payload of a few MB where ``max_payload`` allows it."""

LOOK_THERE = "look at it where the server is set up"


def version(seen: Look) -> Iterator[ServerCheck]:
    """Redis 6.2 or later."""
    told = seen.info.get("redis_version", "")
    numbers = tuple(int(part) for part in told.split(".")[:2] if part.isdigit())
    own = seen.info.get("valkey_version")
    name = f"Valkey {own}" if own else f"Redis {told}"
    if not numbers:
        yield unknown("version", "the server doesn't tell its version", "make sure that it is Redis 6.2 or later, or Valkey")
    elif numbers < OLDEST:
        yield danger("version", f"the server is {name}", "use Redis 6.2 or later, or Valkey: taskproc refuses this one")
    else:
        yield ok("version", f"the server is {name}")


def persistence(seen: Look) -> Iterator[ServerCheck]:
    """An append-only file, else what a crash costs."""
    fsync, save = seen.config.get("appendfsync"), seen.config.get("save")
    aof = seen.info.get("aof_enabled")
    advice = "set appendonly yes and appendfsync everysec (CONFIG SET and CONFIG REWRITE, or redis.conf)"
    if aof is None:
        yield unknown("persistence", "what is kept on disk could not be looked at", LOOK_THERE + f": {advice}")
    elif aof == "1" and fsync == "no":
        found = "an append-only file that is synced when the system likes: a power failure loses half a minute or so"
        yield warning("persistence", found, "set appendfsync everysec, or always")
    elif aof == "1":
        lost = {"everysec": "a crash of the server loses two seconds at most", "always": "nothing acknowledged is lost"}
        yield ok("persistence", f"an append-only file: {lost.get(fsync or '', 'how often it is synced is not told')}")
    elif save:
        found = f"snapshots alone (save {save}): a crash of the server loses all work since the last one"
        yield warning("persistence", found, advice)
    elif save is None:
        yield unknown("persistence", "no append-only file; whether there are snapshots could not be looked at", advice)
    else:
        found = "nothing is kept on disk: a restart of the server loses all work, and its replicas then empty themselves"
        yield danger("persistence", found, advice)


def written(seen: Look) -> Iterator[ServerCheck]:
    """Whether the last writes to disk went well."""
    states = {name: seen.info[name] for name in ("aof_last_write_status", "aof_last_bgrewrite_status",
              "rdb_last_bgsave_status") if name in seen.info}  # fmt: skip
    bad = [name for name, state in states.items() if state != "ok"]
    if not states:
        yield unknown("writes", "whether writes to disk succeed could not be looked at", LOOK_THERE)
    elif bad == ["aof_last_bgrewrite_status"]:
        found = "the append-only file could not be rewritten: it grows without end"
        yield warning("writes", found, "make room on the disk, or memory for a fork, and send BGREWRITEAOF")
    elif bad:
        found = f"the last write to disk failed ({', '.join(bad)}): Redis refuses calls, or keeps them in memory alone"
        yield danger("writes", found, "look at the server's log; make room on the disk and check its permissions")
    else:
        yield ok("writes", "the last writes to disk succeeded")


def eviction(seen: Look) -> Iterator[ServerCheck]:
    """Nothing may be evicted."""
    policy, evicted = seen.info.get("maxmemory_policy"), seen.number("evicted_keys") or 0
    if policy is None:
        advice = LOOK_THERE + ": set maxmemory-policy noeviction"
        yield unknown("eviction", "what a full server does could not be looked at", advice)
    elif policy != "noeviction":
        gone = f"; it has deleted {evicted:,} since its start" if evicted else ""
        found = f"maxmemory-policy {policy}: a full server deletes keys, and tasks with them{gone}"
        yield danger("eviction", found, "set maxmemory-policy noeviction; run `taskproc audit` if keys were deleted")
    elif evicted:
        found = f"{evicted:,} keys were deleted under another maxmemory-policy since the server's start"
        yield warning("eviction", found, "run `taskproc audit`, which tells what is missing")
    else:
        yield ok("eviction", "maxmemory-policy noeviction: a full server refuses new tasks and goes on settling")


def memory(seen: Look) -> Iterator[ServerCheck]:
    """How much room there is."""
    used, most, system = (seen.number(name) for name in ("used_memory", "maxmemory", "total_system_memory"))
    limit = most or system
    if used is None or not limit:
        yield unknown("memory", "the memory in use could not be looked at", LOOK_THERE)
        return
    share = used / limit
    found = f"{used / 2**20:,.0f} MB of {limit / 2**20:,.0f} MB ({'maxmemory' if most else 'of the machine; no maxmemory'})"
    advice = "let workers drain the queues, shorten the retention, or raise maxmemory"
    if not most:
        advice = "set maxmemory below the machine's memory: else the system kills the server when it is full"
    if share >= FULL:
        yield danger("memory", f"{found}: new tasks are refused, or soon will be", advice)
    elif share >= NEARLY_FULL:
        yield warning("memory", found, advice)
    else:
        yield ok("memory", found)


def replication(seen: Look) -> Iterator[ServerCheck]:
    """The role of the server, its replicas and how far behind they are."""
    role = seen.info.get("role")
    if role is None:
        yield unknown("replication", "role and replicas could not be looked at", LOOK_THERE)
    elif role != "master":
        writable = seen.config.get("replica-read-only") == "no"
        found = "it takes writes, which its next sync throws away" if writable else "it refuses every change"
        advice = "name the primary in the URL, or use redis+sentinel:// or redis+cluster://, which follow it"
        yield danger("replication", f"the server is a replica: {found}", advice)
    else:
        yield replicas(seen)


def replicas(seen: Look) -> ServerCheck:
    """What a primary's replicas are worth."""
    told = [text for name, text in seen.info.items() if re.fullmatch(r"slave\d+", name)]
    good = [text for text in told if "state=online" in text]
    lags = [int(found[1]) for text in good if (found := re.search(r"lag=(-?\d+)", text))]
    least, offset = seen.config.get("min-replicas-to-write"), seen.number("master_repl_offset") or 0
    behind = [offset - int(found[1]) for text in good if (found := re.search(r"offset=(\d+)", text))]
    count = f"{len(good)} of {len(told)} replicas are online" if told else "a primary without replicas"
    if least is not None and int(least) > len(good):
        return danger(
            "replication",
            f"{count}, min-replicas-to-write is {least}: every change is refused",
            "bring replicas back, or lower min-replicas-to-write",
        )
    if not told and (seen.service or seen.cluster):
        return warning("replication", count, "add a replica: there is nothing to fail over to")
    if len(good) < len(told) or max(lags, default=0) > LAG_SECONDS:
        late = f"{count}, up to {max(lags, default=0)} s and {max(behind, default=0):,} bytes behind"
        return warning("replication", late, "look at the replicas' logs and the network: a failover loses what they lack")
    if told and least == "0":
        advice = "set min-replicas-to-write 1 (and min-replicas-max-lag 10): a primary that is cut off then stops instead"
        return warning("replication", f"{count}; a primary that is cut off takes work that a failover throws away", advice)
    lag = f", {max(behind, default=0):,} bytes behind at most" if told else ""
    return ok("replication", count + lag)


def cluster(seen: Look) -> Iterator[ServerCheck]:
    """The cluster's state, and our slot."""
    if not seen.cluster and not seen.nodes:
        if seen.through_cluster:
            yield unknown("cluster", "the cluster's state could not be looked at", LOOK_THERE)
        return
    state, assigned = (
        seen.cluster.get("cluster_state", "ok"),
        int(seen.cluster.get("cluster_slots_assigned", NUMBER_OF_SLOTS)),
    )
    moving = re.search(rf"\[{seen.slot}-[<>]-", seen.nodes)
    found = f"cluster_state {state}, {assigned:,} of {NUMBER_OF_SLOTS:,} slots are served; ours is {seen.slot}"
    if state != "ok" or assigned < NUMBER_OF_SLOTS:
        yield danger("cluster", found, "see which node is missing (CLUSTER NODES); calls fail until the cluster is whole")
    elif moving:
        yield warning("cluster", f"{found}, which is moving to another node", "let it finish: calls wait until it has")
    elif not seen.through_cluster:
        found = f"{found}; the URL names one node alone"
        yield warning("cluster", found, "use redis+cluster://: after a failover this node refuses every change")
    else:
        yield ok("cluster", found)


def sentinel(seen: Look) -> Iterator[ServerCheck]:
    """Whether the Sentinels could fail over."""
    if not seen.service:
        return
    if not seen.sentinels:
        yield danger("sentinel", f"no Sentinel tells of {seen.service}", "look at the Sentinels of the URL")
        return
    one = seen.sentinels[0]
    known, quorum = int(one.get("num-other-sentinels", 0)) + 1, one.get("quorum", "?")
    found = f"{known} Sentinels watch {seen.service}, {quorum} of them must agree; its state is {one.get('flags', '?')}"
    if "down" in one.get("flags", "") or "NOQUORUM" in seen.quorum:
        yield danger("sentinel", f"{found}. {seen.quorum}", "bring the Sentinels back: they can't fail over now")
    elif known < 3:
        yield warning("sentinel", found, "run three Sentinels on three machines: with fewer, one that fails ends failovers")
    else:
        yield ok("sentinel", found)


def connections(seen: Look) -> Iterator[ServerCheck]:
    """What closes connections: limits of buffers and of idle time, and their number."""
    if not seen.config:
        yield unknown("connections", "limits of buffers and of idle time could not be looked at", LOOK_THERE)
    words = seen.config.get("client-output-buffer-limit", "").split()
    limits = {words[at]: int(words[at + 1]) for at in range(0, len(words) - 3, 4)}
    small = [f"{name} {limits[name]}" for name in ("normal", "pubsub") if 0 < limits.get(name, 0) < ANSWER_BYTES]
    idle, alive = seen.config.get("timeout"), seen.config.get("tcp-keepalive")
    clients, most = seen.number("connected_clients"), seen.number("maxclients")
    fine = True
    if small:
        fine = False
        advice = "set client-output-buffer-limit 'normal 0 0 0' and 'pubsub 32mb 8mb 60': cancels wait for a reconnect else"
        yield warning("connections", f"connections with large answers are closed: {', '.join(small)} bytes", advice)
    if idle and idle != "0":
        fine = False
        found = f"timeout {idle}: idle connections are closed, and the call that finds it out is sent twice"
        yield warning("connections", found, "set timeout 0")
    if alive == "0":
        fine = False
        yield warning("connections", "tcp-keepalive 0: connections of dead machines stay", "set tcp-keepalive 300")
    if clients is not None and most and clients >= NEARLY_FULL * most:
        fine = False
        yield warning("connections", f"{clients:,} of {most:,} connections are in use", "raise maxclients")
    if fine and seen.config:
        yield ok("connections", "no limit closes connections that taskproc needs")


def latency(seen: Look) -> Iterator[ServerCheck]:
    """How long a PING takes."""
    if not seen.pings:
        yield unknown("latency", "PING is not allowed", "allow +ping")
        return
    typical, worst = median(seen.pings), max(seen.pings)
    found = f"a PING takes {typical * 1000:.2f} ms, {worst * 1000:.2f} ms at worst of {len(seen.pings)}"
    if typical > SLOW_SECONDS:
        advice = "run workers near the server; look at SLOWLOG for what stalls it"
        yield warning("latency", found, advice)
    else:
        yield ok("latency", found)


def clock(seen: Look) -> Iterator[ServerCheck]:
    """How far the server's clock is from this machine's."""
    if seen.ahead is None:
        yield unknown("clock", "TIME is not allowed", "allow +time: every script reads it")
        return
    way = "ahead of" if seen.ahead > 0 else "behind"
    found = f"the server's clock is {abs(seen.ahead):.3f} s {way} this machine's"
    if abs(seen.ahead) > SKEW_SECONDS:
        advice = "synchronise both clocks: tasks with delay_until start by the server's, and a failover would shift leases"
        yield warning("clock", found, advice)
    else:
        yield ok("clock", found)


JUDGES: tuple[Judge, ...] = (
    version, persistence, written, eviction, memory, replication, cluster, sentinel, connections, latency, clock,
)  # fmt: skip
"""The concerns in the order in which they are told."""
