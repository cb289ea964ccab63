"""Makes docs/keys.md and docs/states.md from the code, or checks that they are up to date.

usage: python tools/make_docs.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from taskproc.keys import CHANNELS, KEYS, SCHEMA
from taskproc.model import BatchState, TaskState
from taskproc.store import lua

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "<!-- Made by tools/make_docs.py from the code; `make docs` makes it again. -->"


def keys_page() -> str:
    """Every key and channel."""
    lines = [MADE, "# Keys in Redis", ""]
    lines += [
        f"Schema {SCHEMA}. Every key begins with the instance's prefix as a hash tag, `{{taskproc}}:`, so that all of",
        "them lie in one slot of a cluster. `<seg>` is a batch's id (22 characters), or for a large append that id, `+`",
        "and a nonce. Times are the server's.",
        "",
        "| key | type | content | ends |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{key.parts}` | {key.type} | {key.content} | {key.ends} |" for key in KEYS]
    lines += [
        "",
        "## Channels",
        "",
        "A message is a hint: what it tells is stored as well.",
        "",
        "| channel | messages |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {content} |" for name, content in CHANNELS.items()]
    return "\n".join([*lines, ""])


def states_page() -> str:
    """Every state, and the script that makes each move."""
    task_moves, batch_moves = moves()
    lines = [MADE, "# States", "", "## Tasks", ""]
    lines += ["```", TASK_PICTURE, "```", "", "| from | to | by |", "|---|---|---|"]
    lines += [f"| {a} | {b} | {', '.join(f'`{name}`' for name in by)} |" for (a, b), by in sorted(task_moves.items())]
    lines += ["", "States that callers see: " + ", ".join(f"`{state.value}`" for state in TaskState) + ".", ""]
    lines += [*TASK_RULES, "", "## Batches", "", "```", BATCH_PICTURE, "```", "", "| from | to | by |", "|---|---|---|"]
    lines += [f"| {a} | {b} | {', '.join(f'`{name}`' for name in by)} |" for (a, b), by in sorted(batch_moves.items())]
    lines += [
        "",
        "States that callers see: " + ", ".join(f"`{state.value}`" for state in BatchState) + ".",
        "",
        *BATCH_RULES,
    ]
    return "\n".join([*lines, ""])


TASK_PICTURE = """\
delayed ──► ready ──► running ──► done
   ▲         ▲  ▲        │  ├───► failed (dead letter; a person can retry it)
   └─ retry ─┘  └────────┘  └───► cancelled
              lease expired"""

BATCH_PICTURE = """\
running ──► done        every task done
   ▲  ├───► failed      settled, at least one task failed; runs again when dead letters are retried
   │  └───► cancelled   at once, by cancel_batch
   └─ retried, appended"""

TASK_RULES = [
    "* An attempt is counted when the task is claimed. A worker that stops hands its tasks back uncounted; one that",
    "  crashes has spent the attempt. A task that is claimed with no attempt left is buried without running.",
    "* A delayed task that falls due joins the end of its list, as a retry does. What was enqueued with a time that had",
    "  already passed goes to the head, and so do the tasks of a worker that is gone.",
    "* A task that was cancelled by itself, or that raised `Cancel`, is out of its batch's way: it counts as cancelled, and",
    "  the batch is done when no task failed.",
]

BATCH_RULES = [
    "* `total == done + failed + cancelled + remaining`, whenever it is read.",
    "* `cancel_batch` counts what runs as cancelled at once; what such a task still reports changes nothing.",
    "* A batch with `fail_after` is cancelled in the step that settles so many failures, whatever is left of it.",
    "* A failed batch with dead letters can be cancelled too: they are dropped and stay counted as failed.",
    "* Discarding dead letters leaves a batch `failed`; retrying or appending makes it run again.",
    '* A continuation fires once in a batch\'s life: `on="done"` when all tasks are done, `"failed"` when it settles with',
    '  failures, `"cancelled"` when it is cancelled, `"settled"` at the first of these.',
    "* A settled batch is kept for the retention. A tenant keeps 100,000 settled batches at most, the oldest go first.",
]


def moves() -> tuple[dict[tuple[str, str], list[str]], dict[tuple[str, str], list[str]]]:
    """The moves that the scripts' headers name, of tasks and of batches."""
    tasks: dict[tuple[str, str], list[str]] = {}
    batches: dict[tuple[str, str], list[str]] = {}
    for name in lua.names():
        for clause in re.sub(r"\([^)]*\)", "", lua.load(name).header.moves).split(";"):
            found = batches if clause.strip().startswith("batch ") else tasks
            before, arrow, after = clause.strip().removeprefix("batch ").partition("→")
            if not arrow:
                continue
            for a in before.split("|"):
                for b in after.split("|"):
                    found.setdefault((a.strip(), b.strip()), []).append(name)
    return tasks, batches


def main() -> int:
    """Write the pages, or with --check tell which are out of date."""
    DOCS.mkdir(exist_ok=True)
    stale = []
    for name, text in (("keys.md", keys_page()), ("states.md", states_page())):
        path = DOCS / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        print(f"out of date: {', '.join(stale)}; run make docs")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
