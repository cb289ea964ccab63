"""Lua scripts as files: their headers, their includes, their text as Redis gets it.

A script is ``lua/<noun>_<verb>.lua``; an include is ``lua/include/<function>.lua`` with one local
function of that name. A script's text is its includes in the order in which they need each other,
then its own. What only an include that is marked as seldom called needs is made when that is called
first, since Redis makes all functions of a script anew each time that it runs. The header is the contract:
``taskproc.store.scripts`` checks its typed methods against it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEADER = re.compile(r"^-- ?(.*)$")
ARGUMENT = re.compile(r"^ {2}(\d+) (\w+) (\w+)(\.\.\.)?")
CALL = re.compile(r"\b(\w+)(?:\(|, P, )")
"""A call, or the function that ``apart`` calls with what follows it."""

SELDOM = "-- Seldom called."
"""A line before an include's function."""

COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True)
class Argument:
    """One line of a header's KEYS or ARGV."""

    name: str
    type: str
    variadic: bool = False


@dataclass(frozen=True)
class Header:
    """What a script says of itself, before its first line of code."""

    summary: str
    moves: str
    keys: tuple[Argument, ...]
    argv: tuple[Argument, ...]
    returns: str
    includes: tuple[str, ...]
    cost: str


@dataclass(frozen=True)
class Script:
    """A script as Redis gets it."""

    name: str
    header: Header
    text: bytes
    sha: bytes


def folder() -> Path:
    """Where the Lua files are: inside the package in a wheel, beside it in a checkout."""
    here = Path(__file__).resolve().parent.parent
    packaged = here / "_lua"
    return packaged if packaged.is_dir() else here.parent / "lua"


def parse_header(name: str, source: str) -> Header:
    """The header of a script.

    Raises ValueError naming the script and what is missing or out of order.
    """
    sections: dict[str, list[str]] = {"Summary": []}
    current = "Summary"
    for line in source.splitlines():
        match = HEADER.match(line)
        if match is None:
            break
        text = match[1]
        title = re.match(r"^(Moves|KEYS|ARGV|Returns|Includes|Cost):\s*(.*)$", text)
        if title:
            current = title[1]
            sections[current] = [title[2]] if title[2] else []
        else:
            sections[current].append(text)
    order = ["Summary", "Moves", "KEYS", "ARGV", "Returns", "Includes", "Cost"]
    if list(sections) != order or not all(sections.values()):
        raise ValueError(
            f"lua/{name}.lua: the header must have {', '.join(order)} in this order, it has {', '.join(sections)}"
        )
    return Header(
        summary=" ".join(sections["Summary"]),
        moves=" ".join(sections["Moves"]),
        keys=_arguments(name, "KEYS", sections["KEYS"]),
        argv=_arguments(name, "ARGV", sections["ARGV"]),
        returns=" ".join(part.strip() for part in sections["Returns"]),
        includes=tuple(part.strip() for part in " ".join(sections["Includes"]).split(",")),
        cost=" ".join(sections["Cost"]),
    )


def _arguments(name: str, section: str, lines: list[str]) -> tuple[Argument, ...]:
    found = [match for line in lines if (match := ARGUMENT.match(line))]
    if [int(match[1]) for match in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"lua/{name}.lua: {section} must be numbered from 1")
    return tuple(Argument(match[2], match[3], bool(match[4])) for match in found)


@cache
def includes() -> Mapping[str, str]:
    """The source of each include by its name."""
    return {path.stem: path.read_text("utf-8") for path in sorted((folder() / "include").glob("*.lua"))}


@cache
def _called(source: str) -> tuple[str, ...]:
    """What a source calls itself, in order of the first call of each; most are asked for many times at an import."""
    return tuple(dict.fromkeys(match[1] for match in CALL.finditer(COMMENT.sub("", source))))


def uses(source: str, known: Mapping[str, str]) -> list[str]:
    """The includes that a source calls itself, in order of their first call."""
    return [name for name in _called(source) if name in known]


@cache
def names() -> tuple[str, ...]:
    """The names of all scripts."""
    return tuple(path.stem for path in sorted(folder().glob("*.lua")))


def load(name: str, replaced: Mapping[str, str] | None = None) -> Script:
    """A script with its includes. ``replaced`` puts other sources in place of includes, as tests do with the clock."""
    known = {**includes(), **(replaced or {})}
    source = (folder() / f"{name}.lua").read_text("utf-8")
    header = parse_header(name, source)
    ordered: list[str] = []

    def add(include: str) -> None:
        if include in ordered:
            return
        for needed in uses(known[include], known):
            if needed != include:
                add(needed)
        ordered.append(include)

    for include in uses(source, known):
        add(include)
    text = "\n".join([*_rendered(ordered, source, known), source]).encode()
    return Script(name, header, text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _rendered(ordered: list[str], source: str, known: Mapping[str, str]) -> list[str]:
    """The includes as text, in order; what only seldom called ones need stands within each of them."""
    seldom = {name for name in ordered if SELDOM in known[name]}
    always = _reached(uses(source, known), known, seldom)
    found = []
    for name in ordered:
        text = known[name].rstrip()
        if name in always and name in seldom:
            own = _reached(uses(known[name], known), known, always) - always
            inner = "\n".join([*(known[part].rstrip() for part in ordered if part in own), text])
            text = (
                f"local {name}_\nlocal function {name}(...)\nif not {name}_ then\n{inner}\n"
                f"{name}_ = {name}\nend\nreturn {name}_(...)\nend"
            )
        if name in always:
            found.append(text)
    return found


def _reached(start: Iterable[str], known: Mapping[str, str], closed: Iterable[str]) -> set[str]:
    """The includes that some need, themselves among them; what closed ones need isn't looked at."""
    found: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += uses(known[name], known) if name not in closed else ()
    return found
