"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def copy_of(name: str, folder: Path) -> Path:
    """An example with its server in a folder of the test's own."""
    text = (ROOT / "examples" / name).read_text()
    made = folder / name
    made.write_text(text.replace("embedded:///tmp/", f"embedded://{folder}/"))
    return made


def test_newsletter(tmp_path: Path) -> None:
    program = copy_of("newsletter.py", tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "taskproc", "worker", "newsletter:proc"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, env=env, timeout=50, check=True
        )
    finally:
        worker.terminate()
        told, _ = worker.communicate(timeout=20)
    assert "done: 1000 done, 0 failed" in done.stdout
    assert "newsletter: 1000 of 1000 sent" in told
    assert worker.returncode == 0


def test_csv_import(tmp_path: Path) -> None:
    program = copy_of("csv_import.py", tmp_path)
    lines = ["name,amount", *(f"n{n},{n}.10" for n in range(50)), "odd,-1"]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "rows.csv")], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout.splitlines() == ["failed: 50 stored, 1 refused", "  odd: a negative amount"], done.stderr
