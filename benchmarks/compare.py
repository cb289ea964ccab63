"""taskproc beside other task queues on Redis, each with its best reasonable settings, round by round.

usage: python -m benchmarks.compare [--rounds 3] [--peers a,b] [--quick] [--json FILE] [--redis-server PATH]
Makes the environments of the peers in .bench when they are needed, and starts its own servers on loopback. A further
measurement is a section: a module with ``NAME``, ``measure(run, round)`` and ``show(results, console)``.
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from benchmarks import contest, tables
from benchmarks.arena import Arena
from benchmarks.catalogue import Peer, chosen
from benchmarks.environments import command_of
from benchmarks.processes import Failed, run
from benchmarks.results import PeerResult, Results, machine
from benchmarks.servers import serving, version_of

ABOUT_SECONDS = 30
WIDTH = 118


@dataclass(frozen=True)
class Run:
    """What a round works with."""

    peers: dict[str, Peer]
    """Those that can run."""
    commands: dict[str, tuple[str, ...]]
    """What runs the adapter of each."""
    results: Results
    quick: bool
    binary: str | None
    """The server's program, if not the one that comes along."""


class Section(Protocol):
    """A measurement."""

    NAME: str
    """Its place in the JSON."""

    def measure(self, run: Run, number: int) -> None:
        """Measure a round and put it into ``run.results``."""

    def show(self, results: Results, console: Console) -> None:
        """Print what was found."""


class Contest:
    """Every peer at everything in ``contest``."""

    NAME = "contest"

    def measure(self, run: Run, number: int) -> None:
        for name, peer in run.peers.items():
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
            result = run.results.peers[name]
            with serving(run.binary) as server:
                counts = peer.counts.quick() if run.quick else peer.counts
                found, failures = contest.measure(Arena(run.commands[name], server), counts)
            result.rounds.append(found)
            result.failures |= failures

    def show(self, results: Results, console: Console) -> None:
        tables.show(results, console)


SECTIONS: tuple[Section, ...] = (Contest(),)


def prepare(peers: tuple[Peer, ...], results: Results, quick: bool, binary: str | None) -> Run:
    """Install what is needed, and ask each peer what it is; those that can't run say why in the results."""
    run_ = Run({}, {}, results, quick, binary)
    for peer in peers:
        print(f"preparing {peer.name}", file=sys.stderr, flush=True)
        result = results.peers[peer.name] = PeerResult()
        try:
            command = tuple(command_of(peer))
            result.about = run([*command, "about"], ABOUT_SECONDS)
        except Failed as failure:
            result.failures["environment"] = str(failure)
        else:
            run_.peers[peer.name], run_.commands[peer.name] = peer, command
    return run_


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="comma-separated; all by default")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks, to see that everything runs")
    parser.add_argument("--json", type=Path, help="where to write all values")
    parser.add_argument("--redis-server", help="the program of another server")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops servers and workers as well
    rounds = 1 if given.quick else given.rounds
    try:
        peers, server = chosen(given.peers), version_of(given.redis_server)
    except (ValueError, Failed) as error:
        parser.error(str(error))
    results = Results(machine(server), {"rounds": rounds, "quick": given.quick})
    run_ = prepare(peers, results, given.quick, given.redis_server)
    for number in range(rounds):
        for section in SECTIONS:
            section.measure(run_, number)
        if given.json:
            results.save(given.json)
    for section in SECTIONS:
        section.show(results, Console(width=WIDTH))


if __name__ == "__main__":
    main()
