"""What the demo's tasks do. A task may run twice, so each writes a file of its own that a second run replaces."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from pathlib import Path

from taskproc.context import current_task
from taskproc.handlers import task


class Unreachable(Exception):
    """A service that answers only the second time."""


def _write(path: Path, found: dict[str, object]) -> None:
    """Write a file as a whole: a worker that is killed leaves no half of one."""
    draft = path.with_suffix(f".{os.getpid()}.{current_task().delivery}.draft")
    draft.write_text(json.dumps(found))
    draft.replace(path)


@task
def analyse(source: str, folder: str) -> None:
    """Parse one source file, count what is in it, and hash it."""
    code = Path(source).read_bytes()
    tree = ast.parse(code)
    kinds = [type(node) for node in ast.walk(tree)]
    found: dict[str, object] = {
        "source": source,
        "lines": code.count(b"\n"),
        "functions": kinds.count(ast.FunctionDef) + kinds.count(ast.AsyncFunctionDef),
        "classes": kinds.count(ast.ClassDef),
        "sha256": hashlib.sha256(code).hexdigest(),
        "delivery": current_task().delivery,
    }
    _write(Path(folder, hashlib.sha256(source.encode()).hexdigest()[:20] + ".json"), found)


@task(max_attempts=3, backoff=0.5)
def look_up_licence(folder: str) -> None:
    """Ask a service that is not there the first time: the task is retried."""
    if current_task().attempt == 1:
        raise Unreachable("the licence service did not answer")
    _write(Path(folder, "licence.json"), {"licence": "PSF-2.0", "attempt": current_task().attempt})


@task
def report(folder: str) -> None:
    """Write the tenant's report from the files of its tasks; fires when all of them are done."""
    info = current_task().sync.batch()
    assert info is not None
    parts = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    files = [part for part in parts if "source" in part]
    totals = {name: sum(part[name] for part in files) for name in ("lines", "functions", "classes")}
    digest = hashlib.sha256("".join(sorted(part["sha256"] for part in files)).encode()).hexdigest()
    written = {"tenant": info.tenant, "batch": info.id, "tasks": info.total, "done": info.done, "files": len(files)}
    written["taken over"] = sum(part["delivery"] > 1 for part in files)
    written["attempts"] = max(part.get("attempt", 1) for part in parts)
    Path(folder, "report.txt").write_text(json.dumps({**written, **totals, "sha256": digest}, indent=2))
