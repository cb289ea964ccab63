"""Who takes part: what each peer needs, and how many tasks keep it busy for about two seconds."""

from __future__ import annotations

from dataclasses import dataclass

OURS, BOUND = "taskproc", "yardstick"
HERE = (OURS, BOUND)
"""What is run in the environment at hand."""


@dataclass(frozen=True)
class Counts:
    """How many tasks a measurement takes."""

    drain: int
    """For one worker process, and for each of two."""
    single: int
    naps: int = 2_000
    stamps: int = 300

    def quick(self) -> Counts:
        """Few, to see that everything runs; rates from so few tasks mean little."""
        return Counts(max(self.drain // 5, 500), max(self.single // 5, 200), 500, 60)


@dataclass(frozen=True)
class Peer:
    """A task queue, and how its adapter is run."""

    name: str
    """That of its adapter."""
    requirements: tuple[str, ...]
    counts: Counts
    environment: str = ""
    """Where it is installed, if not in one of its own name."""
    node: bool = False

    @property
    def place(self) -> str:
        """The name of its environment."""
        return self.environment or self.name


def _python(name: str, drain: int, single: int, *requirements: str, environment: str = "") -> Peer:
    return Peer(name, requirements, Counts(drain, single), environment)


def _node(name: str, drain: int, single: int, *packages: str) -> Peer:
    return Peer(name, packages, Counts(drain, single), node=True)


TASKIQ = ("taskiq", "taskiq-redis", "uvloop", "hiredis", "msgpack")

PEERS = (
    _python(OURS, 140_000, 15_000),
    _python(BOUND, 140_000, 15_000),
    _python("repid", 28_000, 12_000, "repid[redis]", "typing-extensions", "uvloop", "hiredis", "orjson"),
    _python("taskiq_list", 10_000, 7_000, *TASKIQ, environment="taskiq"),
    _python("taskiq_stream", 10_000, 7_000, *TASKIQ, environment="taskiq"),
    _python("saq", 7_000, 9_000, "saq[redis,hiredis]", "typing-extensions", "uvloop", "orjson"),
    _python("streaq", 4_000, 6_000, "streaq", "uvloop", "orjson"),
    _python("arq", 6_000, 6_000, "arq", "uvloop", "hiredis", "msgpack"),
    _python("dramatiq", 18_000, 10_000, "dramatiq[redis]", "hiredis", "orjson"),
    _python("huey", 8_000, 12_000, "huey", "redis", "hiredis", "orjson"),
    _python("celery", 3_000, 4_000, "celery[redis]", "hiredis", "orjson", "msgpack"),
    _python("rq", 800, 4_000, "rq", "hiredis", "orjson"),
    _python("bullmq", 13_000, 8_000, "bullmq", "uvloop", "hiredis"),
    _node("bullmq_node", 28_000, 10_000, "bullmq", "ioredis"),
    _node("bee_queue", 50_000, 20_000, "bee-queue"),
)


def chosen(names: str | None) -> tuple[Peer, ...]:
    """The peers of these names, comma-separated; all by default. ValueError names one that isn't there."""
    if names is None:
        return PEERS
    known = {peer.name: peer for peer in PEERS}
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"there is no peer {unknown[0]!r}: choose from {', '.join(known)}")
    return tuple(known[name] for name in wanted)
