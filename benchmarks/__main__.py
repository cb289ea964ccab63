"""taskproc beside other task queues and beside what is possible; how its cost grows; what it must reach.

usage: python -m benchmarks [--rounds 3] [--only contest,growth] [--peers a,b] [--quick] [--json FILE] [--redis-server PATH]
Rounds are interleaved, so that a noisy machine hurts all alike. Makes the environments of the peers in .bench when they are
needed, and starts its own servers on loopback. Ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import bars, contest, fairness, first, growth, schedules, stalls, workers
from benchmarks.catalogue import Peer, chosen
from benchmarks.environments import command_of
from benchmarks.processes import Failed, run
from benchmarks.results import PeerResult, Results, machine
from benchmarks.sections import Run, Section
from benchmarks.servers import version_of

ABOUT_SECONDS = 30
WIDTH = 125
SECTIONS: dict[str, Section] = {
    module.NAME: module for module in (contest, first, workers, growth, stalls, schedules, fairness)
}


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


def asked() -> Any:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"comma-separated, of {', '.join(SECTIONS)}")
    parser.add_argument("--peers", help="comma-separated; all by default")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks, to see that everything runs")
    parser.add_argument("--json", type=Path, help="where to write all values")
    parser.add_argument("--redis-server", help="the program of another server")
    given = parser.parse_args()
    try:
        given.peers, given.server = chosen(given.peers), version_of(given.redis_server)
        given.sections = [SECTIONS[name.strip()] for name in given.only.split(",")]
    except KeyError as error:
        parser.error(f"there is no section {error}: choose from {', '.join(SECTIONS)}")
    except (ValueError, Failed) as error:
        parser.error(str(error))
    return given


def main() -> None:
    """Run and print."""
    given = asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops servers and workers as well
    logging.getLogger("taskproc").setLevel(logging.ERROR)  # each task that dies is told
    rounds = 1 if given.quick else given.rounds
    results = Results(machine(given.server), {"rounds": rounds, "quick": given.quick})
    peers = given.peers if contest in given.sections else ()
    run_ = prepare(peers, results, given.quick, given.redis_server)
    for number in range(rounds):
        for section in given.sections:
            print(f"round {number + 1}: {section.NAME}", file=sys.stderr, flush=True)
            section.measure(run_, number)
            if given.json:
                results.save(given.json)
    console = Console(width=WIDTH)
    for section in given.sections:
        section.show(results, console)
        console.print()
    sys.exit(0 if bars.show(results, console) or given.quick else 1)


if __name__ == "__main__":
    main()
