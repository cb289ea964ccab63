"""The examples do what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

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


def test_live_page(tmp_path: Path) -> None:
    program = copy_of("live_page.py", tmp_path)
    served = subprocess.Popen([sys.executable, str(program), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        with urlopen(url, timeout=20) as page:
            assert "EventSource" in page.read().decode()
        with urlopen(Request(f"{url}/start", method="POST"), timeout=20) as started:
            batch_id = started.read().decode()
        with urlopen(f"{url}/events/{batch_id}", timeout=20) as stream:
            told = [json.loads(line[6:]) for line in stream if line.startswith(b"data: ")]
        with urlopen(f"{url}/events/{'0' * 22}", timeout=20) as stream:
            assert stream.read() == b""
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(timeout=20)
    assert len(told) >= 3
    assert [told[0]["state"], told[-1]["state"], told[-1]["done"]] == ["running", "done", 500]
    assert served.returncode == 0
