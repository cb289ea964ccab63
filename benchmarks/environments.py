"""Environments of the peers: ``.bench/<name>``, made when they are needed, with the newest versions there are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import HERE, Peer
from benchmarks.processes import Failed, last_line

ADAPTERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parent.parent / ".bench"
READY = ".ready"
MAKE_SECONDS = 600


def command_of(peer: Peer) -> list[str]:
    """What runs a peer's adapter, up to the adapter's own arguments. Raises Failed where it can't be installed."""
    if peer.name in HERE:
        return [sys.executable, str(_adapter(ADAPTERS, peer, "py"))]
    place = ROOT / peer.place
    if not _is_ready(place, peer):
        ROOT.mkdir(exist_ok=True)
        (ROOT / ".gitignore").write_text("*\n")
        (_make_node if peer.node else _make_python)(place, peer.requirements)
        (place / READY).write_text(_wanted(peer))
    if not peer.node:
        return [str(place / "bin" / "python"), str(_adapter(ADAPTERS, peer, "py"))]
    for source in ADAPTERS.glob("*.mjs"):  # a module's imports are looked for from where the module is
        shutil.copy(source, place)
    return [_program("node"), str(_adapter(place, peer, "mjs"))]


def _adapter(folder: Path, peer: Peer, ending: str) -> Path:
    path = folder / f"{peer.name}_peer.{ending}"
    if not path.exists():
        raise Failed(f"there is no adapter {path.name}")
    return path


def _wanted(peer: Peer) -> str:
    return "\n".join(peer.requirements)


def _is_ready(place: Path, peer: Peer) -> bool:
    mark = place / READY
    return mark.exists() and mark.read_text() == _wanted(peer)


def _make_python(place: Path, requirements: Sequence[str]) -> None:
    python = str(place / "bin" / "python")
    if not Path(python).exists():
        _run([sys.executable, "-m", "venv", str(place)])
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--upgrade", *requirements])


def _make_node(place: Path, packages: Sequence[str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    latest = [f"{package}@latest" for package in packages]
    _run([_program("npm"), "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(place), *latest])


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Failed(f"there is no {name} on this machine")
    return found


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"not installed within {MAKE_SECONDS} s") from None
    if done.returncode:
        raise Failed(f"can't be installed: {last_line(done.stderr)}")
