"""Checks the Lua scripts: syntax, headers, includes, names, unused locals, sizes, keys.

usage: python tools/lua_lint.py
Prints what is wrong, one finding a line, and exits with 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from luaparser import ast, astnodes

from taskproc.keys import CHANNELS, KEYS
from taskproc.store import lua

BUILT_IN = {"redis", "cjson", "string", "math", "table", "tonumber", "tostring", "ipairs", "pairs", "unpack", "pcall",
            "type", "error", "next", "KEYS", "ARGV"}  # fmt: skip
LONGEST_SCRIPT, LONGEST_INCLUDE = 80, 40
FIRST_LINE = "local slot = KEYS[1]"


MINUS = "a minus sign before a number that may be 0 gives -0, which Redis refuses (Valkey doesn't): subtract it from 0"


class Scope:
    """Names that are declared in a block, and which of them are used."""

    def __init__(self, outer: Scope | None, names: set[str] | None = None, top: bool = False) -> None:
        self.outer = outer
        self.top = top
        self.names = dict.fromkeys(names or (), True)

    def declare(self, name: str, used: bool = False) -> None:
        self.names[name] = used or name.startswith("_")

    def use(self, name: str) -> bool:
        if name in self.names:
            self.names[name] = True
            return True
        return self.outer is not None and self.outer.use(name)

    def unused(self) -> list[str]:
        return [name for name, used in self.names.items() if not used]


class Names:
    """Walks a tree and finds names that nobody declared, and locals that nobody uses."""

    def __init__(self, known: set[str]) -> None:
        self.scope = Scope(None, known)
        self.found: list[str] = []

    def block(self, statements: object, scope: Scope) -> None:
        outer, self.scope = self.scope, scope
        for statement in statements.body if isinstance(statements, astnodes.Block) else statements:
            self.visit(statement)
        self.found += [f"local {name} is never used" for name in scope.unused()]
        self.scope = outer

    def function(self, args: list[astnodes.Name | astnodes.Varargs], body: astnodes.Block) -> None:
        scope = Scope(self.scope)
        for arg in args:
            if isinstance(arg, astnodes.Name):  # not the dots
                scope.declare(arg.id)
        self.block(body, scope)

    def visit(self, node: object) -> None:
        match node:
            case astnodes.LocalAssign():
                for value in node.values:
                    self.visit(value)
                for target in node.targets:
                    self.scope.declare(target.id)
            case astnodes.LocalFunction():
                self.scope.declare(node.name.id, used=self.scope.top)
                self.function(node.args, node.body)
            case astnodes.AnonymousFunction():
                self.function(node.args, node.body)
            case astnodes.Assign():
                for part in [*node.values, *(t for t in node.targets if not isinstance(t, astnodes.Name))]:
                    self.visit(part)
                for target in node.targets:
                    if isinstance(target, astnodes.Name) and not self.scope.use(target.id):
                        self.found.append(f"global {target.id} is assigned")
            case astnodes.Fornum():
                for part in (node.start, node.stop, node.step):
                    self.visit(part)
                scope = Scope(self.scope)
                scope.declare(node.target.id)
                self.block(node.body, scope)
            case astnodes.Forin():
                for part in node.iter:
                    self.visit(part)
                scope = Scope(self.scope)
                for target in node.targets:
                    scope.declare(target.id)
                self.block(node.body, scope)
            case astnodes.Block():
                self.block(node, Scope(self.scope))
            case astnodes.Name():
                if not self.scope.use(node.id):
                    self.found.append(f"{node.id} is not declared")
            case astnodes.Index():
                self.visit(node.value)
                if node.notation is astnodes.IndexNotation.SQUARE:
                    self.visit(node.idx)
            case astnodes.Field():
                if node.between_brackets:
                    self.visit(node.key)
                self.visit(node.value)
            case astnodes.Call():
                if any(map(may_be_minus_zero, node.args)) and not is_of_string(node.func):
                    self.found.append(MINUS)
                self.visit([node.func, *node.args])
            case astnodes.Node():
                for child in vars(node).values():
                    self.visit(child)
            case list():
                for child in node:
                    self.visit(child)


def may_be_minus_zero(node: object) -> bool:
    """Whether it is a negated value that is not written out."""
    return isinstance(node, astnodes.UMinusOp) and not isinstance(node.operand, astnodes.Number)


def is_of_string(node: object) -> bool:
    """Whether it is a function of Lua's string library, which take -0 as 0."""
    return isinstance(node, astnodes.Index) and isinstance(node.value, astnodes.Name) and node.value.id == "string"


def code_lines(source: str) -> list[str]:
    """The lines that are not comments or blank."""
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("--")]


def fits(given: tuple[str, ...], shape: tuple[str, ...]) -> bool:
    """Whether the parts of a call can be those of a key; * stands for what varies."""
    return len(shape) == len(given) and all(g in (s, "*") for g, s in zip(given, shape, strict=True))


def check_keys(source: str) -> Iterator[str]:
    """Every key(P, …) names one that keys.py has; nothing else is built from the prefix but channels."""
    shapes = {tuple("*" if part.startswith("<") else part for part in key.parts.split(":")) for key in KEYS}
    for call in re.finditer(r"\bkey\(P((?:, (?:[^()]|\([^()]*\))*?)?)\)", source):
        parts = [part.strip() for part in re.split(r",(?![^(]*\))", call[1]) if part.strip()]
        given = tuple(part[1:-1] if part.startswith("'") else "*" for part in parts)
        if not any(fits(given, shape) for shape in shapes):
            yield f"key({', '.join(parts)}) is not in keys.py"
    for channel in re.findall(r"\bP \.\. '([^']*)'", source):
        if channel not in CHANNELS:
            yield f"P .. '{channel}' is neither built by key() nor a channel of keys.py"


def check_script(name: str, path: Path) -> Iterator[str]:
    """One script."""
    source = path.read_text()
    header = lua.parse_header(name, source)
    used = [include for include in lua.uses(source, lua.includes()) if include != "key"]
    if sorted(used) != sorted(header.includes):
        yield f"its header includes {', '.join(header.includes)}, it uses {', '.join(used)}"
    lines = code_lines(source)
    if lines[0] != FIRST_LINE:
        yield f"the first line must be {FIRST_LINE!r}"
    if len(lines) > LONGEST_SCRIPT:
        yield f"{len(lines)} lines of code; at most {LONGEST_SCRIPT}"
    if f"guard({FIRST_LINE.split()[1]})" not in source:
        yield "it must call guard(slot)"
    yield from check_names(source, set(lua.includes()))


def check_include(name: str, path: Path) -> Iterator[str]:
    """One include."""
    source = path.read_text()
    lines = code_lines(source)
    if not source.startswith("-- "):
        yield "it must begin with a comment that says what it does"
    if not lines[0].startswith(f"local function {name}(") or lines[-1] != "end" or sum(map(is_top_level, lines)) != 2:
        yield f"it must be one local function named {name}"
    if len(lines) > LONGEST_INCLUDE:
        yield f"{len(lines)} lines of code; at most {LONGEST_INCLUDE}"
    yield from check_names(source, set(lua.includes()) - {name})


def is_top_level(line: str) -> bool:
    """Whether a line is not indented."""
    return not line.startswith(" ")


def check_names(source: str, known: set[str]) -> Iterator[str]:
    """Syntax, names and keys of a source."""
    try:
        tree = ast.parse(source)
    except Exception as error:  # luaparser raises several kinds
        yield f"syntax: {error}"
        return
    names = Names(BUILT_IN | known)
    names.block(tree.body, Scope(names.scope, top=True))
    yield from names.found
    yield from check_keys(source)


def main() -> int:
    """Check all files; the number of findings as the exit code."""
    findings = []
    for name in lua.names():
        path = lua.folder() / f"{name}.lua"
        findings += [f"lua/{name}.lua: {finding}" for finding in check_script(name, path)]
    reached: set[str] = set()
    for name in lua.names():
        text = lua.load(name).text.decode()
        reached |= {include for include in lua.includes() if f"local function {include}(" in text}
    for name in lua.includes():
        path = lua.folder() / "include" / f"{name}.lua"
        if name != "key":
            findings += [f"lua/include/{name}.lua: {finding}" for finding in check_include(name, path)]
        if name not in reached:
            findings.append(f"lua/include/{name}.lua: no script uses it")
    print("\n".join(findings) or f"{len(lua.names())} scripts and {len(lua.includes())} includes are in order")
    return min(len(findings), 1)


if __name__ == "__main__":
    sys.exit(main())
